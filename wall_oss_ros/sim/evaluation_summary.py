# SPDX-License-Identifier: Apache-2.0
"""What evaluated runs come to: shares with intervals, tables of what was asked for against what was done, forces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from wall_oss_ros.sim.evaluate import DONE
from wall_oss_ros.sim.shares import in_words, share
from wall_oss_ros.sim.task import Task

FORCE_N = 60.0
"""Runs in which something pushed harder than this are counted."""
SHORT = 2
"""Instructions of more subtasks than this are long ones."""
OUTCOMES = (DONE, "something else", "given up", "not ended", "refused", "asked back")
"""What may be made of an instruction, see ``evaluate.result``."""
NEEDED = frozenset(
    "number form unseen expected asked outcome subtasks instruction goals success taken placed changed plan_right "
    "judgements judgements_right status seconds greatest_force".split()
)
"""What a result has to hold."""
_SHOWN = 30  # runs that went wrong, listed one by one


def summarise(task: Task, results: Sequence[Mapping]) -> dict:
    """Of results as ``evaluate.result`` makes them: shares with intervals, and the tables of named against taken.

    ``success`` counts all of them: where an instruction cannot be followed, what is right is to refuse it, or to ask
    back. ``subtask_accuracy`` counts the model's judgements of what is called for now, against the simulator's truth;
    ``plan_accuracy`` whole decompositions; ``right_cube`` (or what else the task is about) first things lifted, of
    episodes that lifted one; ``force_N`` the greatest force of each run on an arm and its gripper.
    """
    asked = [one for one in results if one["expected"] == DONE]
    lifted = [one for one in asked if one["taken"]]
    succeeded = [one for one in asked if one["status"] == "succeeded"]
    planned = [one["plan_right"] for one in asked if one["plan_right"] is not None]
    named: Callable[[Mapping], str] = lambda one: one["goals"][0]["colour"]  # noqa: E731
    summary = {
        "episodes": len(results),
        "success": _successes(results),
        "plan_accuracy": share(sum(planned), len(planned)),
        "subtask_accuracy": share(
            sum(one["judgements_right"] for one in asked), sum(one["judgements"] for one in asked)
        ),
        "judged_done_and_is": share(sum(one["success"] for one in succeeded), len(succeeded)),
        "lifted": share(len(lifted), len(asked)),
        f"right_{task.thing}": share(sum(named(one) == one["taken"] for one in lifted), len(lifted)),
        "seconds_of_successes": _median([one["seconds"] for one in asked if one["success"]]),
        "force_N": forces([one["greatest_force"] for one in results]),
        f"{task.thing}_table": _table((named(one), one["taken"] or "none") for one in asked),
    }
    if task.place is not None:
        to_one = [one for one in asked if one["goals"][0]["tray"] is not None]
        placed = [one for one in to_one if one["placed"]]
        summary[f"right_{task.place}"] = share(
            sum(one["goals"][0]["tray"] == one["placed"] for one in placed), len(placed)
        )
        summary[f"{task.place}_table"] = _table((one["goals"][0]["tray"], one["placed"] or "none") for one in to_one)
    return summary | {
        "by_subtasks": {name: _successes(some) for name, some in _grouped(asked, _length).items()},
        "by_form": {name: _successes(some) for name, some in _grouped(results, lambda one: one["form"]).items()},
        "words": words(results),
    }


def forces(newtons: Sequence[float]) -> dict:
    """Of the greatest force of each run, N: median, 95th percentile, maximum, and the share above ``FORCE_N``."""
    if not newtons:
        return {"of": 0, "median": None, "p95": None, "most": None, "above_60": share(0, 0)}
    middle, high = np.percentile(newtons, (50, 95))
    above = share(sum(one > FORCE_N for one in newtons), len(newtons))
    numbers = {"median": middle, "p95": high, "most": max(newtons)}
    return {"of": len(newtons), **{key: round(float(one), 1) for key, one in numbers.items()}, "above_60": above}


def words(results: Sequence[Mapping]) -> dict[str, dict]:
    """By form and phrasing: how many were asked for, how often it was right, and how often what was made of it."""
    told = {}
    for name, some in _grouped(results, lambda one: one["form"] and f"{one['form']}, {_phrasing(one)}").items():
        made = Counter(one["outcome"] for one in some)
        told[name] = {"right": _successes(some), "outcomes": {what: made[what] for what in OUTCOMES if made[what]}}
    return told


def in_lines(task: Task, summary: Mapping, results: Iterable[Mapping] = ()) -> list[str]:
    """A summary for a person; of ``results``, runs that went wrong are listed: what was asked for, what was done."""
    shares = {
        "success": "success",
        "lifted": f"lifted a {task.thing}",
        f"right_{task.thing}": f"of these, the {task.thing} named",
        f"right_{task.place}": f"of those placed, the {task.place} named",
        "plan_accuracy": "plans right",
        "subtask_accuracy": "judgements of progress right",
        "judged_done_and_is": 'right, of those the model called "done"',
    }
    lines = []
    for key, said in shares.items():
        value = summary.get(key)
        if value and value["of"]:
            interval = f"{100 * value['low']:.0f} to {100 * value['high']:.0f} %"
            lines.append(
                f"{100 * value['share']:5.1f} %  {said}: {value['hits']} of {value['of']}, 95 % interval {interval}"
            )
    if (seconds := summary["seconds_of_successes"]) is not None:
        lines.append(f"{seconds:5.1f} s  simulated, median of the successes")
    if (felt := summary["force_N"])["of"]:
        lines.append(
            f"{felt['median']:5.1f} N  greatest contact force of a run, median; 95th percentile {felt['p95']:.1f} N, "
            f"maximum {felt['most']:.1f} N; above {FORCE_N:.0f} N: {in_words(felt['above_60'])}"
        )
    for name, value in summary["by_subtasks"].items():
        lines.append(f"{name:>16} subtasks | {in_words(value)}")
    for name, told in summary["words"].items():
        made = ", ".join(f"{what} {count}" for what, count in told["outcomes"].items())
        lines.append(f"{name:>25} | {in_words(told['right'])} | {made}")
    for what in (task.thing, task.place):
        if what is not None and summary[f"{what}_table"]:
            lines += _lines_of(what, summary[f"{what}_table"])
    return lines + _wrong([one for one in results if not one["success"]])


def _wrong(results: Sequence[Mapping]) -> list[str]:
    lines = ["", "what was asked for, and what was done instead:"] if results else []
    for one in results[:_SHOWN]:
        aim = "; ".join(one["asked"]) or f"to be {one['expected']}"
        moved = "; ".join(f"{thing} {place}" for thing, place in one["changed"].items()) or "nothing moved"
        lines.append(
            f'  {one["number"]}: "{one["instruction"]}" ({_phrasing(one)}): {aim} -> {one["outcome"]}, {moved}'
        )
    if len(results) > _SHOWN:
        lines.append(f"  and {len(results) - _SHOWN} more")
    return lines


def _phrasing(result: Mapping) -> str:
    return "new words" if result["unseen"] else "known words"


def _length(result: Mapping) -> str:
    return f"1 to {SHORT}" if result["subtasks"] <= SHORT else f"{SHORT + 1} and more"


def _successes(results: Sequence[Mapping]) -> dict:
    return share(sum(one["success"] for one in results), len(results))


def _grouped(results: Iterable[Mapping], key: Callable[[Mapping], str]) -> dict[str, list[Mapping]]:
    """By what ``key`` says, sorted; those of which it says nothing are left out."""
    groups: dict[str, list[Mapping]] = {}
    for one in results:
        if name := key(one):
            groups.setdefault(name, []).append(one)
    return dict(sorted(groups.items()))


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 2) if values else None


def _table(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """named -> taken -> count"""
    counts = Counter(pairs)
    return {n: {t: c for (m, t), c in sorted(counts.items()) if m == n} for n in sorted({n for n, _ in counts})}


def _lines_of(what: str, table: Mapping[str, Mapping[str, int]]) -> list[str]:
    taken = sorted({name for row in table.values() for name in row}, key=lambda name: (name == "none", name))
    lines = [f"{what + ' named':>12} | " + " ".join(f"{name:>7}" for name in taken) + "   (taken)"]
    lines += [f"{named:>12} | " + " ".join(f"{row.get(name, 0):>7}" for name in taken) for named, row in table.items()]
    return lines
