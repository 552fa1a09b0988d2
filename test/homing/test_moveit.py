# SPDX-License-Identifier: Apache-2.0
"""MoveIt behind the link, against a stand-in with moveit_py's interface (test/moveit_stand_in): not the real one."""

import json
import os
import queue
import sys
import time
from pathlib import Path

import numpy as np
import pinocchio
import pytest

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.homing import PLANNERS
from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.homing.moveit import link as link_module
from wall_oss_ros.homing.moveit.description import GROUP, parameters, semantic_description
from wall_oss_ros.homing.moveit.link import MoveItLink
from wall_oss_ros.homing.moveit.planner import make_planner, wants_moveit
from wall_oss_ros.homing.moveit.targets import TargetCheck
from wall_oss_ros.policy.chunk import Chunk, ChunkAnswer, Task
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

FIND = link_module.installed
STAND_IN = Path(__file__).parent / "moveit_stand_in"
LIMIT = 240.0  # s, for a process to start on a busy machine
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def wait(condition, what: str):
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, f"no {what} after {LIMIT} s"
        time.sleep(0.02)
    return found


class World:
    """What the stand-in's world is like; changes hold from the next request on."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self._path, self.said = folder / "world.json", folder / "said.json"
        patch.setenv("PYTHONPATH", f"{STAND_IN}:{Path(__file__).parents[2]}")
        patch.setenv("WALL_OSS_STAND_IN", str(self._path))
        patch.setenv("WALL_OSS_STAND_IN_SAYS", str(self.said))
        patch.setattr(link_module, "installed", lambda: True)
        self.set()

    def set(self, **script) -> None:
        self._path.write_text(json.dumps(script), encoding="utf-8")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A world and a link to MoveIt in it."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path_factory.mktemp("moveit"), patch)
        link = MoveItLink("franka", "/cell_2/joint_states")
        yield world, link
        link.close()


@pytest.fixture
def world(running):
    running[0].set()
    return running[0]


@pytest.fixture
def link(running, world):
    wait(lambda: not running[1].look(), "MoveIt")
    return running[1]


def test_moveit_plans_and_its_way_is_looked_at(link, world):
    clearance = Clearance(load_profile("franka"))
    planner = make_planner(clearance, link)
    start = clearance.home.copy()
    start[0] = 0.6
    between = clearance.home.copy()
    between[0], between[6] = 0.3, 1.5
    world.set(detour=[between.tolist()])
    way = planner.plan(start)
    assert planner.name == "moveit" and way.reason == ""
    assert way.knots[0] == pytest.approx(start) and way.knots[-1] == pytest.approx(clearance.home)
    assert np.abs(way.knots - between).max(axis=1).min() < 1e-9
    folded = [0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785]
    world.set(detour=[folded])
    refused = planner.plan(start)
    assert refused.knots is None and "MoveIt" in refused.reason
    world.set(blocked=[["fr3_joint1", 0.5, 0.7]])
    assert "touches where the arms are" in planner.plan(start).reason
    world.set(error=-1)
    assert "no way was found" in planner.plan(start).reason


def test_targets_are_checked_before_a_chunk_is_followed(link, world, monkeypatch):
    monkeypatch.setattr("wall_oss_ros.homing.moveit.targets._PATIENCE", LIMIT)
    profile = load_profile("franka")
    layout, arm = Layout(profile), Clearance(profile).arms[0]
    check = TargetCheck(link, layout)
    state = layout.pack(*arm.fk(arm.home), 0.08)[0].astype(float)
    rows = np.zeros((10, 20))
    rows[:, layout.position.start + 1] = np.linspace(0.02, 0.2, 10)  # to the left
    turned, q = [], arm.home
    for row in layout.absolute(rows, state):
        q = arm.ik(*layout.unpack(row)[:2], q).q
        turned.append(q[0])  # joint 1, more with every row

    def through(actions):
        check.put(time.monotonic(), "the chunk", layout.absolute(actions, state), arm.home)
        found = None
        while check.looking:
            found = check.poll(time.monotonic())
            time.sleep(0.005)
        return found or check.fault

    assert through(rows) == "the chunk" and check.fault == ""
    assert check.poll(0.0) is None, "once"
    world.set(blocked=[["fr3_joint1", (turned[3] + turned[4]) / 2, 3.0]])
    assert "target 5" in through(rows), "counted from 1"
    assert through(rows[:4]) == "the chunk", "nearer targets are free"
    assert through(rows * np.nan) == "the chunk", "what is no number is refused by control, with its own words"
    check.put(time.monotonic(), "the chunk", np.zeros((3, 7)), arm.home)
    assert check.looking, "nor is what has another shape"


class Answers:
    """In place of a link: answers by hand."""

    def __init__(self):
        self.asked, self.answer = [], queue.SimpleQueue()

    def ask(self, request):
        self.asked.append(request)
        self.answer = queue.SimpleQueue()
        return self.answer


def test_control_gets_a_chunk_only_once_it_has_been_found_free():
    link = Answers()
    layout = Layout(load_profile("franka"))
    check = TargetCheck(link, layout)
    task, joints = Task("planner#1", 1, 0, "take the cube"), np.zeros(7)
    targets = np.full((10, 20), 0.3)
    chunk = ChunkAnswer("control#1", 1, task, chunk=Chunk(0.0, np.full(20, 0.1), targets, 10.0))

    assert check.through(0.0, chunk, task, joints) is None and check.through(0.1, None, task, joints) is None
    assert np.array(link.asked[0]["targets"])[3, layout.position] == pytest.approx(0.3), "absolute"
    link.answer.put({"collides": None})
    assert check.through(0.2, None, task, joints) is chunk and check.through(0.3, None, task, joints) is None

    check.through(0.4, chunk, task, joints)
    link.answer.put({"collides": 2})
    assert check.through(0.5, None, task, joints) is None and "target 3" in check.fault
    check.through(0.6, chunk, task, joints)
    assert "target 3" in check.fault, "until one is free"
    link.answer.put({"reason": "MoveIt is starting"})
    assert check.through(0.7, None, task, joints) is None and "MoveIt is starting" in check.fault

    of_another = task._replace(plan_id=2, subtask="take the ball")
    assert check.through(0.9, chunk, of_another, joints) is chunk, "which control lets go"
    asked = len(link.asked)
    check.through(1.0, chunk, task, joints)
    assert len(link.asked) == asked + 1
    assert check.through(1.1, None, None, joints) is None and not check.looking and check.fault == "", (
        "the plan is over"
    )


def test_a_check_that_is_not_answered_is_a_fault(link, world, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    world.set(gate=str(gate))
    busy = link.ask({"do": "plan", "start": [0.0] * 7, "goal": [0.5] * 7})
    layout = Layout(load_profile("franka"))
    check = TargetCheck(link, layout)
    check.put(0.0, "the chunk", np.zeros((10, 20)), np.zeros(7))
    assert check.poll(0.4) is None and check.fault == ""
    assert check.poll(0.6) is None and "does not answer" in check.fault
    check.forget()
    assert check.fault == ""
    gate.write_text("open")
    assert "knots" in busy.get(timeout=LIMIT)


def test_a_process_that_dies_is_told_and_started_again(link, world, monkeypatch):
    world.set(exit=3)
    answer = link.ask({"do": "plan", "start": [0.0] * 7, "goal": [0.5] * 7}).get(timeout=LIMIT)
    assert "ended with status 3" in answer["reason"]
    assert "ended with status 3" in link.ask({"do": "plan"}).get(timeout=1.0)["reason"]
    monkeypatch.setattr(link_module, "_AGAIN", 0.0)
    world.set()
    wait(lambda: not link.look(), "MoveIt again")
    assert "knots" in link.ask({"do": "plan", "start": [0.0] * 7, "goal": [0.5] * 7}).get(timeout=LIMIT)


def test_a_moveit_that_cannot_start_says_why(world):
    world.set(fails="Unable to construct robot model")
    link = MoveItLink("franka", "/joint_states")
    try:
        wait(lambda: "Unable to construct robot model" in link.look(), "reason")
    finally:
        link.close()


def test_its_node_is_given_the_robots_topic_and_no_namespace(link, world):
    """Parameters made for a node's plain name are not found by one in a namespace."""
    said = json.loads(world.said.read_text())
    assert said == {
        "node_name": "wall_oss_moveit",
        "name_space": "",
        "remappings": {"joint_states": "/cell_2/joint_states"},
    }


def test_without_moveit_the_built_in_planner_serves_and_a_wish_for_moveit_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(link_module, "installed", FIND)
    assert [wants_moveit(choice, load_profile("franka")) for choice in PLANNERS] == [False, False, True]
    assert make_planner(Clearance(load_profile("franka")), None).name == "builtin"
    with pytest.raises(WallOSSError, match="sudo apt install ros-.*moveit-py"):
        MoveItLink("franka", "/joint_states")


def test_where_it_is_installed_it_is_found_without_importing_it(monkeypatch):
    monkeypatch.syspath_prepend(str(STAND_IN))
    assert FIND() and [wants_moveit(choice, load_profile("franka")) for choice in PLANNERS] == [True, False, True]
    assert not any(name.partition(".")[0] == "moveit" for name in sys.modules)


@pytest.mark.parametrize("name", ["franka", "ur", pytest.param("dual_arm", marks=pytest.mark.slow)])
def test_links_may_touch_in_moveit_as_they_may_for_control(name, tmp_path):
    """Pinocchio reads the SRDF: of all pairs of links it leaves those that control compares."""
    profile = load_profile(name)
    (tmp_path / "robot.srdf").write_text(semantic_description(profile))
    model = pinocchio.buildModelFromUrdf(str(profile.urdf_path))
    shapes = pinocchio.buildGeomFromUrdf(model, str(profile.urdf_path), pinocchio.GeometryType.COLLISION)
    shapes.addAllCollisionPairs()
    pinocchio.removeCollisionPairs(model, shapes, str(tmp_path / "robot.srdf"))
    names = [shape.name.rpartition("_")[0] for shape in shapes.geometryObjects]
    left = {frozenset((names[pair.first], names[pair.second])) for pair in shapes.collisionPairs}
    watched = {frozenset(pair) for pair in SelfCollision(profile).pairs}
    assert {pair for pair in left if len(pair) == 2} == watched and watched


def test_parameters_are_of_types_that_ros_knows():
    """No empty list, which has no type in ROS, no whole number where MoveIt declares a double."""
    profile = load_profile("ur")
    made = parameters(profile, sim_time=True)

    def leaves(tree, path=""):
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{path}{key}.")
            else:
                yield f"{path}{key}", value

    flat = dict(leaves(made))
    for path, value in flat.items():
        assert isinstance(value, (bool, int, float, str)) or (value and {type(x) for x in value} == {str}), path
    joint = "robot_description_planning.joint_limits.elbow_joint."
    assert flat[f"{joint}max_velocity"] == profile.arm.limits.velocity[2] and flat[f"{joint}has_velocity_limits"]
    assert type(flat["plan_request_params.planning_time"]) is float
    assert flat["qos_overrides./clock.subscription.depth"] == 1, "or MoveIt may refuse it later, and end"
    assert not any("qos_overrides" in path for path, _ in leaves(parameters(profile)))
    assert flat["use_sim_time"] is True and f"ompl.{GROUP}.longest_valid_segment_fraction" in flat
