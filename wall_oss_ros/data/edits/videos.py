# SPDX-License-Identifier: Apache-2.0
"""Videos taken over without encoding them again: copied whole, or cut between keyframes, packet by packet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np

from wall_oss_ros.data.checks.videos import Probe, probe
from wall_oss_ros.data.edits.picks import Part
from wall_oss_ros.data.edits.rows import Taken
from wall_oss_ros.data.lerobot.tables import first_line
from wall_oss_ros.errors import WallOSSError, out_of_room


class Placed(NamedTuple):
    """Where an episode's view is in the new dataset: number of the file, and seconds in it."""

    file: int
    start: float
    end: float


class VideoCopies:
    """Takes the videos of one view over.

    Args:
        path: of a new video, by its number.
        link: hard links instead of copies of whole files.

    Attributes:
        copied, cut: files.
        unused: frames of episodes that were left out, in files that could only be taken whole.
    """

    def __init__(self, key: str, path: Callable[[int], Path], fps: float, link: bool) -> None:
        self.key, self._path, self._fps, self._link = key, path, fps, link
        self.copied = self.cut = self.unused = 0
        self._files = 0

    def add(self, part: Part, taken: Sequence[Taken]) -> list[Placed]:
        """The places of a part's episodes, in their order.

        Raises:
            WallOSSError: a video is missing or cannot be read.
        """
        survey = part.survey
        by_file: dict[Path, list[Taken]] = {}
        for one in taken:
            path = survey.video_path(one.source, self.key)
            if path is None or not path.is_file():
                raise WallOSSError(
                    f"{survey.folder}, episode {one.source}: the video of {self.key} is missing.",
                    "Leave the episode out, or restore the file.",
                )
            by_file.setdefault(path, []).append(one)
        places: dict[int, Placed] = {}
        for path, ones in by_file.items():
            others = [e for e in survey.table if survey.video_path(e, self.key) == path]
            starts = {one.source: survey.video_start(one.source, self.key) for one in ones}
            if len(others) == len(ones):
                self._copy(path)
                places.update(self._at(one, starts[one.source]) for one in ones)
            else:
                places.update(self._part(path, ones, starts))
            self._files += 1
        return [places[one.source] for one in taken]

    def _at(self, one: Taken, start: float) -> tuple[int, Placed]:
        return one.source, Placed(self._files, start, start + one.length / self._fps)

    def _copy(self, path: Path) -> None:
        target = self._path(self._files)
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._link:
            try:
                os.link(path.resolve(), target)
                self.copied += 1
                return
            except OSError:  # another file system, or one without links
                pass
        shutil.copyfile(path, target)
        self.copied += 1

    def _part(self, path: Path, ones: list[Taken], starts: dict[int, float]) -> list[tuple[int, Placed]]:
        """Some episodes of a file: cut out from the keyframe before each, or all of the file where that cannot be."""
        try:
            found = probe(path)
        except WallOSSError as error:
            raise WallOSSError(f"{path} cannot be read: {error.message}.", "Restore the file.") from None
        spans = [_frames(found, starts[one.source] + one.stamps) for one in ones]
        if any(span is None for span in spans) or not _can_be_cut(path, spans):
            self._copy(path)
            self.unused += len(found.times) - sum(one.length for one in ones)
            return [self._at(one, starts[one.source]) for one in ones]
        target = self._path(self._files)
        target.parent.mkdir(parents=True, exist_ok=True)
        taken, begins, end, written = [], [], 0, 0
        for start, stop in spans:
            # From the keyframe before, unless that is in what is taken already.
            lead = max(
                end, int(np.flatnonzero(found.keys[: start + 1])[-1]) if found.keys[: start + 1].any() else start
            )
            taken.append((lead, stop))
            begins.append((written + start - lead) / self._fps)
            written += stop - lead
            self.unused += start - lead
            end = stop
        _cut(path, target, taken, self._fps)
        self.cut += 1
        return [self._at(one, begin) for one, begin in zip(ones, begins)]


def _frames(found: Probe, times: np.ndarray) -> tuple[int, int] | None:
    """First frame and the one after the last of an episode; None where they are not one after another."""
    if not len(times):
        return None
    shift = found.times[0] if found.times[0] > 1e-6 and times[0] < 1e-6 else 0.0
    near = np.abs(found.times[None, :] - (times[[0, -1], None] + shift)).argmin(1)
    return (int(near[0]), int(near[1]) + 1) if near[1] - near[0] == len(times) - 1 else None


def _can_be_cut(path: Path, spans: Sequence[tuple[int, int]]) -> bool:
    if any(then[0] < one[1] for one, then in zip(spans, spans[1:])):
        return False
    with av.open(str(path)) as container:  # frames must lie in the order in which they are shown, and all be shown
        packets = [(packet.pts, packet.is_discard) for packet in container.demux(video=0) if packet.size]
    stamps = [pts for pts, _ in packets]
    return stamps == sorted(stamps) and not any(discarded for _, discarded in packets)


def _cut(path: Path, target: Path, spans: Sequence[tuple[int, int]], fps: float) -> None:
    """Copies packets start to stop of each span, at times that go on without a gap."""
    try:
        with av.open(str(path)) as source, av.open(str(target), "w") as out:
            stream = source.streams.video[0]
            copy = out.add_stream_from_template(stream, opaque=True)
            copy.time_base = stream.time_base
            written, at = 0, 0
            wanted = list(spans)
            for number, packet in enumerate(p for p in source.demux(stream) if p.size):
                while at < len(wanted) and number >= wanted[at][1]:
                    at += 1
                if at == len(wanted):
                    break
                if number < wanted[at][0]:
                    continue
                packet.pts = packet.dts = round(written / fps / stream.time_base)
                packet.duration = round(1 / fps / stream.time_base)
                packet.stream = copy
                out.mux(packet)
                written += 1
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if out_of_room(error):
            raise
        raise WallOSSError(f"{path} cannot be cut: {first_line(error)}.", "Restore the file.") from None
