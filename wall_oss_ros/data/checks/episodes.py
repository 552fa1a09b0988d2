# SPDX-License-Identifier: Apache-2.0
"""Episodes against one another: much shorter or longer, the same twice, failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Rows, Survey
from wall_oss_ros.data.checks.values import motion
from wall_oss_ros.data.outcome import marked_as_failed

SHORTEST = 3
"""Frames below which there is nothing to learn from."""


class Digest(NamedTuple):
    """What is kept of an episode: a fingerprint of all its motion, and whether it was marked as failed."""

    episode: int
    length: int
    fingerprint: bytes
    moves: bool
    failed: bool


def digest(survey: Survey, rows: Rows) -> Digest:
    hashed, moves = hashlib.blake2b(digest_size=16), False
    for name in motion(survey):
        if (values := rows.columns.get(name)) is not None:
            hashed.update(np.ascontiguousarray(values, np.float32).tobytes())
            moves |= bool(len(values) > 1 and (values[1:] != values[0]).any())
    marked = rows.columns.get("next.success", rows.columns.get("success"))
    failed = marked is not None and marked.dtype != object and len(marked) > 0 and not np.nan_to_num(marked).any()
    return Digest(rows.episode, len(rows), hashed.digest(), moves, bool(failed))


def of_dataset(survey: Survey, digests: list[Digest]) -> Iterator[Finding]:
    lengths = np.array([one.length for one in digests], float)
    for one in digests:
        if one.length < SHORTEST:
            yield Finding(
                "warning",
                "episode length",
                f"It has {one.length} frames.",
                f"Leave it out: wall-oss data filter --min-length {SHORTEST}",
                one.episode,
            )
    if len(digests) >= 5:
        middle = float(np.median(lengths))
        apart = np.abs(np.log(np.maximum(lengths, 1) / middle))
        limit = max(np.log(4.0), 6 * 1.4826 * float(np.median(apart)))
        for one, off in zip(digests, apart):
            if off > limit and one.length >= SHORTEST:
                yield Finding(
                    "warning",
                    "episode length",
                    f"It has {one.length} frames ({one.length / survey.fps:.3g} s), "
                    f"{'longer' if one.length > middle else 'shorter'} than the others by far: half of them have "
                    f"{middle:g} or fewer.",
                    "Look at it: wall-oss data view; leave it out: wall-oss data filter.",
                    one.episode,
                )
    seen: dict[bytes, int] = {}
    for one in digests:
        first = seen.setdefault(one.fingerprint, one.episode)
        if first != one.episode and one.moves:
            yield Finding(
                "warning",
                "duplicate episodes",
                f"State and action are those of episode {first}, frame by frame.",
                "Leave it out: wall-oss data filter.",
                one.episode,
            )
    yield from _failed(survey, digests)


def _failed(survey: Survey, digests: list[Digest]) -> Iterator[Finding]:
    bad = [(episode, why) for episode, row in sorted(survey.table.items()) if (why := marked_as_failed(row))]
    rows = [one for one in digests if one.failed]
    if rows and any(not one.failed for one in digests):  # a column that is never set says nothing
        bad += [(one.episode, "no frame is marked as a success") for one in rows]
    for episode, why in dict(bad).items():
        yield Finding(
            "warning",
            "failed",
            f"The episode is marked as failed: {why}.",
            "Leave it out (wall-oss data filter --success), or keep it knowingly.",
            episode,
        )
