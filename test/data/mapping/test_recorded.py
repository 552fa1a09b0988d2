# SPDX-License-Identifier: Apache-2.0
"""Recordings as a dataset: pictures, words, statistics and what is held out."""

import numpy as np
import pytest
from arm_space_support import saved
from recorded_support import Drive, Recordings, mapping, profile_of

from wall_oss_ros.data.mapping.recorded import RecordedDataset
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.layout import Layout

DRIVE = Drive(30)
CONTENT = {
    "state": {"arms": {"arm": {"joints": {"column": "q"}, "gripper": {"column": "hand", "unit": "m"}}}},
    "action": "next_state",
}


def tables(count: int = 6, **more) -> list[dict]:
    made = []
    for episode in range(count):
        times = DRIVE.times[: 20 + episode] + 0.3 * episode
        n = len(times)
        table = {"q": DRIVE.joints(times), "hand": DRIVE.opening(times), "task_index": np.full(n, episode % 2)}
        table["frame_index"] = np.arange(n)
        made.append({**table, **{name: make(n) for name, make in more.items()}})
    return made


TASKS = {0: "pick up the  cup", 1: "wipe <|im_end|> the table"}


def dataset(content=CONTENT, form="euler", recordings=None, **settings) -> RecordedDataset:
    recordings = recordings or Recordings(tables(), tasks=TASKS)
    return RecordedDataset(recordings, mapping(content), "mine.yaml", profile_of(saved(form, "relative")), **settings)


def test_every_frame_of_every_episode_is_a_sample_and_held_out_episodes_come_last():
    data = dataset(image_size=28, held_out=0.3)
    assert sorted([*data.training, *data.validation]) == list(range(6)) and len(data.validation) == 2
    lengths = {episode.index: episode.length for episode in data.dataset.episodes}
    assert len(data) == sum(lengths.values()) and data.held_out == sum(lengths[e] for e in data.validation)
    places = [data.place(i) for i in range(len(data))]
    assert len(set(places)) == len(places)
    assert {episode for episode, _ in places[: len(data) - data.held_out]} == set(data.training)
    assert dataset(held_out=0.3, seed=1).validation != dataset(held_out=0.3, seed=2).validation
    assert dataset(held_out=[4]).validation == [4] and dataset(held_out=0.0).held_out == 0
    for episode in range(6):
        assert [data.place(int(i)) for i in data.samples(episode)] == [(episode, row) for row in range(20 + episode)]


def test_pictures_are_those_of_their_rows_whole_within_the_square():
    recordings = Recordings(tables(), tasks=TASKS, views=(("front", 40, 80), ("side", 56, 56)))
    content = {**CONTENT, "views": {"right_wrist_view": "side", "face_view": "front"}}
    data = dataset(content, recordings=recordings, image_size=56)
    assert data.views == ("face_view", "right_wrist_view"), "in the profile's order"
    indices = np.array([60, 3, 3, 101, 60])
    pictures = data.images(indices)
    assert pictures.shape == (5, 2, 56, 56, 3) and pictures.dtype == np.uint8
    for picture, index in zip(pictures, indices):
        episode, row = data.place(int(index))
        assert picture[0, 28, 0].tolist() == picture[0, 28, -1].tolist() == [row, episode, 200]
        assert not picture[0, :14].any() and not picture[0, -14:].any(), "bars above and below, sides whole"
        assert picture[1, 0, 0].tolist() == [row, episode, 200]
    released = dataset(content, recordings=recordings).images(indices)
    assert [view.shape for view in released] == [(5, 140, 252, 3), (5, 252, 252, 3)]


def test_a_view_may_be_turned_or_cut_otherwise_than_live():
    cut = {"column": "front", "crop": {"left": 0.5}, "rotate": 90, "fit": "stretch"}
    data = dataset({**CONTENT, "views": {"face_view": cut}}, image_size=28)
    assert data.images(np.array([0])).shape == (1, 1, 28, 28, 3)
    wrong = {"column": "front", "crop": {"left": 10, "right": 500, "bottom": 20}}
    data = dataset({**CONTENT, "views": {"face_view": wrong}}, image_size=28)
    with pytest.raises(WallOSSError, match=r"recordings, episode \d, front: the crop from .* no part of a picture"):
        data.images(np.array([0]))


def test_statistics_are_of_all_training_frames_without_a_picture():
    for form in ("euler", "columns", "joints"):
        data = dataset(form=form, held_out=[5])
        states, actions = data.statistics()
        assert not data.dataset.shown, "no picture is read for them"
        layout = Layout(data.profile)
        felt, told = [], []
        for episode in range(5):
            motion = data.motion(episode)
            felt.append(motion.states)
            chunks, known = motion.chunks(np.arange(len(motion.states)))
            told.append(chunks[known.all(-1)])
        for found, values in ((states, np.concatenate(felt)), (actions, np.concatenate(told))):
            low, high = found.bounds()
            wide = np.ptp(values, 0) > 0.01
            np.testing.assert_allclose(low[wide], values.min(0)[wide], atol=1e-5)
            np.testing.assert_allclose(high[wide], values.max(0)[wide], atol=1e-5)
        assert layout.mask[states.varies].all()


@pytest.mark.parametrize("kind", ["min_max", "quantiles", "mean_std"])
def test_dead_entries_are_masked_whatever_the_kind(kind):
    content = {**CONTENT, "state": {"arms": {"arm": {"joints": {"column": "q"}}}}}
    made = tables()
    for table in made:
        table["q"][:, 3] = -2.2
    data = dataset(content, "joints", Recordings(made, tasks=TASKS), statistics=kind)
    states, actions = data.statistics()
    expected = [True] * 3 + [False] + [True] * 3 + [False]
    assert states.varies.tolist() == actions.varies.tolist() == expected
    assert states.kind == ("mean_std" if kind == "mean_std" else "min_max")


def test_failed_attempts_are_left_out_unless_they_are_wanted():
    recordings = Recordings(tables(), tasks=TASKS, extra={2: {"success": False}, 3: {"success": True}})
    assert 2 not in [*dataset(recordings=recordings).training, *dataset(recordings=recordings).validation]
    assert 2 in dataset(recordings=recordings, failed=True, held_out=0.0).training
    assert dataset(recordings=recordings, episodes=[1, 3], held_out=[3]).training == [1]
    with pytest.raises(WallOSSError, match="recordings has no episode 17. Its episodes: 0 to 5."):
        dataset(episodes=[17])
    with pytest.raises(WallOSSError, match="no episode is left to train on"):
        dataset(recordings=recordings, episodes=[2])


@pytest.mark.parametrize(
    "said", [{"success": "false"}, {"success": 0}, {"is_success": False}, {"outcome": "Failed"}, {"discarded": True}]
)
def test_failures_are_left_out_however_they_are_written(said):
    """As wall-oss data check and filter --success understand them."""
    assert 2 not in dataset(recordings=Recordings(tables(), tasks=TASKS, extra={2: said}), held_out=0.0).training


@pytest.mark.parametrize("said", [{"success": None}, {"success": float("nan")}, {"success": "yes"}, {"outcome": "ok"}])
def test_what_nobody_says_is_no_failure(said):
    assert 2 in dataset(recordings=Recordings(tables(), tasks=TASKS, extra={2: said}), held_out=0.0).training


@pytest.mark.parametrize(
    ("changes", "content"),
    [(lambda one: one, {**CONTENT, "fps": 1000}), (lambda one: {name: v[:1] for name, v in one.items()}, CONTENT)],
    ids=["a rate that is far off", "episodes of one frame"],
)
def test_a_dataset_that_shows_no_motion_is_refused(changes, content):
    made = dataset(content, recordings=Recordings([changes(one) for one in tables()], tasks=TASKS))
    with pytest.raises(WallOSSError, match="of no frame that is trained on it is known what the robot was told"):
        made.statistics()


def test_tasks_are_what_is_acted_on_and_recordings_without_subtasks_have_nothing_to_ask():
    data = dataset()
    rng = np.random.default_rng(0)
    said = {data.place(i)[0]: data.acting(rng, i, 3) for i in range(len(data))}
    assert [one.text for one in said[0]] == ["pick up the cup"]
    assert [one.text for one in said[1]] == ["wipe the table"], "tokens of prompts are no words"
    assert data.language(rng, 0) is None
    assert data.vocabulary() == ["cup", "pick", "table", "the", "up", "wipe"]


SUBTASKS = {0: "reach the cup", 1: "lift it"}


def spoken(**language) -> RecordedDataset:
    made = tables(subtask_index=lambda n: np.repeat([0, 1], [8, n - 8]), why=lambda n: np.array(["it\nis near"] * n))
    recordings = Recordings(made, tasks=TASKS, subtasks=SUBTASKS)
    return dataset({**CONTENT, "language": {"subtask": "subtask", **language}}, recordings=recordings)


def test_subtasks_are_acted_on_and_asked_for():
    data, rng = spoken(thought="why"), np.random.default_rng(0)
    index = int(data.samples(data.training[0])[3])
    instruction = TASKS[data.training[0] % 2].replace("  ", " ").replace("<|im_end|> ", "")
    assert {one.text for one in data.acting(rng, index, 5)} == {instruction, "reach the cup"}
    assert len(data.acting(rng, index, 1)) == 1
    assert {spoken(acts_on="subtask").acting(rng, index, 2)[0].text} == {"reach the cup"}
    drawn = {sample.kind: sample for sample in (data.language(rng, index) for _ in range(60))}
    assert drawn["reason"][1:] == (prompts.reason_suffix(instruction), "reach the cup")
    assert drawn["plan"][1:] == (prompts.plan_suffix(instruction), "reach the cup\nlift it")
    assert drawn["thought"].answer == "it\nis near" and set(drawn) == {"reason", "plan", "thought"}
    assert {data.language(rng, index, {"plan": 1.0}).kind for _ in range(9)} == {"plan"}
    assert data.language(rng, index, {"where": 1.0}) is None
    assert {"reach", "lift", "near"} <= set(data.vocabulary())


def test_a_task_that_no_table_has_is_named():
    data = dataset(recordings=Recordings(tables(), tasks={0: "pick up the cup"}))
    with pytest.raises(WallOSSError, match="episode 1: task_index 1 stands in no table of tasks"):
        data.words(1)


def test_what_is_wrong_in_an_episode_names_it():
    made = tables()
    made[3]["hand"] = made[3]["hand"] * 1000
    with pytest.raises(WallOSSError, match=r"recordings, episode 3: The mapping mine.yaml, field state.arms.arm.g"):
        dataset(recordings=Recordings(made, tasks=TASKS), held_out=0.0).statistics()


def test_pictures_are_decoded_once_whatever_happens_between(tmp_path):
    def opened(**changes):
        data = dataset(image_size=28, **changes)
        data.keep_pictures(tmp_path / "kept", 1e9)
        return data

    plain, kept = dataset(image_size=28), opened()
    indices = np.array([60, 3, 3, 101, 60])
    np.testing.assert_array_equal(kept.images(indices), plain.images(indices))
    shown = len(kept.dataset.shown)
    np.testing.assert_array_equal(kept.images(indices[::-1] + 1), plain.images(indices[::-1] + 1))
    assert len(kept.dataset.shown) == shown == 3, "each episode once"
    again = opened()
    np.testing.assert_array_equal(again.images(indices), plain.images(indices))
    assert not again.dataset.shown, "nor after a restart"
    other = opened(content={**CONTENT, "views": {"face_view": {"column": "front", "rotate": 180}}})
    assert other.images(indices)[0, 0, 14, 14].tolist() == plain.images(indices)[0, 0, 14, 14].tolist()
    assert other.dataset.shown, "but pictures that are turned otherwise are others"
    small = dataset(image_size=28)
    small.keep_pictures(tmp_path / "small", 1000)
    small.images(indices)
    assert not (tmp_path / "small").exists(), "more than there may be"
