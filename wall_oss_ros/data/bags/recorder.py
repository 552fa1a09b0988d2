# SPDX-License-Identifier: Apache-2.0
"""Writes recordings, each a bag of its own (mcap): episode by episode, or one from start to end.

Every second what has come is closed and handed to the system, and survives the process. A bag's index is written when
it ends; a file without one, of a recorder that was killed, is read all the same (``files``).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal

from rosbags.interfaces import Qos
from rosbags.typesys import TypesysError
from rosbags.typesys.store import Typestore

from wall_oss_ros.data.bags.sources import RECORD
from wall_oss_ros.data.bags.writing import BagWriter, Limits
from wall_oss_ros.errors import WallOSSError

_STRING = "std_msgs/msg/String"
_NAME = re.compile(r"episode_(\d+)")
_HELD = 64  # different messages of a topic that are repeated
_EVERY = 1.0  # s, after which what has come is handed to the system
Mark = Literal["success", "failure"]


class EpisodeRecorder:
    """Writes what is handed to it, while an episode is being recorded.

    Args:
        folder: gets a folder for each episode, beside those that are there.
        types: of all messages.
        latched: topics whose last message each episode begins with, such as the plan; ``repeat`` names further ones.
        say: is given lines for the user.
        prefix: of the topic that marks are written on, a robot's namespace.
        limits: when a bag goes on in a further file, which again begins with what holds.

    Attributes:
        count: messages of the present episode.
        mark: whether the present episode succeeded, if that was said.

    Raises:
        WallOSSError: nothing can be written there.
    """

    def __init__(
        self,
        folder: Path,
        types: Typestore,
        latched: Collection[str],
        say: Callable[[str], None],
        prefix: str = "",
        limits: Limits = Limits(),
    ):
        self.folder, self._types, self._latched, self._say = folder, types, set(latched), say
        self._marks, self._limits = f"{prefix}{RECORD}", limits
        self._last: dict[str, tuple[str, bytes]] = {}
        self._held: dict[str, dict[bytes, str]] = {}
        self._offered: dict[str, Sequence[Qos]] = {}
        self._unknown: set[str] = set()
        self._writer: BagWriter | None = None
        self._path = folder
        self.count = 0
        self.mark: Mark | None = None
        self._begun = self._flushed = 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WallOSSError(
                f"Nothing can be recorded in {folder}: {error.strerror}.", "Name another folder."
            ) from error

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded."""
        return self._writer is not None

    def take(self, topic: str, kind: str, data: bytes, now: float) -> None:
        """A message has come, of a type such as std_msgs/msg/String, at ``now`` s of the system's clock."""
        if topic in self._latched:
            self._last[topic] = kind, data
        elif (held := self._held.get(topic)) is not None:
            held.pop(data, None)  # the same again is the newest now
            held[data] = kind
            if len(held) > _HELD:
                del held[next(iter(held))]
        if self._writer is not None:
            self._write(topic, kind, data, now)
            if now - self._flushed > _EVERY:
                self.flush(now)
                self._go_on(now)

    def repeat(self, topic: str) -> None:
        """From now on each episode begins with what this topic said before, such as /tf_static.

        Several may publish there, each once and something else, so that the last message alone would not do.
        """
        if topic not in self._latched:
            self._held.setdefault(topic, {})

    def offered(self, topic: str, profiles: Sequence[Qos]) -> None:
        """The quality of service of those who publish there, for who plays it back."""
        self._offered[topic] = profiles

    def begin(self, now: float, path: Path | None = None) -> None:
        """A recording begins; one that is being made ends first.

        Args:
            path: where it goes, a folder or NAME.mcap; the next episode where it is not given.

        Raises:
            WallOSSError: nothing can be written there.
        """
        if self.recording:
            self.end(now)
        self._path = path or self.folder / f"episode_{self._next():04d}"
        try:
            self._writer = BagWriter(self._path, self._types, self._limits)
        except FileExistsError:
            raise WallOSSError(f"There is a {self._path} already.", "Name another, or remove it.") from None
        except OSError as error:
            why = error.strerror or error
            raise WallOSSError(f"{self._path} cannot be written: {why}.", "Name another place.") from error
        self.count, self.mark = 0, None
        self._begun = now
        self._repeat(now)
        self._note("begin", now)
        self.flush(now)
        self._say(f"recording {self._path.name}")

    def note(self, word: str, now: float) -> None:
        """Writes into the bag that an attempt begins, or succeeds or fails; of these the last word counts."""
        if word in ("success", "failure"):
            self.mark = word  # type: ignore[assignment]
        self._note(word, now)
        self._say(f"{self._path.name}: {word}")

    def end(self, now: float, mark: Mark | None = None) -> None:
        """The episode is over."""
        if not self.recording:
            self._say("nothing is being recorded")
            return
        if mark is not None:
            self.mark = mark
            self._note(mark, now)
        writer, self._writer = self._writer, None
        try:
            writer.close()
        except OSError as error:
            raise WallOSSError(f"{self._path} could not be completed: {error}.", "Make room on the disk.") from error
        said = self.mark or "not said whether it succeeded"
        self._say(f"{self._path.name}: {now - self._begun:.1f} s, {self.count} messages, {said}")

    def discard(self) -> None:
        """The episode is thrown away."""
        if not self.recording:
            self._say("nothing is being recorded")
            return
        writer, self._writer = self._writer, None
        writer.abort()
        if self._path.is_dir():
            shutil.rmtree(self._path)
        else:
            self._path.unlink(missing_ok=True)
        self._say(f"{self._path.name}: discarded")

    def flush(self, now: float) -> None:
        """Hands what has come to the system, so that it outlasts this process."""
        self._flushed = now
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except OSError as error:
            raise self._full(error) from error

    def _go_on(self, now: float) -> None:
        """Goes on in a further file where the present one is full."""
        if not self._writer.full:
            return
        try:
            gone = self._writer.split()
        except OSError as error:
            raise self._full(error) from error
        for path in gone:
            self._say(f"{path.name} was removed")
        self._repeat(now)

    def _repeat(self, now: float) -> None:
        """Writes what holds, so that each file can be understood without those before it."""
        for topic, (kind, data) in self._last.items():
            self._write(topic, kind, data, now)
        for topic, held in self._held.items():
            for data, kind in held.items():
                self._write(topic, kind, data, now)

    def _write(self, topic: str, kind: str, data: bytes, now: float) -> None:
        if topic in self._unknown:
            return
        try:
            self._writer.write(topic, kind, round(now * 1e9), data, self._offered.get(topic, ()))
        except (TypesysError, KeyError):
            self._unknown.add(topic)
            self._say(f"{topic} is not recorded: nothing is known of its type {kind} (WALL_OSS_INTERFACES)")
            return
        except OSError as error:
            raise self._full(error) from error
        self.count += 1

    def _note(self, word: str, now: float) -> None:
        """Writes into the bag what becomes of the episode."""
        text = self._types.types[_STRING](data=word)
        self._write(self._marks, _STRING, bytes(self._types.serialize_cdr(text, _STRING)), now)

    def _full(self, error: OSError) -> WallOSSError:
        return WallOSSError(f"{self._path} cannot be written on: {error.strerror or error}.", "Make room on the disk.")

    def _next(self) -> int:
        there = [int(match[1]) for path in self.folder.iterdir() if (match := _NAME.fullmatch(path.name))]
        return max(there, default=-1) + 1


class PlannedEpisodes:
    """Begins an episode with each plan that is carried out, and ends it with the plan, marked as the planner judges."""

    _RUNNING, _SUCCEEDED = 1, 2

    def __init__(self, recorder: EpisodeRecorder):
        self._recorder = recorder
        self._plan: tuple[str, int] | None = None

    def hear(self, planner: str, number: int, status: int, now: float) -> None:
        """A plan as wall_oss_msgs/SubtaskPlan has it."""
        plan = planner, number
        if status == self._RUNNING and number and plan != self._plan:
            self._plan = plan
            self._recorder.begin(now)
        elif plan == self._plan and status > self._RUNNING and self._recorder.recording:
            self._recorder.end(now, "success" if status == self._SUCCEEDED else "failure")
