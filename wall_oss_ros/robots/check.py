"""Looks a robot's profile over before anything moves: ``python -m wall_oss_ros.robots.check my_robot.yaml``."""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.robots.rotations import matrix_from_quaternion

_TURN = math.radians(5)  # how far the tool's rotation at home may be from the one that states are measured from
_SPARE = 0.1  # rad, wanted between home and the joint limits
_GRID = 3  # the workspace is looked at in the middle of this many parts along each axis


def look_over(profile: RobotProfile) -> Iterator[tuple[bool, str]]:
    """What is found, line by line: whether it is well, and what it is.

    Raises:
        WallOSSError: the URDF and the profile do not fit each other, so that there is nothing more to say.
    """
    arm = Arm(profile)
    space, rotation = profile.arm.workspace, matrix_from_quaternion(profile.arm.tool_rotation)
    position, orientation = arm.fk(arm.home)
    inside = bool((position > space.min).all() and (position < space.max).all())
    yield inside, f"home: the tool is at {_metres(position)}, {'inside' if inside else 'outside'} the workspace"
    turn = math.acos(min(1.0, max(-1.0, (np.trace(orientation @ rotation.T) - 1) / 2)))
    yield turn < _TURN, f"home: the tool is turned {math.degrees(turn):.1f} degrees against tool_rotation"
    spare = np.minimum(arm.home - arm.lower, arm.upper - arm.home)
    nearest = profile.arm.joints[int(np.argmin(spare))]
    yield spare.min() > _SPARE, f"home: {spare.min():.2f} rad to the nearest joint limit, that of {nearest}"
    middles = [low + (high - low) * (np.arange(_GRID) + 0.5) / _GRID for low, high in zip(space.min, space.max)]
    goals = list(itertools.product(*middles))
    missed = [goal for goal in goals if not arm.ik(goal, rotation, arm.home).ok]
    where = f"; not {_metres(missed[0])}" if missed else ""
    # A box has corners that an arm has not: most of it is enough.
    yield len(missed) < len(goals) / 3, f"workspace: {len(goals) - len(missed)} of {len(goals)} points reached{where}"
    joints = {joint.get("name") for joint in ElementTree.parse(profile.urdf_path).getroot().iter("joint")}
    absent = [name for name in profile.gripper.joints if name not in joints]
    said = f"the URDF has no joint {', '.join(absent)}" if absent else f"{', '.join(profile.gripper.joints)} in the URDF"
    yield not absent, f"gripper: {said}"
    if profile.simulation is None:
        yield True, "simulation: none"
        return
    from wall_oss_ros.sim.scene import SceneSpec  # MuJoCo
    from wall_oss_ros.sim.simulator import Simulator

    simulator = Simulator(SceneSpec.random(np.random.default_rng(0)), profile)
    apart = float(np.linalg.norm(simulator.tcp[0] - arm.fk(simulator.q)[0]))
    yield apart < 1e-4, f"simulation: the tool is {1000 * apart:.2f} mm from where kinematics put it"
    simulator.step(1.0)
    moved = float(np.abs(simulator.q - simulator.home).max())
    yield moved < 0.01, f"simulation: after a second at rest the arm has moved {moved:.4f} rad"


def _metres(point) -> str:
    return f"({', '.join(f'{value:.3f}' for value in point)}) m"


def main(arguments: list[str] | None = None) -> int:
    """Prints what is found; 0 when all is well, 1 when something is not, 2 when the profile is refused."""
    parser = argparse.ArgumentParser(prog="python -m wall_oss_ros.robots.check", description="Looks a profile over.")
    parser.add_argument("robot", help="a profile in config/robots, with :variant where it has some, or a path")
    try:
        profile = load_profile(parser.parse_args(arguments).robot)
        wrong = 0
        for well, line in look_over(profile):
            print(f"{'  ' if well else '! '}{line}")
            wrong += not well
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
