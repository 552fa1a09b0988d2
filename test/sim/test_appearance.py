# SPDX-License-Identifier: Apache-2.0
"""Scenes that look otherwise: in the light, in the camera's place, in what lies about; and the plain one again."""

import numpy as np
import pytest

from wall_oss_ros.sim.appearance import KINDS, Appearance
from wall_oss_ros.sim.registry import task_of

VIEW = "face_view"


@pytest.fixture(scope="module", params=["franka", "dual_arm"])
def world(request):
    environment = task_of(request.param).environment(np.random.default_rng(0))
    yield environment.simulator
    environment.simulator.close()


def drawn(world, kinds, seed=1, strength=1.0):
    return Appearance.random(np.random.default_rng(seed), world.standing_cameras, world.spec.free, kinds, strength)


def test_each_kind_changes_the_picture_and_plain_is_plain_again(world):
    world.dress()
    plain = world.render(VIEW)
    for kind in KINDS:
        world.dress(drawn(world, [kind]))
        assert (world.render(VIEW) != plain).any(), kind
        world.dress()
        assert (world.render(VIEW) == plain).all(), kind


def test_one_look_does_not_add_to_another(world):
    first, second = drawn(world, KINDS, 1), drawn(world, KINDS, 2)
    world.dress(second)
    alone = world.render(VIEW)
    world.dress(first)
    world.dress(second)
    assert (world.render(VIEW) == alone).all()
    world.reset()
    assert (world.render(VIEW) == alone).all(), "a reset leaves the looks as they are"
    world.dress()


def test_cameras_are_moved_by_two_centimetres_and_three_degrees_at_most(world):
    world.dress()
    place = world.camera(VIEW)
    moved, turned = [], []
    for seed in range(60):
        world.dress(drawn(world, ["camera"], seed))
        now = world.camera(VIEW)
        moved.append(np.linalg.norm(now["position"] - place["position"]))
        cosine = (np.trace(now["rotation"].T @ place["rotation"]) - 1) / 2
        turned.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    world.dress()
    assert 0.01 < max(moved) <= 0.02 + 1e-9 and 1.5 < max(turned) <= 3 + 1e-6


def test_nothing_is_varied_that_is_not_asked_for(world):
    assert drawn(world, []) == Appearance() == drawn(world, KINDS, strength=0.0).__class__()
    still = drawn(world, ["light"])
    assert not still.shift and not still.turn and not still.clutter


def test_where_things_are_in_pictures_follows_the_camera(world):
    world.dress()
    camera = world.camera(VIEW)
    ahead = camera["position"] + 0.8 * camera["rotation"][:, 2]
    at = world.project(VIEW, ahead)
    world.dress(drawn(world, ["camera"], 3))
    assert np.abs(at - world.project(VIEW, ahead)).max() > 0.2
    world.dress()
