# SPDX-License-Identifier: Apache-2.0
"""A record in a few lines: attempts with subtasks, holds, stops, corrections and outcome; for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.events import Event, History, OtherVersionError, require_known, without_numbers
from wall_oss_ros.data.bags.record import Record
from wall_oss_ros.data.bags.sources import ANSWERS, PLAN, RECORD, STATUS
from wall_oss_ros.uni_cot.plan import PlanStatus

TOPICS = {
    PLAN: "wall_oss_msgs/msg/SubtaskPlan",
    STATUS: "wall_oss_msgs/msg/ControlStatus",
    ANSWERS: "wall_oss_msgs/msg/Answer",
    RECORD: "std_msgs/msg/String",
}
"""What events are made of, and its types."""
_MARKS = ("success", "failure")


def history_of(record: Record, prefix: str) -> History:
    """What happened in a record, in the order of its times."""
    history = History()
    hear = {
        PLAN: ("plan", history.hear_plan),
        STATUS: ("status", history.hear_status),
        ANSWERS: ("answer", history.hear_answer),
        RECORD: ("mark", lambda time, word: history.hear_mark(time, word.data)),
    }
    strange: dict[str, tuple[int, str]] = {}
    heard: list[tuple[float, int, str, Any]] = []
    for order, (topic, kind) in enumerate(TOPICS.items()):
        if record.kinds.get(prefix + topic, kind) != kind:
            record.notes.append(f"{prefix}{topic} is of type {record.kinds[prefix + topic]}, {kind} expected")
            continue
        heard += [(time, order, topic, message) for time, message in record.messages(prefix + topic)]
    for time, _, topic, message in sorted(heard, key=lambda one: one[:2]):
        what, take = hear[topic]
        try:
            require_known(what, message)
        except OtherVersionError as error:
            strange[topic] = strange.get(topic, (0, ""))[0] + 1, str(error)
            continue
        take(time, message)
    record.notes += [
        f"{prefix}{topic}: {count} messages of another version are left out ({why})"
        for topic, (count, why) in strange.items()
    ]
    return history


def summarise(bag: Bag, record: Record, prefix: str, robot: str) -> dict[str, Any]:
    """What JSON can hold of it; times are s after its beginning."""
    history = history_of(record, prefix)
    last: dict[tuple[str, int], Any] = {}
    known = record.kinds.get(prefix + PLAN) == TOPICS[PLAN]
    for _, plan in record.messages(prefix + PLAN) if known else ():
        with suppress(OtherVersionError):
            require_known("plan", plan)
            last[plan.planner, plan.plan_id] = plan
    plans = [plan for plan in last.values() if plan.plan_id]
    return {
        "file": str(bag.path),
        "robot": robot,
        "begin": datetime.fromtimestamp(record.begin, timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(record.seconds, 2),
        "attempts": list(_attempts(history.events, plans, record.seconds)),
        "events": [_as_json(one) for one in history.events],
        "topics": {topic: {"type": kind, "messages": bag.counts.get(topic, 0)} for topic, kind in bag.topics.items()},
        "notes": record.notes,
    }


def _attempts(events: list[Event], plans: list[Any], seconds: float) -> Iterator[dict[str, Any]]:
    """One for each plan; what happened between two belongs to the one before."""
    begins = [number for number, one in enumerate(events) if one.kind == "instruction"]
    for number, (first, plan) in enumerate(zip(begins, plans)):
        part = events[first : begins[number + 1] if number + 1 < len(begins) else len(events)]
        ends = [one for one in part if one.kind == "end"]
        marks = [one.words for one in part if one.kind == "mark" and one.words in _MARKS]
        judged = plan.status == PlanStatus.SUCCEEDED if plan.status not in _OPEN else None
        yield {
            "instruction": part[0].words,
            "begin": round(part[0].time, 2),
            "end": round(ends[0].time, 2) if ends else None,
            "plan": PlanStatus(plan.status).label if plan.status in _KNOWN else "in an unknown state",
            "message": plan.message,
            "reasoning": getattr(plan, "reasoning", ""),
            "success": marks[-1] == "success" if marks else judged,
            "judged_by": "mark" if marks else "planner" if judged is not None else None,
            "subtasks": [_as_json(one) for one in part if one.kind == "subtask"],
            "holds": [_as_json(one) for one in part if one.kind == "hold"],
            "corrections": [_as_json(one) for one in part if one.corrects],
            "changes": [_as_json(one) for one in part if one.kind in ("approval", "change", "resume", "home")],
            "answers": [_as_json(one) for one in part if one.kind == "answer"],
            "held_seconds": round(sum((one.until or seconds) - one.time for one in part if one.kind == "hold"), 2),
        }


_OPEN = (PlanStatus.AWAITING_APPROVAL, PlanStatus.RUNNING)
_KNOWN = tuple(PlanStatus)


def _as_json(one: Event) -> dict[str, Any]:
    until = None if one.until is None else round(one.until, 2)
    return {"time": round(one.time, 2), "until": until, "kind": one.kind, "by": one.by, "words": one.words}


def lines(summary: dict[str, Any]) -> Iterator[str]:
    """The same for a person to read."""
    count = len(summary["attempts"])
    plans = f"{count} plan{'s' * (count != 1)}"
    yield f"{summary['file']}: {summary['robot']}, {summary['begin']}, {summary['seconds']:.1f} s, {plans}"
    for one in summary["attempts"]:
        took = "" if one["end"] is None else f", {one['end'] - one['begin']:.1f} s"
        outcome = {True: "success", False: "failure", None: "not over"}[one["success"]]
        by = {"mark": "", "planner": " as the model judges", None: ""}[one["judged_by"]]
        yield f'\n{one["begin"]:8.1f} s  "{one["instruction"]}": {outcome}{by}{took}. {one["message"]}'.rstrip()
        rows = [("subtask", each) for each in one["subtasks"]]
        for key in ("corrections", "changes", "answers"):
            rows += [(each["kind"], each) for each in one[key]]
        for kind, each in sorted(rows, key=lambda row: row[1]["time"]):
            lasted = "" if each["until"] is None else f", {each['until'] - each['time']:.1f} s"
            who = f" by {each['by']}" if each["by"] and kind != "subtask" else ""
            yield f"{each['time']:8.1f} s    {kind}{who}: {each['words']}{lasted}"
        yield from _held(one["holds"], summary["seconds"])
    if not count:
        yield "There is no plan in it."
    for note in summary["notes"]:
        yield f"note: {note}"


def _held(holds: list[dict[str, Any]], seconds: float) -> Iterator[str]:
    """Holds by their reasons, the longest first."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for one in holds:
        alike.setdefault(without_numbers(one["words"]), []).append(one)
    spans = [(sum((one["until"] or seconds) - one["time"] for one in some), some) for some in alike.values()]
    for span, some in sorted(spans, key=lambda one: -one[0]):
        times = f"{len(some)} times, " if len(some) > 1 else ""
        yield f"            held {times}{span:.1f} s: {some[0]['words']}"
