# SPDX-License-Identifier: Apache-2.0
"""What clients call things, and in which units: into the layout and back."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal_support import refusal
from serving_support import FRANKA, LAYOUT, STATE

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.rotation_forms import FORMS, matrix_of, numbers_of
from wall_oss_ros.robots.rotations import matrix_from_euler
from wall_oss_ros.serving.actions import ActionForm
from wall_oss_ros.serving.keys import ActionPart, Keys, StatePart, read_keys
from wall_oss_ros.serving.state import StateReader

POSITION, ROTATION, GRIPPER = "follow_right_ee_cartesian_pos", "follow_right_ee_rotation", "follow_right_gripper"
EXAMPLE = """
views: {face_view: observation/image, right_wrist_view: [observation/wrist_image, wrist]}
instruction: [prompt]
state:
  - {dof: follow_right_ee_cartesian_pos, key: observation/state, entries: [0, 3]}
  - {dof: follow_right_ee_rotation, key: observation/state, entries: [3, 7], form: quaternion_xyzw}
  - {dof: follow_right_gripper, key: observation/state, entries: [7, 8], scale: 0.08}
action_mode: step
actions:
  - {dof: follow_right_ee_cartesian_pos, scale: 0.01, clip: [-1, 1]}
  - {dof: follow_right_ee_rotation, form: axis_angle}
  - {dof: follow_right_gripper, scale: 0.08}
"""


@pytest.fixture
def keys(tmp_path) -> Keys:
    (tmp_path / "keys.yaml").write_text(EXAMPLE)
    return read_keys(tmp_path / "keys.yaml", LAYOUT, {}, None)


def test_a_file_of_keys(keys):
    assert keys.action_mode == "step" and keys.views["right_wrist_view"] == ("observation/wrist_image", "wrist")
    down = [1.0, 0.0, 0.0, 0.0]  # the Franka's tool_rotation, from which states are measured
    state, mask = StateReader(LAYOUT, keys).read({"observation/state": np.array([0.4, 0.1, 0.3, *down, 0.5])})
    assert np.array_equal(mask, LAYOUT.mask)
    assert np.allclose(state[mask], [0.4, 0.1, 0.3, 0, 0, 0, 0.04], atol=1e-6)


def test_the_example_of_the_page_is_valid(tmp_path):
    page = (Path(__file__).parents[2] / "docs/how-to/serve.md").read_text()
    (tmp_path / "keys.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    keys = read_keys(tmp_path / "keys.yaml", LAYOUT, {}, None)
    actions = ActionForm(LAYOUT, keys).actions(np.tile(np.append(np.zeros(19), 0), (2, 1)), np.zeros(20))
    assert keys.action_mode == "step" and actions.shape == (2, 7)


def test_the_command_line_lies_over_the_file(tmp_path, keys):
    over = read_keys(tmp_path / "keys.yaml", LAYOUT, {"face_view": "cam"}, "absolute")
    assert over.views["face_view"] == "cam" and over.action_mode == "absolute" and over.actions == keys.actions


def test_steps_are_differences_in_the_units_of_the_client(keys):
    form = ActionForm(LAYOUT, keys)
    state = np.zeros(20)
    targets = np.zeros((3, 20))
    targets[:, LAYOUT.position.start] = [0.005, 0.01, 0.05]
    targets[:, LAYOUT.rotation.start + 2] = [0.1, 0.3, 0.3]
    targets[:, LAYOUT.gripper] = [0.08, 0.04, 0.0]
    actions = form.actions(targets, state)
    assert actions.shape == (3, form.size) == (3, 7) and actions.dtype == np.float32
    assert np.allclose(actions[:, 0], [0.5, 0.5, 1.0]), "the last is clipped"
    assert np.allclose(actions[:, 5], [0.1, 0.2, 0.0], atol=1e-6)
    assert np.allclose(actions[:, 6], [1.0, 0.5, 0.0])


def test_states_in_every_manner_of_the_robots_own():
    reader = StateReader(LAYOUT, Keys())
    whole = np.zeros(20)
    whole[LAYOUT.mask] = STATE
    parts = {f"state/{POSITION}": STATE[:3], f"state/{ROTATION}": [0, 0, 0], f"state/{GRIPPER}": 0.08}
    wanted = reader.read({"state": STATE})
    for message in ({"observation/state": STATE.tolist()}, {"observation.state": whole}, parts):
        state, mask = reader.read(message)
        assert np.allclose(state, wanted[0]) and np.array_equal(mask, wanted[1])


def test_optional_parts_may_be_left_out():
    layout = Layout(load_profile("dual_arm"))
    reader = StateReader(layout, Keys())
    given = {f"state/{dof}": np.zeros(slot.stop - slot.start) for dof, slot in layout.slots.items()
             if layout.mask[slot].any() and not layout.optional[slot].any()}  # fmt: skip
    _, mask = reader.read(given)
    assert not mask[layout.optional].any() and mask[layout.mask & ~layout.optional].all()
    with pytest.raises(WallOSSError, match="state is missing"):
        reader.read(dict(list(given.items())[1:]))


BAD_STATES = {
    "nothing": ({}, "The state is missing"),
    "too few": ({"state": np.zeros(6)}, "has 6 numbers; 7 were expected"),
    "a table": ({"state": np.zeros((1, 7))}, "a vector of numbers was expected"),
    "words": ({"state": "here"}, "a vector of numbers was expected"),
    "a list of words": ({"state": ["a"] * 7}, "a vector of numbers was expected"),
    "booleans": ({"state": np.zeros(7, bool)}, "a vector of numbers was expected"),
    "NaN": ({"state": [0, 0, 0, 0, 0, 0, float("nan")]}, "holds nan at place 6"),
    "infinite": ({"state": [0, float("inf"), 0, 0, 0, 0, 0]}, "holds inf at place 1"),
    "too large": ({"state": [1e300] * 7}, "too large"),
    "nothing in it": ({"state": []}, "has 0 numbers"),
}


@pytest.mark.parametrize("case", BAD_STATES.values(), ids=BAD_STATES)
def test_bad_states_are_refused_in_words(case):
    with pytest.raises(WallOSSError, match=case[1]):
        StateReader(LAYOUT, Keys()).read(case[0])


BAD_KEYS = {
    "unknown field": ("view: {}", "field view: "),
    "a list": ("- views", "must be a mapping"),
    "unknown view": ("views: {side_view: a}", "there is no view 'side_view'"),
    "unknown dof": ("state: [{dof: elbow}]", "there is no 'elbow'"),
    "another robot's": ("actions: [{dof: head_actions}]", "the robot has no head_actions"),
    "a form of what is no rotation": (f"state: [{{dof: {GRIPPER}, form: euler}}]", "no rotation"),
    "unknown form": (f"state: [{{dof: {ROTATION}, form: yaw}}]", "field state.0.form"),
    "entries of another size": (f"state: [{{dof: {POSITION}, entries: [0, 4]}}]", "has 3 numbers, but entries"),
    "scales of another size": (f"actions: [{{dof: {POSITION}, scale: [1, 2]}}]", "2 are given as its scale"),
    "scale 0": (f"actions: [{{dof: {POSITION}, scale: 0}}]", "a scale of 0"),
    "scale of no number": (f"actions: [{{dof: {POSITION}, scale: .nan}}]", "field actions.0"),
    "form and scale": (f"actions: [{{dof: {ROTATION}, form: euler, scale: 2}}]", "leave scale and offset out"),
    "twice": (f"actions: [{{dof: {POSITION}}}, {{dof: {POSITION}}}]", "twice"),
    "clip to nothing": (f"actions: [{{dof: {POSITION}, clip: [1, 1]}}]", "clipped to nothing"),
    "unknown mode": ("action_mode: speed", "field action_mode"),
    "no actions": ("actions: []", "lists no part"),
    "no instruction": ("instruction: []", "lists no key"),
}


@pytest.mark.parametrize("case", BAD_KEYS.values(), ids=BAD_KEYS)
def test_bad_keys_are_refused_in_words(case, tmp_path):
    said = refusal(lambda path: read_keys(path, LAYOUT, {}, None), tmp_path / "keys.yaml", case[0])
    assert re.search(case[1], said)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20, deadline=None)
@given(angles=st.tuples(*[st.floats(-1.5, 1.5)] * 3))
def test_rotations_go_there_and_back(form, angles):
    matrix = matrix_from_euler(angles)
    numbers = numbers_of(matrix, form)
    assert numbers.shape == (FORMS[form],)
    assert np.allclose(matrix_of(numbers, form), matrix, atol=1e-9)


@pytest.mark.parametrize("form", ["quaternion_xyzw", "6d_columns", "6d_rows", "matrix"])
def test_zeros_are_no_rotation(form):
    with pytest.raises(WallOSSError, match="no rotation"):
        matrix_of(np.zeros(FORMS[form]), form)


@pytest.mark.parametrize("robot", ["franka", "dual_arm", "dual_arm:tiago_dual", "dual_arm:mobile_aloha"])
@pytest.mark.parametrize("mode", ["absolute", "relative", "step"])
@pytest.mark.parametrize("forms", [False, True])
def test_actions_go_there_and_back(robot, mode, forms):
    layout = Layout(load_profile(robot))
    parts = None
    if forms:
        turns = [slot for own in layout.arms if (slot := own.rotation) is not None]
        own = [dof for dof, slot in layout.slots.items() if layout.mask[slot].any()]
        parts = tuple(ActionPart(dof=dof, form="quaternion_xyzw") if layout.slots[dof] in turns
                      else ActionPart(dof=dof, scale=0.5, offset=0.1) for dof in own)  # fmt: skip
    form = ActionForm(layout, Keys(action_mode=mode, actions=parts))
    rng = np.random.default_rng(0)
    state, targets = np.zeros(layout.size), np.zeros((5, layout.size))
    state[layout.mask] = rng.uniform(-0.5, 0.5, layout.mask.sum())
    targets[:, layout.mask] = rng.uniform(-0.5, 0.5, (5, layout.mask.sum()))
    for one in (own for own in layout.arms if own.rotation is not None):
        for row in (state, *targets):
            one.space.write(row, row[one.position].copy(), matrix_from_euler(rng.uniform(-1, 1, 3)), None)
    off = form.targets(form.actions(targets, state), state) - targets
    for angles in layout.angles:
        off[:, angles] = (off[:, angles] + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(off).max() < 1e-5


def test_a_state_without_rotation_is_masked():
    keys = Keys(state=(StatePart(dof=POSITION, key="xyz"),))
    state, mask = StateReader(LAYOUT, keys).read({"xyz": [1, 2, 3]})
    assert mask.sum() == 3 and np.allclose(state[LAYOUT.position], [1, 2, 3])


def test_relative_actions_are_those_of_the_profile():
    form = ActionForm(LAYOUT, Keys(action_mode="relative"))
    state = np.zeros(20)
    state[LAYOUT.mask] = STATE
    moves = np.random.default_rng(0).uniform(-0.1, 0.1, (4, 20)) * LAYOUT.mask
    assert FRANKA.action_mode == "relative"
    assert np.allclose(form.actions(LAYOUT.absolute(moves, state), state), moves[:, LAYOUT.mask], atol=1e-6)
