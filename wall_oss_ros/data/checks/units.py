# SPDX-License-Identifier: Apache-2.0
"""Degrees for radians, millimetres for metres: by names, by the other episodes, by state against action."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from wall_oss_ros.data.checks import relations, values
from wall_oss_ros.data.checks.findings import Finding
from wall_oss_ros.data.checks.survey import Survey

MOST_RADIANS = 7.0
"""No angle in radians of a joint with limits, or between -pi and pi, or 0 and 2 pi, is larger."""
MOST_METRES = 30.0
"""No arm reaches as far."""
IN_DEGREES = (
    "so100",
    "so101",
    "so-100",
    "so-101",
    "so_100",
    "so_101",
    "koch",
    "lekiwi",
    "moss",
    "hopejr",
    "hope_jr",
    "omx",
)
"""Robots whose drivers in lerobot tell degrees, or shares of a range up to 100."""
_ANGLE = re.compile(r"joint|shoulder|elbow|wrist|waist|forearm|roll|pitch|yaw|angle|theta|(^|[._ ])r[xyz]$", re.I)
_LENGTH = re.compile(r"(^|[._ ])[xyz]$", re.I)
_OTHER = re.compile(r"vel|speed|effort|torque|force|current|temp|accel|quat|[._ ](sin|cos)", re.I)
_SAY = "Say the unit in the mapping, or convert it."
_RATIOS = ((180 / np.pi, "degrees", "radians"), (1000.0, "millimetres", "metres"), (100.0, "per cent", "shares"))


def of_dataset(survey: Survey, numbers: list[values.Digest], pairs: list[relations.Digest | None]) -> Iterator[Finding]:
    yield from _by_name(survey, numbers)
    yield from _by_episode(survey, numbers)
    ones = [one for one in pairs if one is not None]
    if not ones:
        return
    weights = np.array([one.length for one in ones], float)
    fits = relations.mean(np.stack([one.targets for one in ones]), weights)
    for at, pair in enumerate(relations.pairs(survey)):
        yield from _by_action(survey, ones, at, pair[1], fits[at, at])


def _by_name(survey: Survey, numbers: list[values.Digest]) -> Iterator[Finding]:
    """A whole column whose angles are too large for radians, or positions for metres."""
    if any(word in (survey.info.robot_type or "").lower() for word in IN_DEGREES):
        return
    for name in values.motion(survey):
        ones = [digest.columns[name] for digest in numbers if name in digest.columns]
        if not ones:
            continue
        sizes = np.nanmedian([_largest(one) for one in ones], axis=0)
        for words, most, unit, other in (
            (_ANGLE, MOST_RADIANS, "degrees", "radians"),
            (_LENGTH, MOST_METRES, "millimetres", "metres"),
        ):
            which = [at for at in range(len(sizes)) if _is(survey.name(name, at), words)]
            large = [at for at in which if sizes[at] > most]
            if large and len(large) >= 0.5 * len(which):
                names = ", ".join(survey.name(name, at) for at in large[:4])
                yield Finding(
                    "warning",
                    "units",
                    f"{names} reach {sizes[large].max():.4g}: {unit} for {other}?",
                    _SAY,
                    None,
                    None,
                    survey.label(name, large[0]),
                )


def _is(name: str, words: re.Pattern[str]) -> bool:
    return bool(words.search(name)) and not _OTHER.search(name) and not values.is_hand(name)


def _largest(one: values.Column) -> np.ndarray:
    return np.maximum(np.abs(one.min), np.abs(one.max))


def _by_episode(survey: Survey, numbers: list[values.Digest]) -> Iterator[Finding]:
    """An episode in other units than most."""
    for name in values.motion(survey):
        ones = [(digest.episode, digest.columns[name]) for digest in numbers if name in digest.columns]
        if len(ones) < 4:
            continue
        sizes = np.array([_largest(one) for _, one in ones])
        spans = np.array([one.max - one.min for _, one in ones])
        usual, span = np.nanmedian(sizes, axis=0), np.nanmedian(spans, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.log(np.stack([sizes / usual, spans / span]))
        for ratio, unit, other in _RATIOS[:2]:
            like = (np.abs(ratios - np.log(ratio)) < 0.8).all(0)
            for at in np.flatnonzero(like.any(0)):
                odd = np.flatnonzero(like[:, at])
                for i in odd if len(odd) < 0.5 * len(ones) else []:
                    yield Finding(
                        "error",
                        "units",
                        f"It spans {spans[i, at]:.3g}, {spans[i, at] / span[at]:.0f} times as "
                        f"much as in most episodes: {unit} for {other}?",
                        "Convert the episode, or leave it out.",
                        ones[i][0],
                        None,
                        survey.label(name, int(at)),
                    )


def _by_action(survey, ones, at, action, fit) -> Iterator[Finding]:
    """The state's span over the action's, where both are the same thing."""
    scales = np.array([one.scale[at] for one in ones])
    usable = np.isfinite(scales) & (scales > 0)
    if not usable.any() or abs(fit) < 0.7:
        return
    usual = float(np.median(scales[usable]))
    for ratio, large, small in _RATIOS:
        for state_is, what in ((ratio, (large, small)), (1 / ratio, (small, large))):
            if abs(np.log(usual / state_is)) < 0.25:
                yield Finding(
                    "error",
                    "units",
                    f"The state moves {usual:.3g} times as far as the action: {what[0]} in the "
                    f"state, {what[1]} in the action.",
                    "Say the units in the mapping, or convert one of them.",
                    None,
                    None,
                    survey.label(relations.ACTION, action),
                )
