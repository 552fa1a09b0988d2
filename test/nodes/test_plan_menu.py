# SPDX-License-Identifier: Apache-2.0
"""rviz's part in a plan: the menu, by a client that plays rviz, and the words below the plan."""

import math

import pytest
from nodes_support import a_bench

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.plan_markers import PlanMarkersNode, plan_markers
from wall_oss_ros.nodes.plan_menu import BY, choices
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.nodes.situation_text import LONGEST, MOST, control_lines, force_lines, thought_lines
from wall_oss_ros.robots.profile import load_profile

from geometry_msgs.msg import WrenchStamped
from std_srvs.srv import Trigger
from visualization_msgs.msg import (
    InteractiveMarkerControl,
    InteractiveMarkerFeedback,
    InteractiveMarkerUpdate,
    MarkerArray,
)
from visualization_msgs.srv import GetInteractiveMarkers
from wall_oss_msgs.msg import ControlStatus, Subtask, SubtaskPlan
from wall_oss_msgs.srv import ApprovePlan, EditPlan

bench = pytest.fixture(a_bench)


def a_plan(status=SubtaskPlan.AWAITING_APPROVAL, revision=4, **fields) -> SubtaskPlan:
    subtasks = [
        Subtask(text="pick up the red cube", status=Subtask.DONE),
        Subtask(text="place it " + "far " * 40, status=Subtask.PENDING),
    ]
    return SubtaskPlan(plan_id=3, revision=revision, status=status, subtasks=subtasks, active=-1, **fields)


def test_the_menu_offers_what_the_plan_allows_and_stop_in_any_case():
    assert [choice.title for choice in choices(None)] == ["STOP", "Resume"]
    waiting = choices(a_plan())
    titles = [choice.title for choice in waiting]
    assert titles[:3] == ["STOP", "Approve plan 3", "Refuse plan 3"] and titles[-1] == "Resume"
    assert titles[3].startswith("Skip: place it far") and len(titles[3]) < 70, "what is done cannot be skipped"
    assert (waiting[1].request.revision, waiting[1].request.approve, waiting[1].request.name) == (4, True, BY)
    assert (waiting[3].request.edit, waiting[3].request.index) == (EditPlan.Request.SKIP, 1)
    assert not any("pprove" in one.title for one in choices(a_plan(SubtaskPlan.RUNNING)))
    assert [choice.title for choice in choices(a_plan(SubtaskPlan.FAILED))] == ["STOP", "Resume"]


def test_thought_control_and_force_are_said_in_words():
    plan = a_plan(
        thought="red is there.", reasoning="pick it up\nplace it", judgement="pick it up", judgement_confidence=0.93
    )
    plan.judgement_repeats, plan.confirmations = 1, 2
    assert [text for text, _ in thought_lines(plan)] == [
        "sees: red is there.", "plans: pick it up place it", "judges: pick it up (93 %), 1 of 2",
    ]  # fmt: skip
    plan.judgement_confidence, plan.status = math.nan, SubtaskPlan.RUNNING
    assert [text for text, _ in thought_lines(plan)] == ["sees: red is there.", "judges: pick it up, 1 of 2"]
    plan.judgement, plan.judgement_repeats = "far " * 100, 47
    _, *judged = thought_lines(plan)
    assert len(judged) == MOST and all(len(text) <= LONGEST for text, _ in judged) and judged[-1][0].endswith(" ...")
    plan.judgement = "x" * 1000
    assert all(len(text) <= LONGEST for text, _ in thought_lines(plan))
    plan.judgement = "pick it up"
    assert thought_lines(plan)[1][0] == "judges: pick it up, 2 of 2", "more than are needed is not said"
    status = ControlStatus(state=ControlStatus.HOLDING, reason="no observations", needs_resume=True)
    assert [text for text, _ in control_lines(status)] == ["control holding: no observations, waits for resume"]
    status.reason = "stopped by a force of 293 N at the arm, 100 N permitted; call the service resume to go on"
    said = [text for text, _ in control_lines(status)]
    assert len(said) == 2 and " ".join(said) == f"control holding: {status.reason}, waits for resume", "none is lost"
    assert control_lines(ControlStatus(state=77))[0][0] == "control in an unknown state"
    calm, hard, unknown = force_lines([("", 12.4, 100.0), ("left", 90.0, 100.0), ("right", None, 100.0)])
    assert (calm[0], hard[0], unknown[0]) == (
        "force: 12 N of 100 N", "force left: 90 N of 100 N", "force right: not known",
    )  # fmt: skip
    assert calm[1] != hard[1]
    lines = [marker.text for marker in plan_markers(plan, (0.0, 0.0, 1.0), 0.04, more=[calm, hard])]
    assert lines[-2:] == [calm[0], hard[0]]


@pytest.mark.slow
@pytest.mark.real_time
def test_a_person_at_rviz_approves_skips_and_stops(bench):
    asked = []

    def serve(kind, name):
        def on_call(request, response):
            asked.append((name, request))
            response.success, response.message = True, f"{name} heard"
            return response

        bench.node.create_service(kind, name, on_call)

    serve(Trigger, "stop")
    serve(ApprovePlan, "approve_plan")
    plans = bench.node.create_publisher(SubtaskPlan, "plan", LATCHED)
    wrenches = bench.node.create_publisher(WrenchStamped, load_profile("franka").arm.force.topic, EVENTS)
    statuses = bench.node.create_publisher(ControlStatus, "status", LATCHED)
    clicks = bench.node.create_publisher(InteractiveMarkerFeedback, "plan_menu/feedback", EVENTS)
    updates = bench.listen(InteractiveMarkerUpdate, "plan_menu/update", EVENTS)
    texts = bench.listen(MarkerArray, "plan_markers", LATCHED)
    node = bench.run(PlanMarkersNode())
    bench.until(lambda: all(node._menu._clients[name].service_is_ready() for name in ("stop", "approve_plan")))
    bench.until(lambda: clicks.get_subscription_count() == 1)

    def menu() -> dict[str, int]:
        found = bench.call(GetInteractiveMarkers, "plan_menu/get_interactive_markers", GetInteractiveMarkers.Request())
        if not found.markers:
            return {}
        (marker,) = found.markers
        assert marker.controls[0].interaction_mode == InteractiveMarkerControl.MENU
        return {entry.title: entry.id for entry in marker.menu_entries}

    def click(number: int) -> None:
        kind = InteractiveMarkerFeedback.MENU_SELECT
        clicks.publish(InteractiveMarkerFeedback(marker_name="plan", event_type=kind, menu_entry_id=number))

    def says(words: str):
        return lambda: texts and any(words in marker.text for marker in texts[-1].markers)

    bench.until(lambda: "STOP" in menu())
    plan = a_plan()
    plan.header.frame_id = "fr3_link0"
    bench.node.create_timer(0.5, lambda: plans.publish(plan))
    status = ControlStatus(state=ControlStatus.HOLDING, reason="the plan awaits approval")
    bench.node.create_timer(0.5, lambda: statuses.publish(status))
    wrench = WrenchStamped()
    wrench.wrench.force.z = 30.0
    bench.node.create_timer(0.1, lambda: wrenches.publish(wrench))
    bench.until(lambda: "Approve plan 3" in menu())
    bench.until(says("control holding: the plan awaits approval"))
    bench.until(says("force: 30 N of 100 N"))
    old = menu()
    click(old["Approve plan 3"])
    bench.until(lambda: asked and asked[-1][0] == "approve_plan")
    assert (asked[-1][1].plan_id, asked[-1][1].revision, asked[-1][1].approve) == (3, 4, True)
    bench.until(says("Approve plan 3: approve_plan heard"))
    click(next(number for title, number in old.items() if title.startswith("Skip")))
    bench.until(says("nobody answers, there is no /wall_oss/edit_plan"))

    plan.revision = 5
    bench.until(lambda: menu().get("Approve plan 3", 0) > old["Approve plan 3"])
    click(old["Approve plan 3"])
    bench.until(says("the plan has changed meanwhile"))
    assert len(asked) == 1, "what was not looked at is not approved"
    click(old["STOP"])
    bench.until(lambda: asked[-1][0] == "stop")
    numbers = [update.seq_num for update in updates]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "rviz asks anew where one is missing"
