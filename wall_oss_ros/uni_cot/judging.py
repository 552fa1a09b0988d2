# SPDX-License-Identifier: Apache-2.0
"""What the model's judgement of the scene means for a plan.

As long as the plan is the model's own, it is asked about the instruction, and its answer is a line of the plan, which
is then the one to be worked on: a later one, or an earlier one where something was dropped. Answers count only once
they have been given several times in a row, since a single frame can mislead. Where the plan has parts, it is asked
about one at a time: with that done, the next one begins, and nothing leads back to one before.

From the first subtask on that a person has touched, the model's own order says nothing: asked about the instruction it
would call for what it had planned. There each subtask is judged by itself. The model is asked about the subtask's own
words, where it understands these, and says whether they are done; what comes next is the person's order, and nothing
leads back. Words that mean nothing as an instruction ("place it in the left tray") are judged by the instruction: they
are over once the model has called for them and then for something else.
"""

from __future__ import annotations

from dataclasses import dataclass

from wall_oss_ros.policy import prompts
from wall_oss_ros.uni_cot.plan import Plan


def refusal(answer: str) -> bool:
    """Whether the model says that it does not understand, or that something is not there."""
    return answer.startswith((prompts.NOT_UNDERSTOOD, prompts.ABSENT))


def asks_back(answer: str) -> bool:
    """Whether the model asks what is meant instead of saying what to do, such as "which cube?"."""
    return "\n" not in answer.strip() and answer.rstrip().endswith("?")


@dataclass(frozen=True)
class Verdict:
    """Attributes:
    to: index of the subtask to go to, or to begin with; the number of subtasks where none is left; None to stay.
    acting: what the robot is to do for it, where the model was asked that.
    lost: whether the model keeps saying what makes no sense here.
    """

    to: int | None = None
    acting: str = ""
    lost: bool = False


STAY = Verdict()


class Judging:
    """Remembers what was said in a row.

    Args:
        confirmations: equal answers in a row that count.
        stray_answers: answers in a row that are not in the plan, before the model is lost.
    """

    def __init__(self, confirmations: int, stray_answers: int):
        self._confirmations, self._stray_answers = confirmations, stray_answers
        self.forget()

    def forget(self) -> None:
        """Answers from before do not count any more."""
        self._last, self.repeats, self._stray = ("", ""), 0, 0

    def about(self, plan: Plan, goal: str) -> str:
        """What the model is to be asked about now; empty for nothing.

        Args:
            goal: the instruction, as the plan was made for it.
        """
        at = _at(plan)
        if not 0 <= at < len(plan.subtasks):
            return ""
        if _alone(plan, at):
            return plan.subtasks[at].goal or goal
        part = plan.part(at)
        return goal if part is None else part.about

    def take(self, plan: Plan, about: str, words: str) -> Verdict:
        """The model's answer to what it was asked about."""
        self.repeats = self.repeats + 1 if self._last == (about, words) else 1
        self._last = about, words
        at = _at(plan)
        verdict = self._one(plan, at, words) if _alone(plan, at) else self._own(plan, at, words)
        if verdict.lost:  # whatever follows is given as many again
            self._stray = 0
        return verdict

    @property
    def _confirmed(self) -> bool:
        return self.repeats >= self._confirmations

    def _own(self, plan: Plan, at: int, words: str) -> Verdict:
        """In the part of the plan that is as the model made it."""
        place = _place(plan, at, words)
        if plan.active < 0:
            # What has not begun, begins where the model says; where it says that all is done, with the last: the next
            # judgements confirm this or go back, and meanwhile nothing that has been done is begun again.
            if plan.running or (place is not None and self._confirmed):
                place = plan.next if place is None else place
                return Verdict(place if place < len(plan.subtasks) else plan.last_left)
            return STAY
        if place == at:
            self._stray = 0
        elif self._confirmed:
            if place is None:
                return self._astray()
            self._stray = 0
            return Verdict(place)
        return STAY

    def _one(self, plan: Plan, at: int, words: str) -> Verdict:
        """In the part that a person has changed."""
        line, following = plan.subtasks[at], plan.first_left(at + 1)
        if not plan.running:
            return STAY
        if line.goal and (not words or refusal(words)):
            return self._astray() if self._confirmed else STAY
        if words == prompts.DONE:
            return Verdict(following) if self._confirmed else STAY
        self._stray = 0
        if plan.active < 0:
            return Verdict(at, acting=words if line.asked else "")
        if line.asked:
            return Verdict(at, acting=words) if self._confirmed and words != line.acting else STAY
        if line.goal or words == line.text:
            line.called = True
        elif line.called and self._confirmed:
            return Verdict(following)
        return STAY

    def _astray(self) -> Verdict:
        self._stray += 1
        return Verdict(lost=self._stray >= self._stray_answers)


def _at(plan: Plan) -> int:
    """Index of the subtask that is judged."""
    return plan.active if plan.active >= 0 else plan.next


def _alone(plan: Plan, at: int) -> bool:
    return plan.edited is not None and at >= plan.edited


def _place(plan: Plan, at: int, words: str) -> int | None:
    """Index of what is called for; the number of subtasks for nothing; None when it is not in the plan.

    Of several lines with these words it is the present one, else the nearest later one, else the nearest before. What
    the model had behind the part that is its own stands for the first subtask behind that.
    """
    own, end = plan.own, len(plan.subtasks) if plan.edited is None else plan.edited
    part = plan.part(at)
    first, behind = (0, len(own)) if part is None else (part.start, part.stop)
    if words == prompts.DONE:
        place: int | None = behind
    else:
        order = [at, *range(at + 1, behind), *range(at - 1, first - 1, -1)]
        place = next((i for i in order if i < behind and own[i] == words), None)
    return place if place is None or place < end else plan.first_left(end)
