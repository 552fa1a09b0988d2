# SPDX-License-Identifier: Apache-2.0
"""What the live check says of facts that are made up: nothing where all is well, and each planted fault by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_check_support import BEGAN, DRIVER, readings, stream, well

from wall_oss_ros.commands.live.cameras import COMPRESSED, IMAGE
from wall_oss_ros.commands.live.depth import depth
from wall_oss_ros.commands.live.facts import Controller, Endpoint, Expert, Facts, Finding, Placed, Stream
from wall_oss_ros.commands.live.judge import judge
from wall_oss_ros.commands.live.streams import JOINTS, joint_states
from wall_oss_ros.commands.live.table import as_json, status, table
from wall_oss_ros.robots.cameras import with_cameras
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

ROBOTS = ["franka", "ur:ur10e", "dual_arm", "dual_arm:tiago_dual", "dual_arm:mobile_aloha"]
UR = load_profile("ur")
TOPIC, ARM, SINK = UR.joint_states, UR.arm.joints, UR.command.topic
FACE, WRIST = UR.views
FORCE = UR.arm.force.topic
STRANGE = [float("nan"), float("inf"), -float("inf"), 1e300, 0.0, -1.0]


def found(facts: Facts, profile=UR, **options) -> list[Finding]:
    return judge(profile, facts, **options)


def bad(facts: Facts, **options) -> list[Finding]:
    return [one for one in found(facts, **options) if one.level in ("WARN", "FAIL")]


@pytest.mark.parametrize("name", ROBOTS)
def test_where_all_is_well_nothing_is_found(name):
    profile = load_profile(name)
    told = [one for one in judge(profile, well(profile)) if one.what != "checkpoint"]  # none ships for some robots
    assert [one for one in told if one.level not in ("OK", "-")] == []
    assert status(told) == 0


def test_where_nothing_is_there_each_thing_is_missed():
    told = found(Facts(seconds=3.0))
    assert told[0].level == "FAIL" and "ROS_DOMAIN_ID" in told[0].do
    wrong = {one.what for one in told if one.level == "FAIL"}
    assert {"joint states", "commands, arm", "gripper", "force", "program", "camera face_view"} <= wrong
    assert status(told) == 1


def change_joints(facts: Facts, number: int, **fields) -> None:
    facts.joints[TOPIC][number] = replace(facts.joints[TOPIC][number], **fields)


def drop_a_joint(facts):
    facts.joints[TOPIC] = [
        replace(one, names=one.names[1:], positions=one.positions[1:], velocities=one.velocities[1:])
        for one in facts.joints[TOPIC]
    ]


def twice(facts):
    one = facts.joints[TOPIC][3]
    change_joints(facts, 3, names=(*one.names, ARM[0]), positions=(*one.positions, 0.1))


def leap(facts):
    q = list(facts.joints[TOPIC][5].positions)
    q[0] += 1.0
    change_joints(facts, 5, positions=tuple(q))


def no_number(facts):
    q = list(facts.joints[TOPIC][5].positions)
    q[2] = float("nan")
    change_joints(facts, 5, positions=tuple(q))


def two_say_the_same(facts):
    facts.publishers[TOPIC] += (Endpoint("/joint_state_publisher", JOINTS),)


def two_say_some_of_the_same(facts):
    two_say_the_same(facts)
    one = facts.joints[TOPIC][4]
    change_joints(facts, 4, names=one.names[:2], positions=one.positions[:2])


def stamps(facts, topic=TOPIC, **fields):
    facts.streams[topic] = stream(**fields)


def frozen(facts):
    made = facts.streams[TOPIC]
    made.stamps[:] = [made.stamps[0]] * len(made.stamps)


def repeated(facts, times=1):
    made = facts.streams[TOPIC]
    for n in range(times):
        made.stamps[2 * n + 7] = made.stamps[2 * n + 6]


def unstamped(facts):
    facts.streams[TOPIC].stamps[:] = [0.0] * len(facts.streams[TOPIC].stamps)


def gap(facts):
    made = facts.streams[TOPIC]
    for values in (made.stamps, made.ages, made.arrivals):
        del values[50:130]


def controller(facts, **fields):
    first, *others = facts.controllers["/controller_manager"]
    facts.controllers["/controller_manager"] = (replace(first, **fields), *others)


def another_has_the_joints(facts):
    other = Controller("forward_position_controller", "active", "forward", (f"{ARM[2]}/position",))
    facts.controllers["/controller_manager"] += (other,)


def no_broadcaster(facts):
    facts.controllers["/controller_manager"] = facts.controllers["/controller_manager"][:-1]


def aside(facts, metres, degrees=0.0):
    """tf has the tool elsewhere."""
    turn = np.radians(degrees)
    about = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    for frame, placed in facts.tools["arm"].items():
        moved = [Placed(one.stamp, one.position + [metres, 0, 0], one.rotation @ about) for one in placed]
        facts.tools["arm"][frame] = moved


def other_time(facts):
    for frame, placed in facts.tools["arm"].items():
        facts.tools["arm"][frame] = [Placed(one.stamp - 100, one.position, one.rotation) for one in placed]


def picture(facts, view=FACE, **fields):
    facts.pictures[view.name] = [replace(one, **fields) for one in facts.pictures[view.name]]


def depths(facts, **fields):
    facts.depths[FACE.name] = [replace(one, **fields) for one in facts.depths[FACE.name]]


def late_view(facts, by):
    facts.pictures[WRIST.name] = [replace(one, stamp=one.stamp + by) for one in facts.pictures[WRIST.name]]


def expert(facts, **fields):
    known = dict(expert="e", checkpoint="mine", robot=robot_identity(UR), views=("face_view",), image_size=112)
    facts.experts["e"] = Expert(**(known | fields))


def put(facts, field, key, value):
    getattr(facts, field)[key] = value


ENDS = (Endpoint("/control", "x"), Endpoint("/control_2", "x"))
PLANTED = {
    "nobody says joints": (lambda f: put(f, "publishers", TOPIC, ()), "joint states", "FAIL", "nobody publishes"),
    "joints of another type": (
        lambda f: put(f, "publishers", TOPIC, (Endpoint("/x", "std_msgs/msg/String"),)),
        "joint states", "FAIL", "std_msgs/msg/String of /x"),
    "nothing comes": (lambda f: put(f, "streams", TOPIC, Stream()), "joint states", "FAIL", "nothing came"),
    "a joint is missing": (drop_a_joint, "joint states: joints", "FAIL", "shoulder_pan_joint missing"),
    "a joint is there twice": (twice, "joint states: joints", "FAIL", "shoulder_pan_joint twice"),
    "names without positions": (lambda f: change_joints(f, 3, positions=()), "joint states: joints", "FAIL", "numbers"),
    "a leap": (leap, "joint states: joints", "FAIL", "shoulder_pan_joint leaps by 1.00"),
    "no number": (no_number, "joint states: joints", "FAIL", "elbow_joint are no numbers"),
    "zeros": (lambda f: change_joints(f, 9, positions=(0.0,) * 7), "joint states: joints", "FAIL", "at 0"),
    "two publishers": (two_say_the_same, "joint states: joints", "FAIL", "/joint_state_publisher"),
    "two publishers of some": (two_say_some_of_the_same, "joint states: joints", "FAIL", "two kinds"),
    "frozen": (frozen, "joint states", "FAIL", "frozen"),
    "repeated once": (repeated, "joint states", "WARN", "1 of 300 stamps repeat"),
    "repeated often": (lambda f: repeated(f, 30), "joint states", "FAIL", "30 of 300 stamps repeat"),
    "unstamped": (unstamped, "joint states", "FAIL", "not stamped"),
    "a clock behind": (lambda f: stamps(f, age=0.5), "joint states", "FAIL", "the robot holds beyond 0.3 s"),
    "a clock a little behind": (lambda f: stamps(f, age=0.2), "joint states", "WARN", "200 / 200 / 200 ms"),
    "a clock ahead": (lambda f: stamps(f, age=-0.7), "joint states", "FAIL", "future"),
    "a clock a little ahead": (lambda f: stamps(f, age=-0.1), "joint states", "WARN", "future"),
    "a gap": (gap, "joint states", "FAIL", "once nothing for 0.81 s"),
    "slow joints": (lambda f: stamps(f, rate=10), "joint states", "WARN", "at least 40 Hz"),
    "two clocks": (lambda f: put(f, "publishers", "/clock", ENDS), "clock", "FAIL", "2 publishers"),
    "two controls": (lambda f: put(f, "publishers", "/wall_oss/status", ENDS), "control", "FAIL", "2 run"),
    "two controls of one name": (lambda f: f.controls.update(a="idle", b="idle"), "control", "FAIL", "2 run"),
    "two planners": (lambda f: put(f, "publishers", "/wall_oss/plan", ENDS), "planner", "FAIL", "2 run"),
    "two experts": (lambda f: put(f, "publishers", "/wall_oss/model", ENDS), "action expert", "FAIL", "2 run"),
    "somebody else commands": (
        lambda f: put(f, "publishers", SINK, (Endpoint("/servo_node", "trajectory_msgs/msg/JointTrajectory"),)),
        "commands, arm", "FAIL", "/servo_node publishes"),
    "somebody without a name commands": (
        lambda f: put(f, "publishers", SINK, (Endpoint("/_NODE_NAME_UNKNOWN_", "x"),)),
        "commands, arm", "WARN", "nameless"),
    "nobody listens": (lambda f: put(f, "subscriptions", SINK, ()), "commands, arm", "FAIL", "nobody listens"),
    "another kind of command": (
        lambda f: put(f, "subscriptions", SINK, (Endpoint(DRIVER, "std_msgs/msg/Float64MultiArray"),)),
        "commands, arm", "FAIL", "Float64MultiArray"),
    "a listener that wants latched ones": (
        lambda f: put(f, "subscriptions", SINK,
                      (Endpoint(DRIVER, "trajectory_msgs/msg/JointTrajectory", latched=True),)),
        "commands, arm", "FAIL", "latched"),
    "two listeners": (lambda f: put(f, "subscriptions", SINK, f.subscriptions[SINK] * 2), "commands, arm", "WARN", "2"),
    "a controller that waits": (lambda f: controller(f, state="inactive"), "controller, arm", "FAIL", "is inactive"),
    "a controller that is not there": (lambda f: controller(f, name="jtc"), "controller, arm", "FAIL", "not loaded"),
    "a controller with our joints": (another_has_the_joints, "controllers", "FAIL", "forward_position_controller has"),
    "no broadcaster": (no_broadcaster, "controllers", "FAIL", "joint_state_broadcaster"),
    "no gripper": (lambda f: f.services.clear(), "gripper", "FAIL", "nothing serves"),
    "a gripper of another kind": (
        lambda f: put(f, "services", f"{UR.gripper.action}/_action/send_goal",
                      ("franka_msgs/action/Grasp_SendGoal",)),
        "gripper", "FAIL", "franka_msgs/action/Grasp"),
    "no program": (lambda f: put(f, "programs", UR.command.program_running_topic, False), "program", "FAIL", "not run"),
    "no word of the program": (lambda f: f.programs.clear(), "program", "FAIL", "nothing on"),
    "pushed": (lambda f: put(f, "forces", FORCE, (130.0, 0.0)), "force", "FAIL", "130 of 100 N"),
    "no payload told": (lambda f: put(f, "forces", FORCE, (9.0, 6.0)), "force", "WARN", "6.0 of 15 N m"),
    "a force that is none": (lambda f: put(f, "forces", FORCE, (float("nan"), 0.0)), "force", "FAIL", "no number"),
    "no camera": (lambda f: put(f, "publishers", FACE.image_topic, ()), "camera face_view", "FAIL", "nobody publishes"),
    "two cameras": (
        lambda f: put(f, "publishers", FACE.image_topic, f.publishers[FACE.image_topic] * 2),
        "camera face_view", "FAIL", "2 publishers"),
    "a slow camera": (lambda f: stamps(f, FACE.image_topic, rate=5), "camera face_view", "WARN", "at least 9 Hz"),
    "an old picture": (lambda f: stamps(f, FACE.image_topic, rate=15, age=2), "camera face_view", "FAIL", "holds"),
    "a depth camera": (lambda f: picture(f, encoding="32FC1"), "camera face_view: pictures", "FAIL", "not taken"),
    "a camera that does not say what it sends": (
        lambda f: picture(f, encoding="8UC3"), "camera face_view: pictures", "FAIL", "not taken"),
    "a packed picture of no kind": (
        lambda f: picture(f, type=COMPRESSED, width=0, height=0, encoding="h264"),
        "camera face_view: pictures", "FAIL", "h264"),
    "an empty picture": (lambda f: picture(f, width=0), "camera face_view: pictures", "FAIL", "empty"),
    "a small picture": (lambda f: picture(f, height=64), "camera face_view: pictures", "WARN", "smaller"),
    "another camera": (lambda f: picture(f, frame="x"), "camera face_view: pictures", "WARN", "in frame x"),
    "no calibration": (lambda f: f.lenses.pop("face_view"), "camera face_view: calibration", "WARN", "nothing on"),
    "no matrix": (
        lambda f: put(f, "lenses", "face_view", replace(f.lenses["face_view"], k=(0.0,) * 9)),
        "camera face_view: calibration", "WARN", "no matrix"),
    "a matrix of another size": (
        lambda f: put(f, "lenses", "face_view", replace(f.lenses["face_view"], width=1280)),
        "camera face_view: calibration", "WARN", "for 1280 x 480"),
    "a lens of no known kind": (
        lambda f: put(f, "lenses", "face_view", replace(f.lenses["face_view"], fault="its distortion is not finite")),
        "camera face_view: calibration", "WARN", "its distortion is not finite"),
    "a camera that tf does not know": (
        lambda f: setattr(f, "frames", frozenset({"world"})), "camera face_view: calibration", "WARN", "tf has no"),
    "depth of another type": (
        lambda f: put(f, "publishers", FACE.depth_topic, (Endpoint("/c", COMPRESSED),)),
        "camera face_view: depth", "WARN", "CompressedImage"),
    "silent depth": (lambda f: put(f, "depths", "face_view", []), "camera face_view: depth", "WARN", "nothing came"),
    "depth that is a picture": (
        lambda f: depths(f, encoding="bgr8"), "camera face_view: depth", "WARN", "640 x 480 bgr8: no distances"),
    "depth of another camera": (
        lambda f: depths(f, frame="depth_frame"), "camera face_view: depth", "WARN", "in frame depth_frame"),
    "depth of another clock": (
        lambda f: depths(f, stamp=5.0), "camera face_view: depth", "WARN", "ms apart"),
    "views far apart": (lambda f: late_view(f, 30.0), "views together", "FAIL", "no two views"),
    "the driver describes another robot": (
        lambda f: setattr(f, "description", load_profile("ur:ur10e").urdf_path.read_text()),
        "description", "FAIL", "another model"),
    "a description that is none": (lambda f: setattr(f, "description", "<x"), "description", "FAIL", "no URDF"),
    "tf elsewhere": (lambda f: aside(f, 0.08), "tf, arm", "FAIL", "80.0 mm"),
    "tf a little elsewhere": (lambda f: aside(f, 0.01), "tf, arm", "WARN", "10.0 mm"),
    "tf turned": (lambda f: aside(f, 0.0, 90.0), "tf, arm", "FAIL", "90.0 degrees"),
    "tf of another time": (other_time, "tf, arm", "WARN", "another time"),
    "an expert for another robot": (
        lambda f: expert(f, robot=robot_identity(load_profile("ur:ur10e"))), "checkpoint", "FAIL", "ur:ur10e@"),
    "an expert with other views": (lambda f: expert(f, views=("third",)), "checkpoint", "FAIL", "third"),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_says_what_to_do(fault):
    plant, what, level, words = PLANTED[fault]
    facts = well(UR)
    plant(facts)
    told = bad(facts)
    mine = [one for one in told if one.what == what and words in one.found]
    assert mine and mine[0].level == level, told
    assert all(one.do for one in told), "each line says what to do"
    assert status(told) == 1


def test_compressed_depth_is_judged_by_its_format():
    profile = with_cameras(load_profile("ur"), f"{{{FACE.name}: {{depth_topic: /depth/compressedDepth}}}}")
    for kind, form, level, said in (
        (COMPRESSED, "16UC1; compressedDepth png", "OK", "16UC1; compressedDepth png, "),
        (COMPRESSED, "32FC1; compressedDepth rvl", "OK", "32FC1; compressedDepth rvl, "),
        (COMPRESSED, "rgb8; jpeg compressed bgr8", "WARN", "no distances"),
        (IMAGE, "16UC1", "WARN", f"is {IMAGE}, {COMPRESSED} is expected"),
    ):
        facts = well(profile)
        put(facts, "publishers", "/depth/compressedDepth", (Endpoint("/c", kind),))
        depths(facts, type=kind, encoding=form, width=0, height=0)
        (told,) = depth(profile, facts)
        assert told.level == level and said in told.found


def test_a_camera_without_depth_is_no_fault_and_it_is_said():
    facts = well(UR)
    del facts.publishers[FACE.depth_topic], facts.depths[FACE.name]
    assert [one for one in bad(facts) if "depth" in one.what] == []
    (told,) = (one for one in found(facts) if one.what == "camera face_view: depth")
    assert told.level == "OK" and told.found == f"none: nobody publishes {FACE.depth_topic}"
    (told,) = (one for one in found(well(UR)) if one.what == "camera face_view: depth")
    assert told.found == "640 x 480 16UC1, 10 ms from the pictures"


def test_what_cannot_be_checked_is_said_and_no_finding():
    facts = well(UR)
    facts.controllers, facts.unasked = (
        {},
        {"/controller_manager/list_controllers": "controller_manager_msgs is missing"},
    )
    facts.description, facts.tools, facts.frames = None, {}, frozenset()
    told = found(facts)
    skipped = {one.what for one in told if one.level == "-"}
    assert {"controllers", "description", "tf, arm"} <= skipped
    assert [one for one in told if one.what != "checkpoint" and one.level in ("WARN", "FAIL")] == []


def test_mock_hardware_neither_measures_forces_nor_runs_a_program():
    facts = well(UR)
    facts.programs, facts.forces = {}, {}
    del facts.publishers[FORCE], facts.streams[FORCE]
    assert {one.what for one in bad(facts)} == {"program", "force"}
    assert bad(facts, mock=True) == []


def test_our_own_control_may_publish_commands():
    facts = well(UR)
    ours = (Endpoint("/wall_oss/control", "trajectory_msgs/msg/JointTrajectory"),)
    facts.publishers |= {SINK: ours, "/wall_oss/status": ours}
    facts.controls["a"] = "holding, no observations yet"
    assert bad(facts) == []
    assert any("holding, no observations yet" in one.found for one in found(facts) if one.what == "control")


def test_a_gripper_may_say_its_joints_itself():
    facts = well(UR)
    facts.publishers[TOPIC] += (Endpoint("/gripper", JOINTS),)
    whole = facts.joints[TOPIC]
    arms = [replace(one, names=one.names[:6], positions=one.positions[:6], velocities=()) for one in whole]
    fingers = [replace(one, names=one.names[6:], positions=one.positions[6:], velocities=()) for one in whole]
    facts.joints[TOPIC] = [one for pair in zip(arms, fingers) for one in pair]
    assert bad(facts) == []


@pytest.mark.parametrize(
    "fields", [{"encoding": "bayer_rggb8"}, {"type": COMPRESSED, "width": 0, "encoding": "rgb8; jpeg"}]
)
def test_pictures_that_are_converted_or_unpacked_are_well(fields):
    facts = well(UR)
    picture(facts, **fields)
    if "type" in fields:
        facts.publishers[FACE.image_topic] = (Endpoint("/camera", COMPRESSED),)
    assert bad(facts) == []


def test_positions_alone_are_enough():
    facts = well(UR)
    facts.joints[TOPIC] = [replace(one, velocities=(float("nan"),) * 7) for one in facts.joints[TOPIC]]
    assert bad(facts) == []
    assert any("without velocities" in one.found for one in found(facts))


def test_a_tool_in_tf_that_has_no_tool_is_compared_at_the_last_link():
    facts = well(UR)
    facts.tools["arm"] = {"wrist_3_link": [Placed(BEGAN + 1, np.zeros(3), np.eye(3))]}
    (told,) = (one for one in found(facts) if one.what == "tf, arm")
    assert told.level == "FAIL" and told.found.startswith("wrist_3_link")


def short() -> Facts:
    """All is well, as far as it is quickly looked at."""
    facts = well(UR)
    facts.description = None
    expert(facts)
    made = facts.streams[TOPIC]
    for values in (facts.joints[TOPIC], made.stamps, made.ages, made.arrivals):
        del values[30:]
    return facts


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_was_seen_a_judgement_is_made(data):
    facts = short()
    names = st.lists(st.sampled_from([*ARM, "x", ""]), max_size=8).map(tuple)
    numbers = st.lists(st.sampled_from(STRANGE) | st.floats(-4, 4), max_size=8).map(tuple)
    for _ in range(data.draw(st.integers(1, 6))):
        number = data.draw(st.integers(0, len(facts.joints[TOPIC]) - 1))
        change_joints(facts, number, names=data.draw(names), positions=data.draw(numbers), stamp=data.draw(st.floats()))
    for topic in data.draw(st.lists(st.sampled_from([TOPIC, FORCE, FACE.image_topic]), max_size=3)):
        made = facts.streams[topic]
        many = data.draw(st.integers(0, 4))
        made.stamps[:] = data.draw(st.lists(st.floats(), min_size=many, max_size=many))
        made.ages[:], made.arrivals[:] = data.draw(st.lists(st.floats(), min_size=many, max_size=many)), range(many)
    facts.forces[FORCE] = data.draw(st.tuples(st.floats(), st.floats()))
    picture(
        facts, width=data.draw(st.integers(0, 5)), encoding=data.draw(st.text(max_size=4)), stamp=data.draw(st.floats())
    )
    facts.lenses["face_view"] = replace(facts.lenses["face_view"], k=data.draw(numbers))
    depths(facts, encoding=data.draw(st.text(max_size=4) | st.just("32FC1")), stamp=data.draw(st.floats()))
    told = found(facts)
    assert all(one.do for one in told if one.level in ("WARN", "FAIL"))
    json.dumps(as_json(told))
    assert status(told) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 29), st.sampled_from(STRANGE[:3]), st.integers(0, 5))
def test_one_reading_that_is_no_number_never_passes(number, value, joint):
    facts = short()
    q = list(facts.joints[TOPIC][number].positions)
    q[joint] = value
    change_joints(facts, number, positions=tuple(q))
    told = list(joint_states(UR, facts))
    assert any(one.level == "FAIL" and ARM[joint] in one.found for one in told)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 28), st.floats(0.2, 3.0), st.sampled_from([-1, 1]), st.integers(0, 5))
def test_one_reading_beside_the_others_never_passes(number, step, side, joint):
    facts = short()
    q = list(facts.joints[TOPIC][number].positions)
    q[joint] += side * step
    change_joints(facts, number, positions=tuple(q))
    assert any("leaps" in one.found for one in joint_states(UR, facts))


def test_the_table_has_a_line_for_each_and_says_what_to_do():
    told = [
        Finding("a", "OK", "well"),
        Finding("b", "FAIL", "a long " * 30, "do this"),
        Finding("c", "-", "not checked"),
    ]
    text = table(told, width=70)
    assert "-> do this" in text and text.endswith("1 well, 1 wrong, 1 not checked")
    assert max(map(len, text.splitlines())) <= 70


def test_readings_are_the_profiles():
    profile = load_profile("dual_arm:mobile_aloha")
    made = [readings(profile, topic, stream()) for topic in profile.joint_sources]
    assert all(len(one) for one in made)
