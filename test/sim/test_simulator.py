# SPDX-License-Identifier: Apache-2.0
"""The simulator: pictures show what is there, fingers hold by contact, servos follow."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cameras import SimulatedCameras
from wall_oss_ros.sim.cell import RGB
from wall_oss_ros.sim.cubes.scene import CUBE_SIZE, CubeSpec
from wall_oss_ros.sim.cubes.simulator import CubeSimulator

DOWN = np.diag([1.0, -1.0, -1.0])
PROFILE = load_profile("franka")
HOME, OPEN = PROFILE.start, PROFILE.gripper.open


@pytest.fixture(scope="module")
def arm():
    return Arm(load_profile("franka"))


@pytest.fixture(scope="module")
def simulator():
    made = CubeSimulator(CubeSpec.random(np.random.default_rng(0)))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _fresh(simulator):
    simulator.reset(CubeSpec.random(np.random.default_rng(0)))


def _go(simulator, arm, position, width):
    """Moves the hand by the servos, in a second."""
    start, goal = simulator.arm.q, arm.ik(position, DOWN, simulator.arm.q)
    assert goal.ok
    simulator.arm.set_gripper(width)
    for k in range(1, 51):
        simulator.arm.set_joint_targets(start + (goal.q - start) * k / 50)
        simulator.step(0.02)
    simulator.step(0.3)


def test_what_pushes_the_arm_is_felt_as_long_as_it_does(simulator, arm):
    (hand,) = simulator.arms
    assert not np.any(hand.external_wrench), "nothing touches it"
    x, y = 0.45, 0.0
    for colour in simulator.cubes():
        simulator.place_cube(colour, (0.45, -0.4, CUBE_SIZE / 2))
    _go(simulator, arm, (x, y, 0.1), 0.0)
    assert not np.any(hand.external_wrench), "nor while it moves freely"
    _go(simulator, arm, (x, y, -0.004), 0.0)
    force, torque = hand.external_wrench
    assert force[2] > 20 and force[2] > np.linalg.norm(force[:2]), "the table pushes the closed fingers up"
    assert np.linalg.norm(torque) < 0.1 * force[2], "close to the tool"
    _go(simulator, arm, (x, y, 0.1), 0.0)
    assert not np.any(hand.external_wrench)


def test_fingers_that_hold_a_cube_feel_its_weight_and_not_their_grip(simulator, arm):
    (hand,), colour = simulator.arms, simulator.spec.colours[0]
    simulator.place_robot(arm.ik((0.45, 0.0, 0.2), DOWN, simulator.arm.q).q, OPEN)
    simulator.hold(colour)
    simulator.step(0.5)
    mass = simulator.model.body_mass[simulator.model.joint(f"cube{simulator.spec.colours.index(colour)}").bodyid[0]]
    assert simulator.held() == colour
    assert hand.external_wrench[0] == pytest.approx([0.0, 0.0, -9.81 * mass], abs=0.1)


def test_a_reset_puts_the_robot_at_home(simulator):
    assert np.allclose(PROFILE.arm.home, HOME, atol=1e-5)
    assert np.allclose(simulator.arm.q, HOME) and simulator.arm.gripper_width == pytest.approx(OPEN)


def test_the_franka_is_still_what_the_shipped_model_was_trained_on(simulator):
    """Values recorded when its data was made, before robots became data."""
    simulator.reset(CubeSpec.random(np.random.default_rng(5)))
    simulator.arm.set_joint_targets(simulator.arm.q + 0.1, np.full(7, 0.2))
    simulator.arm.set_gripper(0.03)
    simulator.step(0.5)
    arm = [0.106222, -0.418478, 0.106286, -2.517314, 0.104, 2.2028, 0.8884]
    fingers, cube = [0.0169, 0.0169], [0.573201, 0.086223, 0.019892, 0.99303, 0.0, 0.0, -0.11786]
    assert simulator.data.qpos[:16] == pytest.approx([*arm, *fingers, *cube], abs=2e-6)
    quarters = {
        "face_view": [[[185.9, 177.9, 172.0], [181.9, 175.5, 169.5]], [[167.7, 160.6, 153.6], [166.8, 162.1, 155.1]]],
        "right_wrist_view": [
            [[160.6, 155.3, 151.5], [163.5, 157.4, 151.2]],
            [[186.6, 181.8, 167.0], [174.1, 167.1, 161.9]],
        ],
    }
    for view, colours in quarters.items():
        mean = simulator.render(view).reshape(2, 56, 2, 56, 3).mean((1, 3))
        assert np.abs(mean - colours).max() < 1.0  # another OpenGL draws edges a little differently


def test_physics_and_kinematics_agree_on_where_the_tool_is(simulator, arm):
    for offset in (-0.4, 0.0, 0.3):
        q = np.array(HOME) + offset * np.linspace(-1, 1, 7)
        simulator.place_robot(q, 0.04)
        for ours, theirs in zip(simulator.arm.tcp, arm.fk(q)):
            assert np.allclose(ours, theirs, atol=1e-6)
        assert simulator.arm.gripper_width == pytest.approx(0.04)


def test_a_still_robot_stays_and_cubes_lie_still(simulator):
    before = simulator.cubes()
    simulator.step(1.0)
    assert np.abs(simulator.arm.q - HOME).max() < 1e-3
    for colour, (position, _) in simulator.cubes().items():
        assert np.linalg.norm(position - before[colour][0]) < 1e-3
    assert simulator.time == pytest.approx(1.0)


@pytest.mark.parametrize("view", ["face_view", "right_wrist_view"])
def test_every_cube_appears_where_it_projects(simulator, arm, view):
    simulator.place_robot(arm.ik((0.42, 0.0, 0.35), DOWN, HOME).q, OPEN)
    image = simulator.render(view)
    assert image.shape == (112, 112, 3) and image.dtype == np.uint8
    seen = 0
    for colour, (position, _) in simulator.cubes().items():
        u, v = simulator.project(view, position)
        if 2 < u < 110 and 20 < v < 110:
            pixel = image[int(v), int(u)] / max(1, image[int(v), int(u)].max())
            nearest = min(RGB, key=lambda name: np.abs(np.array(RGB[name]) / max(RGB[name]) - pixel).sum())
            assert nearest == colour
            seen += 1
    assert seen >= 2


def test_both_views_at_other_sizes_and_no_others(simulator):
    assert simulator.render("face_view", 60, 80).shape == (60, 80, 3)
    with pytest.raises(WallOSSError, match="no view 'top_view'"):
        simulator.render("top_view")


def test_cameras_draw_depth_only_where_somebody_wants_it(simulator):
    taken, wanted = [], {"face_view"}
    cameras = SimulatedCameras(
        simulator, threading.Lock(), lambda: 0.5, ["face_view", "right_wrist_view"], (56, 56), 0.1,
        lambda *picture: taken.append(picture), taken.append, wanted.__contains__,
    )  # fmt: skip
    try:
        cameras._round()
        wanted.clear()
        cameras._round()
    finally:
        cameras._finish()
    assert [view for _, view, _, _ in taken] == ["face_view", "right_wrist_view"] * 2
    depths = [depth for _, _, _, depth in taken]
    assert depths[0].shape == (56, 56) and depths[1:] == [None] * 3


def test_depth_is_the_distance_of_what_the_picture_shows(simulator):
    image, depth = simulator.render_with_depth("face_view", 480, 480)
    assert np.array_equal(image, simulator.render("face_view", 480, 480)) and depth.shape == (480, 480)
    camera = simulator.camera("face_view")
    places = [(centre + [0, 0, CUBE_SIZE / 2], 0.002) for centre, _ in simulator.cubes().values()]
    for place, allowed in [*places, ((0.68, 0.0, 0.0), 0.004)]:  # cubes' tops, and the table
        x, y = simulator.project("face_view", place, 480, 480).astype(int)
        assert depth[y, x] == pytest.approx((camera["rotation"].T @ (place - camera["position"]))[2], abs=allowed)


def test_a_cube_is_grasped_lifted_and_let_go_by_contact(simulator, arm):
    cube = simulator.spec.cubes[0]
    for width, heights in ((OPEN, (0.12, 0.02)), (0.0, (0.02, 0.2))):
        for height in heights:
            _go(simulator, arm, (cube.x, cube.y, height), width)
    assert simulator.held() == cube.colour and simulator.where(cube.colour) == "gripper"
    assert simulator.cubes()[cube.colour][0][2] > 0.15
    simulator.step(3.0)
    assert simulator.held() == cube.colour
    simulator.arm.set_gripper(OPEN)
    simulator.step(1.0)
    assert simulator.held() is None and simulator.where(cube.colour) == "table"
    assert simulator.cubes()[cube.colour][0][2] < 0.05


def test_teleports_put_a_cube_into_the_hand_or_a_tray(simulator, arm):
    red, *_ = simulator.spec.colours
    simulator.place_robot(arm.ik((0.5, 0.1, 0.2), DOWN, HOME).q, OPEN)
    simulator.hold(red)
    assert simulator.where(red) == "gripper"
    simulator.step(1.0)
    assert simulator.where(red) == "gripper"
    simulator.place_robot(HOME, OPEN)
    for side in ("left", "right"):
        simulator.place_cube(red, simulator.spec.tray(side) + (0, 0, CUBE_SIZE / 2))
        assert simulator.where(red) == f"{side} tray"


@pytest.mark.parametrize("q", [[0.0] * 6, [np.nan] * 7])
def test_joint_targets_that_make_no_sense_are_refused(simulator, q):
    with pytest.raises(ValueError):
        simulator.arm.set_joint_targets(q)


def test_without_opengl_the_error_names_the_packages():
    code = (
        "from wall_oss_ros.sim.cubes.simulator import *\n"
        "import numpy as np\n"
        "s = CubeSimulator(CubeSpec.random(np.random.default_rng(0))); s.step(0.1)\n"
        "try: s.render('face_view')\n"
        "except Exception as e: print(type(e).__name__, e)\n"
    )
    environment = os.environ | {"MUJOCO_GL": "disabled"}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert "WallOSSError" in output.stdout and "libosmesa6" in output.stdout, output.stderr


def test_an_observation_holds_what_the_profile_names(simulator):
    profile = load_profile("franka")
    observation = simulator.observation(profile).check()
    assert list(observation.images) == [view.name for view in profile.views]
    assert np.allclose(observation.state[7:10], simulator.arm.tcp[0], atol=1e-6)
    assert observation.state[13] == pytest.approx(OPEN)
    assert observation.state_mask.sum() == 7
