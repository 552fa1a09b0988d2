# SPDX-License-Identifier: Apache-2.0
"""What a person may change in a plan: pure functions on its list of subtasks. What is done already stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.uni_cot.plan import Plan, Subtask, SubtaskStatus
from wall_oss_ros.uni_cot.texts import quoted

MOST = 40  # subtasks of a plan that a person has edited
LONGEST = 200  # letters of a subtask's text


class EditKind(IntEnum):
    """The values of ``wall_oss_msgs/EditPlan.edit``."""

    CHANGE = 0
    INSERT = 1
    REMOVE = 2
    SKIP = 3
    MOVE = 4
    REPEAT = 5
    REPLACE = 6


@dataclass(frozen=True)
class Edit:
    """An edit as ``EditPlan.srv`` describes it.

    Attributes:
        kind: an ``EditKind``, or a number that is none.
        index, to: of subtasks.
        texts: subtasks in words.
        name, why: who asks for it, and why.
    """

    kind: int
    index: int = 0
    to: int = 0
    texts: Sequence[str] = ()
    name: str = ""
    why: str = ""


class Refused(ValueError):
    """An edit that cannot be made; in words why."""


def edit_plan(plan: Plan, edit: Edit, understood: Callable[[str], tuple[str, str]]) -> str:
    """Makes an edit in ``plan.subtasks`` and ``plan.edited``; which subtask is active then is the caller's business.

    Args:
        understood: gives an instruction as the model knows it, and why it does not understand it, if so.

    Returns:
        What was done, in words.

    Raises:
        Refused: it cannot be made; then the plan is as it was.
    """
    try:
        kind = EditKind(edit.kind)
    except ValueError:
        raise Refused(
            f"{edit.kind} is no edit; there are {', '.join(f'{one.name} {one}' for one in EditKind)}"
        ) from None
    before, front = plan.subtasks, plan.front
    lines, index, to = list(before), edit.index, edit.to
    if kind == EditKind.CHANGE:
        _at(plan, index, front, len(lines) - 1)
        (new,) = _written(plan, edit.texts, understood, exactly_one=True)
        if new.text == lines[index].text:
            raise Refused(f"subtask {index} is called {quoted(new.text)} already")
        lines[index], touched = new, index
        what = f"subtask {index}, {quoted(before[index].text)}, is {quoted(new.text)} now"
    elif kind == EditKind.INSERT:
        _at(plan, index, front, len(lines))
        several = _written(plan, edit.texts, understood)
        lines[index:index], touched = several, index
        what = f"{_names(several)} put in as subtask {index}"
    elif kind == EditKind.REMOVE:
        _at(plan, index, front, len(lines) - 1)
        del lines[index]
        touched, what = index, f"subtask {index}, {quoted(before[index].text)}, taken out"
    elif kind == EditKind.SKIP:
        _at(plan, index, front, len(lines) - 1)
        if not lines[index].left:
            raise Refused(f"subtask {index} is {lines[index].status.label} already")
        lines[index] = replace(lines[index], status=SubtaskStatus.SKIPPED, started=None)
        touched, what = index, f"subtask {index}, {quoted(before[index].text)}, skipped"
    elif kind == EditKind.MOVE:
        _at(plan, index, front, len(lines) - 1)
        _at(plan, to, front, len(lines) - 1)
        if index == to:
            raise Refused(f"subtask {index} is there already")
        lines.insert(to, _placed(lines.pop(index)))
        touched, what = min(index, to), f"subtask {index}, {quoted(before[index].text)}, is subtask {to} now"
    elif kind == EditKind.REPEAT:
        _at(plan, index, 0, len(lines) - 1)
        _at(plan, to, front, len(lines))
        lines.insert(to, _placed(_fresh(lines[index])))
        touched, what = to, f"subtask {index}, {quoted(before[index].text)}, once more as subtask {to}"
    else:
        several = _written(plan, edit.texts, understood)
        lines[front:], touched = several, front
        what = f"all that was left replaced by {_names(several)}"
    if len(lines) > MOST:
        raise Refused(f"the plan would have {len(lines)} subtasks, and may have {MOST}")
    if not any(line.left for line in lines[front:]):
        raise Refused("nothing would be left to do: cancel the plan, if that is meant")
    plan.edited = touched if plan.edited is None else min(plan.edited, touched)
    plan.subtasks = lines[: plan.edited] + [_judged_alone(line, understood) for line in lines[plan.edited :]]
    return what


def beginning(plan: Plan, following: Subtask | None) -> int:
    """Index of the subtask that a plan begins with that was edited before it had begun.

    As before, but with nothing of a person's left out.

    Args:
        following: what it would have begun with before the edit.
    """
    same = (i for i, line in enumerate(plan.subtasks) if line is following)
    place = next(same, plan.first_left(plan.next))
    if place >= len(plan.subtasks):
        place = plan.front
    written = range(plan.edited or 0, place)
    return next((i for i in written if plan.subtasks[i].by_person and plan.subtasks[i].left), place)


def _at(plan: Plan, index: int, low: int, high: int) -> None:
    """Raises Refused unless there is something at an index that may be changed."""
    if low <= index <= high:
        return
    if 0 <= index < low:
        status = plan.subtasks[index].status.label if index < len(plan.subtasks) else "none"
        raise Refused(f"subtask {index} is {status}; from {low} on the plan can be changed, and any can be repeated")
    raise Refused(f"there is no place {index}: from {low} to {high} was expected")


def _written(
    plan: Plan, texts: Sequence[str], understood: Callable[[str], tuple[str, str]], exactly_one: bool = False
) -> list[Subtask]:
    """Subtasks by a person's words, each as the model itself has called it in this plan or as it is told things."""
    if not texts or (exactly_one and len(texts) != 1):
        raise Refused(f"{len(texts)} texts came; {'one was' if exactly_one else 'at least one was'} expected")
    if len(texts) > MOST:
        raise Refused(f"{len(texts)} texts came, and a plan may have {MOST} subtasks")
    return [_one_written(plan, text, understood) for text in texts]


def _one_written(plan: Plan, text: str, understood: Callable[[str], tuple[str, str]]) -> Subtask:
    if len(text) > LONGEST:
        raise Refused(f"a text has {len(text)} letters, and may have {LONGEST}")
    text = " ".join(text.split())
    if not text:
        raise Refused("a text is empty: say what is to be done")
    if not text.isprintable() or "\ufffd" in text:
        raise Refused("a text has characters that cannot be shown")
    for own in plan.own:
        if normalise(own) == normalise(text):
            return Subtask(own, by_person=True)
    _, fault = understood(text)
    if fault:
        raise Refused(fault)
    return Subtask(text, by_person=True, asked=True)


def _fresh(line: Subtask) -> Subtask:
    """The same to be done again."""
    return Subtask(line.text, by_person=True, asked=line.asked)


def _placed(line: Subtask) -> Subtask:
    """The same, not begun, where a person wants it."""
    status = SubtaskStatus.PENDING if line.left else line.status
    return replace(line, by_person=True, status=status, started=None, acting="")


def _judged_alone(line: Subtask, understood: Callable[[str], tuple[str, str]]) -> Subtask:
    """A subtask where the plan is no longer the model's own: it is judged by its own words, if they are understood."""
    if not line.left or line.goal:
        return line
    line.goal = "" if understood(line.text)[1] else line.text
    return line


def _names(lines: Sequence[Subtask]) -> str:
    return ", ".join(quoted(line.text) for line in lines[:3]) + (
        f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    )
