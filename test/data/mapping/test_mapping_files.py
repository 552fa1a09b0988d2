# SPDX-License-Identifier: Apache-2.0
"""Mapping files: those that ship are valid; of a wrong one, the message names file, field and the columns there are."""

import numpy as np
import pytest
from arm_space_support import saved
from recorded_support import Recordings, mapping, profile_of
from refusal_support import refusal

from wall_oss_ros.data.mapping.motion import open_motion
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mapping.spec import available_mappings, load_mapping
from wall_oss_ros.errors import WallOSSError

GOOD = {"state": {"arms": {"arm": {"joints": {"column": "observation.state", "at": "0:7"}}}}, "action": "next_state"}


def recordings(**changes):
    names = tuple(f"joint_{i}" for i in range(8))
    state = np.zeros((5, 8), np.float32)
    table = {"observation.state": state, "action": state, "task_index": np.zeros(5, np.int64)}
    table["note"] = np.array(["a"] * 5)
    return Recordings([table], names={"observation.state": names}, **changes)


def opened(content: dict, profile=None, dataset=None):
    return open_motion(
        mapping(content), "mine.yaml", dataset or recordings(), profile or profile_of(saved("euler", "relative"))
    )


@pytest.mark.parametrize("name", available_mappings())
def test_every_mapping_that_ships_is_valid(name):
    read, path = load_mapping(name)
    assert path.stem == name and read.views and read.description


def arm(**fields):
    return {"state": {"arms": {"arm": fields}}, "action": "next_state"}


@pytest.mark.parametrize("content, words", [
    (arm(joints={"column": "state"}), "field state.arms.arm.joints.column: state is not in recordings. Its columns of "
     "numbers: observation.state (8), action (8), task_index (1)."),
    (arm(joints={"column": "front"}), "joints.column: front holds no numbers in recordings"),
    (arm(joints={"column": "observation.state"}), "field state.arms.arm.joints: 8 numbers of observation.state where 7 "
     "were expected. Say which in state.arms.arm.joints.at; observation.state has 8 numbers, named joint_0, joint_1"),
    (arm(joints={"column": "observation.state", "at": ["joint_0", "elbow"]}), "joints.at: there is no 'elbow' in it. "
     "observation.state has 8 numbers, named joint_0"),
    (arm(joints={"column": "action", "at": ["x"]}), "there is no 'x' in it. action has 8 numbers, without names"),
    (arm(joints={"column": "action", "at": [0, 1, 2, 3, 4, 5, 8]}), "there is no 8 in it"),
    (arm(joints={"column": "action", "at": [0, 1, 2, 3, 4, 5, 5]}), "one of the numbers is there twice"),
    (arm(joints={"column": "action", "at": "3:12"}), "3:12 is no range of it"),
    (arm(joints={"column": "action", "at": "0:7", "scale": [1, 2]}), "joints.scale: 2 values for 7 numbers"),
    (arm(gripper={"column": "action", "at": "0:2", "unit": "m"}), "2 numbers of action where 1 was expected"),
    ({"state": {"arms": {"left": {}}}, "action": "next_state"}, "state.arms.left: the robot franka has none of that "
     "name. Its own: arm."),
    ({"action": {"parts": {"head": {"column": "action"}}}}, "action.parts.head: the robot franka has none of that "
     "name. Its own: none."),
    ({"action": {"base": {"velocity": {"column": "action"}}}}, "action.base: the robot franka has no base"),
    ({"action": {"arms": {"arm": {"position": {"column": "action", "at": "0:3"}, "relative": "state"}}}},
     "action.arms.arm.relative: position is a displacement, and state.arms.arm has no position"),
    ({"action": {"arms": {"arm": {"position": {"column": "action", "at": "0:3"}, "frame": "tool"}}}},
     "action.arms.arm.frame: targets are no displacements"),
])  # fmt: skip
def test_what_does_not_fit_the_dataset_or_the_robot_is_named(content, words):
    with pytest.raises(WallOSSError) as caught:
        opened(content)
    assert str(caught.value).startswith("The mapping mine.yaml, field ") and words in str(caught.value)


def test_a_pose_cannot_become_joints():
    content = arm(position={"column": "action", "at": "0:3"})
    with pytest.raises(WallOSSError, match="where the model of franka moves joints"):
        opened(content, profile_of(saved("joints", "relative")))


@pytest.mark.parametrize("views, language, words", [
    ({"face": "front"}, {}, "field views.face: the robot franka has no view of that name. Its own: face_view, "),
    ({"face_view": "wrist"}, {}, "field views.face_view: wrist is not in recordings. Its columns of pictures: front"),
    ({"face_view": "action"}, {}, "field views.face_view: action is no column of pictures"),
    ({"face_view": "front"}, {"instruction": "said"}, "field language.instruction: said is not in recordings"),
    ({"face_view": "front"}, {"thought": "action"}, "action is no column of text. Its columns of text: note."),
])  # fmt: skip
def test_views_and_texts_that_are_not_there(views, language, words):
    given = mapping({**GOOD, "views": views, "language": language})
    with pytest.raises(WallOSSError) as caught:
        RecordedDataset(recordings(), given, "mine.yaml", profile_of(saved("euler", "relative")))
    assert words in str(caught.value)


@pytest.mark.parametrize("text, words", [
    ("action: next_state\n", "field views: Field required"),
    ("views: {}\naction: next_state\n", "field views: "),
    ("views: {face_view: a}\naction: next_state\ncolour: red\n", "colour: Extra inputs are not permitted (line 3)"),
    ("views: {face_view: a}\naction: {arms: {arm: {joints: {column: q}, position: {column: p}}}}\n", "not both"),
    ("views: {face_view: a}\naction: {arms: {arm: {gripper: {column: q, closed: 1}}}}\n", "give closed and open"),
    ("views: {face_view: a}\naction: {arms: {arm: {gripper: {column: q, closed: 1, open: 1}}}}\n", "they must differ"),
    ("views: {face_view: a}\naction: {arms: {arm: {rotation: {column: q, form: quaternion}}}}\n", "quaternion_xyzw"),
    ("views: {face_view: a}\naction: {arms: {arm: {rotation: {column: q, form: euler, order: xxy}}}}\n", "same axis"),
    ("views: {face_view: a}\naction: {arms: {arm: {rotation: {column: q, form: matrix, unit: deg}}}}\n", "no unit"),
    ("views: {face_view: a}\naction: {arms: {arm: {joints: {column: q, unit: degrees}}}}\n", "'deg'"),
    ("views: {face_view: a}\naction: {arms: {arm: {joints: {column: q, scale: .nan}}}}\n", "scale"),
    ("views: {face_view: a}\naction: {arms: {arm: {joints: {column: q, at: [-1]}}}}\n", "at"),
    ("views: {face_view: a}\naction: {arms: {arm: {joints: {column: q, scale: [1, 0]}}}}\n", "a scale of 0"),
    ("views: {face_view: a}\naction: {arms: {arm: {position: {column: q, unit: deg}}}}\n", "none of a position"),
    ("- a\n", "must be a mapping of fields"),
])  # fmt: skip
def test_a_file_that_is_not_valid(tmp_path, text, words):
    assert words in refusal(load_mapping, tmp_path / "mine.yaml", text)


def test_no_mapping_of_that_name():
    with pytest.raises(WallOSSError, match='no mapping "nothing". Known ones: '):
        load_mapping("nothing")
