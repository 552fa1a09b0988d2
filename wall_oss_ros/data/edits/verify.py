# SPDX-License-Identifier: Apache-2.0
"""Whether a dataset that was written holds what it was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wall_oss_ros.data.checks import structure
from wall_oss_ros.data.checks import videos as video_checks
from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.checks.survey_tables import open_survey
from wall_oss_ros.data.edits.picks import Part
from wall_oss_ros.data.edits.rows import RENUMBERED, Taken, batches, fingerprint
from wall_oss_ros.data.lerobot.reader import LeRobotDataset
from wall_oss_ros.data.lerobot.video import Decoder
from wall_oss_ros.errors import WallOSSError


def verify(folder: Path, parts: Sequence[Part], taken: Sequence[Taken]) -> None:
    """Opens it, reads every row and some pictures of each episode, and compares.

    Raises:
        WallOSSError: it does not hold the same; this is a fault of ours, or of the disk.
    """
    survey = open_survey(folder)
    if len(survey.table) != len(taken):
        raise _wrong(f"{len(survey.table)} episodes instead of {len(taken)}")
    runs, stamps = [], {}
    for rows in survey.rows():
        runs.append(structure.run(rows))
        if "timestamp" in rows.columns:
            stamps[rows.episode] = rows.columns["timestamp"][:, 0]
    problems = [f for f in (*survey.findings, *structure.of_dataset(survey, runs)) if f.level == "error"]
    if problems:
        raise _wrong(f"{problems[0].what} (episode {problems[0].episode})")
    _rows(survey, taken)
    dataset = LeRobotDataset(folder)
    for index, one in enumerate(taken):
        if dataset[index].length != one.length or tuple(dataset[index].tasks) != one.tasks:
            raise _wrong(f"episode {index} has another length or other tasks")
        for key, feature in survey.views().items():
            if feature.dtype == "video" and one.length:
                _pictures(survey, dataset, parts[one.part], index, one, key)
    for finding in video_checks.of_dataset(survey, stamps, {}):
        if finding.level == "error" and finding.check == "video offsets":
            raise _wrong(f"{finding.what} (episode {finding.episode})")


def _rows(survey, taken: Sequence[Taken]) -> None:
    """Every row by its bytes."""
    digests: dict[int, dict[str, hashlib._Hash]] = {}
    for path in survey.data_files():
        for batch in batches(path):
            owners = batch.column(batch.schema.get_field_index("episode_index")).to_numpy(zero_copy_only=False)
            cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]
            for start, stop in zip(cuts, cuts[1:]):
                own: dict = digests.setdefault(int(owners[start]), {}) if stop > start else {}
                for at, name in enumerate(batch.schema.names):
                    if name not in RENUMBERED:
                        column = batch.column(at).slice(start, stop - start)
                        own.setdefault(name, hashlib.blake2b()).update(fingerprint(column, None, -1, name))
    for index, one in enumerate(taken):
        own = digests.get(index, {})
        found = hashlib.blake2b(b"".join(own[name].digest() for name in sorted(own))).digest()
        if found != one.digest:
            raise _wrong(f"the rows of episode {index} are not those of episode {one.source} of its source")


def _pictures(survey: Survey, dataset: LeRobotDataset, part: Part, index: int, one: Taken, key: str) -> None:
    """The first, middle and last picture, against the source's video at the time that its tables say."""
    rows = np.unique([0, one.length // 2, one.length - 1])
    if dataset.features[key].depth:
        new = source_pictures(Part(survey, frozenset()), one._replace(source=index), key, rows)
    else:
        new = dataset.pictures(key, index, rows)
    old = source_pictures(part, one, key, rows)
    if not np.array_equal(new, old):
        raise _wrong(f"the pictures of {key} in episode {index} are not those of episode {one.source} of its source")


def source_pictures(part: Part, one: Taken, key: str, rows: np.ndarray) -> np.ndarray:
    survey = part.survey
    path = survey.video_path(one.source, key)
    assert path is not None
    start = survey.video_start(one.source, key)
    decoder = Decoder(path)
    try:
        times = start + video_checks.late_start(decoder.start, [start], survey.fps) + one.stamps[rows]
        return np.stack(decoder.frames(times.tolist(), 0.5 / survey.fps))
    finally:
        decoder.close()


def _wrong(what: str) -> WallOSSError:
    return WallOSSError(
        f"What was written is not what it was made of: {what}.",
        "The source may be damaged: wall-oss data check; nothing was changed.",
    )
