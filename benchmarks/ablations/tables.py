# SPDX-License-Identifier: Apache-2.0
"""What came of each ablation beside the base, and whether that is as expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vqa_runs.questions import GROUPS

from ablations.ablation import BASE, Ablation, Expected
from wall_oss_ros.sim.evaluation_summary import SHORT
from wall_oss_ros.sim.shares import in_words, markdown, share

YES, NO, UNDECIDED = "yes", "no", "undecided (intervals overlap)"


def measures(runs: Sequence[Mapping], answers: Sequence[Mapping]) -> dict[str, dict]:
    """Shares by measure, of runs and answers of one model in one way of reasoning."""
    long = [one for one in runs if one["subtasks"] > SHORT]
    planned = [one["plan_right"] for one in runs if one["plan_right"] is not None]
    verdicts = [
        right
        for one in answers
        for answer in one["answers"]
        for kind, right in answer["right"].items()
        if kind in GROUPS["grounding"]
    ]
    return {
        "success": share(sum(one["success"] for one in runs), len(runs)),
        "long": share(sum(one["success"] for one in long), len(long)),
        "plans": share(sum(planned), len(planned)),
        "judgements": share(sum(one["judgements_right"] for one in runs), sum(one["judgements"] for one in runs)),
        "grounding": share(sum(verdicts), len(verdicts)),
    }


def verdict(base: Mapping, variant: Mapping, expected: Expected) -> str:
    """Whether a share differs from the base's as expected: only where the intervals do not overlap."""
    below, above = variant["high"] < base["low"], variant["low"] > base["high"]
    if not below and not above:
        return UNDECIDED
    return YES if below == (expected.is_ == "lower") else NO


def compared(ablations: Mapping[str, Ablation], found: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> dict:
    """For JSON, by ablation: its measures, those of the base in the way of reasoning that it is compared with, and what
    was expected.

    Args:
        found: by variant, as ``runs.run`` gives it; those that are not there yet are left out.
    """
    told = {}
    for name, one in ablations.items():
        if name not in found or BASE not in found:
            continue
        of_base = measures(found[BASE][one.reasoning.base], found[BASE]["vqa"])
        of_variant = measures(found[name][one.reasoning.variant], found[name]["vqa"])
        told[name] = {
            "reasoning": {"base": one.reasoning.base, "variant": one.reasoning.variant},
            "base": of_base,
            "variant": of_variant,
            "expected": [
                {
                    "measure": wanted.measure, "is": wanted.is_, "paper": wanted.paper,
                    "as_expected": verdict(of_base[wanted.measure], of_variant[wanted.measure], wanted),
                }
                for wanted in one.expected
            ],
        }  # fmt: skip
    return told


def table(told: Mapping, why_not: Mapping[str, str], waiting: Sequence[str] = ()) -> str:
    """Markdown: a line for each expectation; those that do not apply, and those that have not run yet, at the end."""
    rows = []
    for name, one in told.items():
        for wanted in one["expected"]:
            measure = wanted["measure"]
            held = wanted["as_expected"]
            rows.append([
                name, f"{measure} {wanted['is']}", in_words(one["base"][measure]), in_words(one["variant"][measure]),
                held if wanted["paper"] else "-", "-" if wanted["paper"] else held, wanted["paper"] or "-",
            ])  # fmt: skip
    rows += [[name, "-", "-", "-", "-", "-", f"does not apply: {why}"] for name, why in why_not.items()]
    rows += [[name, "-", "-", "-", "-", "-", "has not run yet"] for name in waiting]
    headings = [
        "ablation", "expected of it", "base", "ablation", "as the paper says", "as we expect", "the paper, or a remark",
    ]  # fmt: skip
    return markdown(headings, rows)
