"""Each thing that control relies on is missed when it is gone, by name, and forgiven when it is back."""

import pytest

from wall_oss_ros.control.health import Health
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
ARM, LAYOUT = Arm(PROFILE), Layout(PROFILE)
STATE = LAYOUT.pack(*ARM.fk(ARM.home), 0.08)[0]


class World:
    """All is well, until something is changed."""

    def __init__(self):
        self.health, self.now, self.steady = Health(PROFILE, ARM, LAYOUT, 0.0), 100.0, 0.0
        self.q, self.state, self.robot = ARM.home.copy(), STATE.copy(), PROFILE.name
        self.speaking, self.cycling = True, True

    def run(self, seconds: float) -> str:
        """What is wrong at the end."""
        for _ in range(round(seconds / 0.02)):
            self.now, self.steady = self.now + 0.02, self.steady + 0.02
            if self.cycling:
                self.health.cycle(self.now, self.steady)
            if self.speaking:
                self.health.controller(self.now)
            self.health.joints(self.now, self.q)
            self.health.observation(self.robot, self.now, self.state)
        return self.health.fault(self.now, self.steady)


def move_tool(world: World) -> None:
    world.state = STATE.copy()
    world.state[LAYOUT.position.start] += 0.3


CHANGES = {
    "observed tool jumped by 0.30 m": (move_tool, 0.02),
    "joint's reading jumped by 0.50 rad": (lambda world: setattr(world, "q", ARM.home + 0.5), 0.02),
    "observations are of robot 'another'": (lambda world: setattr(world, "robot", "another"), 0.02),
    "nothing from the controller": (lambda world: setattr(world, "speaking", False), 0.6),
    "clock has not moved": (lambda world: setattr(world, "cycling", False), 0.6),
    "clock leapt ahead by 60.0 s": (lambda world: setattr(world, "now", world.now + 60), 0.02),
    "clock was set back by 50.0 s": (lambda world: setattr(world, "now", world.now - 50), 0.02),
    "no controller listens": (lambda world: setattr(world.health, "listeners", 0), 0.02),
    "no gripper action server": (lambda world: setattr(world.health, "gripper_ready", False), 0.02),
    "robot's program is not running": (lambda world: setattr(world.health, "program_runs", False), 0.02),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_what_is_wrong_is_named_and_goes_away_with_its_cause(reason):
    world = World()
    assert world.run(1.0) == ""
    change, after = CHANGES[reason]
    change(world)
    assert reason in world.run(after)
    world.robot, world.speaking, world.cycling = PROFILE.name, True, True
    world.health.listeners, world.health.gripper_ready, world.health.program_runs = 1, True, True
    assert world.run(1.5) == ""


def test_ordinary_motion_and_a_controller_that_never_spoke_are_no_faults():
    world = World()
    world.speaking = False
    for n in range(50):
        world.q = ARM.home + 0.02 * n * PROFILE.arm.limits.velocity[0]
        world.state[LAYOUT.position.start] = STATE[LAYOUT.position.start] + 0.02 * n * PROFILE.arm.max_tcp_speed
        assert world.run(0.02) == ""
