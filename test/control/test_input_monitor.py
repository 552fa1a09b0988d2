# SPDX-License-Identifier: Apache-2.0
"""Each thing that control relies on is missed when it is gone, by name, and forgiven when it is back."""

import pytest

from wall_oss_ros.control.input_monitor import InputMonitor
from wall_oss_ros.control.readings import ArmReadings, joints_of
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
ARM, LAYOUT = Arm(PROFILE), Layout(PROFILE)
STATE = LAYOUT.pack(*ARM.fk(ARM.home), 0.08)[0]
JOINTS = joints_of(PROFILE)
CONTROLLER, PROGRAM = "the controller at /state", "/program"


class World:
    """All is well, until something is changed."""

    def __init__(self):
        self.monitor, self.now, self.steady = InputMonitor(PROFILE, 0.0), 99.25, 0.0
        self.motion = RobotMotion(PROFILE, [ARM])
        self.readings = ArmReadings(PROFILE, self.motion)
        self.monitor.watch(self.readings)
        for n in range(12):  # they have been at rest
            self.readings.hear(99.0 + 0.02 * n, 99.0 + 0.02 * n, JOINTS, [*ARM.home, 0.04, 0.04])
        self.monitor.expect(CONTROLLER, 0.5, needed=False)
        self.q, self.state, self.robot = ARM.home.copy(), STATE.copy(), robot_identity(PROFILE)
        self.speaking, self.cycling = True, True

    def run(self, seconds: float) -> str:
        """What is wrong at the end."""
        for _ in range(round(seconds / 0.02)):
            self.now, self.steady = self.now + 0.02, self.steady + 0.02
            if self.cycling:
                self.monitor.cycle(self.now, self.steady)
            if self.speaking:
                self.monitor.heard(CONTROLLER, self.now)
            self.readings.hear(self.now, self.now, JOINTS, [*self.q, 0.04, 0.04])
            self.monitor.observation(self.robot, self.now, self.state)
        return self.monitor.fault(self.now, self.steady)


def move_tool(world: World) -> None:
    world.state = STATE.copy()
    world.state[LAYOUT.position.start] += 0.3


def say(world: World, runs: bool) -> None:
    world.monitor.expect(PROGRAM)
    world.monitor.program(PROGRAM, runs, world.now)


CHANGES = {
    "observed tool of the arm jumped by 0.30 m": (move_tool, 0.02),
    "arm cannot be where it reads: fr3_joint1 jumped by 0.50 rad": (
        lambda world: setattr(world, "q", ARM.home + 0.5),
        0.02,
    ),
    "observations are of robot 'another'": (lambda world: setattr(world, "robot", "another"), 0.02),
    "nothing from the controller at /state for 0.": (lambda world: setattr(world, "speaking", False), 0.6),
    "clock has not moved": (lambda world: setattr(world, "cycling", False), 0.6),
    "clock leapt ahead by 60.0 s": (lambda world: setattr(world, "now", world.now + 60), 0.02),
    "clock was set back by 50.0 s": (lambda world: setattr(world, "now", world.now - 50), 0.02),
    "no controller listens at /b": (lambda world: world.monitor.listeners.update({"/a": 1, "/b": 0}), 0.02),
    "no gripper server or controller at /b": (
        lambda world: world.monitor.servers.update({"/a": True, "/b": False}),
        0.02,
    ),
    "robot's program is not running, says /program": (lambda world: say(world, False), 0.02),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_what_is_wrong_is_named_and_goes_away_with_its_cause(reason):
    world = World()
    assert world.run(1.0) == ""
    change, after = CHANGES[reason]
    change(world)
    assert reason in world.run(after)
    world.robot, world.speaking, world.cycling = robot_identity(PROFILE), True, True
    world.monitor.listeners, world.monitor.servers = {"/a": 1, "/b": 1}, {"/a": True, "/b": True}
    say(world, True)
    assert world.run(1.5) == ""


def test_ordinary_motion_and_a_controller_that_never_spoke_are_no_faults():
    world = World()
    world.speaking = False
    for n in range(50):
        world.q = ARM.home + 0.02 * n * PROFILE.arm.limits.velocity[0]
        world.state[LAYOUT.position.start] = STATE[LAYOUT.position.start] + 0.02 * n * PROFILE.arm.max_tcp_speed
        assert world.run(0.02) == ""


def test_what_is_needed_from_the_start_is_missed_before_its_first_word():
    world = World()
    world.monitor.expect(PROGRAM)
    world.monitor.expect("the joints of the lift", 0.3)
    assert world.run(0.02) == "nothing from /program yet"
    world.monitor.program(PROGRAM, True, world.now)
    assert world.run(0.02) == "nothing from the joints of the lift yet"
    world.monitor.heard("the joints of the lift", world.now)
    assert world.run(0.2) == ""
    assert world.run(0.2) == "nothing from the joints of the lift for 0.4 s"
    world.monitor.heard("the joints of the lift", world.now)
    assert world.run(0.02) == "", "and a program's state, which is said once, stays known"


@pytest.mark.parametrize(
    "seconds, share, wrong", [(1.0, 1.99, False), (1.0, 2.2, True), (1e-4, 0.0, False), (1e-4, 0.02, True)]
)
def test_twice_the_limits_and_a_little_slack_are_possible_and_no_more(seconds, share, wrong):
    """``share``: of the limits' rates; where no time passes, of a whole metre beyond the slack."""
    monitor, state = InputMonitor(PROFILE, 0.0), STATE.astype(float)
    monitor.observation(robot_identity(PROFILE), 10.0, state.copy())
    fastest = PROFILE.arm.max_tcp_speed
    state[LAYOUT.position.start] += 0.99 * 0.05 + share * (fastest * seconds if seconds == 1.0 else 1.0)
    monitor.observation(robot_identity(PROFILE), 10.0 + seconds, state)
    assert ("jumped" in monitor.fault(10.0, 0.0)) == wrong


def test_a_leap_of_the_clock_starts_over_but_for_what_is_said_only_once():
    world = World()
    world.monitor.expect(PROGRAM)
    world.monitor.expect("the joints of the lift", 0.3)
    world.monitor.cycle(world.now, world.steady)
    world.monitor.program(PROGRAM, True, world.now)
    world.monitor.heard("the joints of the lift", world.now)
    assert world.monitor.fault(world.now, world.steady) == ""
    world.monitor.cycle(world.now - 50, world.steady + 0.02)
    assert world.monitor.fault(world.now - 50, world.steady + 1.1) == "the clock has not moved for 1.1 s"
    world.monitor.cycle(world.now - 49, world.steady + 1.1)
    assert world.monitor.fault(world.now - 49, world.steady + 1.1) == "nothing from the joints of the lift yet"


def test_which_arms_tool_has_jumped_is_said():
    profile = load_profile("dual_arm")
    arms, layout = [Arm(one) for one in profile.arms], Layout(profile)
    monitor = InputMonitor(profile, 0.0)
    state = layout.pack_all([(*arm.fk(arm.home), 0.05) for arm in arms])[0]

    def read(stamp: float, shifted: float = 0.0) -> str:
        seen = state.copy()
        seen[layout.arms[0].position.start] += shifted
        monitor.observation(robot_identity(profile), stamp, seen)
        return monitor.fault(stamp, 0.0)

    assert read(1.0) == read(1.02) == ""
    assert read(1.12, shifted=0.4) == "the observed tool of the right arm jumped by 0.40 m in 0.10 s"


def test_a_force_counts_only_while_it_lasts_and_what_is_no_number_is_a_fault():
    world, force = World(), PROFILE.arm.force
    world.monitor.expect(force.topic, 0.3)
    assert world.run(0.02) == f"nothing from {force.topic} yet"

    def push(newtons: float, newton_metres: float = 0.0, after: float = 0.002) -> str:
        world.now, world.steady = world.now + after, world.steady + after
        world.monitor.wrench(force.topic, (0.6 * newtons, 0.8 * newtons, 0.0), (0.0, 0.0, newton_metres), world.now)
        return world.monitor.pushed

    assert push(force.max_force) == push(force.max_force + 1) == "", "one reading of a sensor at 500 Hz means nothing"
    assert push(0.0) == push(force.max_force + 1) == push(0.0) == ""
    for _ in range(10):
        assert push(force.max_force + 1) == ""
    assert push(force.max_force + 1) == "a force of 101 N at the arm, 100 N permitted"
    assert push(0.0) == ""
    assert push(0.0, -20.0) == "" and push(0.0, 20.0, after=0.02) == "a torque of 20.0 N m at the arm, 15 N m permitted"
    world.monitor.cycle(world.now + 60, world.steady + 0.02)
    assert world.monitor.pushed == "", "after a leap of the clock all is new"

    world = World()
    world.monitor.expect(force.topic, 0.3)
    for bad in (float("nan"), float("inf")):
        push(bad)
        assert world.monitor.pushed == "" and world.run(0.02) == "the force at the arm is not a finite number"
        push(0.0)
        assert world.run(0.02) == ""
