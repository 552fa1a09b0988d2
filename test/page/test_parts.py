# SPDX-License-Identifier: Apache-2.0
"""The parts of the page, with neither a network nor ROS: who drives, what may be asked, what is shown."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.page.answers import KEPT, MOST_WAITING, Answers
from wall_oss_ros.page.cameras import Cameras
from wall_oss_ros.page.node_reports import MOST_NODES, NodeReports
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.plan_view import plan_view
from wall_oss_ros.page.reality import reality
from wall_oss_ros.page.requests import LARGEST, LONGEST, WHAT, Request, read
from wall_oss_ros.page.traces import WINDOW, Trace, Traces
from wall_oss_ros.page.wheel import GRACE, Wheel

STAMP = SimpleNamespace(sec=100, nanosec=0)


class Clock:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


def test_one_drives_at_a_time_and_a_reload_keeps_the_wheel():
    clock = Clock()
    wheel = Wheel(clock)
    assert not wheel.drives("a") and not wheel.drives("")
    assert wheel.take("a", "anna") == "" and wheel.drives("a")
    assert wheel.take("b", "ben") == "anna drives" and not wheel.drives("b")
    wheel.leave("b")
    assert wheel.name == "anna", "who does not drive cannot leave"
    wheel.seen("a", there=False)
    clock.time += GRACE / 2
    wheel.seen("a", there=True)
    clock.time += 10 * GRACE
    assert wheel.drives("a")
    assert wheel.take("b", "ben", from_other=True) == "" and wheel.name == "ben" and not wheel.drives("a")
    wheel.seen("b", there=False)
    clock.time += GRACE + 1
    assert wheel.name == "" and not wheel.drives("b")


@pytest.mark.parametrize(
    "message",
    [
        b"\x00", "", "[]", "null", '"stop"', "{", "[" * 5000, '{"do": "launch"}', '{"do": 3}', '{"do": ["stop"]}',
        '{"do": "instruct"}', '{"do": "instruct", "text": "  \\u0000 "}', '{"do": "instruct", "text": 4}',
        json.dumps({"do": "instruct", "text": "x" * (LONGEST + 1)}), json.dumps({"do": "ask", "text": "x" * LARGEST}),
        '{"do": "approve", "plan": -1, "revision": 0}', '{"do": "approve", "plan": 1.5, "revision": 0}',
        '{"do": "approve", "plan": true, "revision": 0}', '{"do": "approve", "plan": 4294967296, "revision": 0}',
        '{"do": "edit", "plan": 1, "revision": 1, "edit": "DROP", "index": 0}',
        '{"do": "edit", "plan": 1, "revision": 1, "edit": ["MOVE"], "index": 0}',
        '{"do": "edit", "plan": 1, "revision": 1, "edit": "INSERT", "index": 0, "texts": "one"}',
        json.dumps({"do": "edit", "plan": 1, "revision": 1, "edit": "INSERT", "index": 0, "texts": ["a"] * 21}),
        '{"do": "hello", "session": "<b>"}', '{"do": "take", "name": ""}', '{"do": "seek", "time": NaN}',
        '{"do": "speed", "speed": "2"}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_words(message):
    with pytest.raises(WallOSSError, match="The request .* Reload the page"):
        read(message)


def test_requests_come_through_bounded_and_without_control_characters():
    assert read('{"do": "stop", "text": "ignored"}') == Request("stop")
    assert read('{"do": "instruct", "text": " put\\u0007 it\\n away "}').values == {"text": "put it away"}
    edit = read(
        '{"do": "edit", "plan": 1, "revision": 2, "edit": "INSERT", "index": 1, "texts": ["lift"], "why": null}'
    )
    assert edit.values["texts"] == ["lift"] and edit.values["to"] == 0 and edit.words == "insert: lift"


def test_each_request_gets_an_answer_or_the_word_that_there_is_none():
    clock = Clock()
    answers = Answers(clock, lambda: "12:00:00")
    number = answers.ask(Request("stop"), "anna")
    clock.time = 0.9
    answers.look()
    assert answers.shown()[0]["tone"] == "busy"
    clock.time = 1.05
    answers.look()
    assert answers.shown()[0]["words"] == "nobody has answered for 1 s" and answers.shown()[0]["tone"] == "bad"
    answers.answer(number, "good", "late\x07r")
    assert answers.shown()[0]["words"] == "late r", "a late answer is one"
    for _ in range(MOST_WAITING):
        assert answers.ask(Request("ask", {"text": "where?"}), "anna") is not None
    assert answers.ask(Request("ask", {"text": "where?"}), "anna") is None, "no more than that at a time"
    assert answers.ask(Request("stop"), "ben") is not None, "but Stop always"
    for _ in range(40):
        answers.ask(Request("stop"), "ben")
    assert len(answers.shown()) == KEPT


def test_stop_is_waited_for_no_longer_than_a_second():
    assert WHAT["stop"][1] <= 1.0


@pytest.mark.parametrize(
    "moves, simulators, clocks, hardware, word",
    [
        ([], [], [], None, "UNKNOWN"),
        (["/simulated_robot"], ["/simulated_robot"], ["/simulated_robot"], None, "SIMULATED"),
        (["/simulated_robot", "/driver"], ["/simulated_robot"], [], None, "UNKNOWN"),
        (["/driver"], ["/simulated_robot"], [], None, "UNKNOWN"),
        (["/joint_state_broadcaster"], [], [], None, "UNKNOWN"),
        (["/joint_state_broadcaster"], [], [], ["mock_components/GenericSystem"], "MOCK"),
        (["/joint_state_broadcaster"], [], [], ["gz_ros2_control/GazeboSimSystem"], "SIMULATED"),
        (["/joint_state_broadcaster"], [], [], ["franka_hardware/FrankaHardwareInterface"], "REAL"),
        (["/joint_state_broadcaster"], [], [], ["franka_hardware/X", "mock_components/GenericSystem"], "UNKNOWN"),
        (["/joint_state_broadcaster"], [], ["/bag"], ["franka_hardware/X"], "UNKNOWN"),
        (["/joint_state_broadcaster"], [], [], [], "UNKNOWN"),
    ],
)
def test_only_what_is_known_is_called_simulated_or_real(moves, simulators, clocks, hardware, word):
    found, tone, why = reality(moves, simulators, clocks, hardware)
    assert found == word and why
    assert (tone == "good") == (word in ("SIMULATED", "MOCK")), "what may be real does not look harmless"


def plan(**fields):
    subtask = SimpleNamespace(text="<b>lift</b>", status=0, by_person=True, attempts=0)
    change = SimpleNamespace(revision=1, stamp=STAMP, by=1, name="anna\x07", what="inserted", why="forgotten")
    usual = dict(
        plan_id=1, revision=2, status=0, instruction="x" * 2000, message="", reasoning="r" * 9000, thought="t" * 9000,
        approval="plan",
        subtasks=[subtask] * 300, active=-1, next=1, history=[change] * 200, judgement="lift", judged=STAMP,
        judgement_confidence=math.nan, judged_about="", judgement_repeats=1, confirmations=2, began=STAMP,
    )  # fmt: skip
    return SimpleNamespace(**usual | fields)


def test_a_plan_is_shown_bounded_and_as_it_is():
    shown = plan_view(plan(), 103.0, "")
    assert len(json.dumps(shown)) < 40_000 and shown["more"] == 236 and len(shown["instruction"]) == 500
    assert shown["awaits"] and shown["subtasks"][1]["next"] and shown["subtasks"][0]["text"] == "<b>lift</b>"
    assert shown["judgement"] == {
        "words": "lift", "confidence": None, "about": "", "age": "3 s ago", "repeats": 1, "confirmations": 2,
    }  # fmt: skip
    assert shown["history"][0] == {
        "revision": 1, "at": "+0.0 s", "who": "a person, anna ", "what": "inserted", "why": "forgotten",
    }  # fmt: skip
    silent = plan_view(plan(), 103.0, "silent for 9 s")
    assert silent["stale"] and not silent["awaits"] and not any(one["left"] for one in silent["subtasks"])
    assert plan_view(plan(status=200), 103.0, "")["state"] == "in an unknown state"


def test_a_trace_is_the_last_minute_and_keeps_the_largest_where_that_counts():
    newest, largest = Trace(), Trace(largest=True)
    for k in range(10_000):
        for trace in (newest, largest):
            trace.add(k * 0.01, [90.0 if k == 9_501 else 1.0])
    rows = largest.shown(100.0)
    assert len(rows) <= 320 and rows[0][0] >= -WINDOW and max(row[1] for row in rows) == 90.0
    newest.add(5.0, [2.0])
    assert newest.shown(5.0) == [[0.0, 2.0]], "time that goes back begins anew"
    newest.add(5.5, [math.nan])
    assert newest.shown(5.5)[-1] == [0.0, None]
    json.dumps(newest.shown(5.5), allow_nan=False)


def test_chunks_are_plotted_beside_the_motion():
    traces = Traces(["arm"], [100.0])
    traces.add_chunk(0, 10.0, 0.1, [(0.1, 0.2, 0.3), (0.2, 0.2, 0.3)])
    (arm,) = traces.shown(11.0)["arms"]
    assert arm["chunks"] == [[[-0.9, 0.1, 0.2, 0.3], [-0.8, 0.2, 0.2, 0.3]]] and arm["limit"] == 100.0
    traces.add_chunk(0, 200.0, 0.1, [(0.1, 0.2, 0.3)])
    assert len(traces.shown(200.0)["arms"][0]["chunks"]) == 1


def pointing(**fields):
    position = SimpleNamespace(x=0.5, y=0.1, z=0.02)
    point = SimpleNamespace(label="cube", x=100.0, y=60.0, has_position=True, position=position, message="")
    box = SimpleNamespace(x_min=10.0, y_min=20.0, x_max=30.0, y_max=math.nan, middle=point)
    usual = dict(
        header=SimpleNamespace(stamp=STAMP), question="where?", answer="there", view="face",
        points=[point], boxes=[box],
        to_camera=[2.0, 0.0, 20.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0],
    )  # fmt: skip
    return SimpleNamespace(**usual | fields)


def test_what_the_model_pointed_at_is_marked_in_whichever_picture_is_shown():
    panel = Panel("test")
    cameras = Cameras(panel, [("face", "front view"), ("wrist", "wrist view")])
    cameras.hear_pointing(pointing())
    cameras.hear_views([np.zeros((8, 8, 3), np.uint8)] * 2, 1.0)
    cameras.show(1.0, 104.0, "")
    shown = panel.section("cameras")
    assert shown["pointed"] == {"question": "where?", "answer": "there", "age": "4 s ago"}
    (mark,) = shown["views"][0]["marks"]
    assert mark == {"pixels": [40.0, 30.0], "label": "cube", "place": "at 0.500, 0.100, 0.020 m"}, "no box with no side"
    assert shown["views"][1]["marks"] == [] and shown["views"][0]["kind"] == "as the model sees it"
    cameras.hear_camera("face", lambda: np.zeros((48, 64, 3), np.uint8), 1.1)
    cameras.show(1.2, 104.0, "")
    view = panel.section("cameras")["views"][0]
    assert view["kind"] == "whole picture" and view["marks"][0]["pixels"] == [100.0, 60.0]
    assert panel.picture(0)[1:3] == (64, 48)
    cameras.show(9.0, 112.0, "silent for 8 s")
    assert "silent" in panel.section("cameras")["views"][0]["silence"]
    cameras.hear_pointing(pointing(to_camera=[0.0] * 9))
    cameras.show(9.0, 112.0, "silent for 8 s")
    assert panel.section("cameras")["views"][0]["marks"] == [], "it is not known where that is in the picture"


def test_a_picture_that_cannot_be_made_is_none():
    panel = Panel("test")
    panel.show_picture(0, lambda: 1 / 0)
    assert panel.picture(0).jpeg == b""
    panel.show_picture(0, lambda: np.zeros((1000, 2000, 3), np.uint8))
    made = panel.picture(0)
    assert made.number == 2 and (made.width, made.height) == (2000, 1000) and made.jpeg.startswith(b"\xff\xd8")
    assert panel.picture(0) is made, "made once for all who look"


def test_nodes_are_shown_with_what_is_wrong_first_and_silence_is_wrong():
    reports = NodeReports()

    def report(name, level):
        values = [SimpleNamespace(key="k", value="v" * 9000)] * 90
        return SimpleNamespace(status=[SimpleNamespace(name=name, level=level, message="m\x1b[31m", values=values)])

    reports.hear(report("a", b"\x00"), 0.0)
    reports.hear(report("b", b"\x02"), 0.0)
    shown = reports.shown(1.0)
    assert [one["name"] for one in shown] == ["b", "a"] and shown[0]["level"] == "error"
    assert "\x1b" not in shown[0]["message"] and len(json.dumps(shown)) < 40_000
    reports.hear(report("b", b"\x00"), 60.0)
    assert [(one["name"], one["level"]) for one in reports.shown(60.0)] == [("a", "silent for 60 s"), ("b", "ok")]
    for k in range(500):
        reports.hear(report(f"n{k}", 1), 60.0)
    assert len(reports.shown(60.0)) == MOST_NODES
