# SPDX-License-Identifier: Apache-2.0
"""No chunk is followed that was computed for other words than those of now, whatever people edit and whatever is late.

The whole path but the network: the plan's life, its messages, what control follows of them, its requests, and answers
that come late, doubled, in another order, or never.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wall_oss_ros.nodes  # noqa: F401  gives the messages
from wall_oss_ros.control.chunk_queue import ChunkQueue
from wall_oss_ros.control.chunk_requests import ChunkRequests
from wall_oss_ros.control.followed_plan import FollowedPlan
from wall_oss_ros.nodes.conversions import answer_from, answer_message, request_from, request_message
from wall_oss_ros.nodes.plan_messages import plan_message, plan_news
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.chunk import Chunk, ChunkAnswer
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.plan import By, Plan
from wall_oss_ros.uni_cot.plan_edits import Edit, EditKind
from wall_oss_ros.uni_cot.plan_life import PlanLife
from wall_oss_ros.uni_cot.plan_terms import Draft, PlannerSettings

PROFILE = load_profile("franka")
LAYOUT, ROBOT = Layout(PROFILE), "franka@12345678"
A, B = "pick up", "place"
CHANGE, INSERT, REMOVE, SKIP, MOVE, REPEAT, REPLACE = EditKind


class Path:
    """A planner, control's side of chunks, and what is between them."""

    def __init__(self, lines=(A, B, A, B)):
        settings = PlannerSettings(confirmations=1, retries=99)
        self.life = PlanLife(Plan(1, "tidy up", began=1.0), settings, lambda text: (text, ""), lambda: False)
        self.life.planned(Draft(1.0, "\n".join(lines), tuple(lines), first=lines[0]))
        self.messages, self.answers, self.sent = [], [], []  # on their way; and all that was ever said of the plan
        self.plan, self.now = FollowedPlan(), 2.0
        self.plan.clock(0.5)
        self.requests = ChunkRequests("control", ROBOT, LAYOUT, real_time=True)
        self.queue = ChunkQueue(LAYOUT.angles, [own.gripper for own in LAYOUT.arms])
        self.wanted = self.task = None  # what was worked on in the last cycle; what the motion is for
        self.say()

    def say(self):
        message = plan_message(self.life.plan, "base", self.now, "planner")
        self.messages.append(message)
        self.sent.append(message)

    def hear(self, which=0):
        """A message arrives; they keep their order."""
        if self.messages:
            self.plan.update(plan_news(self.messages.pop(0)), self.now)

    def hear_late(self, which):
        """One arrives once more that was said before the last edit that control knows of: a repetition gone astray."""
        known = self.plan._plan
        old = [one for one in self.sent if known is not None and one.revision < known.revision]
        if old:
            self.plan.update(plan_news(old[which % len(old)]), self.now)

    def answer(self, which, keep):
        """An answer arrives, of those that are on their way; it may arrive again."""
        if not self.answers:
            return
        at = which % len(self.answers)
        message = self.answers[at] if keep else self.answers.pop(at)
        active = self.plan.active
        taken = self.requests.receive(self.now, self.now, answer_from(message), active)
        if taken is not None:
            self.follow(taken)

    def follow(self, answer: ChunkAnswer):
        words, revision = answer.chunk.targets[0, 7], answer.task.active_revision
        assert answer.task == self.plan.active
        assert words == code(self.plan.active.subtask), "it was computed for these words"
        assert revision == self.plan.active.active_revision, "and since the last decision about them"
        assert self.queue.put(answer.chunk, self.now) or answer.chunk.stamp < self.queue.stamp
        self.task = answer.task

    def cycle(self):
        """As the control node's."""
        self.now += 0.05
        active = self.plan.active
        if active != self.wanted:
            self.wanted = active
            self.requests.withdraw()
        if active is None or not active.continues(self.task):
            self.queue.clear()
            self.task = None
        if active is None:
            return
        asked = self.requests.ask(self.now, self.now, active, self.queue, self.task == active)
        if asked is not None:
            self.answers.append(self.compute(request_from(request_message(asked, "base", self.now))))

    def compute(self, request):
        """The expert's answer, as a message: what the chunk says depends on the words alone."""
        targets = np.zeros((10, LAYOUT.size))
        targets[:, 7] = code(request.task.subtask)
        chunk = Chunk(self.now, np.zeros(LAYOUT.size), targets, PROFILE.rate_hz)
        answer = ChunkAnswer(request.control, request.number, request.task, ROBOT, self.now, chunk, LAYOUT.mask)
        return answer_message(answer, LAYOUT)

    def edit(self, *values, **fields):
        done, _ = self.life.edit(self.life.plan.revision, Edit(*values, **fields), self.now)
        self.say()
        return done

    def judge(self, words):
        if (question := self.life.question()) is not None:
            self.life.judged(question, words, 0.5, self.now)
            self.say()

    def fail(self):
        self.life.fail_subtask("it slipped", By.MONITOR, "grip", self.now)
        self.say()

    def settle(self):
        """All arrives, in order, and a chunk for what is to be done now."""
        while self.messages:
            self.hear()
        self.cycle()
        while self.answers:
            self.answer(0, keep=False)
        self.cycle()


def code(words: str) -> float:
    """A number that float32 keeps, for words."""
    return float(sum((i + 1) * ord(sign) for i, sign in enumerate(words)) % 1000)


def begun(**values) -> Path:
    path = Path(**values)
    path.settle()
    path.settle()
    assert path.task is not None and path.task.subtask == A
    return path


@pytest.mark.parametrize(
    "edit, now",
    [
        (Edit(CHANGE, 0, texts=["pick up green"]), None),  # the model is asked first
        (Edit(REMOVE, 0), B),
        (Edit(MOVE, 0, 3), B),
        (Edit(INSERT, 0, texts=[B]), B),
        (Edit(REPEAT, 2, 0), A),  # the same words at the same place, but another subtask
        (Edit(REPLACE, texts=[A, B]), A),
    ],
)
def test_what_was_asked_for_before_an_edit_is_not_followed_after_it(edit, now):
    path = begun()
    path.cycle()
    assert path.answers, "a chunk for the old words is being computed"
    assert path.edit(edit.kind, edit.index, edit.to, edit.texts)
    path.hear()
    path.cycle()
    assert path.task is None and path.queue.end is None, "nothing is left of the old motion"
    path.answer(0, keep=True)
    assert path.task is None, "and what comes late is not taken"
    if now is None:
        assert path.plan.active is None
        path.judge("reach for green")
        path.hear()
        now = "reach for green"
        path.cycle()
    assert path.plan.active.subtask == now
    path.settle()
    path.settle()
    assert path.task is not None and path.task.subtask == now


@pytest.mark.parametrize(
    "edit", [Edit(CHANGE, 1, texts=["wait"]), Edit(REMOVE, 3), Edit(INSERT, 1, texts=["wait"]), Edit(SKIP, 2)]
)
def test_an_edit_of_what_comes_later_does_not_interrupt_the_robot(edit):
    path = begun()
    task = path.task
    path.cycle()
    assert path.edit(edit.kind, edit.index, edit.to, edit.texts)
    path.hear()
    path.cycle()
    assert path.plan.active == task == path.task and path.queue.end is not None
    path.answer(0, keep=False)
    assert path.task == task, "its next chunk is as good as before"


def test_a_plan_that_moves_on_goes_over_from_one_motion_to_the_next():
    path = begun()
    path.judge(B)
    path.hear()
    path.cycle()
    assert path.plan.active.subtask == B and path.queue.end is not None, "the old one is followed until there is one"
    path.settle()
    assert path.task.subtask == B


def test_a_subtask_that_is_tried_again_begins_from_rest():
    path = begun()
    path.fail()
    path.hear()
    path.cycle()
    assert path.plan.active is None and path.queue.end is None
    path.judge(A)
    path.settle()
    path.settle()
    assert path.task.subtask == A and path.task.active_revision == path.life.plan.revision


def test_a_message_that_was_overtaken_is_none():
    path = begun()
    path.edit(REMOVE, 0)
    path.settle()
    path.hear_late(0)
    assert path.plan.active.subtask == B


EDITS = st.builds(
    Edit, st.sampled_from(EditKind), st.integers(0, 5), st.integers(0, 5),
    st.lists(st.sampled_from([A, B, "wait", "pick up green"]), min_size=1, max_size=2),
)  # fmt: skip
HAPPENINGS = st.lists(
    st.sampled_from([("hear",), ("cycle",), ("cycle",), ("fail",)])
    | st.tuples(st.just("edit"), EDITS)
    | st.tuples(st.just("judge"), st.sampled_from([A, B, "wait", prompts.DONE, "reach for green"]))
    | st.tuples(st.just("answer"), st.integers(0, 9), st.booleans())
    | st.tuples(st.just("hear_late"), st.integers(0, 9)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(happenings=HAPPENINGS)
def test_whatever_is_late_no_stale_subtask_acts(happenings):
    path = Path()
    for name, *what in happenings:
        if name == "edit":
            (edit,) = what
            path.edit(edit.kind, edit.index, edit.to, edit.texts)
        else:
            getattr(path, name)(*what)
        if path.task is not None and not path.messages and name == "cycle":
            assert path.plan.active.continues(path.task)
            assert path.task.active_revision == path.life.plan.active_revision
