# SPDX-License-Identifier: Apache-2.0
"""An arm told by Euler angles, 6-D rotations or joints: what goes in comes out, and what says nothing is refused."""

import json

import numpy as np
import pytest
from arm_space_support import FORMS, WAYS, content, save, saved
from hypothesis import given, settings
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy.fit import mismatches
from wall_oss_ros.policy.normalizer import Normalizer, from_profile
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.robots.rotations import matrix_from_euler, matrix_from_six, six_from_matrix

LAYOUTS = {way: Layout(load_profile(saved(*way))) for way in WAYS}
ARM = Arm(LAYOUTS["joints", "absolute"].profile)
SIX = [way for way in WAYS if way[0] in ("columns", "rows")]
angles = st.tuples(*[st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1)])
shares = st.lists(st.floats(0.02, 0.98), min_size=7, max_size=7)
quick = settings(max_examples=25, deadline=None)


def posture(share) -> np.ndarray:
    return ARM.lower + np.array(share) * (ARM.upper - ARM.lower)


def vector(layout: Layout, q, opening: float = 0.03) -> np.ndarray:
    return layout.pack(*ARM.fk(q), opening, q)[0].astype(float)


@given(angles, st.floats(0.3, 3.0), st.floats(0.3, 3.0), st.floats(-2.0, 2.0))
@quick
def test_columns_of_any_length_and_slant_give_the_rotation_that_they_span(euler, long, wide, slant):
    rotation = matrix_from_euler(euler)
    six = six_from_matrix(rotation)
    assert np.allclose(six, [*rotation[:, 0], *rotation[:, 1]])
    assert np.allclose(matrix_from_six(six), rotation)
    told = np.concatenate([long * six[:3], wide * (six[3:] + slant * six[:3])])
    assert np.allclose(matrix_from_six(told), rotation)


@pytest.mark.parametrize("way", WAYS)
@given(shares)
@quick
def test_pose_and_opening_survive_a_round_trip(way, share):
    q = posture(share)
    position, rotation, opening = LAYOUTS[way].unpack(vector(LAYOUTS[way], q))
    assert np.allclose(position, ARM.fk(q)[0], atol=1e-5) and np.allclose(rotation, ARM.fk(q)[1], atol=1e-5)
    assert np.allclose(LAYOUTS[way].tool_positions(vector(LAYOUTS[way], q)), position)
    assert opening == pytest.approx(0.03)


@pytest.mark.parametrize("way", WAYS)
@given(shares, shares)
@quick
def test_absolute_undoes_relative(way, here, there):
    layout = LAYOUTS[way]
    state, target = vector(layout, posture(here)), vector(layout, posture(there), 0.07)
    told = layout.relative(target[None], state)
    assert np.allclose(layout.absolute(told, state)[0], target, atol=1e-5)
    assert told[0, layout.gripper] == target[layout.gripper], "openings are absolute"
    if way[1] == "absolute":
        assert np.allclose(told[0], target, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@given(shares)
@quick
def test_an_arm_that_stays_has_the_same_displacement_everywhere(form, share):
    layout = LAYOUTS[form, "relative"]
    state = vector(layout, posture(share))
    still = {"euler": [0.0] * 6, "joints": [0.0] * 7}.get(form, [0, 0, 0, 1, 0, 0, 0, 1, 0])
    assert np.allclose(layout.relative(state[None], state)[0, :-1], still, atol=1e-6)


@pytest.mark.parametrize("form", ["columns", "rows"])
@given(shares, angles)
@quick
def test_a_displacement_turns_the_observed_tool_about_the_base_frames_axes(form, share, euler):
    layout, turn = LAYOUTS[form, "relative"], matrix_from_euler(euler)
    state = vector(layout, posture(share))
    told = np.zeros((1, layout.size))
    told[0, layout.rotation] = six_from_matrix(turn if form == "columns" else turn.T)
    assert np.allclose(layout.unpack(layout.absolute(told, state)[0])[1], turn @ ARM.fk(posture(share))[1], atol=1e-5)


def test_rows_are_the_matrix_as_it_is_read():
    turn = matrix_from_euler((0.1, 0.2, 0.3)) @ np.diag([1.0, -1.0, -1.0])  # of a tool that points down when unturned
    state = LAYOUTS["rows", "absolute"].pack((0, 0, 0), turn, 0.0)[0]
    assert np.allclose(state[3:9], matrix_from_euler((0.1, 0.2, 0.3))[:2].ravel(), atol=1e-6)


@pytest.mark.parametrize("way", SIX)
@pytest.mark.parametrize(
    "six", [[0] * 6, [1, 0, 0, 0, 0, 0], [1, 0, 0, 2, 0.01, 0], [1, 0, 0, -1, 0, 0.05], [1e300, 1e300, 0, 0, 1e300, 0]]
)
def test_six_numbers_that_are_no_rotation_are_told(way, six):
    layout = LAYOUTS[way]
    state = vector(layout, ARM.home)
    rows = np.tile(layout.relative(state[None], state), (3, 1))
    assert layout.fault(rows) == ""
    rows[1, layout.rotation] = six
    assert "no rotation" in layout.fault(rows)
    good = np.isfinite(layout.absolute(rows, state)).all(axis=1)
    assert good.tolist() == [True, False, True]


def test_joints_must_be_given_where_they_are_the_state():
    with pytest.raises(ValueError, match="state is its joints"):
        LAYOUTS["joints", "absolute"].pack((0, 0, 0), np.eye(3), 0.0)


@pytest.mark.parametrize(
    ("form", "arm", "words"),
    [
        ("joints", {"position_dof": "arm_joints"}, "joints_dof instead"),
        ("joints", {"joints_dof": None}, "give position_dof and rotation_dof"),
        ("joints", {"joints_dof": "hand"}, "arm.joints_dof is 'hand', which dof_config does not list with size 7"),
        ("columns", {"rotation_dof": None}, "give position_dof and rotation_dof"),
        ("columns", {"rotation_dof": "hand"}, "arm.rotation_dof is 'hand', .* with size 3 or 6"),
        ("columns", {"rotation_6d": "corners"}, "arm.rotation_6d"),
    ],
)
def test_a_profile_that_tells_an_arm_in_no_way_or_in_two_is_refused(tmp_path, form, arm, words):
    fields = content(form)
    fields["arm"] |= arm
    with pytest.raises(WallOSSError, match=words):
        load_profile(save(tmp_path, fields))


def test_two_arms_have_the_26_entries_of_the_larger_model():
    fields = load_profile("dual_arm").model_dump(exclude={"base"}, exclude_none=True)
    fields["dof_config"] = json.loads(data_path("config/models/wall-oss-0.5.json").read_text())["dof_config"]
    for side, limb in (("right", fields), ("left", fields["more_arms"][0])):
        limb["arm"] |= {"rotation_dof": f"follow_{side}_ee_rotation_6D", "rotation_6d": "rows"}
    layout = Layout(RobotProfile(**fields))
    right, left = (matrix_from_euler((0.1, -0.2, yaw)) @ np.diag([1.0, -1.0, -1.0]) for yaw in (0.5, -0.4))
    state, mask = layout.pack_all([((0.3, -0.2, -0.4), right, 0.02), ((0.3, 0.2, -0.4), left, 0.04)])
    assert layout.size == 26 and np.flatnonzero(mask).tolist() == list(range(20))
    for own, rotation in zip(layout.arms, (right, left)):
        assert np.allclose(own.unpack(state)[1], rotation, atol=1e-6)
    assert np.allclose(layout.absolute(layout.relative(state[None], state), state)[0], state, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_ranges_from_a_profile_fit_it_and_degrees_do_not(way, monkeypatch):
    profile, layout = LAYOUTS[way].profile, LAYOUTS[way]
    config = type("Config", (), dict(extra={},
        dof_config=profile.dof_config, agent_pos_config=profile.dof_config, action_rate_hz=profile.rate_hz, views=[],
    ))  # fmt: skip
    states, actions = from_profile(profile)
    assert mismatches(config, states, actions, profile) == []
    low, high = states.bounds()
    home = vector(layout, ARM.home)
    assert (home >= low - 1e-6).all() and (home <= high + 1e-6).all()
    turned = layout.joints or layout.rotation
    low, high = low.copy(), high.copy()
    low[turned], high[turned] = -90.0, 90.0
    (found,) = mismatches(config, Normalizer(low, high - low), actions, profile)
    assert ("within -1 and 1" if way[0] in ("columns", "rows") else "degrees by the look of it") in found
