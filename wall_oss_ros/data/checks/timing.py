# SPDX-License-Identifier: Apache-2.0
"""Timestamps against the rate that info.json promises."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey

JITTER = 0.1
"""Of a frame's time: what readers that look frames up by time still bear, with room to spare."""
GAP = 1.5
"""Frames' times between two rows from which one is missing."""
DRIFT = 0.1
"""Of a frame's time, by which a rate that is a little off has shifted the last frame."""


def of_episode(survey: Survey, rows: Rows) -> Iterator[Finding]:
    """Not increasing, gaps, another rate, jitter, another beginning; in that order, one named for what it is."""
    if "timestamp" not in rows.columns:
        return
    time = rows.columns["timestamp"][:, 0]
    episode, fps, where = rows.episode, survey.fps, "timestamp"
    bad = np.flatnonzero(~np.isfinite(time))
    if bad.size:
        yield Finding(
            "error",
            "timestamps",
            f"{len(bad)} timestamps are no numbers.",
            "Write frame_index / fps.",
            episode,
            int(bad[0]),
            where,
        )
        return
    # Timestamps are float32: their spacing grows with the time.
    fine = 2 * float(np.spacing(np.float32(np.abs(time).max(initial=1.0)))) * fps + 1e-4
    steps = np.diff(time) * fps
    if abs(time[0]) * fps > JITTER + fine:
        yield Finding(
            "warning",
            "timestamps",
            f"The first timestamp is {time[0]:.4g} s instead of 0.",
            "Count from each episode's beginning.",
            episode,
            0,
            where,
        )
    back = np.flatnonzero(steps <= 0)
    if back.size:
        at = int(back[0])
        yield Finding(
            "error",
            "timestamps",
            f"{len(back)} timestamps do not increase: {time[at]:.4f} s is followed by {time[at + 1]:.4f} s.",
            "Sort the rows, or write timestamps anew.",
            episode,
            at + 1,
            where,
        )
        return
    if len(steps) == 0:
        return
    usual = float(np.median(steps))
    gaps = np.flatnonzero(steps > GAP * max(usual, 1e-9))
    if gaps.size and np.mean(steps > GAP * usual) < 0.2:
        at, lost = int(gaps[0]), steps[gaps] - usual
        yield Finding(
            "error",
            "gaps",
            f"{len(gaps)} gaps in time, {lost.sum() / fps:.3g} s in all; the first from "
            f"{time[at]:.3f} s to {time[at + 1]:.3f} s.",
            "Frames were lost: split the episode there, or leave it out.",
            episode,
            at + 1,
            where,
        )
        steps = np.delete(steps, gaps)
    yield from _rate(steps, fine, fps, episode)


def _rate(steps: np.ndarray, fine: float, fps: float, episode: int) -> Iterator[Finding]:
    """Of the steps without gaps, in frames."""
    if not len(steps):
        return
    mean, count = float(steps.mean()), len(steps)
    frames = np.concatenate([[0.0], np.cumsum(steps)])
    apart = frames - np.arange(count + 1) * mean
    jitter = float(np.abs(steps - mean).max())
    drift = abs(mean - 1) * count
    if drift > DRIFT + fine and abs(mean - 1) > 5e-4 and drift > np.abs(apart).max() and count >= 2:
        yield Finding(
            "error" if abs(mean - 1) > 0.01 else "warning",
            "rate",
            f"Frames are {mean / fps * 1000:.4g} ms apart, {fps / mean:.5g} Hz; info.json says {fps:g}.",
            f"Set fps to the true rate ({fps / mean:.5g}), or resample; after {count} frames it is off by "
            f"{drift:.2g} frames.",
            episode,
            None,
            "timestamp",
        )
    if jitter > JITTER + fine:
        at = int(np.abs(steps - mean).argmax())
        yield Finding(
            "warning",
            "jitter",
            f"Frames are up to {jitter / fps * 1000:.3g} ms from their time ({jitter:.2g} of a frame).",
            "Resample to a steady rate, or write frame_index / fps if it was one.",
            episode,
            at + 1,
            "timestamp",
        )
