# SPDX-License-Identifier: Apache-2.0
"""What answers come to: shares that are right by kind, look and wording, models side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vqa_runs.questions import GROUPS, KINDS
from vqa_runs.runs import CONDITIONS, PLAIN_SCENES
from wall_oss_ros.sim.shares import in_words, markdown, share

Found = Mapping[str, Sequence[Mapping]]
"""Results by model."""


def summary(found: Found) -> dict:
    """For JSON: by condition and kind, of each model the share that is right; beside it, the share that whoever always
    gave the most frequent right answer would have, which is what not looking comes to."""
    return {
        condition: {
            kind: {
                "most_frequent": _most_frequent(found, condition, kind),
                "right": {model: _share(results, [condition], [kind]) for model, results in found.items()},
            }
            for kind in KINDS
            if any(_verdicts(results, [condition], [kind]) for results in found.values())
        }
        for condition in CONDITIONS
        if any(one["condition"] == condition for results in found.values() for one in results)
    }


def tables(known: Mapping, models: Sequence[str]) -> str:
    """Markdown of a :func:`summary`: all kinds in the plain look, then groups of kinds in each condition."""
    plain = known.get(PLAIN_SCENES, {})
    kinds = [
        [
            kind,
            group,
            _in_percent(plain[kind]["most_frequent"]),
            *(in_words(plain[kind]["right"][one]) for one in models),
        ]
        for group, members in GROUPS.items()
        for kind in members
        if kind in plain
    ]
    conditions = [
        [condition, group, *(in_words(_together(by_kind, members, one)) for one in models)]
        for condition, by_kind in known.items()
        for group, members in GROUPS.items()
        if any(kind in by_kind for kind in members)
    ]
    return "\n\n".join([
        markdown(["plain look: kind", "about", "the most frequent answer", *models], kinds),
        markdown(["condition", "about", *models], conditions),
    ])  # fmt: skip


def _together(by_kind: Mapping, members: Sequence[str], model: str) -> dict:
    """Of several kinds, each question counted once."""
    shares = [by_kind[kind]["right"][model] for kind in members if kind in by_kind]
    return share(sum(one["hits"] for one in shares), sum(one["of"] for one in shares))


def _in_percent(found: Mapping) -> str:
    return f"{100 * found['share']:.0f} %" if found["of"] else "-"


def questions_asked(found: Found) -> int:
    """Of the model that was asked most."""
    return max((len(_verdicts(results, CONDITIONS, KINDS)) for results in found.values()), default=0)


def _verdicts(results: Iterable[Mapping], conditions: Sequence[str], kinds: Sequence[str]) -> list[bool]:
    return [right for _, right in _answers(results, conditions, kinds)]


def _answers(results: Iterable[Mapping], conditions: Sequence[str], kinds: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The right answer and whether it was given, of each question."""
    for one in results:
        if one["condition"] in conditions:
            for answer in one["answers"]:
                yield from ((answer["truth"], right) for kind, right in answer["right"].items() if kind in kinds)


def _share(results: Iterable[Mapping], conditions: Sequence[str], kinds: Sequence[str]) -> dict:
    verdicts = _verdicts(results, conditions, kinds)
    return share(sum(verdicts), len(verdicts))


def _most_frequent(found: Found, condition: str, kind: str) -> dict:
    truths = max(
        ([truth for truth, _ in _answers(results, [condition], [kind])] for results in found.values()), key=len
    )
    return share(Counter(truths).most_common(1)[0][1] if truths else 0, len(truths))
