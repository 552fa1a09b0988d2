# SPDX-License-Identifier: Apache-2.0
"""Frames of a video by their time: exact, from the nearest keyframe before, with a bounded number of open decoders.

Presentation times count, so frames that were stored out of order (B frames), rates that vary, and videos that do not
begin at 0 are read rightly. Any codec that PyAV's FFmpeg has will do; H.264 and AV1 are what LeRobot datasets use.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import av
import av.error
import numpy as np

from wall_oss_ros.data.lerobot.cache import Pool
from wall_oss_ros.data.lerobot.tables import first_line
from wall_oss_ros.errors import WallOSSError

OPEN_DECODERS = 8
_NEAR = 6
"""Frames that are rather decoded than skipped by a seek, which throws away what the decoder has begun."""

_HINT = "The video is damaged or incomplete; download or write it again."


class Decoder:
    """One open video, its frames by time.

    Attributes:
        start: seconds at which the first frame is shown.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            gone = "a link to nothing" if path.is_symlink() else "missing"
            raise WallOSSError(f"{path} is {gone}.", "The dataset is incomplete; download or write it again.")
        try:
            self._container = av.open(str(path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise WallOSSError(f"{path} cannot be opened as a video: {first_line(error)}.", _HINT) from None
        if not self._container.streams.video:
            self.close()
            raise WallOSSError(f"{path} has no video in it.", _HINT)
        self._stream = self._container.streams.video[0]
        if self._stream.codec_context is None:
            self.close()
            raise WallOSSError(f"{path} is of a codec that this build of PyAV cannot decode.", "Encode it as H.264.")
        # One thread each: readers are many, and frames in flight on several threads are lost with each seek.
        self._stream.codec_context.thread_count = 1
        self._base = self._stream.time_base
        self._keys = sorted(
            entry.timestamp for entry in self._stream.index_entries if entry.is_keyframe and not entry.is_discard
        )
        self._frames = self._decoded()
        self._at: av.VideoFrame | None = None
        self.start = self._first()

    def close(self) -> None:
        self._container.close()

    def frames(self, times: Sequence[float], tolerance: float) -> list[np.ndarray]:
        """The frames shown at ``times``, each (height, width, 3) uint8 RGB.

        Args:
            times: seconds on the video's own clock, in any order.
            tolerance: how far a frame's time may be from the one asked for, in seconds.

        Raises:
            WallOSSError: there is no frame there, or the video is damaged.
        """
        pictures: dict[int, np.ndarray] = {}
        for at in sorted(range(len(times)), key=lambda at: times[at]):
            frame = self._nearest(times[at])
            if frame is None or abs(self._time(frame) - times[at]) > tolerance:
                near = "it has none near" if frame is None else f"the nearest is at {self._time(frame):.4f} s"
                raise WallOSSError(
                    f"{self.path} has no frame at {times[at]:.4f} s, within {tolerance:.4g} s: {near}.",
                    "Timestamps and video disagree, in rate or offset.",
                )
            pictures[at] = frame.to_ndarray(format="rgb24")
        return [pictures[at] for at in range(len(times))]

    def times(self) -> np.ndarray:
        """Seconds at which each frame of the video is shown; by its packets, nothing is decoded."""
        with av.open(str(self.path)) as container:
            shown = (packet for packet in container.demux(video=0) if packet.size and not packet.is_discard)
            stamps = [packet.pts for packet in shown if packet.pts is not None]
        return np.sort(stamps) * float(self._base)

    def _time(self, frame: av.VideoFrame) -> float:
        return float(frame.pts * self._base)

    def _first(self) -> float:
        """When the first frame is shown; containers are often wrong about it."""
        frame = next(self._frames, None)
        if frame is None:
            raise WallOSSError(f"{self.path} has no frame in it.", _HINT)
        self._at = frame
        return self._time(frame)

    def _decoded(self):
        """Frames in the order in which they are shown, from where the container stands."""
        try:
            for frame in self._container.decode(self._stream):
                if frame.pts is None:
                    raise WallOSSError(f"{self.path} has frames without a time.", _HINT)
                yield frame
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise WallOSSError(f"{self.path} cannot be decoded: {first_line(error)}.", _HINT) from None

    def _nearest(self, time: float) -> av.VideoFrame | None:
        """The frame whose time is nearest; None if the video ends before any."""
        wanted = time / float(self._base)
        if not self._ahead(wanted):
            self._seek(wanted)
        before, exact = self._at, max(0.5, 0.01 * self._step())
        while before is None or before.pts < wanted:
            if before is not None and wanted - before.pts < exact:
                return before
            frame = next(self._frames, None)
            if frame is None:
                break
            self._at = frame
            if before is not None and frame.pts >= wanted:
                return before if wanted - before.pts < frame.pts - wanted else frame
            before = frame
        return before

    def _ahead(self, wanted: float) -> bool:
        """Whether going on from where the decoder stands is the shortest way."""
        if self._at is None or self._at.pts > wanted + 0.5:
            return False
        if (wanted - self._at.pts) <= _NEAR * self._step():
            return True
        # Keyframes are listed by decoding time, which is never later than the time they are shown at.
        here, there = bisect_right(self._keys, self._at.pts), bisect_right(self._keys, wanted)
        return bool(self._keys) and there <= here

    def _step(self) -> float:
        rate = self._stream.average_rate or 30
        return 1.0 / float(rate) / float(self._base)

    def _seek(self, wanted: float) -> None:
        """To the last keyframe that is shown at or before ``wanted``."""
        target = math.floor(wanted + 0.5)
        while True:
            try:
                self._container.seek(max(target, -(2**40)), stream=self._stream, backward=True)
            except (av.error.FFmpegError, OSError) as error:
                if target <= 0:
                    raise WallOSSError(f"{self.path} cannot be sought in: {first_line(error)}.", _HINT) from None
                target = 0  # some containers cannot seek before their first keyframe
                continue
            self._frames = self._decoded()
            self._at = next(self._frames, None)
            if self._at is not None and self._at.pts <= wanted + 0.5:
                return
            # With B frames a keyframe may be decoded before and shown after what is wanted: go further back.
            first = self._keys[0] if self._keys else 0
            if target <= min(first, 0):
                return
            target = min(target - 1, self._keys[max(0, bisect_right(self._keys, target) - 2)] if self._keys else 0)
            if target <= first:
                target = min(first, 0)


def decoders(limit: int = OPEN_DECODERS) -> Pool[Decoder]:
    """Open videos by their path, at most ``limit`` that nobody uses."""
    return Pool(limit, Decoder, Decoder.close)
