# SPDX-License-Identifier: Apache-2.0
"""The scripted expert in the model's place, in closed loop: planner, chunk queue and limits let both tasks happen."""

import numpy as np
import pytest
from sim_support import Expert

from wall_oss_ros.model.fast import NotAChunk
from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.closed_loop import ClosedLoop
from wall_oss_ros.sim.evaluate import outcome_of, random_cases
from wall_oss_ros.sim.registry import task_of

pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module", params=["franka", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ur", "dual_arm"))]
)
def loop(request):
    environment = task_of(request.param).environment(np.random.default_rng(0))
    environment.simulator.render = lambda view: np.zeros(
        (8, 8, 3), np.uint8
    )  # nobody looks at the pictures, which take time
    yield ClosedLoop(Expert(environment), environment)
    environment.simulator.close()


@pytest.mark.timeout(300)
def test_whoever_knows_what_to_do_is_let_do_it(loop):
    for case in random_cases(loop.task, 2, seed=4):
        episode = loop.run(case.scene, case.instruction, list(case.goals), seed=0)
        assert episode.success and episode.faults == 0, episode.summary()
        assert (episode.status, episode.taken, episode.placed) == (
            "succeeded",
            case.goals[0].colour,
            case.goals[0].tray,
        )
        assert 0.1 < episode.greatest_force < 60 and set(episode.changed) == {case.goals[0].colour}
        assert episode.plan_right and episode.judgements_right == episode.judgements > 5


class Mumbler(Expert):
    """Its first tokens make no chunk."""

    calls = 0

    def act(self, *arguments):
        self.calls += 1
        if self.calls in (1, 5):
            raise NotAChunk("they end too soon")
        return super().act(*arguments)


def test_tokens_that_make_no_chunk_are_a_fault_after_which_it_goes_on(loop):
    case, mumbler = random_cases(loop.task, 1, seed=4)[0], Mumbler(loop.environment)
    mumbling = ClosedLoop(mumbler, loop.environment)
    episode = mumbling.run(case.scene, case.instruction, list(case.goals), seed=0)
    assert episode.success and episode.faults == 2 and episode.chunks == mumbler.calls > 5


def test_what_is_asked_for_in_vain_is_not_reached(loop):
    """Nor does the arm stir: the model says that there is no such thing."""
    case = random_cases(loop.task, 1, seed=4)[0]
    absent = next(c for c in ("red", "green", "blue", "yellow") if c not in case.scene.colours)
    instruction = case.instruction.replace(case.goals[0].colour, absent)
    episode = loop.run(case.scene, instruction, loop.task.language.parse(instruction), seed=0)
    assert not episode.success and episode.plan_right and episode.taken is None
    assert episode.status == "failed" and f"there is no {absent}" in episode.message and episode.chunks == 0
    assert (episode.greatest_force, episode.changed) == (0.0, {}) and outcome_of(episode.summary(), True) == "refused"


class Phased(Expert):
    """Plans several phases, and judges each by its lines, as a model that judges plans does."""

    judges_plans = True

    def plan(self, obs, instruction):
        goals = self.task.language.parse(instruction)
        phases = self.task.language.phases(goals)
        self.phases = {prompts.steps([line for goal in phase for line in goal.subtasks()]): phase for phase in phases}
        return self.task.language.plan_text(self.environment.truth()[()], goals)

    def reason(self, obs, about):
        return self.task.language.active_subtask(self.environment.truth()[()], self.phases[about])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", ["dual_arm"], indirect=True)
def test_a_tray_is_lifted_put_down_and_the_other_one_lifted(loop):
    scene = loop.task.scene(3)
    first, second = scene.colours
    said = f"lift the {first} tray, put it down, then lift the {second} tray"
    goals = loop.task.language.parse(said)
    episode = ClosedLoop(Phased(loop.environment), loop.environment).run(scene, said, goals, seed=0)
    assert episode.success and episode.plan_right and episode.status == "succeeded", episode.summary()
    told = list(dict.fromkeys(what for _, who, what in episode.events if who == "truth"))
    assert told == [*[line for goal in goals for line in goal.subtasks()], prompts.DONE]
    assert episode.greatest_force < 60 and set(episode.changed) == {second}
    # The truth has gone on to the next phase when the plan is still told, once more, that the one before is done.
    assert episode.judgements - 4 <= episode.judgements_right
