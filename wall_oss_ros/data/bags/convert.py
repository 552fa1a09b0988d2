# SPDX-License-Identifier: Apache-2.0
"""Bags into a LeRobot dataset: each bag an episode, or several where it has gaps; and only what has changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.episodes import CORRECTED, Frames, Names, lay_out
from wall_oss_ros.data.bags.provenance import Entry, Record, digest_of, entry_of
from wall_oss_ros.data.bags.reading import Recording, read, span
from wall_oss_ros.data.bags.spec import BagMapping, Clock
from wall_oss_ros.data.bags.training_mapping import training_mapping
from wall_oss_ros.data.lerobot import Feature, open_dataset
from wall_oss_ros.data.lerobot.episode_data import EpisodeData
from wall_oss_ros.data.lerobot.language import Entry as Spoken
from wall_oss_ros.data.lerobot.writer import LeRobotWriter
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.pictures import Bridge
from wall_oss_ros.perception.robot_state import StateComposer
from wall_oss_ros.robots.profile import RobotProfile

_GENERATION = 3  # of this conversion: what another one wrote is made anew
MAPPING = "mapping.yaml"
_WORDS = ("subtask_index",)  # lerobot up to 0.5.1 does not open a dataset that has the columns of later ones
_LANGUAGE = (*_WORDS, "language_persistent")
_SHOWN = 3  # gaps that a refusal names


@dataclass(frozen=True)
class Options:
    """How bags are converted.

    Attributes:
        fps: frames a second.
        time: what messages count for, where the mapping does not say.
        gaps: what becomes of a bag with gaps: it is cut at them, or refused.
        task: the instruction, whatever was said; None: what was said.
        version: of LeRobot's format.
        language: subtasks and plans stand in lerobot 0.6's column as well.
    """

    fps: float
    time: Clock = "header"
    gaps: Literal["cut", "refuse"] = "refuse"
    task: str | None = None
    version: Literal["v2.1", "v3.0"] = "v3.0"
    language: bool = False


@dataclass
class Outcome:
    """What became of the bags: how many were converted now, were there already, and were refused; and the episodes."""

    converted: int = 0
    unchanged: int = 0
    refused: int = 0
    episodes: int = 0


class Converter:
    """Converts bags of one robot.

    Args:
        profile: the robot.
        mapping: what the profile does not say of bags.
        options: how.
        bridge: converts raw pictures.
        definitions: of message types that bags may lack.
        say: is given each line for the user.
    """

    def __init__(
        self,
        profile: RobotProfile,
        mapping: BagMapping,
        options: Options,
        bridge: Bridge,
        definitions: Mapping[str, str],
        say: Callable[[str], None],
    ):
        self._profile, self._mapping, self._options = profile, mapping, options
        self._bridge, self._definitions, self._say = bridge, definitions, say
        self._composer = StateComposer(profile)
        self._settings = digest_of(
            [_GENERATION, profile.model_dump(exclude={"urdf"}), profile.urdf_path.read_text(errors="replace"),
             mapping.model_dump(), vars(options)]
        )  # fmt: skip
        self._features: dict[str, Feature] | None = None

    def convert(self, bags: Sequence[Path], output: Path) -> Outcome:
        """Makes the dataset of these bags in a folder, or brings it up to date.

        Raises:
            WallOSSError: the folder is something else, or no bag could be converted.
        """
        record = Record.load(output)
        if output.exists() and record is None and (not output.is_dir() or any(output.iterdir())):
            raise WallOSSError(
                f"{output} is there already, and no dataset that was made of bags.", "Name another folder."
            )
        known = [] if record is None else record.entries
        entries = [entry_of(bag, known) for bag in bags]
        wanted = {entry.content for entry in entries}
        if len(wanted) < len(entries):
            same = [one for one in entries if [other.content for other in entries].count(one.content) > 1]
            raise WallOSSError(f"{' and '.join(one.bag for one in same)} are the same bag.", "Name each once.")
        if record is not None and not record.busy and record.settings == self._settings:
            there = {entry.content: entry for entry in record.entries}
            if set(there) <= wanted:
                new = [entry for entry in entries if entry.content not in there]
                return self._extend(output, record, new)
            self._say("bags were changed or left out: all are converted again")
        elif record is not None:
            why = (
                "the last conversion was broken off" if record.busy else "the mapping, the profile or an option changed"
            )
            self._say(f"{why}: all bags are converted again")
        return self._make(output, entries)

    def _extend(self, output: Path, record: Record, new: list[Entry]) -> Outcome:
        outcome = Outcome(unchanged=sum(not entry.refused for entry in record.entries))
        for entry in record.entries:
            if entry.refused:
                outcome.refused += 1
                self._say(f"{entry.bag}: refused as before: {entry.refused}")
        if new:
            self._add(output, record, new, outcome)
        outcome.episodes = sum(len(entry.episodes) for entry in record.entries)
        return outcome

    def _make(self, output: Path, entries: list[Entry]) -> Outcome:
        folder, old = (output.with_name(f".{output.name}.{word}") for word in ("converting", "replaced"))
        for left in (folder, old):  # by a conversion that was killed
            if left.exists():
                shutil.rmtree(left)
        outcome, record = Outcome(), Record(self._settings)
        self._add(folder, record, entries, outcome)
        outcome.episodes = sum(len(entry.episodes) for entry in record.entries)
        if not outcome.episodes:
            raise WallOSSError("None of the bags could be converted.", "The lines above say why.")
        if output.exists():
            output.rename(old)
            folder.rename(output)
            shutil.rmtree(old)
        else:
            folder.rename(output)
        return outcome

    def _add(self, folder: Path, record: Record, entries: list[Entry], outcome: Outcome) -> None:
        writer: LeRobotWriter | None = None
        try:
            for entry in entries:
                try:
                    with Bag(entry.bag, self._definitions) as bag:
                        recording, pieces, names = self._read(bag)
                        features = self._check(bag, recording, pieces, names, folder, record)
                        if writer is None:
                            writer = self._writer(folder, features, record)
                        record.busy = True
                        record.save(folder)
                        entry.notes = recording.notes
                        self._write(writer, bag, recording, pieces, entry)
                except WallOSSError as error:
                    if entry.episodes:  # what is written of it cannot be taken back: all is made anew next time
                        raise
                    entry.refused = str(error)
                    outcome.refused += 1
                    self._say(f"refused: {error}")
                else:
                    outcome.converted += 1
                    self._report(entry, pieces)
                record.entries.append(entry)
                record.busy = False
                if writer is not None or folder.exists():
                    record.save(folder)
        finally:
            if writer is not None:
                writer.close()

    def _read(self, bag: Bag) -> tuple[Recording, list[Frames], Names]:
        recording = read(bag, self._profile, self._mapping, self._options.time, self._bridge)
        task = self._options.task or self._mapping.task
        pieces, names, gaps = lay_out(recording, self._profile, self._composer, self._options.fps, task)
        if gaps:
            shown = "; ".join(map(str, gaps[:_SHOWN])) + (f"; and {len(gaps) - _SHOWN} more" if gaps[_SHOWN:] else "")
            if self._options.gaps == "refuse":
                raise WallOSSError(f"{bag.path} has gaps: {shown}.", "Use --gaps cut, or a larger tolerance (streams).")
            recording.notes.append(f"cut at gaps: {shown}")
            if not pieces:
                raise WallOSSError(f"{bag.path}: between its gaps there is no whole second: {shown}.", "Leave it out.")
        return recording, pieces, names

    def _check(
        self, bag: Bag, recording: Recording, pieces: list[Frames], names: Names, folder: Path, record: Record
    ) -> dict[str, Feature]:
        """The dataset's features, which all bags must have alike."""
        features = {}
        for view, pictures in recording.sources.views.items():
            kind = "image" if any(side % 2 for side in pictures.size) else "video"  # videos have even sizes
            features[f"observation.images.{view}"] = Feature(kind, (*pictures.size, 3), ("height", "width", "channels"))
        for name, values in pieces[0].columns.items():
            features[name] = Feature("float32", (values.shape[1],), names.columns[name])
        known = self._features
        if known is None and any(entry.episodes for entry in record.entries):
            known = _features_of(folder)
        if known is not None:
            for name in {*known, *features}:
                if known.get(name) != features.get(name):
                    raise WallOSSError(
                        f"{bag.path} differs from the bags before it: {name} is {_brief(features.get(name))}, and was "
                        f"{_brief(known.get(name))}.",
                        "Convert it into a dataset of its own.",
                    )
        self._features = features
        return features

    def _writer(self, folder: Path, features: dict[str, Feature], record: Record) -> LeRobotWriter:
        append, options = any(entry.episodes for entry in record.entries), self._options
        writer = LeRobotWriter(
            folder, options.fps, features, self._profile.full_name, options.version, append=append,
            language=_LANGUAGE if options.language else _WORDS,
        )  # fmt: skip
        if not append:
            mapping = training_mapping(self._profile, features, options.language)
            (folder / MAPPING).write_text(mapping, encoding="utf-8")
        return writer

    def _write(self, writer, bag: Bag, recording: Recording, pieces: list[Frames], entry: Entry) -> None:
        for piece in pieces:
            pictures = {
                f"observation.images.{view}": source.read(bag, piece.numbers[view])
                for view, source in recording.sources.views.items()
            }
            began = span(recording.sources)[0] + piece.begin
            extra = {
                "success": piece.success,
                "recording": Path(entry.bag).name,
                "recording_begin": piece.begin,
                "corrections": sum(one.corrects for one in piece.events),
                "events": "\n".join(f"{one.time - began:.2f} s: {one.line}" for one in piece.events),
            }
            subtasks = None if piece.subtasks is None else [text or None for text in piece.subtasks]
            plans = _plans(piece, self._options.fps) if self._options.language else ()
            episode = EpisodeData(piece.columns, pictures, piece.tasks, subtasks, plans, extra=extra)
            entry.episodes.append(writer.add(episode))
        for source in recording.sources.views.values():
            if source.broken:
                entry.notes.append(f"{source.where}: {source.broken} broken pictures, the one before stands for each")

    def _report(self, entry: Entry, pieces: list[Frames]) -> None:
        frames = sum(map(len, pieces))
        words = {True: "success", False: "failure", None: "not said whether it succeeded"}[pieces[0].success]
        which = ", ".join(map(str, entry.episodes))
        self._say(
            f"{entry.bag}: episode{'s' if len(pieces) > 1 else ''} {which}, {frames} frames, "
            f"{frames / self._options.fps:.1f} s, {words}"
        )
        for note in entry.notes:
            self._say(f"  {note}")


def _plans(piece: Frames, fps: float) -> list[Spoken]:
    """The plans of a recording as lerobot keeps them: each from the frame on that is the first of it; where one is over
    and none follows, without words."""
    lines = piece.plans or []
    return [
        Spoken("assistant", text, "plan", row / fps)
        for row, (text, before) in enumerate(zip(lines, ["", *lines]))
        if text != before
    ]


def _brief(feature: Feature | None) -> str:
    if feature is None:
        return "not there"
    return f"{' x '.join(map(str, feature.shape))} of {feature.dtype}"


def _features_of(folder: Path) -> dict[str, Feature]:
    features = open_dataset(folder).features
    return {
        name: feature for name, feature in features.items() if name.startswith(("observation.", "action", CORRECTED))
    }
