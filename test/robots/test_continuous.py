# SPDX-License-Identifier: Apache-2.0
"""Joints that turn without end, of which Pinocchio keeps cosine and sine: all is as with joints that have ends."""

from __future__ import annotations

import re

import numpy as np
import pinocchio
import pytest
from control_support import Bench, Robot

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing.builtin import BuiltinPlanner
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.robots.description import compare
from wall_oss_ros.robots.frames import Frames
from wall_oss_ros.robots.kinematics import Arm, JointPlaces, read_model
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.urdf import mimicked, position_limits, velocity_limits

UR = load_profile("ur:ur5e")
JOINTS = ("shoulder_pan_joint", "wrist_3_joint", "elbow_joint")


def endless(text: str, *names: str, limit: bool = True) -> str:
    """A URDF in which these joints are continuous, with their limit's effort and velocity or without any."""
    for name in names:
        text, count = re.subn(rf'(<joint name="{name}" type=)"revolute"', r'\1"continuous"', text)
        assert count == 1
        if not limit:
            text = re.sub(rf'(<joint name="{name}".*?)<limit[^>]*/>', r"\1", text, count=1, flags=re.DOTALL)
    return text


def with_urdf(profile, tmp_path, text: str):
    path = tmp_path / "changed.urdf"
    path.write_text(text)
    return profile.model_copy(update={"urdf": str(path)})


@pytest.fixture(params=[(names, limit) for names in (JOINTS[:1], JOINTS[1:2], JOINTS[:2]) for limit in (True, False)])
def turning(request, tmp_path):
    names, limit = request.param
    return with_urdf(UR, tmp_path, endless(UR.urdf_path.read_text(), *names, limit=limit))


def postures(count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-2.5, 2.5, (count, 6)) + np.array(UR.arm.home)


def test_kinematics_are_the_same(turning):
    ours, known = Arm(turning), Arm(UR)
    assert ours.lower == pytest.approx(known.lower, abs=1e-5) and ours.upper == pytest.approx(known.upper, abs=1e-5)
    assert np.isfinite(ours.velocity).all() and (ours.velocity <= UR.arm.limits.velocity).all()
    assert ours.levers() == pytest.approx(known.levers())
    for q in postures(20):
        q = np.clip(q, ours.lower, ours.upper)
        for one, other in zip(ours.fk(q), known.fk(q)):
            assert one == pytest.approx(other, abs=1e-9)
        assert ours.jacobian(q) == pytest.approx(known.jacobian(q), abs=1e-9)
        assert ours.heights(q) == pytest.approx(known.heights(q), abs=1e-9)
    position, rotation = known.fk(known.home)
    goal = position + [0.05, 0.1, -0.05]
    assert ours.ik(goal, rotation, ours.home).q == pytest.approx(known.ik(goal, rotation, known.home).q, abs=1e-6)


def test_links_touch_in_the_same_postures(turning):
    ours, known = SelfCollision(turning), SelfCollision(UR)
    assert ours.pairs == known.pairs
    touch = [(ours.touching(q), known.touching(q)) for q in postures(60)]
    assert all(one == other for one, other in touch) and any(one for one, _ in touch)


def test_it_goes_home_and_follows_chunks(turning):
    clearance = Clearance(turning)
    away = clearance.home + [1.0, -0.3, 0.2, 0.1, 0.1, 2.0]
    way = BuiltinPlanner(clearance).plan(away)
    assert way.reason == "" and way.knots[-1] == pytest.approx(clearance.home)
    robot = Robot(turning)
    bench = Bench(robot)
    bench.go([robot.arms[0].fk(robot.home)[0] + [0.05, 0.05, -0.05]])
    bench.run(80)
    assert bench.motion.fault == "" and bench.moved > 0.05
    bench.rest()


def test_the_drivers_description_is_compared_with_it(turning):
    assert compare(UR, turning.urdf_path.read_text()).fault == compare(turning, UR.urdf_path.read_text()).fault == ""
    moved = turning.urdf_path.read_text().replace('xyz="0 0 0.1625"', 'xyz="0 0 0.3625"')
    assert "is it another model?" in compare(turning, moved).fault


def test_frames_are_where_they_are(turning):
    q = dict(zip(UR.arm.joints, postures(1)[0]))
    pose = Frames(turning).pose(UR.arm.tcp_frame, UR.arm.base_frame, q)
    assert pose == pytest.approx(Frames(UR).pose(UR.arm.tcp_frame, UR.arm.base_frame, q), abs=1e-9)


def tipped(tmp_path, kind: str):
    """With a finger as long as a hand, on a joint that mimics the gripper's: it reaches out where that is open."""
    (name,) = UR.gripper.joints
    tip = f"""<link name="tip"><collision><origin xyz="0 0 0.12"/><geometry><box size="0.02 0.02 0.2"/></geometry>
      </collision></link><joint name="tip_joint" type="{kind}"><parent link="flange"/><child link="tip"/>
      <axis xyz="0 1 0"/><limit lower="-4" upper="4" effort="1" velocity="1"/>
      <mimic joint="{name}" multiplier="1.5" offset="-2.2"/></joint>"""
    return with_urdf(UR, tmp_path, UR.urdf_path.read_text().replace("</robot>", tip + "</robot>"))


def test_a_finger_that_turns_without_end_is_where_the_open_gripper_has_it(tmp_path):
    contacts = []
    for kind in ("revolute", "continuous"):
        collisions = SelfCollision(tipped(tmp_path, kind))
        contacts.append([collisions.touching(q) for q in postures(150)])
    assert contacts[0] == contacts[1] and sum("tip" in found for found in contacts[0]) > 3


def test_joints_that_mimic_one_that_mimics_follow(tmp_path):
    text = UR.urdf_path.read_text()
    more = '<link name="pad"/><joint name="pad_joint" type="continuous"><parent link="flange"/><child link="pad"/>'
    (name,) = UR.gripper.joints
    (mimic, *_) = [joint for joint in mimicked(UR, {name: 1.0}) if joint != name]
    more += f'<axis xyz="0 0 1"/><mimic joint="{mimic}" multiplier="-2" offset="0.5"/></joint></robot>'
    profile = with_urdf(UR, tmp_path, text.replace("</robot>", more))
    followed = mimicked(profile, {name: 0.3})
    assert followed["pad_joint"] == pytest.approx(-2 * followed[mimic] + 0.5)


def test_each_joint_has_one_place():
    model = pinocchio.buildModelFromXML(
        '<robot name="r"><link name="a"/><link name="b"/><link name="c"/><link name="d"/>'
        '<joint name="one" type="continuous"><parent link="a"/><child link="b"/><axis xyz="0.6 0 0.8"/></joint>'
        '<joint name="two" type="prismatic"><parent link="b"/><child link="c"/><axis xyz="1 0 0"/>'
        '<limit lower="-1" upper="2" effort="1" velocity="3"/></joint>'
        '<joint name="three" type="continuous"><parent link="c"/><child link="d"/><axis xyz="0 0 1"/></joint></robot>'
    )
    places = JointPlaces(model, ("three", "two", "one"))
    assert places.configuration([0.3, 0.5, -4.0]) == pytest.approx(
        [np.cos(-4.0), np.sin(-4.0), 0.5, np.cos(0.3), np.sin(0.3)]
    )
    assert places.columns.tolist() == [2, 1, 0] and places.numbers.tolist() == [3, 2, 1]
    assert places.lower == pytest.approx([-2 * np.pi, -1, -2 * np.pi]) and places.upper[1] == 2
    assert places.velocity[1] == 3
    configuration = places.configuration([0.0, 0.0, 0.0])
    JointPlaces(model, ["three"]).put(configuration, [np.pi / 2])
    assert configuration == pytest.approx([1, 0, 0, 0, 1])
    assert len(JointPlaces(model, []).configuration([])) == 5


@pytest.mark.parametrize("kind", ["floating", "planar"])
def test_a_joint_that_moves_in_more_ways_is_refused(tmp_path, kind):
    text = UR.urdf_path.read_text().replace(
        'name="wrist_3_joint" type="revolute"', f'name="wrist_3_joint" type="{kind}"'
    )
    with pytest.raises(WallOSSError, match="wrist_3_joint moves in more than one way"):
        Arm(with_urdf(UR, tmp_path, text))


@pytest.mark.parametrize(
    "limit, words",
    [
        ('<limit effort="28" velocity="3"/>', "wrist_3_joint has no range: its limits are 0 and 0 rad"),
        ('<limit lower="1" upper="-1" effort="28" velocity="3"/>', "wrist_3_joint"),
        ('<limit lower="-1" upper="1" effort="28" velocity="0"/>', "wrist_3_joint may move no faster than 0 rad/s"),
        ('<limit lower="0.5" upper="1" effort="28" velocity="1"/>', "wrist_3_joint at .* of 0.5 to 1 rad"),
    ],
)
def test_limits_that_leave_no_motion_are_named(tmp_path, limit, words):
    text = re.sub(
        r'(<joint name="wrist_3_joint".*?)<limit[^>]*/>', rf"\1{limit}", UR.urdf_path.read_text(), count=1, flags=re.S
    )
    with pytest.raises(WallOSSError, match=words):
        Arm(with_urdf(UR, tmp_path, text))


def test_a_part_of_the_robot_goes_no_faster_than_its_urdf_says(tmp_path):
    from wall_oss_ros.control.joint_group import JointGroupMotion

    profile = load_profile("dual_arm")
    (lift,) = (part for part in profile.parts if part.dof == "height")
    (joint,) = lift.joints
    text = profile.urdf_path.read_text()

    def limited(velocity: str):
        changed = re.sub(
            rf'(<joint name="{joint}".*?<limit[^>]*velocity=)"[^"]*"', rf'\1"{velocity}"', text, count=1, flags=re.S
        )
        return with_urdf(profile, tmp_path, changed)

    slow = limited("0.02")
    assert velocity_limits(slow, [joint]) == pytest.approx([0.02])
    assert JointGroupMotion(slow, lift).velocity == pytest.approx([0.02])
    with pytest.raises(WallOSSError, match=f"{joint} may move no faster than 0"):
        JointGroupMotion(limited("0"), lift)
    assert position_limits(UR, ["wrist_3_joint"])[1] == pytest.approx([2 * np.pi], abs=1e-5)
    assert read_model(UR).existJointName("wrist_3_joint")
