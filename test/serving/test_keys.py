# SPDX-License-Identifier: Apache-2.0
"""What clients call things, and in which units: into the layout and back."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from serving_support import FRANKA, LAYOUT, STATE

from wall_oss_ros.data.lerobot import Feature, LeRobotWriter
from wall_oss_ros.data.mapping.columns import Columns
from wall_oss_ros.data.mapping.motion import MotionReader
from wall_oss_ros.data.mapping.spec import load_mapping
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.rotation_forms import FORMS, matrix_of, numbers_of
from wall_oss_ros.robots.rotations import matrix_from_euler
from wall_oss_ros.serving.actions import ActionForm
from wall_oss_ros.serving.keys import ActionPart, Keys, StatePart
from wall_oss_ros.serving.mapped import read_keys
from wall_oss_ros.serving.state import StateReader
from wall_oss_ros.sim.episodes import EpisodeMaker
from wall_oss_ros.sim.registry import task_of

POSITION, ROTATION, GRIPPER = "follow_right_ee_cartesian_pos", "follow_right_ee_rotation", "follow_right_gripper"
EXAMPLE = """
views:
  face_view: observation.image
  right_wrist_view: {column: wrist, rotate: 180}
state:
  arms:
    arm:
      position: {column: observation.state, at: "0:3"}
      rotation: {column: observation.state, at: [3, 4, 5, 6], form: quaternion_xyzw}
      gripper: {column: observation.state, at: [7], closed: 0, open: 1}
action:
  arms:
    arm:
      relative: step
      position: {column: action, at: [0, 1, 2], scale: 0.01}
      rotation: {column: action, at: [3, 4, 5], form: axis_angle}
      gripper: {column: action, at: [6], closed: 0, open: 1}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "mapping.yaml").write_text(text)
    return folder / "mapping.yaml"


@pytest.fixture
def keys(tmp_path) -> Keys:
    return read_keys(written(tmp_path, EXAMPLE), LAYOUT, {}, None)


def test_a_mapping(keys):
    assert keys.action_mode == "step" and keys.framing == {"right_wrist_view": {"rotate": 180}}
    assert keys.views == {"face_view": ("observation.image", "observation/image"), "right_wrist_view": ("wrist",)}
    down = [1.0, 0.0, 0.0, 0.0]  # the Franka's tool_rotation, from which states are measured
    for name in ("observation/state", "observation.state", "state"):
        state, mask = StateReader(LAYOUT, keys).read({name: np.array([0.4, 0.1, 0.3, *down, 0.5])})
        assert np.array_equal(mask, LAYOUT.mask)
        assert np.allclose(state[mask], [0.4, 0.1, 0.3, 0, 0, 0, 0.04], atol=1e-6)


def test_the_example_of_the_page_is_valid(tmp_path):
    page = (Path(__file__).parents[2] / "docs/how-to/serve.md").read_text()
    keys = read_keys(written(tmp_path, page.split("```yaml\n")[1].split("```")[0]), LAYOUT, {}, None)
    actions = ActionForm(LAYOUT, keys).actions(np.tile(np.append(np.zeros(19), 0), (2, 1)), np.zeros(20))
    assert keys.action_mode == "step" and actions.shape == (2, 7)


@pytest.mark.parametrize(("name", "robot"), [("libero", "franka"), ("aloha", "dual_arm:mobile_aloha")])
def test_shipped_mappings_are_served_or_say_why_not(name, robot):
    layout = Layout(load_profile(robot))
    with pytest.raises(WallOSSError, match=r"The mapping .*yaml, field .*, cannot be served: \w+"):
        read_keys(name, layout, {}, None)


def test_the_command_line_lies_over_the_mapping(tmp_path, keys):
    over = read_keys(tmp_path / "mapping.yaml", LAYOUT, {"face_view": "cam"}, "absolute")
    assert over.views["face_view"] == ("cam",) and over.action_mode == "absolute" and over.actions == keys.actions
    with pytest.raises(WallOSSError, match="no view 'side'"):
        read_keys(None, LAYOUT, {"side": "cam"}, None)


@pytest.mark.parametrize("relative", ["no", "step"])
@pytest.mark.parametrize("form", ["euler", "quaternion_wxyz", "6d_rows"])
def test_what_training_learns_is_what_a_client_gets(tmp_path, relative, form):
    """Recorded numbers become states and a chunk as training reads them; the server makes of the same numbers the same
    state, and of the chunk the same numbers again."""
    count, rng = FORMS[form], np.random.default_rng(0)
    content = yaml.safe_load(EXAMPLE)
    arm = content["action"]["arms"]["arm"]
    turns = {"column": "action", "at": [*range(3, 3 + count)], "form": form}
    turns |= {"unit": "deg", "order": "ZYX"} if form == "euler" else {}
    scale = 0.01 if relative == "step" else 1.0
    arm |= {"relative": relative, "rotation": turns, "gripper": {**arm["gripper"], "at": [3 + count], "open": -1}}
    arm["position"] |= {"scale": [scale, -scale, scale], "offset": [0.0, 0.0, 0.0 if relative == "step" else 0.1]}
    file = written(tmp_path, yaml.safe_dump(content))
    rows, small = 40, 0.05 if relative == "step" else 0.6
    rotations = Rotation.from_rotvec(rng.uniform(-small, small, (rows, 3)))
    if relative == "no":  # the tool points down
        rotations = rotations * Rotation.from_quat([1, 0, 0, 0])
    turned = [numbers_of(one, form, turns.get("order", "xyz")) for one in rotations.as_matrix()]
    turned = np.rad2deg(turned) if form == "euler" else np.array(turned)
    felt = Rotation.from_rotvec(rng.uniform(-0.3, 0.3, (rows, 3))) * Rotation.from_quat([1, 0, 0, 0])
    table = {
        "observation.state": np.column_stack(
            [rng.uniform(0.2, 0.5, (rows, 3)), felt.as_quat(), rng.uniform(0, 1, rows)]
        ),
        "action": np.column_stack([rng.uniform(-1, 1, (rows, 3)), turned, rng.uniform(-1, 0, rows)]),
    }
    mapping, _ = load_mapping(file)
    features = {name: Feature("float64", (values.shape[1],), None) for name, values in table.items()}
    features |= {name: Feature("image", (56, 56, 3), None) for name in ("observation.image", "wrist")}
    motion = MotionReader(mapping, Columns(features, file, "here"), FRANKA, FRANKA.rate_hz).read(table)
    row = 5
    keys = read_keys(file, LAYOUT, {}, None)
    state, mask = StateReader(LAYOUT, keys).read(
        {"observation": {}, "observation/state": table["observation.state"][row]}
    )
    np.testing.assert_allclose(state[mask], motion.states[row][mask], atol=1e-5)
    chunks, known = motion.chunks(np.array([row]))
    targets = LAYOUT.absolute(np.where(known[0], chunks[0], 0), state)
    found = ActionForm(LAYOUT, keys).actions(targets, state)
    wanted = table["action"][row : row + FRANKA.horizon]
    if form == "quaternion_wxyz":  # both signs are the same rotation
        wanted = wanted.copy()
        wanted[:, 3:7] *= np.sign(wanted[:, 3:4])
    np.testing.assert_allclose(found, wanted, atol=2e-2 if form == "euler" else 2e-3)


def test_a_dataset_of_demonstrations_is_served_by_its_own_mapping(tmp_path):
    maker = EpisodeMaker(task_of("franka"))
    own = {key: one for key, one in maker.features.items() if one.dtype == "float32" and len(one.shape) == 1}
    with LeRobotWriter(tmp_path / "set", 10, own):
        pass
    keys = read_keys(written(tmp_path / "set", maker.mapping()), LAYOUT, {}, None)
    state, mask = StateReader(LAYOUT, keys).read({"observation/state": STATE})
    whole = np.zeros(20, np.float32)
    whole[LAYOUT.mask] = STATE
    assert np.allclose(state, whole) and np.array_equal(mask, LAYOUT.mask) and keys.action_mode == "absolute"
    targets = np.random.default_rng(0).uniform(0, 0.08, (4, 20)) * LAYOUT.mask
    assert np.allclose(ActionForm(LAYOUT, keys).actions(targets, state), targets[:, LAYOUT.mask], atol=1e-6)
    with pytest.raises(WallOSSError, match="is not beside the mapping"):
        read_keys(written(tmp_path, maker.mapping()), LAYOUT, {}, None)


def test_steps_are_differences_in_the_units_of_the_client(keys):
    form = ActionForm(LAYOUT, keys)
    state = np.zeros(20)
    targets = np.zeros((3, 20))
    targets[:, LAYOUT.position.start] = [0.005, 0.01, 0.05]
    targets[:, LAYOUT.rotation.start + 2] = [0.1, 0.3, 0.3]
    targets[:, LAYOUT.gripper] = [0.08, 0.04, 0.0]
    actions = form.actions(targets, state)
    assert actions.shape == (3, form.size) == (3, 7) and actions.dtype == np.float32
    assert np.allclose(actions[:, 0], [0.5, 0.5, 4.0])
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


ARM, ACTION = ("state", "arms", "arm"), ("action", "arms", "arm")
BAD_MAPPINGS = {
    "unknown field": (("keys",), {}, "field keys: "),
    "unknown view": (
        ("views", "side_view"),
        "a",
        "field views.side_view, cannot be served: the robot franka has no view",
    ),
    "another robot's arm": (("state", "arms", "left arm"), {}, "field state.arms.left arm, .*: the robot has arm"),
    "a part that it has not": (("state", "parts"), {"tail": {"column": "s"}}, "field state.parts.tail"),
    "a base that it has not": (("state", "base"), {"column": "s"}, "the robot franka has no base"),
    "joints": ((*ARM, "joints"), {"column": "q"}, "give joints, or position"),
    "entries of another size": ((*ARM, "position", "at"), [0, 1], "2 numbers where 3 were expected"),
    "twice the same": ((*ARM, "position", "at"), [0, 1, 1], "there twice"),
    "names": ((*ARM, "position", "at"), ["x", "y", "z"], "x is a name that the dataset gives"),
    "scales of another size": ((*ACTION, "position", "scale"), [1, 2], "2 values for 3 numbers"),
    "scale 0": ((*ACTION, "position", "scale"), 0, "a scale of 0"),
    "a number told twice": ((*ACTION, "gripper", "at"), [5], "number 5 of action is mapped 2 times"),
    "a number told never": ((*ACTION, "gripper", "at"), [8], "number 6 of action is mapped 0 times"),
    "two vectors": ((*ACTION, "gripper", "column"), "hand", "a client gets one vector, and this names action and hand"),
    "relative to its row": ((*ACTION, "relative"), "state", "as that state is not known yet.*--action-mode"),
    "along the tool": ((*ACTION, "frame"), "tool", "along the axes of the base"),
    "other frames": (("frames",), {"arm": {"base": {"position": [1.0, 0.0, 0.0]}}}, "in the profile's frames"),
    "nothing": (("action", "arms"), {}, "field action, cannot be served: nothing is mapped"),
}


@pytest.mark.parametrize("case", BAD_MAPPINGS.values(), ids=BAD_MAPPINGS)
def test_what_cannot_be_served_is_refused_in_words(case, tmp_path):
    (*way, last), value, words = case
    content = place = yaml.safe_load(EXAMPLE)
    for key in way:
        place = place.setdefault(key, {})
    place[last] = value
    with pytest.raises(WallOSSError, match=words) as error:
        read_keys(written(tmp_path, yaml.safe_dump(content)), LAYOUT, {}, None)
    assert "mapping.yaml" in str(error.value)


def test_two_fingers_are_one_opening(tmp_path):
    content = yaml.safe_load(EXAMPLE)
    fingers = {"column": "observation.state", "at": [7, 8], "closed": [0.0, 0.0], "open": [0.04, -0.04]}
    content["state"]["arms"]["arm"]["gripper"] = fingers
    keys = read_keys(written(tmp_path, yaml.safe_dump(content)), LAYOUT, {}, None)
    state, _ = StateReader(LAYOUT, keys).read({"state": np.array([0.4, 0.1, 0.3, 1, 0, 0, 0, 0.03, -0.01])})
    assert np.isclose(state[LAYOUT.gripper], 0.04)


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
