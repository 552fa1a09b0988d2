# SPDX-License-Identifier: Apache-2.0
"""What rviz is given: the plan in words with the colour of each status, and the path ahead."""

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.plan_markers import marker_array, path_markers, plan_markers, workspace_marker
from wall_oss_ros.robots.components import Workspace

from geometry_msgs.msg import Point, Pose, PoseArray
from std_msgs.msg import Header
from visualization_msgs.msg import Marker
from wall_oss_msgs.msg import ActionChunk, Subtask, SubtaskPlan


def a_plan(**fields) -> SubtaskPlan:
    subtasks = [
        Subtask(text="pick up the red cube", status=Subtask.DONE),
        Subtask(text="place it in the left tray", status=Subtask.ACTIVE, has_target=True, target=Point(x=0.5, y=0.3)),
        Subtask(text="pick up the blue cube", status=Subtask.PENDING),
    ]
    plan = SubtaskPlan(header=Header(frame_id="base"), plan_id=3, instruction="tidy up", status=SubtaskPlan.RUNNING)
    plan.subtasks, plan.active = subtasks, 1
    for name, value in fields.items():
        setattr(plan, name, value)
    return plan


def test_each_subtask_is_a_line_coloured_by_its_status():
    lines = [m for m in plan_markers(a_plan(), (0.5, 0.0, 0.8), 0.04) if m.type == Marker.TEXT_VIEW_FACING]
    assert [line.text for line in lines] == [
        "tidy up  [running]", "+ pick up the red cube", "> place it in the left tray", "o pick up the blue cube",
    ]  # fmt: skip
    colours = {(line.color.r, line.color.g, line.color.b) for line in lines}
    assert len(colours) == 4, "the heading, done, active and pending look different"
    assert all(0 < line.scale.x < line.scale.z for line in lines), (
        "words stand near each other: rviz2 takes the space from it"
    )
    heights = [line.pose.position.z for line in lines]
    assert heights[0] == 0.8 and heights == sorted(heights, reverse=True)
    assert all(line.header.frame_id == "base" and line.color.a == 1.0 for line in lines)
    assert len({(line.ns, line.id) for line in lines}) == len(lines)


def test_the_active_subtasks_target_is_shown_where_it_is_known():
    targets = [m for m in plan_markers(a_plan(), (0.5, 0.0, 0.8), 0.04) if m.ns == "target"]
    assert len(targets) == 1 and targets[0].pose.position.y == 0.3
    assert not [m for m in plan_markers(a_plan(active=-1), (0.5, 0.0, 0.8), 0.04) if m.ns == "target"]


def test_why_a_plan_ended_is_shown():
    lines = plan_markers(a_plan(status=SubtaskPlan.FAILED, active=-1, message="no such cube"), (0, 0, 1.0), 0.04)
    assert lines[0].text == "tidy up  [failed]" and lines[-1].text == "no such cube"


def test_a_plan_that_is_not_up_to_date_is_grey_and_claims_no_state():
    silences = ["planner silent for 12 s", "control silent for 12 s"]
    markers = plan_markers(a_plan(message="all well"), (0, 0, 1.0), 0.04, stale=True, silences=silences)
    texts = [marker.text for marker in markers]
    assert texts[0] == "tidy up  [not up to date]" and texts[-2:] == silences
    assert not any("running" in text for text in texts)
    assert len({(m.color.r, m.color.g, m.color.b) for m in markers[:-2]}) == 1, "grey, all of it"
    assert not [marker for marker in markers if marker.ns == "target"]


def test_the_path_ends_in_a_ball():
    chunk = ActionChunk(header=Header(frame_id="base"))
    assert path_markers(chunk) == []
    chunk.path.header = chunk.header
    chunk.path.poses = [Pose(position=Point(x=0.1 * k, y=0.0, z=0.3)) for k in range(4)]
    line, ball = path_markers(chunk)
    assert line.type == Marker.LINE_STRIP and len(line.points) == 4
    assert ball.pose.position.x == line.points[-1].x and line.header.frame_id == "base"


def test_every_arm_has_its_path():
    def path(frame, y, count=3):
        return PoseArray(
            header=Header(frame_id=frame), poses=[Pose(position=Point(x=0.1 * k, y=y)) for k in range(count)]
        )

    chunk = ActionChunk(path=path("right_base", -0.2), more_paths=[path("left_base", 0.2), path("third", 0.0, count=1)])
    markers = path_markers(chunk)
    assert [marker.header.frame_id for marker in markers] == ["right_base"] * 2 + ["left_base"] * 2
    assert [marker.pose.position.y for marker in markers if marker.type == Marker.SPHERE] == [-0.2, 0.2]
    assert len({(marker.ns, marker.id) for marker in markers}) == 4, "none replaces another"


def test_what_was_shown_before_is_removed_first():
    array = marker_array(plan_markers(a_plan(), (0.5, 0.0, 0.8), 0.04))
    assert array.markers[0].action == Marker.DELETEALL
    assert all(marker.action == Marker.ADD for marker in array.markers[1:])


def test_the_workspace_is_drawn_by_its_edges():
    marker = workspace_marker(Header(frame_id="base"), Workspace(min=(0.0, -1.0, 0.0), max=(1.0, 1.0, 0.5)))
    assert (marker.type, marker.header.frame_id, len(marker.points)) == (Marker.LINE_LIST, "base", 24)
    pairs = [(marker.points[i], marker.points[i + 1]) for i in range(0, 24, 2)]
    lengths = sorted(abs(a.x - b.x) + abs(a.y - b.y) + abs(a.z - b.z) for a, b in pairs)
    assert lengths == [0.5] * 4 + [1.0] * 4 + [2.0] * 4
