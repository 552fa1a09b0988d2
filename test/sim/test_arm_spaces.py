# SPDX-License-Identifier: Apache-2.0
"""The scripted expert's targets, told in every way that a profile may choose: the arm goes to the same places."""

import numpy as np
import pytest
from arm_space_support import saved
from sim_support import Expert

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.closed_loop import ClosedLoop, Settings
from wall_oss_ros.sim.evaluate import random_cases
from wall_oss_ros.sim.registry import task_of

FRANKA = load_profile("franka")
TOLD = [("euler", "absolute")] + [(form, mode) for form in ("columns", "joints") for mode in ("relative", "absolute")]


class Teller(Expert):
    """In the model's place: the expert's chunk, told as the environment's profile wants it."""

    def __init__(self, environment):
        super().__init__(environment)
        self.plain, self.layout, self.places = Layout(FRANKA), environment.layout, []

    def act(self, obs, subtask, steps, seed, previous):
        chunk = super().act(obs, subtask, steps, seed, previous)
        self.places.append(self.environment.simulator.arm.tcp[0])
        rows, q = [], self.environment.simulator.arm.q
        for target in self.plain.absolute(chunk, self.environment.simulator.state(FRANKA)[0]):
            position, rotation, opening = self.plain.unpack(target)
            q = self.environment.arm.ik(position, rotation, q).q
            rows.append(self.layout.pack(position, rotation, opening, q)[0])
        return self.layout.relative(np.array(rows, float), obs.state)


def taken(robot: str) -> tuple[str, list[np.ndarray]]:
    """Which cube is lifted, and where the tool is whenever the model acts, in the first 5 s of one task."""
    environment = task_of(robot).environment(np.random.default_rng(0))
    environment.simulator.render = lambda view: np.zeros((8, 8, 3), np.uint8)
    teller = Teller(environment)
    case = random_cases(teller.task, 1, seed=4)[0]
    loop = ClosedLoop(teller, environment, Settings(time_limit_s=5.0, joining="blend"))
    episode = loop.run(case.scene, case.instruction, list(case.goals), seed=0)
    environment.simulator.close()
    assert episode.faults == 0 and episode.taken == case.goals[0].colour, episode.summary()
    return episode.taken, teller.places


@pytest.fixture(scope="module")
def plain():
    return taken("franka")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", [TOLD[0], *(pytest.param(way, marks=pytest.mark.slow) for way in TOLD[1:])])
def test_the_same_cube_is_taken_by_the_same_way(plain, way):
    colour, places = taken(saved(*way))
    assert colour == plain[0] and len(places) > 5
    apart = [np.linalg.norm(here - there) for here, there in zip(places, plain[1])]
    assert max(apart[:5]) < 0.005, "until the cube is near, to within 5 mm"
