# SPDX-License-Identifier: Apache-2.0
"""Videos as LeRobot datasets have them: encoded frame by frame, and put together without encoding anew."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np

from wall_oss_ros.data.lerobot.tables import first_line
from wall_oss_ros.errors import WallOSSError

os.environ.setdefault("SVT_LOG", "1")  # else the AV1 encoder tells everybody its settings, for each file

KEYFRAMES = 2
"""Every so many frames one stands alone, as lerobot has it: what is read at random has little to decode before it."""

CODECS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    # No B frames: frames are stored in the order they are shown in, and files can be put together by copying packets.
    "h264": (
        ("libx264", {"crf": "23", "preset": "veryfast", "bf": "0", "g": str(KEYFRAMES), "sc_threshold": "0"}),
        ("libopenh264", {"g": str(KEYFRAMES)}),
    ),
    "av1": (("libsvtav1", {"crf": "30", "preset": "12", "g": str(KEYFRAMES)}),),
}
"""What a codec is encoded with, the first that this build of FFmpeg has. H.264 opens everywhere, browsers included."""

FINE = Fraction(1, 90000)
"""Seconds of a tick, where frames do not come at a regular rate."""


class VideoEncoder:
    """Writes one video; a context manager.

    Args:
        size: height and width of the frames, even numbers.
        rate: frames a second.
        regular: whether frames come at that rate exactly, or each at a time of its own.
    """

    def __init__(self, path: Path, codec: str, size: tuple[int, int], rate: Fraction, regular: bool = True) -> None:
        name, options = encoder(codec)
        self._path = path
        self._base = 1 / rate if regular else FINE
        try:
            self._container = av.open(str(path), "w", format="mp4")
            stream = self._container.add_stream(name, rate=rate, options=options)
            self._stream = cast("av.VideoStream", stream)
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = self._base
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise WallOSSError(f"{path} cannot be written as {codec}: {first_line(error)}.") from None

    def __enter__(self) -> VideoEncoder:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            self._container.close()
            return
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise WallOSSError(f"{self._path} cannot be written: {first_line(error)}.") from None

    def add(self, pixels: np.ndarray, time: Fraction) -> None:
        """One frame, (height, width, 3) uint8 RGB, and the second at which it is shown."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts, frame.time_base = round(time / self._base), self._base
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise WallOSSError(f"{self._path} cannot be encoded: {first_line(error)}.") from None


def encoder(codec: str) -> tuple[str, dict[str, str]]:
    """The encoder for a codec, and its options.

    Raises:
        WallOSSError: the codec is unknown, or this build of FFmpeg has no encoder for it.
    """
    if codec not in CODECS:
        raise WallOSSError(f"There is no codec {codec!r}; videos are written as {' or '.join(CODECS)}.")
    for name, options in CODECS[codec]:
        if name in av.codecs_available:
            return name, options
    names = " or ".join(name for name, _ in CODECS[codec])
    raise WallOSSError(
        f"This build of PyAV has no encoder for {codec} ({names}).", "pip install av, or the other codec."
    )


def describe(path: Path, fps: float) -> dict[str, Any]:
    """What info.json says of a video's encoding, in lerobot's words."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": stream.codec_context.codec.canonical_name,
            "video.pix_fmt": stream.pix_fmt,
            "video.is_depth_map": False,
            "video.fps": int(fps) if fps == int(fps) else fps,
            "video.channels": 3,
            "has_audio": False,
        }


def alike(one: Path, other: Path) -> bool:
    """Whether packets of two videos can stand in one file: same codec, settings and clock."""
    with av.open(str(one)) as a, av.open(str(other)) as b:
        pair = [container.streams.video[0] for container in (a, b)]
        about = [(s.codec_context.name, s.codec_context.extradata, s.height, s.width, s.time_base) for s in pair]
        return about[0] == about[1]


def join(path: Path, parts: Iterable[tuple[Path, int, Fraction]]) -> None:
    """One video of several that are ``alike``, packet by packet.

    Args:
        parts: file, how many of its frames, and the second at which the first of them is shown in the new one.
    """
    with av.open(str(path), "w", format="mp4") as target:
        out: Any = None
        for part, count, start in parts:
            with av.open(str(part)) as source:
                stream = source.streams.video[0]
                if out is None:
                    out = target.add_stream_from_template(stream, opaque=True)
                    out.time_base = stream.time_base
                shift: int | None = None
                for number, packet in enumerate(source.demux(stream)):
                    if number >= count or packet.dts is None:
                        break
                    if shift is None:
                        shift = round(start / stream.time_base) - packet.pts
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = out
                    target.mux(packet)
