# SPDX-License-Identifier: Apache-2.0
"""What results say, in numbers: detection, false alarms, delays, completion, recovery."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planning_runs.cases import NOTHING
from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.shares import markdown as table
from wall_oss_ros.sim.shares import wilson
from wall_oss_ros.uni_cot.watching.monitor import WATCHES

SLOW = 12.0  # s for each goal from an upset to the end; undisturbed, a goal takes 7 to 8 s in all


@dataclass(frozen=True)
class Run:
    """What happened in one run, as its result tells; times in simulated s.

    Attributes:
        upset: when something was upset; None where nothing was.
        reacted: when the plan changed its course for it first: went back, was tried again, made anew, or given up;
            where nothing was upset, when it was given up.
        alarms: of the monitor: when, and which watch.
        reached: since when the truth has been that all is done, at the end; None where it is not.
        judged: when the plan was over as done, by the model's judgement; None where it was not.
    """

    result: Mapping
    upset: float | None
    reacted: float | None
    alarms: tuple[tuple[float, str], ...]
    reached: float | None
    judged: float | None

    @classmethod
    def of(cls, result: Mapping) -> Run:
        events = [(float(at), who, what) for at, who, what in result["events"]]
        upset = next((at for at, who, _ in events if who == "upset"), None)
        truth = [(at, what) for at, who, what in events if who == "truth"]
        done = truth[-1][0] if truth and truth[-1][1] == prompts.DONE else None
        over = [at for at, who, what in events if who == "plan" and what.startswith("succeeded")]
        alarms = tuple((at, what.split(":")[0]) for at, who, what in events if who == "monitor")
        if result["upset"] == NOTHING:
            reacted = next((at for at, who, what in events if who == "plan" and what.startswith("failed")), None)
        else:
            reacted = _reaction(result, events, upset)
        return cls(result, upset, reacted, alarms, done, over[0] if over else None)

    @property
    def success(self) -> bool:
        return bool(self.result["success"])

    @property
    def let_in(self) -> bool:
        """Whether what was to be upset was; else the run never came so far."""
        return self.result["upset"] == NOTHING or self.upset is not None

    @property
    def needed(self) -> bool:
        """Whether acting alone was not enough: it came to nothing or, after an upset, took much longer than without
        one, or the plan changed its course."""
        if self.upset is None:
            return self.result["upset"] == NOTHING and not self.success
        late = self.reached is not None and self.reached - self.upset > SLOW * len(self.result["goals"])
        return not self.success or late or self.reacted is not None

    def detected(self, who: str) -> float | None:
        """Delay of the first sign after the upset, s: by the "model", the "monitor", or "either"; None without one.

        Not a number where nothing was upset, and so nothing tells since when it went wrong.
        """
        if not self.let_in:
            return None
        since = math.nan if self.upset is None else self.upset
        alarm = next((at for at, _ in self.alarms if not at < since), None)
        times = {"model": [self.reacted], "monitor": [alarm], "either": [self.reacted, alarm]}[who]
        known = [at for at in times if at is not None]
        return min(known) - since if known else None

    @property
    def false_alarms(self) -> list[str]:
        """Watches that alarmed before the upset, or where acting was enough."""
        since = (self.upset or 0.0) if self.needed else math.inf
        return [watch for at, watch in self.alarms if at < since]


def _reaction(result: Mapping, events: Sequence[tuple[float, str, str]], upset: float | None) -> float | None:
    plan, before = list(result["plan"]), -1
    for at, who, what in events:
        if who != "plan":
            continue
        if upset is not None and at >= upset and (what not in plan and not what.startswith("succeeded")):
            return at
        if what in plan:
            # A line may stand in the plan twice; the nearest one behind counts as going on.
            later = [n for n, line in enumerate(plan) if line == what and n >= before]
            if upset is not None and at >= upset and not later:
                return at
            before = later[0] if later else plan.index(what)
    return None


def percent(hits: int, of: int) -> str:
    """A share with its 95 % interval (Wilson)."""
    if not of:
        return "-"
    low, high = wilson(hits, of)
    return f"{hits} of {of}, {100 * hits / of:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def spread(values: Iterable[float | None]) -> str:
    """Median and quartiles, s."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return "-"
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    return f"{middle:.1f} s ({low:.1f} to {high:.1f})"


def by(runs: Sequence[Run], what: str) -> dict[str, list[Run]]:
    """Groups by a field of the results, in the order in which they come."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(str(run.result[what]), []).append(run)
    return groups


def detection(runs: Sequence[Run]) -> str:
    """Of runs in which more than acting was needed: who noticed, and how soon."""
    rows = []
    groups = by(runs, "upset")
    upsets = [one for kind, group in groups.items() if kind != NOTHING for one in group]
    for kind, ones in [*groups.items(), ("all upsets", upsets)]:
        upset = [one for one in ones if one.let_in]
        needed = [one for one in upset if one.needed]
        row = [kind, f"{len(upset)} of {len(ones)}", len(upset) - len(needed), len(needed)]
        for who in ("model", "monitor", "either"):
            delays = [one.detected(who) for one in needed]
            row += [percent(sum(delay is not None for delay in delays), len(needed)), spread(delays)]
        rows.append(row)
    headings = ["upset", "let in", "acting was enough", "more was needed", "the model noticed", "after",
                "the monitor", "after", "either", "after"]  # fmt: skip
    return table(headings, rows)


def alarms(runs: Sequence[Run]) -> str:
    """Of all runs with a monitor: how often each watch alarmed for nothing, and where it was right."""
    seconds = sum(one.result["seconds"] for one in runs)
    quiet = [one for one in runs if not one.needed]
    needed = [one for one in runs if one.needed]
    rows = []
    for watch in (*WATCHES, "any"):

        def says(found: Iterable[str], watch: str = watch) -> bool:
            return any(watch in ("any", one) for one in found)

        false = sum(sum(watch in ("any", one) for one in run.false_alarms) for run in runs)
        rows.append([
            watch,
            percent(sum(says(run.false_alarms) for run in quiet), len(quiet)),
            f"{60 * false / seconds:.2f}" if seconds else "-",
            percent(sum(says(w for at, w in run.alarms if at >= (run.upset or 0.0)) for run in needed), len(needed)),
        ])  # fmt: skip
    headings = ["watch", "false alarms: runs in which acting was enough", "a minute", "right alarms: the others"]
    return table(headings, rows)


def completion(runs: Sequence[Run]) -> str:
    """How right the model's judgement is that all is done, by mode."""
    rows = []
    for mode, ones in by(runs, "mode").items():
        said = [one for one in ones if one.judged is not None]
        true = [one for one in ones if one.reached is not None]
        right = [one for one in said if one.reached is not None]
        delays = [one.judged - one.reached for one in right if one.judged is not None and one.reached is not None]
        rows.append([mode, percent(len(right), len(said)), percent(len(right), len(true)), spread(delays)])
    return table(["mode", "precision", "recall", "delay"], rows)


def shared(runs: Sequence[Run]) -> list[Run]:
    """Those of scenes and upsets that have been run in all the modes there are, so that modes can be compared."""
    places: dict[tuple, set[str]] = {}
    for run in runs:
        places.setdefault((run.result["number"], run.result["upset"]), set()).add(run.result["mode"])
    modes = {run.result["mode"] for run in runs}
    return [run for run in runs if places[run.result["number"], run.result["upset"]] == modes]


def outcomes(runs: Sequence[Run]) -> str:
    """Shares of runs that reached their goals, by mode and what was upset; of what all modes have run."""
    runs = shared(runs)
    kinds = list(by(runs, "upset"))
    rows = []
    for mode, ones in by(runs, "mode").items():
        row = [mode]
        for kind in kinds:
            some = [one for one in ones if one.result["upset"] == kind and one.let_in]
            row.append(percent(sum(one.success for one in some), len(some)))
        rows.append(row)
    return table(["mode", *kinds], rows)


def planning(runs: Sequence[Run]) -> str:
    """Plans that are right, by phrasing and number of goals."""
    scenes = {(one.result["number"]): one for one in runs if one.result["mode"] in ("reasoning", "monitored")}
    groups: list[tuple[str, Callable[[Mapping], bool]]] = [
        ("one cube, a phrasing shown in training", lambda r: r["trained"] and len(r["goals"]) == 1),
        ("one cube, another", lambda r: not r["trained"] and len(r["goals"]) == 1),
        ("two cubes, a phrasing shown in training", lambda r: r["trained"] and len(r["goals"]) == 2),
        ("two cubes, another", lambda r: not r["trained"] and len(r["goals"]) == 2),
        ("all", lambda r: True),
    ]
    rows = []
    for name, belongs in groups:
        some = [one.result for one in scenes.values() if belongs(one.result)]
        rows.append([name, percent(sum(result["plan_right"] for result in some), len(some))])
    return table(["instruction", "plans right"], rows)


def replanning(runs: Sequence[Run]) -> str:
    """How long it takes until a plan goes another way, and what of that the model computes."""
    rows = []
    for mode, ones in by([one for one in runs if one.result["mode"] in ("reasoning", "monitored")], "mode").items():
        upset = [one for one in ones if one.upset is not None and one.reacted is not None]
        cpu: dict[str, list[float]] = {what: [] for what in ("plan", "plan anew", "judge")}
        for one in ones:
            for what, times in cpu.items():
                times.extend(one.result["cpu_seconds"].get(what, []))
        reacted = spread(one.reacted - one.upset for one in upset)
        rows.append([mode, f"{len(upset)}", reacted, *(_milliseconds(times) for times in cpu.values())])
    headings = ["mode", "plans that went another way", "after the upset", "computing: a plan", "a plan anew with its "
                "judgement", "a judgement"]  # fmt: skip
    return table(headings, rows)


def watching(runs: Sequence[Run]) -> str:
    """What the monitor costs."""
    costs = [one.result["cpu_seconds"].get("watch") for one in runs]
    known = [cost for cost in costs if cost]
    calls, seconds = sum(cost[0] for cost in known), sum(cost[1] for cost in known)
    if not calls:
        return "no monitor"
    worst = 1000 * max(cost[2] for cost in known)
    simulated = sum(one.result["seconds"] for one, cost in zip(runs, costs) if cost)
    return (
        f"The monitor took {1000 * seconds / calls:.2f} ms of processor time for a chunk or an observation"
        f" ({worst:.0f} ms at most, of {calls}), {100 * seconds / simulated:.2f} % of a core."
    )


def _milliseconds(times: Sequence[float]) -> str:
    return f"{1000 * float(np.median(times)):.0f} ms ({len(times)})" if times else "-"
