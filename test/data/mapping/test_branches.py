# SPDX-License-Identifier: Apache-2.0
"""Branches of recordings: other instructions on the same frame, each with motion of its own."""

import numpy as np
import pytest
from arm_space_support import saved
from recorded_support import Drive, Recordings, mapping, profile_of

from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout

ROWS, COUNT, HORIZON = 12, 3, 20
FPS = 20.0  # twice the profile's rate
DRIVE = Drive(ROWS, FPS)
PROFILE = profile_of(saved("euler", "relative"))
TASKS, SUBTASKS = {0: "tidy up", 1: "pick up the cup"}, {0: "reach", 1: "lift", 2: "done"}
ARM = {"joints": {"column": "q"}, "gripper": {"column": "hand", "unit": "m"}}
ACTION = {"joints": {"column": "action", "at": "0:7"}, "gripper": {"column": "action", "at": [7], "unit": "m"}}
CONTENT = {
    "state": {"arms": {"arm": ARM}}, "action": {"arms": {"arm": ACTION}},
    "language": {"subtask": "subtask", "acts_on": "subtask"}, "branches": True,
}  # fmt: skip


def ahead(lead: float) -> np.ndarray:
    """(ROWS, HORIZON, 8): commands of a robot that goes on as it does, ``lead`` s ahead."""
    times = DRIVE.times[:, None] + (np.arange(HORIZON) + 1) / FPS + lead
    return np.concatenate([DRIVE.joints(times), DRIVE.opening(times)[..., None]], axis=-1)


def table(**changes) -> dict:
    known = np.ones((ROWS, COUNT, HORIZON), bool)
    known[:, 1, 10:] = False
    known[:, 2] = False
    return {
        "q": DRIVE.joints(DRIVE.times),
        "hand": DRIVE.opening(DRIVE.times),
        "action": ahead(0.0)[:, 0],
        "task_index": np.zeros(ROWS, int),
        "subtask_index": np.zeros(ROWS, int),
        "frame_index": np.arange(ROWS),
        "branches.task_index": np.tile([0, 1, 1], (ROWS, 1)),
        "branches.subtask_index": np.tile([0, 1, 2], (ROWS, 1)),
        "branches.action": np.stack([ahead(0.0), ahead(0.4), np.zeros((ROWS, HORIZON, 8))], axis=1),
        "branches.known": known,
    } | changes


def dataset(content=CONTENT, **changes) -> RecordedDataset:
    recordings = Recordings([table(**changes)], tasks=TASKS, subtasks=SUBTASKS, fps=FPS)
    return RecordedDataset(recordings, mapping(content), "mine.yaml", PROFILE, held_out=0.0)


def test_motion_of_a_branch_is_resampled_and_known_as_far_as_it_goes():
    data, row = dataset(), 3
    found = {one.text: one for one in data.acting(np.random.default_rng(0), row, 9)}
    assert set(found) == {"reach", "lift"}, "nothing is known of the third"
    layout, steps = Layout(PROFILE), (np.arange(10) + 1) / 10.0
    state = data.states(np.array([row]))[0][0]
    for text, lead in (("reach", 0.0), ("lift", 0.4)):
        position, rotation = DRIVE.poses(DRIVE.times[row] + steps + lead)
        own = found[text]
        live = own.mask.any(1)
        assert live.sum() == (10 if text == "reach" else 5), "ten steps at 20 Hz are five at 10"
        targets = layout.absolute(own.chunk, state)
        np.testing.assert_allclose(targets[live][:, layout.position], position[live], atol=1e-5)
        turned = [layout.state_rotation(one) for one in rotation[live]]
        np.testing.assert_allclose(targets[live][:, layout.rotation], turned, atol=1e-5)
        opening = DRIVE.opening(DRIVE.times[row] + steps + lead)
        np.testing.assert_allclose(targets[live][:, layout.gripper], opening[live], atol=1e-6)


def test_branches_are_drawn_by_weight_and_asked_about():
    weights = np.tile([1.0, 3.0, 0.0], (ROWS, 1))
    data, rng = dataset(**{"branches.weight": weights}), np.random.default_rng(0)
    drawn = [data.acting(rng, 5, 1)[0].text for _ in range(400)]
    assert 0.68 < drawn.count("lift") / len(drawn) < 0.82
    reasons = {
        (one.prompt.split("\n")[1], one.answer) for one in (data.language(rng, 5, {"reason": 1}) for _ in range(40))
    }
    assert reasons == {
        ("Instruction: tidy up", "reach"), ("Instruction: pick up the cup", "lift"),
        ("Instruction: pick up the cup", "done"),
    }  # fmt: skip
    both = dataset({**CONTENT, "language": {"subtask": "subtask"}})
    assert {one.text for one in both.acting(rng, 5, 9)} == {"tidy up", "reach", "pick up the cup", "lift"}
    assert {"cup", "lift", "done"} <= set(data.vocabulary())


def test_statistics_are_of_what_is_shown():
    actions = dataset().statistics()[1]
    plain = dataset({**CONTENT, "branches": False}).statistics()[1]
    assert (actions.bounds()[1] - actions.bounds()[0]).max() > (plain.bounds()[1] - plain.bounds()[0]).max()


def test_that_all_is_done_is_nothing_to_act_on():
    over = {**CONTENT, "branches": False}
    data = dataset(over, subtask_index=np.full(ROWS, 2))
    assert data.acting(np.random.default_rng(0), 3, 2) == []
    assert data.language(np.random.default_rng(0), 3, {"reason": 1}).answer == "done"
    assert data.language(np.random.default_rng(0), 3, {"plan": 1}) is None


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        ({"action": "next_state"}, {}, "action is next_state"),
        ({"action": {"arms": {"arm": {**ACTION, "relative": "step"}}}}, {}, "displacements, and steps of a branch"),
        ({"action": {"arms": {"arm": ARM}}}, {}, "branches are of the column action, and not of q"),
        ({}, {"branches.action": np.zeros((ROWS, COUNT, HORIZON, 7))}, "do not belong to action"),
        ({}, {"branches.known": np.ones((ROWS, COUNT, 3), bool)}, "do not belong to action"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(content, changes, said):
    with pytest.raises(WallOSSError, match=said):
        dataset({**CONTENT, **content}, **changes)


def test_no_branches_and_strange_numbers_are_refused():
    recordings = Recordings([{k: v for k, v in table().items() if "known" not in k}], tasks=TASKS, subtasks=SUBTASKS)
    with pytest.raises(WallOSSError, match="field branches: recordings has no column branches.known"):
        RecordedDataset(recordings, mapping(CONTENT), "mine.yaml", PROFILE)
    data = dataset(**{"branches.subtask_index": np.full((ROWS, COUNT), 7)})
    with pytest.raises(WallOSSError, match="episode 0: branches.subtask_index 7 stands in no table"):
        data.acting(np.random.default_rng(0), 0, 1)


def test_branches_without_their_table_of_subtasks_are_refused():
    """As lerobot's own edits leave them: an instruction would be trained where a subtask was meant."""
    recordings = Recordings([table(subtask_index=np.full(ROWS, -1))], tasks=TASKS, subtasks={}, fps=FPS)
    with pytest.raises(WallOSSError, match="no table of what branches call for") as caught:
        RecordedDataset(recordings, mapping(CONTENT), "mine.yaml", PROFILE, held_out=0.0)
    assert "copy it from the dataset that was edited" in caught.value.hint
