# SPDX-License-Identifier: Apache-2.0
"""A world for plans: a runner whose clocks, model, cameras and control are a test's to make; and what holds always."""

from dataclasses import replace

import numpy as np

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.uni_cot.control_watch import ControlReport, ControlWatch
from wall_oss_ros.uni_cot.plan import HISTORY, Plan, PlanStatus, SubtaskStatus
from wall_oss_ros.uni_cot.plan_edits import MOST
from wall_oss_ros.uni_cot.plan_runner import PlanRunner
from wall_oss_ros.uni_cot.plan_terms import PlannerSettings
from wall_oss_ros.uni_cot.plan_time import FASTEST, PlanLimits
from wall_oss_ros.uni_cot.planner import UniCoTPlanner

LIMIT = 60.0  # s; ends a test that hangs
LIMITS = PlanLimits(subtask=4.0, plan=10.0, held=6.0, approval=7.0, blind=3.0, model=5.0, observation=1.0)
THRICE = PlannerSettings(stray_answers=2, retries=1, replans=1, refusals=1)
ONCE = PlannerSettings(stray_answers=2, retries=0, replans=0)  # what fails is not tried again
# The model may take its time for a plan, which then is worked on at the slowest pace and held for as long.
BOUND = 3 * LIMITS.model + LIMITS.observation + 2 * FASTEST * LIMITS.plan + LIMITS.held + LIMITS.approval + 5.0
STEP = 0.1
OVER = (PlanStatus.SUCCEEDED, PlanStatus.FAILED, PlanStatus.CANCELLED, PlanStatus.REJECTED)
A, B = "pick up", "place"


def sound(plan: Plan) -> None:
    """Asserts it."""
    active = [i for i, line in enumerate(plan.subtasks) if line.status == SubtaskStatus.ACTIVE]
    assert active == ([plan.active] if plan.active >= 0 else []), "at most one subtask is active"
    assert plan.active < 0 or plan.running
    assert bool(plan.active_text) == (plan.active >= 0)
    kept = len(plan.history)
    assert [one.revision for one in plan.history] == [*range(plan.revision - kept + 1, plan.revision + 1)]
    assert 0 < kept <= HISTORY and plan.active_revision <= plan.revision
    assert len(plan.subtasks) <= MOST
    assert all(len(one.what) < 1000 and len(one.why) < 1000 and len(one.name) < 1000 for one in plan.history)
    if plan.status == PlanStatus.AWAITING_APPROVAL and not plan.remaking:
        assert 0 <= plan.next < len(plan.subtasks) and plan.subtasks[plan.next].status != SubtaskStatus.SKIPPED
    if plan.running and not plan.remaking:
        at = plan.active if plan.active >= 0 else plan.next
        assert plan.subtasks[at].left, "there is something to do"
    if plan.over:
        assert not any(line.left for line in plan.subtasks) and (plan.active, plan.next) == (-1, -1)


class World:
    """A runner without a thread, its clocks, a control node, cameras, and a model, each as bad as it is told to be."""

    def __init__(self, answers=((A, 0.0),), approval="none", confirmations=1, settings=ONCE, **limits):
        self.answers, self.calls = list(answers), 0
        self.now, self.steady, self.pace = 1000.0, 50.0, 1.0
        self.cameras, self.observed, self.count = True, 0.0, 0
        self.alive, self.moves, self.said, self.second, self.foreign = True, True, [], False, False
        self.shown, self.tickets, self.truly = [], [], {}
        self.limits = PlanLimits(**{**vars(LIMITS), **limits})
        self.runner = PlanRunner(
            UniCoTPlanner(self, replace(settings, confirmations=confirmations)), self.ask,
            lambda: self.now, self.shown.append, period=0.5, approval=approval, limits=self.limits,
            control=ControlWatch("here", "me"), steady=lambda: self.steady, thread=False,
        )  # fmt: skip
        self.step()

    # The model.

    lists_instructions = False
    judges_plans = False

    def understood(self, text, kind):
        return text, "that is nonsense" if "nonsense" in text else ""

    def answer(self):
        answer, takes = self.answers[self.calls % len(self.answers)]
        self.calls += 1
        self.wait(takes, within=True)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def plan(self, obs, instruction):
        answer = self.answer()
        return f"{A}\n{B}" if answer in (A, B) else answer

    def reason(self, obs, instruction):
        return self.answer()

    def ask(self, obs, question):
        return self.answer()

    # The rest of the world.

    @property
    def plan_now(self):
        return self.shown[-1] if self.shown else None

    def report(self, control="one", robot="here", moving=None):
        plan = self.plan_now
        running = plan is not None and plan.status == PlanStatus.RUNNING
        moving = self.moves if moving is None else moving
        words = "holding: no joint states" if running else "control is idle"
        self.runner.hear(
            ControlReport(control, robot, "me" if running else "", plan.id if running else 0, moving and running, words)
        )
        return running and moving, plan.id if plan else 0

    def step(self, within=False):
        self.steady += STEP
        self.now += STEP * self.pace
        before, self.said = self.said, []
        self.count += 1
        if self.cameras:
            self.runner.observe(Observation(self.now, {}, np.zeros(20, np.float32), np.zeros(20, bool)))
        if self.alive:
            self.said.append(("one", *self.report()))
        if self.second:
            self.said.append(("two", *self.report("two", moving=True)))
        if len(before) == 1 and before[0][1] and before[0][0] in [one[0] for one in self.said]:
            plan = before[0][2]  # it still did what it had said
            self.truly[plan] = self.truly.get(plan, 0.0) + STEP
        if self.foreign:
            self.report("three", robot="elsewhere", moving=True)
        self.runner.tick()
        if not within:
            self.runner.work()

    def wait(self, seconds, within=False):
        for _ in range(round(seconds / STEP)):
            self.step(within)

    def instruct(self, text="do it"):
        self.tickets.append(self.runner.instruct(text))
        return self.tickets[-1]

    def until_over(self, bound=BOUND):
        start = self.steady
        while not all(ticket.over for ticket in self.tickets):
            assert self.steady - start < bound, "a plan goes on and on"
            self.step()
        return self.steady - start

    def every_plan_ended_once(self):
        for ticket in self.tickets:
            told = [plan for plan in self.shown if plan.id == ticket.plan.id]
            assert [plan.status in OVER for plan in told] == [False] * (len(told) - 1) + [True]
            assert told[-1].status == ticket.plan.status and told[-1].instruction == ticket.plan.instruction
            assert told[-1].status == PlanStatus.SUCCEEDED or told[-1].message
            assert told[-1].active == -1 and told[-1].ended is not None
            for plan in told:
                sound(plan)
            assert [plan.revision for plan in told] == sorted(plan.revision for plan in told)
