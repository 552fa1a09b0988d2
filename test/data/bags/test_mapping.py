# SPDX-License-Identifier: Apache-2.0
"""What a profile does not say of bags: other topics, fields, units, clocks. What is wrong is said with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bag_support import FRANKA, Said, Story, header, new, write
from refusal_support import refusal

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.spec import BagMapping, load_bag_mapping
from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mapping.spec import load_mapping
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.rotations import quaternion_from_matrix

JOINTS, VIEW = FRANKA.joint_states, FRANKA.views[0].image_topic


def convert(tmp_path: Path, bag: Path, mapping: str, status: int = 0, **options: str) -> Path:
    (tmp_path / "topics.yaml").write_text(mapping)
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    out = tmp_path / "out"
    command = ["data", "from-bag", str(bag), "--robot", "franka", "--output", str(out), "--mapping"]
    assert main([*command, str(tmp_path / "topics.yaml"), *words]) == status
    return out


def columns(out: Path) -> dict[str, np.ndarray]:
    return open_dataset(out).columns(0)


def expected(tmp_path: Path) -> dict[str, np.ndarray]:
    """Of a bag that needs no mapping."""
    out = tmp_path / "plain"
    bag = write(tmp_path / "plain_bag", Story())
    assert main(["data", "from-bag", str(bag), "--robot", "franka", "--output", str(out)]) == 0
    return columns(out)


def test_topics_of_other_names(tmp_path):
    def renamed(said: list[Said]) -> list[Said]:
        for one in said:
            one.topic = "/cell" + one.topic
        return said

    bag = write(tmp_path / "bag", Story(), change=renamed)
    table = ", ".join(f"{one}: /cell{one}" for one in (JOINTS, *(view.image_topic for view in FRANKA.views),
                      FRANKA.command.topic, "/wall_oss/gripper_commands", "/wall_oss/instruction"))  # fmt: skip
    out = convert(tmp_path, bag, f"topics: {{{table}}}")
    np.testing.assert_allclose(columns(out)["action"], expected(tmp_path)["action"], atol=1e-6)
    assert not any(open_dataset(out).subtasks.values())  # the plan was not said to be anywhere
    command = ["data", "from-bag", str(bag), "--robot", "franka", "--output", str(out)]
    assert main([*command, "--namespace", "cell"]) == 0
    assert len(list(filter(None, open_dataset(out).subtasks.values()))) == 2


def test_tool_poses_and_openings_of_another_robots_bag(tmp_path):
    """As X Square's Quanta has them: poses of the tool, and a gripper that counts backwards in percent."""
    story, arm = Story(), Arm(FRANKA)
    reference = expected(tmp_path)

    def posed(said: list[Said]) -> list[Said]:
        found = [one for one in said if one.topic not in (JOINTS, FRANKA.command.topic, "/wall_oss/gripper_commands")]
        for one in [one for one in said if one.topic == JOINTS]:
            time = one.received - story.apart
            position, rotation = arm.fk(story.joints(time))
            x, y, z, w = quaternion_from_matrix(rotation)
            pose = new("geometry_msgs/msg/Pose", position=new("geometry_msgs/msg/Point", x=position[0] * 1e3,
                       y=position[1] * 1e3, z=position[2] * 1e3),
                       orientation=new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w))  # fmt: skip
            message = new("geometry_msgs/msg/PoseStamped", header=header(time), pose=pose)
            found.append(Said(one.received, "/arm/end_pose", "geometry_msgs/msg/PoseStamped", message))
            percent = 100 * (1 - story.fingers(time) / 0.04)
            found.append(story.joint_state("/hand", time, ["grip"], [percent]))
        return sorted(found, key=lambda one: one.received)

    out = convert(tmp_path, write(tmp_path / "bag", story, change=posed), """
state:
  arms:
    arm:
      position: {topic: /arm/end_pose, field: pose.position, unit: mm}
      rotation: {topic: /arm/end_pose, field: pose.orientation, form: quaternion_xyzw}
      gripper: {topic: /hand, field: position, names: name, at: [grip], closed: 100, open: 0}
action: next_state
""")  # fmt: skip
    np.testing.assert_allclose(columns(out)["observation.state"], reference["observation.state"], atol=2e-4)
    mapping, file = load_mapping(out / "mapping.yaml")
    dataset = RecordedDataset(open_dataset(out), mapping, file, FRANKA, held_out=[])
    state, mask = dataset.states(np.array([4]))
    np.testing.assert_allclose(state[0][mask[0]], reference["observation.state"][4], atol=2e-4)


def test_joints_in_degrees_by_index_and_a_leaders_commands(tmp_path):
    story = Story()

    def led(said: list[Said]) -> list[Said]:
        found = [one for one in said if one.topic not in (FRANKA.command.topic, "/wall_oss/gripper_commands")]
        for time in np.arange(story.begin, story.begin + story.seconds, 0.02):
            values = np.degrees(np.concatenate([[9.0], story.joints(time)]))
            message = new("std_msgs/msg/Float64MultiArray", data=values)
            found.append(Said(time, "/leader", "std_msgs/msg/Float64MultiArray", message))
        return sorted(found, key=lambda one: one.received)

    bag = write(tmp_path / "bag", story, change=led)
    mapping = """
action:
  arms:
    arm:
      joints: {topic: /leader, field: data, at: [1, 2, 3, 4, 5, 6, 7], unit: deg}
      gripper: next_state
streams: {/leader: {resample: hold}}
"""
    found = columns(convert(tmp_path, bag, mapping))
    for row in range(2, 20):
        told = story.joints(story.begin + (row + 1) / 10)
        np.testing.assert_allclose(found["action.joints"][row], told, atol=4e-3)
    np.testing.assert_allclose(found["action"][:-1, -1], found["observation.state"][1:, -1], atol=1e-6)


@pytest.mark.parametrize("resample", ["nearest", "hold", "interpolate"])
def test_each_stream_is_resampled_as_it_is_said(tmp_path, resample):
    story = Story(joint_hz=7.3)  # coarse, so that it matters
    bag = write(tmp_path / "bag", story)
    found = columns(convert(tmp_path, bag, f"streams: {{{JOINTS}: {{resample: {resample}}}}}"))["observation.joints"]
    times = np.arange(story.begin, story.begin + story.seconds, 1 / 7.3)
    for row in range(3, 20):
        time = story.begin + row / 10
        near = {
            "nearest": [times[np.abs(times - time).argmin()]], "hold": [times[times <= time + 1e-9][-1]],
            "interpolate": [times[times <= time + 1e-9][-1], times[times > time + 1e-9][0]],
        }[resample]  # fmt: skip
        share = (time - near[0]) * 7.3 if len(near) == 2 else 0
        wanted = (1 - share) * story.joints(near[0]) + share * story.joints(near[-1])
        np.testing.assert_allclose(found[row], wanted, atol=1e-5)


@pytest.mark.parametrize("text, words", [
    ("views: {face_view: {topik: /a}}", "field views.face_view"),
    ("nonsense: 1", "field nonsense: Extra inputs are not permitted (line 1)"),
    ("fps: fast", "field fps"),
    ("fps: -1", "field fps"),
    ("action: guess", "field action"),
    ("streams: {/a: {tolerance: 0}}", "field streams./a.tolerance"),
    ("streams: {/a: {resample: spline}}", "field streams./a.resample"),
    ("views: {side: /a}", "views has side, which franka does not have"),
    ("state: {arms: {left: {}}}", "state.arms has left, which franka does not have"),
    ("state: {base: {topic: /o, field: x}}", "franka has none"),
    ("state: {arms: {arm: {position: {topic: /p, field: x}}}}", "position and rotation together"),
    ("state: {arms: {arm: {gripper: next_state}}}", "something for actions"),
    ("state: {arms: {arm: {gripper: {topic: /h, field: p}}}}", "give closed and open, or unit"),
    ("state: {arms: {arm: {joints: {topic: /j, field: p, at: [a]}}}}", "say in names which field"),
    ("state: {arms: {arm: {rotation: {topic: /p, field: x, form: matrix, unit: deg}}}}", "form matrix have no unit"),
    ("state: {arms: {arm: {rotation: {topic: /p, field: x, form: euler, order: xxy}}}}", "the same axis twice"),
    ("[1, 2]", "must be a mapping of fields"),
    ("fps: 10\nfps: 20", "is there already"),
])  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path, text, words):
    assert words in refusal(lambda path: load_bag_mapping(path, FRANKA), tmp_path / "topics.yaml", text)


@pytest.mark.parametrize("text, words", [
    ("state: {arms: {arm: {joints: {topic: /nowhere, field: data}}}}", "has no topic /nowhere for the joints of"),
    (f"state: {{arms: {{arm: {{joints: {{topic: {JOINTS}, field: angles}}}}}}}}", "no field angles"),
    (f"state: {{arms: {{arm: {{joints: {{topic: {JOINTS}, field: position}}}}}}}}", ": 9 numbers, 7 expected"),
    (f"state: {{arms: {{arm: {{joints: {{topic: {JOINTS}, field: name}}}}}}}}", "holds no numbers"),
    (f"state: {{arms: {{arm: {{joints: {{topic: {JOINTS}, field: position, at: [7, 8, 9]}}}}}}}}", "than 9 is wanted"),
    (f"state: {{arms: {{arm: {{joints: {{topic: {JOINTS}, field: header.stamp.sec.more}}}}}}}}", "without a field"),
    (f"state: {{arms: {{arm: {{gripper: {{topic: {JOINTS}, field: position, closed: 50, open: 60}}}}}}}}", "far"),
    (f"streams: {{{VIEW}: {{resample: interpolate}}}}", "pictures cannot be interpolated"),
    (f"plan: {JOINTS}", "wall_oss_msgs/msg/SubtaskPlan was expected"),
])  # fmt: skip
def test_what_the_bag_does_not_have_is_said_in_one_line(tmp_path, capsys, text, words):
    convert(tmp_path, write(tmp_path / "bag", Story(seconds=1.5)), text, status=2)
    (line, _) = capsys.readouterr().out.splitlines() + ["end"]
    assert words in line, line


def test_success_may_be_said_elsewhere(tmp_path):
    flag = Said(1001.0, "/outcome", "std_msgs/msg/Bool", new("std_msgs/msg/Bool", data=True))
    bag = write(tmp_path / "bag", Story(mark="failure", extra=[flag]))
    out = convert(tmp_path, bag, "success: {topic: /outcome}")
    assert open_dataset(out).episodes[0].extra["success"] is True


def test_without_a_file_everything_is_the_profiles():
    assert load_bag_mapping(None, FRANKA) == BagMapping()
