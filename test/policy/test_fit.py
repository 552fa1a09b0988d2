# SPDX-License-Identifier: Apache-2.0
"""Statistics from datasets and profiles, and the refusal of those that would move an arm to the wrong place."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from arm_space_support import saved
from checkpoint_support import ACTION_MAX, ACTION_MIN, ARM, STATE_MAX, STATE_MIN, in_layout, make_checkpoint

from wall_oss_ros.commands.inspection.report import inspect
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy import Policy
from wall_oss_ros.policy.fit import mismatches, require_fit
from wall_oss_ros.policy.normalizer import Normalizer, from_profile, from_values
from wall_oss_ros.robots.components import Base, Limits
from wall_oss_ros.robots.profile import load_profile

FRANKA = load_profile("franka")
DUAL = load_profile("dual_arm")
ABSOLUTE = FRANKA.model_copy(update={"action_mode": "absolute"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


def normalizer(low, high, **entries) -> Normalizer:
    """A range; ``entries`` replaces (low, high) of the arm's entries by index, such as ``at6=(0, 1)``."""
    low, high = list(low), list(high)
    for name, (least, most) in entries.items():
        low[int(name[2:])], high[int(name[2:])] = least, most
    return Normalizer(in_layout(low).numpy(), (in_layout(high) - in_layout(low)).numpy())


def states(**entries) -> Normalizer:
    return normalizer(STATE_MIN, STATE_MAX, **entries)


def actions(**entries) -> Normalizer:
    return normalizer(ACTION_MIN, ACTION_MAX, **entries)


def test_the_robot_that_it_was_trained_on_fits(folder):
    assert require_fit(folder, FRANKA) == "franka"
    config = read_config(folder)
    assert mismatches(config, states(), actions(), FRANKA) == []
    assert mismatches(config, states(), states(), ABSOLUTE) == []
    assert mismatches(replace(config, action_rate_hz=10.05), states(), actions(), FRANKA) == []
    for profile in (FRANKA, ABSOLUTE):
        assert mismatches(config, *from_profile(profile), profile) == []


@pytest.mark.parametrize(
    "state, action, message",
    [
        (dict(at4=(0, 0)), {}, "state follow_right_ee_rotation has no range in 1 of 3 entries"),
        ({}, dict(at6=(0, 0)), "action follow_right_gripper has no range"),
        (dict(at0=(0, 1), at1=(0, 1), at2=(0, 1)), {}, "_pos spans 0 to 1 throughout"),
        (dict(at0=(300, 700)), {}, "state follow_right_ee_cartesian_pos spans .* millimetres"),
        (dict(at2=(5.0, 5.5)), {}, "state follow_right_ee_cartesian_pos spans"),
        (dict(at1=(-2.0, 0.0)), {}, "state follow_right_ee_cartesian_pos spans"),
        (dict(at0=(-0.6, -0.3)), {}, "never enters the workspace.*another base frame"),
        (dict(at3=(-180, 180)), {}, "state follow_right_ee_rotation spans .* degrees"),
        (dict(at3=(-180, 0)), {}, "state follow_right_ee_rotation spans .* degrees"),
        (dict(at3=(-900, 900)), {}, "state follow_right_ee_rotation spans -900 to 900.* rad$"),
        (dict(at6=(-0.3, 0.08)), {}, "state follow_right_gripper spans -0.3 to 0.08 m; the gripper"),
        (dict(at6=(0, 80)), {}, "state follow_right_gripper spans 0 to 80 m, millimetres"),
        (dict(at6=(0, 0.15)), {}, "state follow_right_gripper spans 0 to 0.15 m; the gripper"),
        (dict(at6=(0, 1)), {}, "0 to 1 m, a share of the stroke"),
        ({}, dict(at5=(-90, 90)), "action follow_right_ee_rotation spans .* degrees"),
        ({}, dict(at1=(-200, 200)), "action displacements in follow_right_ee_cartesian_pos .* millimetres"),
        ({}, dict(at0=(0.3, 0.7)), "leaves out 0: these are absolute positions"),
        ({}, dict(at1=(-0.4, -0.1)), "leaves out 0: these are absolute positions"),
    ],
)
def test_what_does_not_fit_is_said(folder, state, action, message):
    found = mismatches(read_config(folder), states(**state), actions(**action), FRANKA)
    assert len(found) == 1 and re.search(message, found[0]), found


def test_joints_are_compared_with_the_urdfs_limits(folder):
    profile = load_profile(saved("joints", "absolute"))
    entries = dict(profile.dof_config)
    config = replace(read_config(folder), dof_config=entries, agent_pos_config=entries)
    fits = from_profile(profile)
    assert mismatches(config, *fits, profile) == []
    joints = np.arange(8) < 7
    for factor, offset, said in (
        (180 / np.pi, 0, "rad, degrees by the look of it"),
        (0.1, 4.0, "which some joint never"),
    ):
        low, high = (np.where(joints, factor * edge + offset, edge) for edge in fits[0].bounds())
        found = mismatches(config, Normalizer(low, high - low), fits[1], profile)
        assert len(found) == 1 and found[0].startswith("state arm_joints spans") and said in found[0], found


def test_displacements_are_no_absolute_positions(folder):
    found = mismatches(read_config(folder), states(), actions(), ABSOLUTE)
    assert len(found) == 1 and "never enters the workspace" in found[0] and "displacements?" in found[0]


def test_deviations_are_compared_as_well(folder):
    mean, std = (in_layout(STATE_MIN) + in_layout(STATE_MAX)) / 2, (in_layout(STATE_MAX) - in_layout(STATE_MIN)) / 6
    good = Normalizer(mean.numpy(), std.numpy(), "mean_std")
    config = read_config(folder)
    assert mismatches(config, good, actions(), FRANKA) == []
    degrees = Normalizer(mean.numpy(), np.where(in_layout([0, 0, 0, 1, 1, 1, 0]) > 0, 30, std), "mean_std")
    assert "degrees" in mismatches(config, degrees, actions(), FRANKA)[0]


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(action_rate_hz=32.0), "32 rows a second, the profile plays them at 10"),
        (dict(action_rate_hz=10.3), "10.3 rows a second, the profile plays them at 10"),
        (dict(views=["top_view"]), "wants the views top_view"),
        (dict(agent_pos_config={"follow_right_ee_cartesian_pos": 20}), "agent_pos_config of the checkpoint is"),
    ],
)
def test_layout_views_and_rate_are_compared(folder, changes, message):
    config = read_config(folder)
    for key, value in changes.items():
        setattr(config, key, value)
    assert message in mismatches(config, states(), actions(), FRANKA)[0]


def test_the_same_degrees_of_freedom_in_another_order_do_not_fit(folder):
    config = read_config(folder)
    config.dof_config = dict(reversed(config.dof_config.items()))
    assert "dof_config of the checkpoint is" in mismatches(config, states(), actions(), FRANKA)[0]


# Of several arms, head and lift


def dual(**entries) -> tuple[Normalizer, Normalizer]:
    """The profile's own ranges of states and actions; ``entries`` replaces (low, high) in both, by index."""
    found = []
    for one in from_profile(DUAL):
        low, high = (edge.copy() for edge in one.bounds())
        for name, (least, most) in entries.items():
            low[int(name[2:])], high[int(name[2:])] = least, most
        found.append(Normalizer(low, high - low))
    return tuple(found)


@pytest.fixture(scope="module")
def config(folder):
    config = read_config(folder)
    config.views = [view.name for view in DUAL.views]
    return config


def test_a_checkpoint_of_two_arms_head_and_lift_fits(config):
    assert mismatches(config, *dual(), DUAL) == []


def test_parts_that_a_checkpoint_was_not_trained_on_are_no_mismatch(config):
    assert mismatches(config, *dual(at14=(0, 0), at15=(0, 0), at16=(0, 0)), DUAL) == []
    assert mismatches(config, *dual(at14=(0, 1), at15=(0, 1), at16=(0, 1)), DUAL) == [], (
        "what public code writes for none"
    )


@pytest.mark.parametrize(
    "entries, messages",
    [
        (dict(at6=(0, 0)), ["state follow_left_gripper has no range", "action follow_left_gripper has no range"]),
        (
            dict(at3=(-180, 180)),
            ["state follow_left_ee_rotation .* degrees", "action follow_left_ee_rotation .* degrees"],
        ),
        (dict(at6=(0, 1)), ["state follow_left_gripper .* share", "action follow_left_gripper .* share"]),
        (dict(at14=(-20, 40)), ["state head_actions spans .* degrees", "action head_actions spans"]),
        (dict(at16=(-500, 0)), ["state height spans .* millimetres", "action height spans"]),
    ],
)  # fmt: skip
def test_each_arm_and_each_part_is_compared(config, entries, messages):
    found = mismatches(config, *dual(**entries), DUAL)
    assert len(found) == len(messages), found
    assert all(any(re.search(message, line) for line in found) for message in messages), found


def test_the_other_arm_alone_does_not_fit_a_robot_with_two(config):
    found = mismatches(config, states(), actions(), DUAL)
    assert any("state follow_left_gripper has no range" in line for line in found)


def test_a_profiles_ranges_of_two_arms_head_lift_and_base():
    base = Base(
        dof="car_pose", frame="base_link", holonomic=False, topic="/cmd_vel", stamped=True, odometry="/odom",
        rate_hz=20, limits=Limits(velocity=(0.3, 0.3, 0.5), acceleration=(1, 1, 1), jerk=(5, 5, 5)),
    )  # fmt: skip
    found, relative = from_profile(DUAL.model_copy(update={"base": base}))
    low, high = found.bounds()
    left, right = (one.arm.workspace for one in reversed(DUAL.arms))
    assert np.allclose(low[[0, 1, 2, 7, 8, 9]], [*left.min, *right.min]) and np.allclose(high[[6, 13]], 0.106)
    assert np.allclose(low[14:17], [-0.2317, -0.35, -0.5]) and np.allclose(high[14:17], [0.6951, 0.35, 0.0])
    assert not found.varies[17:].any(), "where the base stands is not told"
    low, high = relative.bounds()
    assert np.allclose(high[:3], [0.25, 0.25, 0.25]), "0.25 m/s for one second"
    assert np.allclose(low[7:10], -high[7:10])
    assert np.allclose(high[17:], [0.3, 0.0, 0.5]) and np.allclose(low[17:], -high[17:]), "it drives forward and turns"


def test_a_policy_is_refused_before_its_weights_are_read(folder, tmp_path, monkeypatch):
    from wall_oss_ros.model import WallOSS

    model = WallOSS.from_pretrained(folder)
    head = model.action_preprocessor
    head.normalizer_propri.set("franka", in_layout(STATE_MIN), 1000 * in_layout([1.0] * 7))
    make_checkpoint(tmp_path)
    model.save_pretrained(tmp_path)
    monkeypatch.setattr(WallOSS, "from_pretrained", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(WallOSSError, match="does not fit the robot franka: .*millimetres by the look of it"):
        Policy.from_pretrained(tmp_path, profile=FRANKA)


def test_statistics_of_the_profiles_name_are_taken_of_several(folder, tmp_path, logged):
    from wall_oss_ros.model import WallOSS

    model = WallOSS.from_pretrained(folder)
    for statistics in (model.action_preprocessor.normalizer_action, model.action_preprocessor.normalizer_propri):
        statistics.set("another", torch.zeros(20), torch.ones(20))
    make_checkpoint(tmp_path)
    model.save_pretrained(tmp_path)
    assert Policy.from_pretrained(tmp_path, profile=FRANKA).robot == "franka"
    stranger = FRANKA.model_copy(update={"name": "stranger"})
    assert require_fit(folder, stranger) == "franka", "the only ones there are"
    assert "trained on franka, not on stranger" in logged()
    with pytest.raises(WallOSSError, match="no statistics for the robot 'stranger'; it has: another, franka"):
        Policy.from_pretrained(tmp_path, profile=stranger)


def test_a_robot_whose_profile_names_its_statistics_takes_no_others(folder, tmp_path):
    named = FRANKA.model_copy(update={"statistics": "another"})
    with pytest.raises(
        WallOSSError, match="was trained on franka, not on another, which the profile of franka demands"
    ):
        require_fit(folder, named)
    with pytest.raises(WallOSSError, match="was trained on franka, not on another"):
        Policy.from_pretrained(folder, profile=named)
    assert require_fit(folder, FRANKA.model_copy(update={"name": "mine", "statistics": "franka"})) == "franka"


@pytest.mark.parametrize("variant", ["tiago_dual", "mobile_aloha"])
def test_the_two_armed_model_that_ships_is_none_for_other_two_armed_robots(variant):
    folder = data_path("models/wall-oss-tiny-dual-arm")
    assert require_fit(folder, load_profile("dual_arm")) == "dual_arm"
    with pytest.raises(WallOSSError, match=f"was trained on dual_arm, not on {variant}"):
        require_fit(folder, load_profile(f"dual_arm:{variant}"))
    found = inspect(folder, f"dual_arm:{variant}", read_weights=False).suspicious
    assert any(f"none of {variant}, which the profile dual_arm names" in line for line in found)


def test_a_robot_that_is_not_named_takes_statistics_that_are_all_alike(folder, tmp_path, logged):
    from wall_oss_ros.model import WallOSS

    model = WallOSS.from_pretrained(folder)
    for statistics in (model.action_preprocessor.normalizer_action, model.action_preprocessor.normalizer_propri):
        statistics.set("twin", *statistics.get("franka"))
    make_checkpoint(tmp_path)
    model.save_pretrained(tmp_path)
    assert Policy.from_pretrained(tmp_path).robot == "franka"
    assert require_fit(tmp_path, FRANKA.model_copy(update={"name": "stranger"})) == "franka"
    assert "trained on franka, twin, not on stranger" in logged()


def test_ranges_of_a_dataset_leave_wild_values_out_on_request():
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (5000, 3))
    values[:, 2] = 0.25
    values[0, 0] = 1000.0
    low, high = from_values(values).bounds()
    assert high[0] == 1000 and (low[2], high[2]) == (0.25, 0.25)
    low, high = from_values(values, quantile=0.01).bounds()
    assert np.allclose([low[0], high[0]], [-0.98, 0.98], atol=0.02)
    assert from_values(values).mask().tolist() == [True, True, False]


def test_narrow_ranges_of_a_dataset_are_widened_around_their_middle():
    values = np.array([[0.50, 0.0, 3.0], [0.52, 1.0, 3.0]])
    assert np.allclose(from_values(values).bounds(), [[0.50, 0, 3], [0.52, 1, 3]]), "unless that is asked for"
    low, high = from_values(values, least=0.1).bounds()
    assert np.allclose(low, [0.46, 0, 3]) and np.allclose(high, [0.56, 1, 3])
    low, high = from_values(values, least=np.array([0.0, 3.0, 1.0])).bounds()
    assert np.allclose(low, [0.50, -1, 3]) and np.allclose(high, [0.52, 2, 3])
    found = from_values(values, least=0.2, dof_mask=np.array([False, True, True])).placed(6, slice(2, 5))
    low, high = found.bounds()
    assert np.allclose(low, [0, 0, 0.50, 0, 2.9, 0]) and np.allclose(high, [0, 0, 0.52, 1, 3.1, 0])
    assert found.mask().tolist() == [False, False, True, True, True, False]


def test_deviations_of_a_dataset():
    values = np.random.default_rng(1).normal(2.0, 0.5, (20000, 2))
    found = from_values(values, "mean_std")
    scaled = found.normalize(values)
    assert np.allclose(scaled.mean(0), 0, atol=1e-3) and np.allclose(scaled.std(0), 1, atol=1e-3)
    assert np.abs(scaled).max() > 3, "not clamped"
    assert np.allclose(found.denormalize(scaled), values, atol=1e-5)
    assert found.normalize(values[:1], np.array([True, False]))[0, 1] == 0


@pytest.mark.parametrize(
    "values, options, message",
    [
        (np.zeros((0, 3)), {}, r"shape \(0, 3\)"),
        (np.array([[0.0, np.nan]]), {}, "Column 1 .* not finite"),
        (np.zeros((2, 2)), dict(quantile=0.5), "leaves no range"),
    ],
)
def test_datasets_without_statistics_are_refused(values, options, message):
    with pytest.raises(WallOSSError, match=message):
        from_values(values, **options)


def test_three_deviations_are_the_bounds_where_only_these_are_known():
    low, high = Normalizer(np.array([2.0]), np.array([0.5]), "mean_std").bounds()
    assert (low.item(), high.item()) == (0.5, 3.5)


@pytest.mark.parametrize("form, most", [("columns", 1.0), ("rows", 1.0), ("euler", np.pi)])
def test_a_profiles_rotations_span_a_turn_or_numbers_of_a_matrix(form, most):
    for found in from_profile(load_profile(saved(form, "absolute"))):
        low, high = (edge[3:-1] for edge in found.bounds())
        assert np.allclose(low, -most) and np.allclose(high, most)


def test_a_profiles_ranges_span_what_the_robot_may_do():
    found, relative = from_profile(FRANKA)
    low, high = found.bounds()
    assert np.allclose(low[ARM], [0.25, -0.45, 0.01, -np.pi, -np.pi, -np.pi, 0])
    assert np.allclose(high[ARM], [0.72, 0.45, 0.60, np.pi, np.pi, np.pi, 0.08])
    assert not found.varies[:7].any() and not found.varies[14:].any()
    low, high = relative.bounds()
    assert np.allclose(high[ARM][:3], [0.25, 0.25, 0.25], atol=1e-6), "0.25 m/s for one second"
    assert np.allclose(low[ARM][:3], -high[ARM][:3])
    _, faster = from_profile(FRANKA.simulated())
    assert np.allclose(faster.bounds()[1][ARM][:3], [0.47, 0.6, 0.59], atol=1e-6), "the workspace, or 0.6 m/s"
    assert np.array_equal(from_profile(ABSOLUTE)[1].scale, found.scale)
