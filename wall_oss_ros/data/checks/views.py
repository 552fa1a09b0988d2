# SPDX-License-Identifier: Apache-2.0
"""Pictures, a few of each episode and view: black, overexposed, empty, frozen, the same in two views, views swapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Survey

THUMB = (24, 32)
DARK, BRIGHT = 6.0, 249.0
"""Mean brightness, of 255, of a picture that shows nothing; with hardly a pixel that differs."""
FLAT = 1.5
"""Deviation of brightness within a picture that shows nothing, whatever its colour."""
STILL = 0.35
"""Mean difference of two pictures, of 255, that are the same but for the noise of an encoder."""
_LOOK = "Look at it: wall-oss data view; leave the episode out if it is so."


class Seen(NamedTuple):
    """Pictures of a view in an episode. S samples.

    Attributes:
        rows: (S,) frames of the episode.
        thumbs: (S, 24, 32, 3) float32, 0 to 255.
        moved: (S,) how far the robot has moved since the sample before, as a share of the episode's way.
        frozen: the longest stretch of frames that are one and the same, (first, last), where all were looked at.
    """

    episode: int
    view: str
    length: int
    rows: np.ndarray
    thumbs: np.ndarray
    moved: np.ndarray
    frozen: tuple[int, int] | None = None


def thumb(picture: np.ndarray) -> np.ndarray:
    """(24, 32, 3) float32: means over cells of (H, W, 3) uint8."""
    high, wide = picture.shape[:2]
    rows, cols = (np.linspace(0, size, n + 1).astype(int)[:-1] for size, n in ((high, THUMB[0]), (wide, THUMB[1])))
    rows, cols = np.minimum(rows, high - 1), np.minimum(cols, wide - 1)
    if high < THUMB[0] or wide < THUMB[1]:
        return picture[rows][:, cols].astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(picture.astype(np.float32), rows, 0), cols, 1)
    counts = np.outer(np.diff(np.append(rows, high)), np.diff(np.append(cols, wide)))
    return sums / counts[..., None].astype(np.float32)


def of_view(survey: Survey, seen: Seen) -> Iterator[Finding]:
    """One view of one episode."""
    if not len(seen.rows):
        return
    grey = seen.thumbs.mean(-1).reshape(len(seen.rows), -1)
    mean, spread = grey.mean(1), grey.std(1)
    for name, bad in (
        ("black", (mean < DARK) & (spread < 4 * FLAT)),
        ("overexposed", (mean > BRIGHT) & (spread < 4 * FLAT)),
    ):
        if bad.sum() >= max(2, 0.1 * len(bad)) or bad.all():
            at = np.flatnonzero(bad)
            yield Finding(
                "error" if bad.all() else "warning",
                f"{name} view",
                f"{len(at)} of {len(bad)} pictures looked at are {name} (mean {mean[at].mean():.3g} of 255).",
                _LOOK,
                seen.episode,
                int(seen.rows[at[0]]),
                seen.view,
                int(seen.rows[at[-1]]),
            )
    flat = (spread < FLAT) & (mean >= DARK) & (mean <= BRIGHT)
    steady = len(mean) < 2 or np.abs(np.diff(mean)).max(initial=0) < 1
    if flat.all() and steady:
        yield Finding(
            "warning",
            "empty view",
            "All pictures looked at are of one colour.",
            _LOOK,
            seen.episode,
            int(seen.rows[0]),
            seen.view,
        )
    elif not (mean < DARK).all() and not (mean > BRIGHT).all():
        yield from _frozen(survey, seen)


def _frozen(survey: Survey, seen: Seen) -> Iterator[Finding]:
    """The same picture over and over while the robot moves."""
    if seen.frozen is not None:
        first, last = seen.frozen
        count = last - first + 1
        if count >= max(5, 0.5 * survey.fps) and count >= 0.1 * seen.length and seen.moved.sum() > 0:
            within = (seen.rows > first) & (seen.rows <= last)
            if seen.moved[within].sum() > 0.1:
                yield _is_frozen(seen, first, last)
        return
    if len(seen.rows) < 3:
        return
    apart = np.abs(np.diff(seen.thumbs, axis=0)).mean((1, 2, 3))
    same = (apart < STILL) & (seen.moved[1:] > 0.02)
    usual = np.median(apart)
    best: tuple[int, int] = (0, 0)
    start: int | None = None
    for at in range(len(same) + 1):
        if at < len(same) and same[at] and (usual < STILL or apart[at] < 0.2 * usual):
            start = at if start is None else start
        elif start is not None:
            best = max(best, (at - start, start))
            start = None
    count, begin = best
    if seen.rows[begin + count] - seen.rows[begin] < max(5, 0.3 * survey.fps):
        return
    if count >= 1 and (count >= 2 or usual > 5 * STILL) and seen.moved[begin + 1 : begin + count + 1].sum() > 0.1:
        yield _is_frozen(seen, int(seen.rows[begin]), int(seen.rows[begin + count]))


def _is_frozen(seen: Seen, first: int, last: int) -> Finding:
    return Finding(
        "warning",
        "frozen view",
        f"The picture stands still from frame {first} to {last} of {seen.length}, and the robot moves.",
        _LOOK,
        seen.episode,
        first,
        seen.view,
        last,
    )


def of_dataset(seen: Mapping[tuple[int, str], Seen]) -> Iterator[Finding]:
    """Views against one another, and episodes against one another."""
    views = sorted({view for _, view in seen})
    episodes = sorted({episode for episode, _ in seen})
    for a, b in combinations(views, 2):
        same = [
            episode
            for episode in episodes
            if (episode, a) in seen and (episode, b) in seen and _same(seen[episode, a], seen[episode, b])
        ]
        for episode in same:
            yield Finding(
                "error",
                "same view",
                f"{a} and {b} show the same picture.",
                "One camera was recorded twice: look at the topics or device names.",
                episode,
                0,
                a,
            )
        if len(same) <= 0.5 * len(episodes):
            yield from _swapped(seen, episodes, a, b)


def _same(a: Seen, b: Seen) -> bool:
    if a.thumbs.shape != b.thumbs.shape or not len(a.thumbs):
        return False
    alive = a.thumbs.reshape(len(a.thumbs), -1).std(1) > 2 * FLAT
    return bool(alive.any() and np.abs(a.thumbs - b.thumbs)[alive].mean() < 1.0)


def _swapped(seen, episodes: list[int], a: str, b: str) -> Iterator[Finding]:
    """Episodes whose a looks like the b of the others, and the other way round."""
    both = [
        e for e in episodes if len(getattr(seen.get((e, a)), "rows", ())) and len(getattr(seen.get((e, b)), "rows", ()))
    ]
    if len(both) < 3:
        return
    means = {view: np.stack([seen[e, view].thumbs.mean(0) for e in both]) for view in (a, b)}
    middle = {view: np.median(values, axis=0) for view, values in means.items()}
    if np.abs(middle[a] - middle[b]).mean() < 6:
        return
    own = [_apart(means[a][i], middle[a]) + _apart(means[b][i], middle[b]) for i in range(len(both))]
    other = [_apart(means[a][i], middle[b]) + _apart(means[b][i], middle[a]) for i in range(len(both))]
    odd = [i for i in range(len(both)) if other[i] < 0.6 * own[i]]
    for i in odd if len(odd) < 0.5 * len(both) else []:
        yield Finding(
            "error",
            "swapped views",
            f"{a} looks like {b} of the other episodes, and {b} like {a}.",
            "Cameras changed places, by device number for instance: swap them back in this episode.",
            both[i],
            0,
            a,
        )


def _apart(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.abs(x - y).mean())
