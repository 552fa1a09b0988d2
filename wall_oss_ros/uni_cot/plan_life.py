# SPDX-License-Identifier: Apache-2.0
"""The life of one plan: from the model's first words to its one end, through approvals, edits, failures and new plans.

Nothing here waits, asks the model or looks at a clock. Each method is one thing that happens, and leaves the plan as it
is to be shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.uni_cot.judging import Judging, Verdict, refusal
from wall_oss_ros.uni_cot.plan import By, Judgement, Plan, PlanStatus, Subtask, SubtaskStatus
from wall_oss_ros.uni_cot.plan_edits import Edit, Refused, beginning, edit_plan
from wall_oss_ros.uni_cot.plan_terms import Draft, PlannerSettings, Question
from wall_oss_ros.uni_cot.texts import one_line, quoted

_ANEW, _NEW, _SUBTASK = "anew", "new", "subtask"
_AWAIT = {"none": (), "plan": (_NEW, _ANEW), "subtask": (_NEW, _ANEW, _SUBTASK), "replan": (_ANEW,)}


class PlanLife:
    """One plan.

    Args:
        plan: without subtasks; changed in place.
        settings: the planner's.
        understood: gives an instruction as the model knows it, and why it does not understand it, if so.
        listed: says whether the model lists the instructions that it understands; one that does not is told anything.
        approval: one of ``APPROVALS``.

    Attributes:
        goal: the instruction as the model is asked about it.
    """

    def __init__(
        self,
        plan: Plan,
        settings: PlannerSettings,
        understood: Callable[[str], tuple[str, str]],
        listed: Callable[[], bool],
        approval: str = "none",
    ):
        self.plan, self._settings, self._understood, self._listed = plan, settings, understood, listed
        self.goal = normalise(plan.instruction)
        self._asked = self.goal  # what the model is asked about in the part of the plan that is its own
        self._judging = Judging(settings.confirmations, settings.stray_answers)
        self._replans = self._refusals = 0
        self._shown = 0  # revision in which waiting for approval began
        plan.approval, plan.confirmations = approval, settings.confirmations

    # What the model is wanted for.

    def question(self) -> Question | None:
        """What to have judged; None when there is nothing."""
        about = "" if self.plan.over or self.plan.remaking else self._judging.about(self.plan, self._asked)
        return Question(about, self._state) if about else None

    @property
    def _state(self) -> tuple:
        plan = self.plan
        return plan.revision, plan.status, plan.active, plan.next, plan.activations

    def planned(self, draft: Draft) -> None:
        """The model has made the plan, or made it anew."""
        plan, why = self.plan, self.plan.remaking
        refused, plan.remaking = plan.status == PlanStatus.AWAITING_APPROVAL, ""
        plan.reasoning, plan.thought = draft.reasoning, draft.thought
        if draft.fault:
            plan.finish(PlanStatus.FAILED, draft.fault, draft.stamp)
            return
        whole = plan.mode == "none"  # there is nothing to follow but whether it is done
        plan.own, plan.parts, plan.edited = draft.lines, draft.parts, 0 if whole else None
        plan.subtasks = [Subtask(line, goal=line if whole else "") for line in draft.lines]
        made = "taken as a whole" if whole else f"made{' anew' if why else ''}: {len(draft.lines)} subtasks"
        plan.change(draft.stamp, By.MODEL, made, why)
        plan.message = f"Planned anew, since {why}." if why else ""
        plan.status, plan.active, plan.next, plan.active_revision = PlanStatus.RUNNING, -1, 0, plan.revision
        self._judging.forget()
        self._asked = draft.asked or self.goal
        about = self._judging.about(plan, self._asked)
        beginning = self._judging.take(plan, about, draft.first).to or 0
        plan.judgement = Judgement(str(draft.first), draft.confidence, draft.stamp, about, 1)
        if refused or self._awaits(_ANEW if why else _NEW):
            self._wait(beginning)
        else:
            plan.activate(beginning, draft.stamp)

    def judged(self, question: Question, words: str, confidence: float, stamp: float, thought: str = "") -> bool:
        """The model has answered. Returns whether that counts: the plan is still the one that it was asked about."""
        if self.plan.over or question.state != self._state:
            return False
        self.plan.thought = thought
        verdict = self._judging.take(self.plan, question.about, words)
        self.plan.judgement = Judgement(str(words), confidence, stamp, question.about, self._judging.repeats)
        if verdict.lost:
            self._lost(words, stamp)
        elif verdict.to is not None:
            self._follow(verdict, stamp)
        return True

    def _follow(self, verdict: Verdict, stamp: float) -> None:
        plan, to = self.plan, verdict.to
        if plan.status == PlanStatus.AWAITING_APPROVAL:
            if to != plan.next:
                plan.next = to
                if self._awaits(_SUBTASK):  # which is what a person is asked about
                    plan.change(stamp, By.MODEL, f"would begin {quoted(plan.subtasks[to].text)}")
                    self._shown = plan.revision
        elif to >= len(plan.subtasks):
            every = "Every subtask that was left is done, as the model judges."
            done = "The model judges the instruction done." if plan.edited is None or plan.undivided else every
            plan.finish(PlanStatus.SUCCEEDED, done, stamp)
        elif to == plan.active:
            plan.subtasks[to].acting = verdict.acting
        elif plan.active < 0 and to == plan.next and (verdict.acting or not plan.subtasks[to].asked):
            self._activate(to, verdict.acting, stamp)
        elif plan.active < 0:
            self._begin(to, stamp, awaits=False)
        else:
            if to < plan.active:
                plan.message = f"Back to {quoted(plan.subtasks[to].text)}."
            self._begin(to, stamp)

    def _lost(self, words: str, stamp: float) -> None:
        plan = self.plan
        if plan.edited is not None:
            self._failed(f"the model kept answering {quoted(words)}", By.MODEL, "", stamp)
        elif refusal(words) or self._replans >= self._settings.replans:
            plan.finish(PlanStatus.FAILED, f"The model keeps answering {quoted(words)}.", stamp)
        else:
            self._replans += 1
            self._remake(f"the model kept answering {quoted(words)}", By.MODEL, "", stamp)

    # What people do.

    def edit(self, revision: int, edit: Edit, stamp: float) -> tuple[bool, str]:
        """Makes a person's edit for that revision. Returns whether it was made, and what was done, or why not."""
        plan = self.plan
        if why := self._against(revision):
            return False, why
        active = plan.subtasks[plan.active] if plan.active >= 0 else None
        following = plan.subtasks[plan.next] if plan.next >= 0 else None
        try:
            what = edit_plan(plan, edit, self._understood)
        except Refused as refused:
            return False, str(refused)
        plan.change(stamp, By.PERSON, what, one_line(edit.why), one_line(edit.name))
        plan.message = f"Edited: {what}."
        self._judging.forget()
        if active is not None:
            if plan.subtasks[(front := plan.first_left(plan.active))] is not active:
                active.status, active.started, active.acting = SubtaskStatus.PENDING, None, ""
                plan.active, plan.active_revision = -1, plan.revision
                self._begin(front, stamp)
            return True, what
        plan.active_revision = plan.revision
        to = beginning(plan, following)
        if plan.running:
            self._begin(to, stamp)
        else:
            plan.next = to
            plan.waits += 1
        return True, what

    def approve(self, revision: int, reason: str, name: str, stamp: float, fresh: bool) -> tuple[bool, str]:
        """A person lets the plan run. 0 stands for the revision in which it began to wait.

        Args:
            fresh: whether the model has judged the present scene; if not, it is asked once more before it begins.
        """
        plan = self.plan
        if why := self._against_approval(revision):
            return False, why
        reason = one_line(reason)
        plan.change(stamp, By.PERSON, "approved", reason, one_line(name))
        plan.status, plan.message, plan.active_revision = PlanStatus.RUNNING, reason, plan.revision
        if fresh and not plan.subtasks[plan.next].asked:
            plan.activate(plan.next, stamp)
        return True, f"plan {plan.id} was approved"

    def refuse(self, revision: int, reason: str, name: str, stamp: float) -> tuple[bool, str]:
        """A person does not let the plan run. It is made anew by the reason, or ends."""
        plan, settings = self.plan, self._settings
        if why := self._against_approval(revision):
            return False, why
        reason, name = one_line(reason), one_line(name)
        goal = self._corrected(reason)
        if not goal or self._refusals >= settings.refusals:
            plan.finish(PlanStatus.REJECTED, reason or "Not approved.", stamp, By.PERSON, name)
            return True, f"plan {plan.id} was rejected"
        self._refusals += 1
        self.goal = goal
        if self._listed():
            plan.instruction = reason  # which corrects it
        self._remake(f"it was refused: {quoted(reason)}", By.PERSON, name, stamp)
        return True, f"plan {plan.id} was refused, and is made anew"

    def _corrected(self, reason: str) -> str:
        """What the model is to plan for instead; empty where the reason does not tell it.

        A model that lists what it understands can follow nothing but another instruction. One that does not is told the
        reason beside the instruction.
        """
        if not reason or self._understood(reason)[1]:
            return ""
        return normalise(reason) if self._listed() else f"{self.goal}. {normalise(reason)}"

    def _against(self, revision: int) -> str:
        """Why nothing may be done now to the plan at that revision; empty where it may."""
        plan = self.plan
        if plan.over:
            return f"plan {plan.id} is over: {plan.status.label}"
        if plan.remaking:
            return f"plan {plan.id} is being made anew: look at it again when that is done"
        if revision != plan.revision:
            return f"plan {plan.id} is at revision {plan.revision} by now, not {revision}: look at it again"
        return ""

    def _against_approval(self, revision: int) -> str:
        if self.plan.status != PlanStatus.AWAITING_APPROVAL:
            return "no plan awaits approval"
        return self._against(revision or self._shown)

    # What goes wrong.

    def fail_subtask(self, why: str, by: By, name: str, stamp: float) -> bool:
        """The active subtask has failed: it is tried again, or the plan is made anew, or given up.

        Args:
            why: a sentence without a full stop.

        Returns:
            False where no subtask is active.
        """
        if not self.plan.running or self.plan.active < 0:
            return False
        self._failed(one_line(why), by, one_line(name), stamp)
        return True

    def end(self, status: PlanStatus, message: str, stamp: float, by: By, name: str = "") -> None:
        """Ends the plan, if it is not over."""
        if not self.plan.over:
            self.plan.finish(status, message, stamp, by, name)

    def _failed(self, why: str, by: By, name: str, stamp: float) -> None:
        plan = self.plan
        at = plan.active if plan.active >= 0 else plan.next
        line = plan.subtasks[at]
        line.failures += 1
        if line.failures <= self._settings.retries:
            plan.change(stamp, by, f"{quoted(line.text)} is tried again", why, name)
            plan.message, plan.active_revision = f"{_sentence(why)} It is tried again.", plan.revision
            plan.advance(at, stamp)
            self._judging.forget()
            if self._awaits(_SUBTASK):
                self._wait(at)
        # A plan that a person has changed is not thrown away for one of the model's.
        elif plan.edited is None and self._replans < self._settings.replans:
            self._replans += 1
            self._remake(why, by, name, stamp)
        else:
            plan.finish(PlanStatus.FAILED, _sentence(why) + self._seen(), stamp, by, name, why)

    def _remake(self, why: str, by: By, name: str, stamp: float) -> None:
        plan = self.plan
        plan.change(stamp, by, "to be made anew", why, name)
        plan.remaking, plan.message, plan.active_revision = why, f"It is planned anew, since {why}.", plan.revision
        plan.rest()

    def _seen(self) -> str:
        """What the model saw last, and what had been tried."""
        judgement, tried = self.plan.judgement, []
        if self._settings.retries:
            tried.append("tried again")
        if self._replans:
            tried.append(f"planned anew {self._replans} times" if self._replans > 1 else "planned anew once")
        said = f" It had been {' and '.join(tried)}." if tried else ""
        if judgement.words:
            sure = "" if math.isnan(judgement.confidence) else f" (probability {judgement.confidence:.2f})"
            said += f" The model's last judgement was {quoted(judgement.words)}{sure}."
        return said

    # How it goes on.

    def _awaits(self, what: str) -> bool:
        return what in _AWAIT[self.plan.approval]

    def _wait(self, following: int) -> None:
        plan = self.plan
        plan.status, plan.next = PlanStatus.AWAITING_APPROVAL, following
        plan.waits += 1
        self._shown = plan.revision

    def _begin(self, index: int, stamp: float, awaits: bool = True) -> None:
        """Goes on with a subtask: at once, when the model has been asked what to do for it, or when it is approved."""
        plan = self.plan
        if awaits and self._awaits(_SUBTASK):
            plan.advance(index, stamp)
            plan.change(stamp, By.MODEL, f"would begin {quoted(plan.subtasks[index].text)}")
            self._wait(index)
        elif plan.subtasks[index].asked:
            plan.advance(index, stamp)
        else:
            self._activate(index, "", stamp)

    def _activate(self, index: int, acting: str, stamp: float) -> None:
        self.plan.activate(index, stamp)
        self.plan.subtasks[index].acting = acting


def _sentence(why: str) -> str:
    return f"{why[0].upper()}{why[1:]}." if why else ""
