# SPDX-License-Identifier: Apache-2.0
"""Video files by their packets, nothing decoded: missing, broken, of another rate, size or length than told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.lerobot.tables import first_line
from wall_oss_ros.errors import WallOSSError

SLOW_SEEK = 5.0
"""Seconds between keyframes from which looking frames up at random is slow."""
_AGAIN = "Download or write the video again."
_STALE = "Stale offsets, or a rate that was rounded; write the set anew from its source."


class Probe(NamedTuple):
    """What packets tell of a video. F frames in the order in which they are shown; what edit lists leave out is none.

    Attributes:
        times: (F,) seconds.
        sizes: (F,) bytes.
        keys: (F,) bool, keyframes.
    """

    times: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray
    codec: str
    pixels: str
    width: int
    height: int

    @property
    def rate(self) -> float:
        """Frames a second, by the times."""
        return (len(self.times) - 1) / (self.times[-1] - self.times[0]) if len(self.times) > 1 else float("nan")


class Part(NamedTuple):
    """An episode's place in a video: what the tables say, and the times of its rows."""

    episode: int
    start: float
    end: float | None
    stamps: np.ndarray


def probe(path: Path) -> Probe:
    """Raises: WallOSSError: it is no video, or cut off."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise WallOSSError("it has no video in it")
            stream = container.streams.video[0]
            shown = (p for p in container.demux(stream) if p.size and p.pts is not None and not p.is_discard)
            found = [(p.pts, p.size, p.is_keyframe) for p in shown]
            context = stream.codec_context
            base = float(stream.time_base or 0)
            name, pixels = (context.name, context.pix_fmt or "") if context is not None else ("unknown", "")
            codec = {"libdav1d": "av1", "libaom-av1": "av1"}.get(name, name)
            width, height = (context.width, context.height) if context is not None else (0, 0)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise WallOSSError(first_line(error)) from None
    found.sort(key=lambda one: one[0])
    times, sizes, keys = (np.array([one[i] for one in found]) for i in range(3))
    return Probe(times * base if len(times) else np.empty(0), sizes, keys.astype(bool), codec, pixels, width, height)


def parts(survey: Survey, key: str, stamps: Mapping[int, np.ndarray]) -> dict[Path, list[Part]]:
    """By file, the episodes that are in it, in their order."""
    found: dict[Path, list[Part]] = {}
    for episode in sorted(survey.table):
        path = survey.video_path(episode, key)
        if path is None:
            continue
        start, end = survey.video_start(episode, key), survey.table[episode].get(f"videos/{key}/to_timestamp")
        end = float(end) if isinstance(end, (int, float)) and np.isfinite(end) else None
        found.setdefault(path, []).append(Part(episode, start, end, stamps.get(episode, np.empty(0))))
    return found


def of_dataset(survey: Survey, stamps: Mapping[int, np.ndarray], probes: dict[Path, Probe | None]) -> Iterator[Finding]:
    """All views that are videos. ``probes`` is filled, None for a file that cannot be read."""
    codecs: dict[str, dict[str, str]] = {}
    for key, feature in survey.views().items():
        if feature.dtype != "video":
            continue
        for episode in sorted(survey.table):
            if survey.video_path(episode, key) is None:
                yield Finding(
                    "error", "missing view", "The tables do not say in which video it is.", _AGAIN, episode, None, key
                )
        for path, ones in parts(survey, key, stamps).items():
            found, problem = _probe(path)
            probes[path] = found
            if found is None:
                for one in ones:
                    yield Finding(
                        "error", "missing view", f"{survey.of(path)} {problem}.", _AGAIN, one.episode, None, key
                    )
                continue
            codecs.setdefault(key, {}).setdefault(f"{found.codec}, {found.pixels}", survey.of(path))
            yield from _of_file(survey, key, path, ones, found)
        if len(codecs.get(key, {})) > 1:
            kinds = "; ".join(f"{kind} in {path}" for kind, path in codecs[key].items())
            yield Finding(
                "warning",
                "codec",
                f"The videos of one view differ: {kinds}.",
                "Most readers bear it, some merges and players do not: encode them alike.",
                None,
                None,
                key,
            )


def late_start(first: float, starts: Iterable[float], fps: float) -> float:
    """Seconds by which frames are shown later than tables say that count from 0 where the video begins at ``first``."""
    return first if first > 0.5 / fps and min(starts) < 0.5 / fps else 0.0


def _probe(path: Path) -> tuple[Probe | None, str]:
    if not path.is_file():
        return None, "is missing"
    try:
        found = probe(path)
    except WallOSSError as error:
        return None, f"cannot be read: {error.message}"
    return (found, "") if len(found.times) else (None, "has no frame in it")


def _of_file(survey: Survey, key: str, path: Path, ones: list[Part], found: Probe) -> Iterator[Finding]:
    where, fps, first = survey.of(path), survey.fps, ones[0].episode
    height, width, _ = survey.info.features[key].size
    if (found.height, found.width) != (height, width):
        yield Finding(
            "error",
            "picture size",
            f"{where} is {found.height} x {found.width}; info.json says {height} x {width}.",
            "Correct the shape in info.json, or encode the video anew.",
            first,
            None,
            key,
        )
    said = survey.info.values.get("features", {}).get(key, {})
    said = said.get("info") or said.get("video_info") or {}
    named = {"h265": "hevc", "libsvtav1": "av1", "libx264": "h264"}.get(
        str(said.get("video.codec")), said.get("video.codec")
    )
    if named and named != found.codec:
        yield Finding(
            "warning",
            "codec",
            f"{where} is {found.codec}; info.json says {named}.",
            "Correct info.json.",
            first,
            None,
            key,
        )
    if found.pixels and not found.pixels.startswith(("yuv420p", "yuvj420p", "nv12", "gray")):
        yield Finding(
            "note",
            "codec",
            f"{where} has the pixel format {found.pixels}, which hardware decoders and browsers often cannot show.",
            "",
            first,
            None,
            key,
        )
    spaced = np.diff(found.times[found.keys]) if found.keys.sum() > 1 else np.array([found.times[-1] - found.times[0]])
    if spaced.size and spaced.max() > SLOW_SEEK:
        yield Finding(
            "note",
            "codec",
            f"{where} has keyframes {spaced.max():.3g} s apart: frames at random are slow.",
            "",
            first,
            None,
            key,
        )
    rate = found.rate
    if np.isfinite(rate) and abs(rate / fps - 1) > 5e-4 and abs(rate / fps - 1) * len(found.times) > 0.1:
        steady = np.abs(np.diff(found.times) * rate - 1).max(initial=0) < 0.5
        apart = np.abs((found.times - found.times[0]) * rate - np.arange(len(found.times))).max()
        if steady and abs(rate / fps - 1) * len(found.times) > 2 * apart:  # else it is jitter
            yield Finding(
                "error",
                "rate",
                f"{where} has {rate:.5g} frames a second; info.json says {fps:g}.",
                f"Set fps to {rate:.5g}, or resample the video.",
                first,
                None,
                key,
            )
    yield from _frames(survey, key, where, ones, found)


def _frames(survey: Survey, key: str, where: str, ones: list[Part], found: Probe) -> Iterator[Finding]:
    """Whether each row has its own frame, and no frame two rows."""
    v3, fps = survey.info.generation == "v3", survey.fps
    rows = sum(len(one.stamps) for one in ones)
    frames = len(found.times)
    if not v3 and frames != rows:
        yield Finding(
            "error",
            "video length",
            f"{where} has {frames} frames; the episode has {rows} rows.",
            "Frames were lost while recording or encoding: leave the episode out.",
            ones[0].episode,
            min(frames, rows),
            key,
        )
        return
    shift = late_start(found.times[0], (one.start for one in ones), fps)
    starts = [one.start for one in ones]
    if starts != sorted(starts):
        at = next(i for i in range(1, len(starts)) if starts[i] < starts[i - 1])
        yield Finding(
            "error",
            "video offsets",
            f"from_timestamp {starts[at]:.3f} s of episode {ones[at].episode} is before "
            f"that of episode {ones[at - 1].episode}, {starts[at - 1]:.3f} s, in the same file: frames of other "
            "episodes are shown.",
            _STALE,
            ones[at].episode,
            0,
            key,
        )
    ordered = sorted(ones, key=lambda one: one.start)
    for one, then in zip(ordered, ordered[1:]):
        room = (then.start - one.start) * fps
        if room < len(one.stamps) - 0.5:
            yield Finding(
                "error",
                "video offsets",
                f"It has {len(one.stamps)} rows and room for {room:.4g} frames before "
                f"episode {then.episode}: frames of that one are shown.",
                _STALE,
                one.episode,
                max(0, round(room)),
                key,
            )
    for one in ones:
        if not len(one.stamps):
            continue
        wanted = one.start + shift + one.stamps
        after = np.clip(np.searchsorted(found.times, wanted), 1, max(frames - 1, 1))
        near = np.where(
            np.abs(found.times[np.minimum(after, frames - 1)] - wanted) < np.abs(found.times[after - 1] - wanted),
            np.minimum(after, frames - 1),
            after - 1,
        )
        off = np.abs(found.times[near] - wanted) * fps
        if (off > 0.5).any():
            at = int(np.flatnonzero(off > 0.5)[0])
            yield Finding(
                "error",
                "video length",
                f"{where} has no frame at {wanted[at]:.3f} s; the nearest is "
                f"{off[at]:.3g} frames off. {int((off > 0.5).sum())} of {len(off)} rows have none.",
                _STALE,
                one.episode,
                at,
                key,
            )
        elif (near[1:] == near[:-1]).any():
            at = int(np.flatnonzero(near[1:] == near[:-1])[0]) + 1
            yield Finding(
                "error",
                "video length",
                f"{int((near[1:] == near[:-1]).sum())} rows have the same frame of {where} "
                "as the row before: frames are missing.",
                _STALE,
                one.episode,
                at,
                key,
            )
        if v3 and one.end is not None and abs((one.end - one.start) * fps - len(one.stamps)) > 1.01:
            yield Finding(
                "warning",
                "video offsets",
                f"to_timestamp gives it {(one.end - one.start) * fps:.4g} frames; it has {len(one.stamps)} rows.",
                _STALE,
                one.episode,
                None,
                key,
            )
    if v3 and frames > rows + 1 + 0.001 * rows:
        yield Finding(
            "note",
            "video length",
            f"{where} has {frames} frames; its episodes have {rows} rows.",
            "Frames of episodes that were left out are still in it.",
            ones[0].episode,
            None,
            key,
        )
