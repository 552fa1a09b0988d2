# SPDX-License-Identifier: Apache-2.0
"""Bags become datasets: the right numbers, pictures and words, and nothing is done twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bag_support import FRANKA, HEIGHT, WIDTH, Said, Story, header, new, write
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.data.mapping.spec import load_mapping
from wall_oss_ros.perception.robot_state import RobotStateHistory


def convert(*bags: Path, output: Path, robot: str = "franka", status: int = 0, **options: str) -> None:
    words = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    command = ["data", "from-bag", *map(str, bags), "--robot", robot, "--output", str(output), *words]
    assert main(command) == status


def test_states_are_what_the_policy_would_have_been_given(tmp_path):
    story = Story()
    convert(write(tmp_path / "bag", story), output=tmp_path / "out")
    live = RobotStateHistory(FRANKA)
    names = [*FRANKA.arm.joints, *FRANKA.gripper.joints]
    states = open_dataset(tmp_path / "out").columns(0)["observation.state"]
    for time in np.arange(story.begin, story.begin + 0.5, 1 / story.joint_hz):
        live.add_joint_state(time, names, [*story.joints(time), story.fingers(time), story.fingers(time)], ())
    for row in range(5):
        expected = live.at(story.begin + row / FRANKA.rate_hz)
        np.testing.assert_allclose(states[row], expected.state[expected.mask], atol=1e-6)


def test_actions_are_where_the_controllers_were_told_to_be_at_the_next_frame(tmp_path):
    story = Story()
    convert(write(tmp_path / "bag", story), output=tmp_path / "out")
    columns = open_dataset(tmp_path / "out").columns(0)
    for row in range(5, len(columns["action"])):  # commands begin after 0.3 s
        told = story.joints(story.begin + (row + 1) / 10)
        np.testing.assert_allclose(columns["action.joints"][row], told, atol=1e-3)
    grippers = columns["action"][:, -1]
    np.testing.assert_allclose(grippers[6:], 0.0, atol=1e-9)  # told to close after 0.6 s
    np.testing.assert_allclose(grippers[:4], columns["observation.state"][1:5, -1], atol=1e-6)  # told nothing yet


def test_without_commands_the_next_state_is_the_action_if_that_is_asked_for(tmp_path):
    told = {FRANKA.command.topic, "/wall_oss/gripper_commands"}
    bag = write(tmp_path / "bag", Story(), change=lambda said: [one for one in said if one.topic not in told])
    convert(bag, output=tmp_path / "out", status=2)
    convert(bag, output=tmp_path / "out", action="next-state")
    columns = open_dataset(tmp_path / "out").columns(0)
    np.testing.assert_allclose(columns["action"][:-1], columns["observation.state"][1:], atol=1e-6)


def assert_same_pictures(first, second):
    """But for what x264 makes of the same pixels: a grey level in a few of them, once in some hundred files."""
    off = np.abs(first.astype(int) - second)
    assert off.max() <= 2 and off.mean() < 0.05


@pytest.mark.parametrize("storage", list(StoragePlugin))
@pytest.mark.parametrize("compression", list(CompressionMode))
def test_storages_and_compressions_give_the_same_dataset(tmp_path, storage, compression):
    if compression == CompressionMode.STORAGE and storage == StoragePlugin.SQLITE3:
        pytest.skip("sqlite3 has none of its own")
    story = Story(seconds=1.2)
    convert(write(tmp_path / "plain", story), output=tmp_path / "first")
    convert(write(tmp_path / "bag", story, storage, compression), output=tmp_path / "second")
    first, second = (open_dataset(tmp_path / name) for name in ("first", "second"))
    for name, values in first.columns(0).items():
        if values.dtype != object:
            np.testing.assert_array_equal(second.columns(0)[name], values)
    for view in ("face_view", "right_wrist_view"):
        key, rows = f"observation.images.{view}", [0, 3, 9]
        assert_same_pictures(second.pictures(key, 0, rows), first.pictures(key, 0, rows))


@pytest.mark.parametrize("compressed", [False, True])
def test_each_frame_has_the_picture_nearest_to_it(tmp_path, compressed):
    story = Story(camera_hz=20.0, compressed=compressed)
    convert(write(tmp_path / "bag", story), output=tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    assert dataset.features["observation.images.face_view"].shape == (HEIGHT, WIDTH, 3)
    pictures = dataset.pictures("observation.images.face_view", 0, range(dataset.episodes[0].length))
    seen = pictures[:, :, : WIDTH // 2 - 2].mean((1, 2, 3))
    np.testing.assert_allclose(seen, [6 * row % 256 for row in range(len(seen))], atol=6)  # video is not exact


def test_pictures_that_come_out_of_order_find_their_frames(tmp_path):
    def swapped(said: list[Said]) -> list[Said]:
        views = [i for i, one in enumerate(said) if one.topic == FRANKA.views[0].image_topic]
        for a, b in zip(views[::2], views[1::2]):
            said[a].message, said[b].message = said[b].message, said[a].message
        return said

    convert(write(tmp_path / "good", Story()), output=tmp_path / "first")
    convert(write(tmp_path / "bag", Story(), change=swapped), output=tmp_path / "second")
    first, second = (open_dataset(tmp_path / name).pictures("observation.images.face_view", 0, range(29)) for name in
                     ("first", "second"))  # fmt: skip
    assert_same_pictures(first, second)


def test_words_are_those_of_the_moment(tmp_path):
    convert(write(tmp_path / "bag", Story()), output=tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    assert dict(dataset.tasks) == {0: "put the red cube in the left tray"}
    said = dataset.language(0).subtasks
    assert [said[4] or "", said[5], said[14], said[15]] == ["", "pick up the red cube"] + [
        "pick up the red cube", "put it in the left tray",
    ]  # fmt: skip


def test_plans_go_into_the_language_column_if_asked_for(tmp_path):
    story = Story(plan=((0.5, "pick up the red cube"), (1.5, "put it in the left tray"), (2.0, "")), seconds=3.0)

    def over(said: list[Said]) -> list[Said]:
        """The last version of the plan says that it has ended."""
        plans = [one for one in said if one.topic == "/wall_oss/plan"]
        plans[-1].message.status, plans[-1].message.active = 2, -1
        for one in plans:
            one.message.subtasks = one.message.subtasks[:2]
        return said

    bag = write(tmp_path / "bag", story, change=over)
    assert (
        main(["data", "from-bag", str(bag), "--robot", "franka", "--output", str(tmp_path / "out"), "--language"]) == 0
    )
    dataset = open_dataset(tmp_path / "out")
    plans = [entry for entry in dataset.language(0).persistent if entry.style == "plan"]
    assert [(round(one.timestamp, 3), one.content) for one in plans] == [
        (0.5, "pick up the red cube\nput it in the left tray"), (2.0, ""),
    ]  # fmt: skip
    assert dataset.language(0).subtasks[19:22] == ("put it in the left tray", None, None)
    mapping, file = load_mapping(tmp_path / "out" / "mapping.yaml")
    assert mapping.language.plan == "plan"
    data = RecordedDataset(dataset, mapping, file, FRANKA, 64, held_out=0.0)
    assert data.language(np.random.default_rng(0), 10, {"plan": 1.0}).answer == plans[0].content
    assert data.language(np.random.default_rng(0), 22, {"plan": 1.0}) is None
    assert main(["data", "check", str(tmp_path / "out"), "--json"]) in (0, 1)


def test_failed_attempts_are_kept_and_marked(tmp_path):
    bags = [write(tmp_path / f"{i}", Story(mark=mark, seconds=1.5, begin=10.0 + i)) for i, mark in
            enumerate(("success", "failure", ""))]  # fmt: skip
    convert(*bags, output=tmp_path / "out")
    assert [one.extra["success"] for one in open_dataset(tmp_path / "out").episodes] == [True, False, None]


def test_a_task_can_be_given_and_must_be_known(tmp_path, capsys):
    bag = write(tmp_path / "bag", Story(instruction="", plan=()))
    convert(bag, output=tmp_path / "out", status=2)
    assert "nobody says what was to be done" in capsys.readouterr().out
    convert(bag, output=tmp_path / "out", task="fold the towel")
    assert dict(open_dataset(tmp_path / "out").tasks) == {0: "fold the towel"}


def test_times_of_reception_of_another_clock_do_not_matter(tmp_path):
    """As of a simulation: stamps count simulated seconds, the recorder the world's."""
    convert(write(tmp_path / "near", Story()), output=tmp_path / "first")
    convert(write(tmp_path / "far", Story(apart=1.7e9)), output=tmp_path / "second")
    first, second = (open_dataset(tmp_path / name).columns(0) for name in ("first", "second"))
    np.testing.assert_allclose(second["observation.state"], first["observation.state"], atol=1e-6)
    np.testing.assert_allclose(second["action"], first["action"], atol=2e-3)


def test_what_was_recorded_counts_by_reception_if_that_is_asked_for(tmp_path):
    def unstamped(said: list[Said]) -> list[Said]:
        for one in said:
            if one.topic in (FRANKA.joint_states, *(view.image_topic for view in FRANKA.views)):
                one.message.header = header(0.0)
        return said

    bag = write(tmp_path / "bag", Story(), change=unstamped)
    convert(bag, output=tmp_path / "out", status=2)
    convert(bag, output=tmp_path / "out", time="receive")
    convert(write(tmp_path / "good", Story()), output=tmp_path / "other")
    first, second = (open_dataset(tmp_path / name).columns(0)["observation.state"] for name in ("out", "other"))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_bags_are_converted_once_and_again_when_they_or_the_mapping_change(tmp_path, capsys):
    one, two = (write(tmp_path / name, Story(begin=begin, seconds=1.5)) for name, begin in (("one", 1.0), ("two", 2.0)))
    out = tmp_path / "out"

    def said(*bags: Path, **options: str) -> str:
        convert(*bags, output=out, **options)
        return capsys.readouterr().out.splitlines()[-1].split("bags ")[1]

    assert said(one) == "1 converted now, 0 unchanged, 0 refused"
    assert said(one) == "0 converted now, 1 unchanged, 0 refused"
    assert said(one, two) == "1 converted now, 1 unchanged, 0 refused"
    assert said(two, one) == "0 converted now, 2 unchanged, 0 refused"
    moved = shutil.move(two, tmp_path / "elsewhere")
    assert said(one, Path(moved)) == "0 converted now, 2 unchanged, 0 refused"
    assert said(one) == "1 converted now, 0 unchanged, 0 refused"
    assert len(open_dataset(out).episodes) == 1
    assert said(one, fps="5") == "1 converted now, 0 unchanged, 0 refused"
    assert open_dataset(out).fps == 5
    mapping = tmp_path / "topics.yaml"
    mapping.write_text("streams: {/joint_states: {resample: hold}}")
    assert said(one, fps="5", mapping=str(mapping)) == "1 converted now, 0 unchanged, 0 refused"
    shutil.rmtree(one)
    write(one, Story(begin=1.0, seconds=1.6))
    assert said(one, fps="5", mapping=str(mapping)) == "1 converted now, 0 unchanged, 0 refused"


def test_a_conversion_that_was_broken_off_is_done_again(tmp_path, capsys):
    bag, out = write(tmp_path / "bag", Story(seconds=1.5)), tmp_path / "out"
    convert(bag, output=out)
    record = out / "meta/recordings.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"busy": True, "entries": []}))
    (tmp_path / ".out.converting").mkdir()
    convert(bag, output=out)
    assert "broken off" in capsys.readouterr().out
    assert len(open_dataset(out).episodes) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_is_in_the_way_is_left_alone(tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("data")
    convert(write(tmp_path / "bag", Story(seconds=1.5)), output=out, status=2)
    assert "no dataset that was made of bags" in capsys.readouterr().err
    assert (out / "precious").read_text() == "data"


def test_training_reads_the_dataset_by_the_mapping_that_comes_with_it(tmp_path):
    convert(write(tmp_path / "bag", Story()), output=tmp_path / "out")
    mapping, file = load_mapping(tmp_path / "out/mapping.yaml")
    dataset = RecordedDataset(open_dataset(tmp_path / "out"), mapping, file, FRANKA, held_out=[])
    sample = dataset.acting(np.random.default_rng(0), 8, 2)
    assert {one.text for one in sample} == {"put the red cube in the left tray", "pick up the red cube"}
    state, mask = dataset.states(np.array([8]))
    columns = open_dataset(tmp_path / "out").columns(0)
    np.testing.assert_allclose(state[0][mask[0]], columns["observation.state"][8], atol=1e-4)
    absolute = dataset.profile and sample[0].chunk
    layout = dataset._motion.layout
    np.testing.assert_allclose(
        layout.absolute(absolute, state[0])[0][mask[0]], columns["action"][8], atol=1e-3
    )  # fmt: skip


def test_two_arms_with_head_and_lift(tmp_path):
    """One topic of joints for all, trajectories that hold the grippers, and a head that is told nothing."""
    from wall_oss_ros.robots.profile import load_profile

    profile = load_profile("dual_arm")
    joints = [joint for one in profile.arms for joint in (*one.arm.joints, *one.gripper.joints)]
    joints += [joint for part in profile.parts for joint in part.joints]
    home = [value for one in profile.arms for value in (*one.arm.home, 0.5)]
    home += [value for part in profile.parts for value in part.home]
    said: list[Said] = []
    for view in profile.views:
        for time in np.arange(10.0, 12.0, 1 / 15):
            pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            said.append(Story()._picture(view.image_topic, time, pixels))
    story = Story(profile)
    for time in np.arange(10.0, 12.0, 0.02):
        said.append(story.joint_state("/joint_states", time, joints, home))
    for one in profile.arms:
        point = new("trajectory_msgs/msg/JointTrajectoryPoint", positions=np.array([*one.arm.home, 1.1]))
        message = new("trajectory_msgs/msg/JointTrajectory", joint_names=[*one.arm.joints, *one.gripper.joints],
                      points=[point])  # fmt: skip
        said.append(Said(11.0, one.command.topic, "trajectory_msgs/msg/JointTrajectory", message))
    bag = write(tmp_path / "bag", story, change=lambda _: sorted(said, key=lambda one: one.received))
    convert(bag, output=tmp_path / "out", robot="dual_arm", task="lift the tray")
    dataset = open_dataset(tmp_path / "out")
    columns, names = dataset.columns(0), dataset.features["action"].names
    assert {"head_actions.head_joint1", "height", "follow_left_gripper"} <= set(names)
    gripper = columns["action"][:, names.index("follow_left_gripper")]
    assert gripper[0] == pytest.approx(0.0578, abs=1e-3) and gripper[-1] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(columns["action"][:, names.index("height")], -0.2, atol=1e-6)
