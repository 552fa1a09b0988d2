# SPDX-License-Identifier: Apache-2.0
"""All checks over a dataset: one pass over its rows, one over the packets of its videos, one over a few pictures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wall_oss_ros.data.checks import (
    episodes,
    pictures,
    relations,
    stored,
    structure,
    texts,
    timing,
    units,
    values,
    videos,
    views,
)
from wall_oss_ros.data.checks.findings import Finding, in_order
from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.checks.survey_tables import open_survey
from wall_oss_ros.errors import WallOSSError

SAMPLES = 8
OF_ROWS = (structure.of_episode, timing.of_episode, values.of_episode, texts.of_episode, stored.of_episode)


class Result(NamedTuple):
    """What was found, in order, and how much was looked at. ``seen`` holds the thumbnails by episode and view."""

    survey: Survey
    findings: list[Finding]
    frames: int
    pictures: int
    seconds: float
    seen: dict[tuple[int, str], views.Seen]


def check(folder: Path, samples: int = SAMPLES, tell: Callable[[str], None] = lambda text: None) -> Result:
    """Looks the dataset in ``folder`` over.

    Args:
        samples: pictures that are looked at in each episode and view; 0 leaves pictures unseen.
        tell: is told what is being done.

    Raises:
        WallOSSError: there is no dataset, or none of it can be read.
    """
    began = time.monotonic()
    survey = open_survey(folder)
    found: list[Finding] = []
    runs, numbers, pairs, wholes = [], [], [], []
    stamps: dict[int, np.ndarray] = {}
    ways: dict[int, np.ndarray] = {}
    uses: Counter[int] = Counter()
    statistics = stored.start(survey)
    frames = 0
    for rows in survey.rows():
        tell(f"rows of episode {rows.episode}")
        for check_rows in OF_ROWS:
            found += check_rows(survey, rows)
        runs.append(structure.run(rows))
        numbers.append(values.digest(survey, rows))
        pairs.append(relations.digest(survey, rows))
        wholes.append(episodes.digest(survey, rows))
        stored.add(statistics, rows)
        uses.update({*runs[-1].tasks, *texts.named_in_branches(rows)})
        if "timestamp" in rows.columns:
            stamp = rows.columns["timestamp"][:, 0]
            stamps[rows.episode] = np.concatenate([stamps.get(rows.episode, stamp[:0]), stamp])
        ways.setdefault(rows.episode, pictures.moved(survey, rows, samples))
        frames += len(rows)
    if not frames and survey.table:
        first = next((f.what for f in in_order(survey.findings) if f.level == "error"), "It holds no data files.")
        raise WallOSSError(f"No row of {folder} can be read. {first}", "Download or write the dataset again.")
    found += structure.of_dataset(survey, runs)
    found += values.of_dataset(survey, numbers)
    found += relations.of_dataset(survey, pairs)
    found += units.of_dataset(survey, numbers, pairs)
    found += episodes.of_dataset(survey, wholes)
    found += texts.of_dataset(survey, uses)
    found += stored.of_dataset(survey, statistics)
    stamps = {episode: stamp[np.isfinite(stamp)] for episode, stamp in stamps.items()}
    probes: dict[Path, videos.Probe | None] = {}
    tell("videos")
    found += videos.of_dataset(survey, stamps, probes)
    seen: dict[tuple[int, str], views.Seen] = {}
    if samples:
        for one in pictures.look(survey, samples, stamps, ways, probes):
            tell(f"pictures of episode {one.episode}, {one.view}")
            seen[one.episode, one.view] = one
            found += views.of_view(survey, one)
        found += views.of_dataset(seen)
    looked_at = sum(len(one.rows) for one in seen.values())
    return Result(survey, in_order([*survey.findings, *found]), frames, looked_at, time.monotonic() - began, seen)
