# SPDX-License-Identifier: Apache-2.0
"""Universal Robots: the URDFs follow the table, the table the published formula, and every arm reaches its table."""

import math
import runpy
import xml.etree.ElementTree as ET

import numpy as np
import pinocchio
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cubes import expert
from wall_oss_ros.sim.cubes.demonstrations import CubeEnvironment
from wall_oss_ros.sim.cubes.expert import PICK, PLACE, ExpertState
from wall_oss_ros.sim.steps import CONTROL_DT, DT

GENERATOR = runpy.run_path(str(data_path("urdf/ur/generate.py")))
DOWN = np.diag([1.0, -1.0, -1.0])
TYPES = "ur3 ur3e ur5 ur5e ur7e ur8long ur10 ur10e ur12e ur15 ur16e ur18 ur20 ur30".split()


def test_every_ur_type_of_the_driver_is_there():
    assert sorted(GENERATOR["types"]()) == sorted(TYPES)


@pytest.mark.parametrize("ur_type", TYPES)
def test_the_shipped_urdf_is_what_the_table_gives(ur_type):
    assert load_profile(f"ur:{ur_type}").urdf_path.read_text() == GENERATOR["urdf"](ur_type)


def _published_pose(dh, q):
    """Base to tool by Denavit and Hartenberg, with the angles alpha that all of these arms have."""
    d1, a2, a3, d4, d5, d6 = dh
    half = math.pi / 2
    pose = np.eye(4)
    rows = ((d1, 0, half), (0, -a2, 0), (0, -a3, 0), (d4, 0, half), (d5, 0, -half), (d6, 0, 0))
    for angle, (d, a, alpha) in zip(q, rows):
        c, s, ca, sa = math.cos(angle), math.sin(angle), math.cos(alpha), math.sin(alpha)
        pose = pose @ [[c, -s * ca, s * sa, a * c], [s, c * ca, -c * sa, a * s], [0, sa, ca, d], [0, 0, 0, 1]]
    return pose


@pytest.mark.parametrize("ur_type", ["ur3e", "ur5e", "ur8long", "ur30"])
def test_the_urdf_moves_as_the_published_parameters_say(ur_type):
    model = pinocchio.buildModelFromUrdf(str(load_profile(f"ur:{ur_type}").urdf_path))
    data, turned = model.createData(), np.diag([-1.0, -1.0, 1.0])  # the controller's base is turned against base_link
    rng = np.random.default_rng(0)
    for _ in range(5):
        q = pinocchio.neutral(model)
        q[:6] = rng.uniform(-3, 3, 6)
        pinocchio.framesForwardKinematics(model, data, q)
        tool, wanted = data.oMf[model.getFrameId("tool0")], _published_pose(GENERATOR["types"]()[ur_type]["dh"], q[:6])
        assert np.allclose(tool.translation, turned @ wanted[:3, 3], atol=1e-5)
        assert np.allclose(tool.rotation, turned @ wanted[:3, :3], atol=1e-5)


@pytest.mark.parametrize("ur_type", TYPES)
def test_home_points_the_tool_down_and_the_workspace_is_in_reach(ur_type):
    profile = load_profile(f"ur:{ur_type}")
    arm, space = Arm(profile), profile.arm.workspace
    position, rotation = arm.fk(arm.home)
    assert np.allclose(rotation, DOWN, atol=1e-3)
    assert (position > space.min).all() and (position < space.max).all()
    goals = [(x, y, z) for x in (0.36, 0.64) for y in (-0.34, 0.34) for z in (0.02, 0.25)]
    if profile.simulation is None:
        goals = [(0.22, 0.2, 0.02), (0.36, 0.0, 0.02), (0.30, -0.2, 0.2)]
    for goal in goals:
        result = arm.ik(goal, DOWN, arm.home)
        assert result.ok and np.abs(result.q - arm.home).max() < 2.0, f"{goal} without turning a joint over"


def test_the_gripper_of_the_urdf_opens_as_the_profile_says():
    profile = load_profile("ur")
    gripper, root = profile.gripper, ET.parse(profile.urdf_path).getroot()
    for opening in (0.0, 0.03, gripper.open):
        knuckle, width = gripper.joint_position(opening), 0.0
        for name in profile.simulation.fingers.joints:
            mimic = root.find(f"joint[@name='{name}']/mimic")
            assert mimic.get("joint") == gripper.joints[0]
            width += float(mimic.get("offset")) + float(mimic.get("multiplier")) * knuckle
        assert width == pytest.approx(opening, abs=1e-9)


def test_variants_are_chosen_by_name():
    assert load_profile("ur").variant == "ur5e"
    assert load_profile("ur:ur20").name == "ur" and load_profile("ur:ur20").urdf.endswith("ur20.urdf")
    with pytest.raises(WallOSSError, match="no variant 'ur6'.*Name one of ur3, ur3e"):
        load_profile("ur:ur6")
    with pytest.raises(WallOSSError, match="no variants"):
        load_profile("franka:fr4")


@pytest.fixture(scope="module")
def environment():
    made = CubeEnvironment(np.random.default_rng(3), "ur")
    yield made
    made.simulator.close()


def test_the_simulated_arm_begins_at_home_and_is_where_kinematics_say(environment):
    simulator = environment.simulator
    assert np.allclose(simulator.arm.q, environment.profile.arm.home)
    assert simulator.arm.gripper_width == pytest.approx(0.085)
    for ours, theirs in zip(simulator.arm.tcp, environment.arm.fk(simulator.arm.q)):
        assert np.allclose(ours, theirs, atol=1e-6)
    observation = simulator.observation(environment.profile).check()
    assert np.allclose(observation.state[7:10], simulator.arm.tcp[0], atol=1e-6) and observation.state_mask.sum() == 7


def test_the_expert_puts_a_cube_into_a_tray_with_it(environment):
    simulator = environment.simulator
    colour = simulator.spec.colours[0]
    subtasks = [(PICK, colour), (PLACE, "left")]
    aim, q = simulator.arm.tcp[0], simulator.arm.q
    for _ in range(120):
        state = ExpertState.of(simulator)
        index = expert.active_subtask(subtasks, state)
        if index == len(subtasks):
            break
        velocity, opening = expert.target(state, subtasks[index])
        aim = simulator.arm.tcp[0] + np.clip(aim - simulator.arm.tcp[0], -0.01, 0.01) + np.array(velocity) * DT
        goal = environment.arm.ik(aim, environment.down, q).q
        simulator.arm.set_gripper(opening)
        for k in range(1, 6):
            simulator.arm.set_joint_targets(q + (goal - q) * k / 5)
            simulator.step(CONTROL_DT)
        q = goal
    assert simulator.where(colour) == "left tray"


def test_frames_to_learn_from_can_be_made_with_it(environment):
    while not environment.pose():
        pass
    images, record = environment.frame()
    assert images.shape == (2, 112, 112, 3) and np.isfinite(record["chunks"]).all()


def test_an_arm_too_short_for_the_table_is_not_simulated():
    with pytest.raises(WallOSSError, match="no simulation section"):
        CubeEnvironment(np.random.default_rng(0), "ur:ur3e")
