# SPDX-License-Identifier: Apache-2.0
"""An arm that would touch itself is told from one that would not, fast enough for every cycle."""

import time

import numpy as np
import pytest

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
ARM = Arm(PROFILE)
FOLDED = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785])  # the hand in the base


@pytest.fixture(scope="module")
def collisions() -> SelfCollision:
    return SelfCollision(PROFILE)


def test_home_and_the_workspace_are_free(collisions):
    assert collisions.touching(ARM.home) == ""
    box, down = PROFILE.arm.workspace, np.diag([1.0, -1.0, -1.0])
    for x, y, z in np.random.default_rng(0).uniform(box.min, box.max, (20, 3)):
        solution = ARM.ik((x, y, z), down, ARM.home)
        if solution.ok:
            assert collisions.touching(solution.q) == "", (x, y, z)


def test_a_folded_arm_touches_itself_and_the_links_are_named(collisions):
    words = collisions.touching(FOLDED)
    assert " and " in words and all(name.startswith("fr3_") for name in words.split(" and "))


def test_neighbours_may_touch_and_all_others_are_compared(collisions):
    pairs = {frozenset(pair) for pair in collisions.pairs}
    assert frozenset(("fr3_link2", "fr3_link3")) not in pairs, "neighbours by a joint"
    assert frozenset(("fr3_hand", "fr3_link7")) not in pairs, "one body"
    assert {frozenset(("fr3_link0", "fr3_hand")), frozenset(("fr3_link2", "fr3_link5"))} <= pairs


def test_it_is_cheap(collisions):
    """Of the machine's own time, so that other programs do not count; 20 ms is one cycle at 50 Hz."""
    begun = time.thread_time()
    for _ in range(50):
        collisions.touching(ARM.home)
    assert (time.thread_time() - begun) / 50 < 0.002


def test_shapes_that_are_not_there_are_named(tmp_path):
    urdf = PROFILE.urdf_path.read_text().replace('<sphere radius="0.062"/>', '<mesh filename="/no/such.stl"/>')
    urdf = urdf.replace('<cylinder radius="0.054" length="0.135"/>', '<mesh filename="/no/such.stl"/>')
    (tmp_path / "arm.urdf").write_text(urdf)
    with pytest.raises(WallOSSError, match="collision shapes .*such.stl"):
        SelfCollision(PROFILE.model_copy(update={"urdf": str(tmp_path / "arm.urdf")}))
