# SPDX-License-Identifier: Apache-2.0
"""Entries of released statistics that were never set move nothing; grippers that count in shares open in metres."""

import numpy as np
import pytest
import torch
from checkpoint_support import (
    ACTION_MAX,
    ACTION_MIN,
    ARM,
    INSTRUCTION,
    STATE_MAX,
    STATE_MIN,
    VIEWS,
    in_layout,
    make_checkpoint,
    rewrite,
)

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Observation, Policy, WallOSSProcessor
from wall_oss_ros.policy.fit import require_fit
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.robot_statistics import for_robot, never_set
from wall_oss_ros.robots.profile import load_profile

FRANKA, DUAL = load_profile("franka"), load_profile("dual_arm")
DOFS = dict(FRANKA.dof_config)


def observe(seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    mask = np.zeros(20, bool)
    mask[ARM] = True
    middle = (np.array(STATE_MIN) + STATE_MAX) / 2
    state = np.zeros(20, np.float32)
    state[ARM] = middle
    return Observation(0.0, {view: rng.integers(0, 256, (56, 56, 3), np.uint8) for view in VIEWS}, state, mask)


def never(tensors: dict[str, torch.Tensor]) -> None:
    """Statistics as the public code writes them: 0 and 1 where the data had no such entry."""
    for name, tensor in tensors.items():
        if ".normalizer_" in name:
            tensor[:7], tensor[14:] = float(".delta." in name), float(".delta." in name)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    plain, released = (make_checkpoint(tmp_path_factory.mktemp(name)) for name in ("plain", "released"))
    rewrite(released, never)
    return plain, released


@pytest.mark.parametrize("profile", [FRANKA, None], ids=["profile", "no profile"])
def test_what_was_never_set_changes_nothing(folders, profile):
    plain, released = (Policy.from_pretrained(folder, robot="franka", profile=profile) for folder in folders)
    assert np.array_equal(released.dof_mask, plain.dof_mask) and released.dof_mask.sum() == 7
    full = Observation(0.0, observe().images, observe().state, np.ones(20, bool))  # a robot that says all of it
    for obs in (observe(), full):
        assert np.array_equal(plain.act(obs, INSTRUCTION, seed=1), released.act(obs, INSTRUCTION, seed=1))


def test_batches_are_masked_alike(folders):
    plain, released = (WallOSSProcessor.from_pretrained(folder, robot="franka") for folder in folders)
    batches = [processor(observe(), INSTRUCTION) for processor in (plain, released)]
    for key in ("proprioception", "agent_pos_mask", "dof_mask"):
        assert torch.equal(*(batch[key] for batch in batches)), key


def test_the_profile_decides_what_the_robot_has(folders):
    """The same checkpoint, whose statistics have ranges for both arms, on a robot with the right one."""
    both = Normalizer(np.full(20, -0.5), np.ones(20))
    assert for_robot(both, DOFS, FRANKA).varies.sum() == 7
    assert for_robot(both, DOFS, DUAL).varies.sum() == 17
    assert for_robot(both, DOFS).varies.all(), "nobody says which robot it is"


@pytest.mark.parametrize(
    ("unset", "dead"),
    [
        (range(14, 20), range(14, 20)),
        (range(7), range(7)),  # an arm with its gripper
        ([6], []),  # a gripper that opens from 0 to 1
        ([3, 4], []),  # a part of a rotation
        ([16], [16]),
        ([14], []),
    ],
)
def test_a_degree_of_freedom_is_dead_as_a_whole(unset, dead):
    low, range_ = np.full(20, -0.3), np.full(20, 0.7)
    low[list(unset)], range_[list(unset)] = 0, 1
    assert np.flatnonzero(never_set(Normalizer(low, range_), DOFS)).tolist() == list(dead)
    assert not never_set(Normalizer(low, range_, "mean_std"), DOFS).any(), "of mean and deviation they say something"


@pytest.mark.parametrize(("counted", "opened"), [("share_open", 0.08), ("share_closed", 0.0)])
def test_a_gripper_in_shares_opens_in_metres(tmp_path, counted, opened):
    folder = make_checkpoint(tmp_path)

    def shares(tensors):
        for name, tensor in tensors.items():
            if ".normalizer_" in name:
                tensor[13] = float(".delta." in name)

    rewrite(folder, shares)
    with pytest.raises(WallOSSError, match=r"a share of the stroke by the look of it \(then set gripper.counted"):
        require_fit(folder, FRANKA)
    profile = FRANKA.model_copy(update={"gripper": FRANKA.gripper.model_copy(update={"counted": counted})})
    policy = Policy.from_pretrained(folder, profile=profile)
    normalizer = policy._actions
    assert np.allclose(normalizer.denormalize(np.ones(20))[13], opened)
    assert np.allclose(normalizer.bounds()[0][13], 0) and np.allclose(normalizer.bounds()[1][13], 0.08)
    values = np.zeros(20)
    values[13] = 0.02
    assert np.allclose(normalizer.denormalize(normalizer.normalize(values))[13], 0.02)
    assert 0 <= policy.act(observe(), INSTRUCTION, seed=0)[:, 13].min() <= 0.08


def test_shares_by_mean_and_deviation():
    low, deviation = in_layout(ACTION_MIN).numpy(), in_layout(ACTION_MAX).numpy()
    low[13], deviation[13] = 0.5, 0.2
    profile = FRANKA.model_copy(update={"gripper": FRANKA.gripper.model_copy(update={"counted": "share_closed"})})
    found = for_robot(Normalizer(low, deviation, "mean_std"), DOFS, profile)
    assert np.allclose(found.denormalize(np.eye(20)[13])[13], 0.08 * 0.3), "closed to 0.7 is open to 0.3"
