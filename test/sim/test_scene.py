# SPDX-License-Identifier: Apache-2.0
"""Scenes: random ones are fair to the robot, and a model shows the scene it was given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cell import RGB
from wall_oss_ros.sim.cubes import simulator
from wall_oss_ros.sim.cubes.scene import CUBE_DISTANCE, CubeSpec


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_random_scenes_leave_room_for_the_gripper(seed):
    spec = CubeSpec.random(np.random.default_rng(seed))
    centres = [np.array([cube.x, cube.y]) for cube in spec.cubes]
    assert len(set(spec.colours)) == 3
    assert min(np.linalg.norm(a - b) for i, a in enumerate(centres) for b in centres[:i]) >= CUBE_DISTANCE
    assert spec.tray("left")[1] > 0.2 > -0.2 > spec.tray("right")[1]
    for cube in spec.cubes:
        assert abs(cube.x - 0.5) <= 0.12 + 1e-9 and abs(cube.y) <= 0.16 + 1e-9


def test_a_seed_fixes_the_scene():
    assert CubeSpec.random(np.random.default_rng(3)) == CubeSpec.random(np.random.default_rng(3))
    assert CubeSpec.random(np.random.default_rng(3)) != CubeSpec.random(np.random.default_rng(4))


def test_a_model_has_the_robots_own_joints_and_takes_another_scene():
    specs = [CubeSpec.random(np.random.default_rng(seed)) for seed in (0, 1)]
    profile = load_profile("franka")
    made = simulator.CubeSimulator(specs[0], profile)
    model = made.model
    assert [model.joint(i).name for i in range(7)] == list(profile.arm.joints)
    made.reset(specs[1])
    for index, cube in enumerate(specs[1].cubes):
        assert model.geom(f"cube{index}").rgba[:3] == pytest.approx(RGB[cube.colour])
    assert model.body("left_tray").pos[:2] == pytest.approx(specs[1].tray("left")[:2])
