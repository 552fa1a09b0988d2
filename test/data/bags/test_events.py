# SPDX-License-Identifier: Apache-2.0
"""What happened in a record, and where a person put the robot right: told as events, and marked in the dataset."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bag_support import Story, write
from record_support import (
    AWAITING,
    CANCELLED,
    CLOCK,
    FAILED,
    HOLDING,
    HOMING,
    IDLE,
    MODEL,
    MONITOR,
    MOVES,
    PERSON,
    PICK,
    PLACE,
    RUNNING,
    STOPPED,
    SUCCEEDED,
    Plans,
    corrected_story,
    status,
)  # fmt: skip

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.bags.events import History
from wall_oss_ros.data.lerobot import open_dataset


def told(history: History, *kinds: str) -> list[tuple[str, str, str]]:
    return [(one.kind, one.by, one.words) for one in history.events if one.kind in kinds]


def test_an_edit_by_a_person_corrects_until_the_plan_ends():
    history, plan = History(), Plans()
    history.hear_plan(1.0, plan(1.0, [PICK, PLACE]))
    history.hear_plan(2.0, plan(2.0, [PICK, PLACE], active=1))
    edited = plan(3.0, [PICK, "put it in the right tray"], 1, change=(PERSON, "subtask 1 has other words", "Ann"))
    for time in (3.0, 3.5, 4.5):  # the planner repeats itself
        history.hear_plan(time, edited)
    history.hear_plan(5.0, plan(5.0, [PICK, "put it in the right tray"], status=SUCCEEDED, change=(MODEL, "succeeded")))
    assert told(history, "edit", "approval", "change") == [("edit", "person", "subtask 1 has other words (Ann)")]
    assert history.corrected == [(3.0, True), (5.0, False)]
    subtasks = [(one.time, one.words, one.until) for one in history.events if one.kind == "subtask"]
    assert subtasks == [(1.0, PICK, 2.0), (2.0, PLACE, 3.0), (3.0, "put it in the right tray", 5.0)]
    assert history.corrected_at(np.array([0.0, 2.9, 3.0, 4.9, 5.0])).tolist() == [False, False, True, True, False]
    assert [one.kind for one in history.events][:2] == ["instruction", "plan"]
    assert told(history, "end") == [("end", "", "succeeded")], "the end is told once, and as such"


@pytest.mark.parametrize(
    "texts", [[PLACE, PICK], [PICK], [PICK, PLACE, PICK], ["-" + PICK, PLACE], ["take it", PLACE]],
    ids=["order", "removed", "inserted", "skipped", "words"],
)  # fmt: skip
@pytest.mark.parametrize("awaits", [AWAITING, RUNNING])
def test_every_kind_of_edit_is_one(texts, awaits):
    history, plan = History(), Plans()
    history.hear_plan(1.0, plan(1.0, [PICK, PLACE], status=awaits))
    history.hear_plan(2.0, plan(2.0, texts, status=awaits, change=(PERSON, "as I want it")))
    assert [one.kind for one in history.events if one.corrects] == ["edit"]
    history.hear_plan(3.0, plan(3.0, texts, status=RUNNING, change=(PERSON, "approved")))
    assert history.corrected[-1][1]


def test_what_the_model_or_a_clock_changes_is_no_correction_and_neither_is_an_approval():
    history, plan = History(), Plans()
    history.hear_plan(1.0, plan(1.0, [PICK, PLACE], status=AWAITING))
    history.hear_plan(2.0, plan(2.0, [PICK, PLACE], change=(PERSON, "approved")))
    history.hear_plan(3.0, plan(3.0, [PLACE], change=(CLOCK, "to be made anew")))
    history.hear_plan(4.0, plan(4.0, [PICK], change=(MODEL, "made anew")))
    history.hear_plan(5.0, plan(5.0, [PICK], change=(MONITOR, "is tried again", "grip")))
    assert [(one.kind, one.by) for one in history.events if one.kind in ("approval", "change")] == [
        ("approval", "person"), ("change", "clock"), ("change", "model"), ("change", "monitor"),
    ]  # fmt: skip
    assert not history.corrected and not any(one.corrects for one in history.events)


def test_a_plan_that_was_refused_is_corrected_by_what_is_done_then():
    history, plan = History(), Plans()
    history.hear_plan(1.0, plan(1.0, [PICK], status=AWAITING))
    history.hear_plan(2.0, plan(2.0, [PICK], status=AWAITING, change=(PERSON, "to be made anew")))
    history.hear_plan(3.0, plan(3.0, [PLACE], status=AWAITING, change=(MODEL, "made anew")))
    history.hear_plan(4.0, plan(4.0, [PLACE], status=RUNNING, change=(PERSON, "approved")))
    assert told(history, "refusal") == [("refusal", "person", "to be made anew")]
    assert history.corrected == [(4.0, True)]


def test_an_edit_from_before_the_record_counts_too():
    history, plan = History(), Plans()
    plan(1.0, [PICK], status=AWAITING)
    first = plan(2.0, [PLACE], change=(PERSON, "subtask 0 has other words"))
    first.subtasks[0].by_person = True
    history.hear_plan(2.0, first)
    assert history.corrected == [(2.0, True)]


def test_a_stop_and_a_new_start_by_resume_or_by_another_instruction():
    history, plan = History(), Plans()
    history.hear_plan(1.0, plan(1.0, [PICK]))
    history.hear_status(1.0, status(MOVES))
    history.hear_status(2.0, status(STOPPED, "stopped by a person", True))
    history.hear_status(3.0, status(MOVES))
    assert history.corrected == [(3.0, True)], "the robot goes on as a person wants it"
    history.hear_status(4.0, status(STOPPED, "stopped by a person", True))
    history.hear_plan(5.0, Plans(2, "the other one")(5.0, [PLACE]))
    history.hear_status(6.0, status(MOVES))
    history.hear_plan(7.0, Plans(2, "the other one")(7.0, [PLACE], status=FAILED, message="it was lost"))
    history.hear_plan(8.0, Plans(3)(8.0, [PICK]))
    assert history.corrected == [(3.0, True), (4.0, False), (6.0, True), (7.0, False)]
    stops = [(one.time, one.until) for one in history.events if one.kind == "stop"]
    assert stops == [(2.0, 3.0), (4.0, 6.0)] and len(told(history, "resume")) == 2
    assert told(history, "end") == [("end", "", "another plan took its place"), ("end", "", "it was lost")]


def test_a_stop_of_an_idle_robot_corrects_nothing():
    history = History()
    history.hear_status(1.0, status(STOPPED, "stopped", True))
    history.hear_status(2.0, status(IDLE))
    history.hear_plan(3.0, Plans()(3.0, [PICK]))
    history.hear_status(4.0, status(MOVES))
    assert not history.corrected


def test_holds_have_reasons_and_last_and_homing_is_one_event():
    history = History()
    for time, state in enumerate([
        status(MOVES), status(HOLDING, "silent for 1.0 s"), status(HOLDING, "silent for 1.2 s"),
        status(HOLDING, "no joint states"), status(MOVES), status(HOMING, "10 %"), status(HOMING, "50 %"), status(IDLE),
    ]):  # fmt: skip
        history.hear_status(float(time), state)
    assert [(one.kind, one.words, one.time, one.until) for one in history.events] == [
        ("hold", "silent for 1.0 s", 1.0, 3.0), ("hold", "no joint states", 3.0, 4.0), ("home", "10 %", 5.0, 7.0),
    ]  # fmt: skip


def test_plans_of_before_there_was_a_history_are_read():
    plan = SimpleNamespace(
        planner="p", plan_id=1, instruction="x", status=RUNNING, active=0, message="",
        subtasks=[SimpleNamespace(text=PICK, status=1)],
    )  # fmt: skip
    history = History()
    history.hear_plan(1.0, plan)
    history.hear_plan(2.0, SimpleNamespace(**{**vars(plan), "status": CANCELLED}))
    assert [one.kind for one in history.events] == ["instruction", "plan", "subtask", "end"]


def test_corrections_are_marked_in_the_dataset_and_can_be_chosen(tmp_path, capsys):
    write(tmp_path / "bags/a", Story(seconds=2.0, mark="success"))
    write(tmp_path / "bags/b", corrected_story(5000.0))
    out = str(tmp_path / "out")
    assert main(["data", "from-bag", str(tmp_path / "bags"), "--robot", "franka", "--output", out]) == 0
    plain, put_right = open_dataset(out).episodes
    assert (plain.extra["corrections"], put_right.extra["corrections"]) == (0, 2)
    assert (plain.extra["success"], put_right.extra["success"]) == (True, False), "failed attempts stay, and are marked"
    assert "edit by person: subtask 1 has other words (Ann)" in put_right.extra["events"]
    columns = open_dataset(out).columns(1)
    corrected, fps = columns["corrected"].ravel() > 0, open_dataset(out).fps
    (begin, stop), (again, end) = np.flatnonzero(np.diff(np.concatenate([[0], corrected, [0]]))).reshape(2, 2)
    np.testing.assert_allclose(np.array([begin, stop, again, end]) / fps, [2.0, 2.5, 3.0, 3.5], atol=1.01 / fps)
    texts = [open_dataset(out).subtasks[int(number)] for number in columns["subtask_index"].ravel()]
    assert [text for row, text in enumerate(texts) if row == 0 or texts[row - 1] != text] == [
        "",
        PICK,
        PLACE,
        "put it in the right tray",
        "",
    ]  # fmt: skip  the words that were in force
    assert texts.index("put it in the right tray") == begin
    assert not open_dataset(out).columns(0)["corrected"].any()

    for words, length in ((["--corrected"], put_right.length), (["--event", "^0.. s: plan by model"], 0)):
        chosen = str(tmp_path / f"chosen{length}")
        done = main(["data", "filter", out, *words, "--output", chosen])
        if not length:
            assert done == 2 and "No event of" in capsys.readouterr().err
            continue
        assert done == 0 and [one.length for one in open_dataset(chosen).episodes] == [length]
        assert open_dataset(chosen).episodes[0].extra["corrections"] == 2
        assert open_dataset(chosen).columns(0)["corrected"].sum() == corrected.sum()
        assert main(["data", "filter", out, "--success", *words, "--output", str(tmp_path / "none")]) == 2
    capsys.readouterr()
    assert main(["data", "check", out]) in (0, 1)
    said = capsys.readouterr().out
    assert "empty subtask" not in said and "no subtask" in said
