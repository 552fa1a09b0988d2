# SPDX-License-Identifier: Apache-2.0
"""The benchmark on MetaWorld (benchmarks/metaworld): what needs no MetaWorld, and a little where it is installed."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.policy_robot import load_embodiment

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks" / "metaworld"))
import collect
import evaluate
import practice
import report
import run
import scenes
import suite

FOLDER = run.HERE


def test_the_tasks_are_fifty_in_four_groups():
    groups = [words.group for words in suite.TASKS.values()]
    assert [groups.count(group) for group in suite.GROUPS] == [28, 11, 6, 5]
    assert suite.chosen("mt10") == list(suite.MT10) and len(suite.chosen("mt50,reach")) == 50
    assert suite.chosen("reach, very_hard")[0] == "reach-v3" and len(suite.chosen("reach,very_hard")) == 6


@pytest.mark.parametrize("names", ["", ",", "fly", "mt10,fly"])
def test_tasks_that_are_none_are_named(names):
    with pytest.raises(ValueError, match="task"):
        suite.chosen(names)


def test_questions_point_to_what_is_in_the_picture_alone():
    asked = suite.questions("Open a drawer", {"hand": (3, 4), "object": None, "goal": (0, 167)})
    assert [answer for _, answer in asked] == ["<point>[3, 4]</point>", "<point>[0, 167]</point>"]


class Stage:
    """A task that succeeds once its actions add up to 3 along x."""

    def reset(self, seed):
        self.x, self.steps = 0.0, 0
        return np.zeros(39)

    def picture(self):
        return np.zeros((8, 8, 3), np.uint8)

    def state(self, observation):
        return observation[:4].astype(np.float32)

    def step(self, action):
        self.x, self.steps = self.x + action[0], self.steps + 1
        return np.full(39, self.x), self.x >= 3, self.steps >= suite.LONGEST


def test_an_episode_executes_chunks_until_success():
    asked = []

    def infer(request):
        asked.append(request)
        return {"actions": np.tile([0.5, 0, 0, 0], (12, 1))}

    found = evaluate.run_episode(Stage(), "reach-v3", 1_000_000, infer, executed=4)
    assert (found["success"], found["steps"], found["requests"]) == (True, 6, 2)
    assert [one["reset"] for one in asked] == [True, False]
    assert set(asked[0]) == {"observation/image", "observation/state", "prompt", "reset"}  # nothing privileged
    assert asked[0]["observation/state"].shape == (4,) and asked[0]["prompt"] == "Reach a goal position"


def test_an_episode_without_success_ends_after_500_steps():
    found = evaluate.run_episode(Stage(), "reach-v3", 0, lambda _: {"actions": np.zeros((7, 4))})
    assert (found["success"], found["steps"]) == (False, suite.LONGEST)


@pytest.mark.parametrize("actions", [np.zeros((0, 4)), np.zeros(4), np.zeros((3, 7)), np.full((3, 4), np.nan)])
def test_actions_that_cannot_be_executed_are_refused(actions):
    with pytest.raises(ValueError, match="actions of shape"):
        evaluate.run_episode(Stage(), "reach-v3", 0, lambda _: {"actions": actions})


def test_seeds_of_demonstrations_are_not_evaluated(tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--seed", "7", "--output", str(tmp_path / "x")])
    assert "those of demonstrations" in capsys.readouterr().err


def test_a_line_that_a_kill_cut_off_is_run_again(tmp_path):
    file = tmp_path / "episodes.jsonl"
    file.write_text('{"task": "reach-v3", "seed": 1}\n{"task": "reach-v3", "se')
    assert evaluate.done_before(file) == {("reach-v3", 1)}
    assert evaluate.done_before(tmp_path / "none") == set()


def test_intervals():
    assert report.wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-3)  # Newcombe 1998, Statist. Med. 17, 857
    assert report.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert report.wilson(10, 10)[1] == pytest.approx(1)
    mean, low, high = report.mean_interval([(5, 10)])
    assert (low, mean, high) == pytest.approx((report.wilson(5, 10)[0], 0.5, report.wilson(5, 10)[1]))
    narrow, wide = report.mean_interval([(5, 10)] * 10), report.mean_interval([(5, 10)])
    assert narrow[2] - narrow[1] < (wide[2] - wide[1]) / 3


def episodes(**successes):
    return [
        {"task": f"{name.replace('_', '-')}-v3", "seed": seed, "success": seed < hits, "infer_ms": 5.0}
        for name, hits in successes.items()
        for seed in range(10)
    ]


def test_both_means_are_told_apart():
    found = report.summary(episodes(reach=10, door_open=8, window_open=9, push=1))
    assert found["mean_of_tasks"]["mean"] == pytest.approx(0.7)
    assert found["mean_of_groups"]["mean"] == pytest.approx((0.9 + 0.1) / 2)
    assert found["mean_of_groups"]["groups"] == ["easy", "hard"] and found["all"]["successes"] == 28
    assert "| push-v3 | hard | 1 of 10 |" in report.in_words(found)
    twice = episodes(reach=10) * 2  # one episode, told twice
    assert report.summary(twice)["all"]["episodes"] == 10
    with pytest.raises(ValueError, match="no episode"):
        report.summary([])


def test_a_report_over_time(tmp_path):
    pytest.importorskip("matplotlib")
    for minutes, hits in ((30, 2), (180, 9)):
        folder = tmp_path / f"evaluation-{minutes:07.1f}"
        folder.mkdir()
        (folder / "training.json").write_text(json.dumps({"minutes": minutes, "steps": minutes, "recipe": {}}))
        (folder / "episodes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in episodes(reach=hits)))
    content = report.report(tmp_path)
    assert [one["mean_of_tasks"]["mean"] for one in content["by_time"]] == [0.2, 0.9]
    assert json.loads((tmp_path / "report.json").read_text())["all"]["successes"] == 9
    assert (tmp_path / "success.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="no evaluation"):
        report.report(tmp_path / "evaluation-00030.0")


def test_moments_of_evaluation():
    assert run.moments("30, 60,200", 180) == [30, 60, 180] and run.moments("", 5) == [5]
    for text, minutes in (("x", 5), ("-1", 5), ("nan", 5), ("", 0)):
        with pytest.raises(ValueError):
            run.moments(text, minutes)


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    (tmp_path / "letters").write_text("mine")
    with pytest.raises(WallOSSError, match="in the way"):
        run.environment(tmp_path)
    assert (tmp_path / "letters").read_text() == "mine"


def test_the_recipe_is_one_and_fits_the_robot(tmp_path):
    from wall_oss_ros.training.recipe import load_recipe

    (tmp_path / "longer" / "scenes").mkdir(parents=True)
    recipe = load_recipe(run.prepare_recipe("mt10", tmp_path, "bfloat16"))
    assert recipe.precision == "bfloat16" and recipe.model["image_size"] == suite.PIXELS
    assert load_embodiment(recipe.datasets[0].robot).rate_hz == suite.RATE_HZ
    longer = load_recipe(run.prepare_recipe("mt50", tmp_path / "longer", "float32", steps=18_600))
    assert (longer.name, longer.datasets[0].name) == ("metaworld-mt50", "mt50")
    assert not recipe.questions and longer.questions[0].coordinates == "pixels", "no scenes, no questions about them"
    for own, long in zip(recipe.stages, longer.stages):
        assert (long.steps, long.decay or 0) == (10 * own.steps, 10 * (own.decay or 0))
    assert load_recipe(run.prepare_recipe("mt10", tmp_path, "float32", steps=9)) == recipe  # a run's own stays
    (tmp_path / "other" / "checkpoint").mkdir(parents=True)
    (tmp_path / "further").mkdir()
    onward = run.prepare_recipe("mt50", tmp_path / "further", "float32", start=str(tmp_path / "other" / "checkpoint"))
    assert load_recipe(onward).start == str(tmp_path / "other" / "checkpoint")
    assert recipe.vision and load_recipe(onward).vision is None, "it can see already"
    assert "start: ../other/checkpoint" in onward.read_text(), "so that both folders may be moved together"


def test_no_seed_is_shown_and_evaluated():
    last = suite.SCENE_SEED + 1000
    assert 1000 * collect.ATTEMPTS < suite.SCENE_SEED < last < suite.PRACTICE_SEED
    assert suite.PRACTICE_SEED + 1000 < suite.FIRST_UNSEEN_SEED


def test_a_scene_is_asked_about_as_demonstrations_are():
    class Scene(Stage):
        def expert(self, observation):
            return np.zeros(4)

        def points(self, observation):
            return {"hand": (1, 2), "object": None, "goal": (3, 4)}

        def step(self, action):
            return np.zeros(39), self.steps > 5, False

    shown, asked = scenes.picture(Scene(), "reach-v3", 7)
    assert shown.shape == (8, 8, 3) and [answer for _, answer in asked] == [
        "<point>[1, 2]</point>",
        "<point>[3, 4]</point>",
    ]
    assert asked[1][0].endswith(suite.TASKS["reach-v3"].sentence)


def test_precision_is_measured_on_the_device():
    assert run.precision("cpu") in ("float32", "bfloat16")


def test_what_training_learns_is_what_evaluation_executes():
    """Actions that are recorded become a chunk by the mapping, and by the same one the same actions again."""
    from wall_oss_ros.data.lerobot import Feature
    from wall_oss_ros.data.mapping.columns import Columns
    from wall_oss_ros.data.mapping.motion import MotionReader
    from wall_oss_ros.data.mapping.spec import load_mapping
    from wall_oss_ros.serving.actions import ActionForm
    from wall_oss_ros.serving.mapped import read_keys
    from wall_oss_ros.serving.state import StateReader

    profile = load_embodiment(FOLDER / "sawyer.yaml")
    layout, (mapping, file) = Layout(profile), load_mapping("metaworld")
    rng = np.random.default_rng(0)
    table = {
        "observation.state": np.concatenate([rng.uniform(0.1, 0.5, (40, 3)), rng.uniform(0, 1, (40, 1))], 1),
        "action": rng.uniform(-1, 1, (40, 4)),
    }
    features = {name: Feature("float32", (4,), None) for name in table}
    features |= {"observation.image": Feature("image", (168, 168, 3), None)}
    motion = MotionReader(mapping, Columns(features, file, "here"), profile, suite.RATE_HZ).read(table)
    chunk, known = motion.chunks(np.array([5]))
    keys = read_keys("metaworld", layout, {}, None)
    state, mask = StateReader(layout, keys).read({"observation/state": table["observation.state"][5]})
    np.testing.assert_allclose(state[mask], motion.states[5][mask], atol=1e-6)
    np.testing.assert_array_equal(mask, known[0, 0])
    targets = layout.absolute(np.where(known[0], chunk[0], 0), state)
    np.testing.assert_allclose(ActionForm(layout, keys).actions(targets, state), table["action"][5:17], atol=1e-4)


def test_tasks_are_those_of_the_package():
    pytest.importorskip("metaworld.env_dict")
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS, MT10_V3

    assert set(suite.TASKS) == set(ALL_V3_ENVIRONMENTS) and list(suite.MT10) == list(MT10_V3)


def test_environment_is_pinned_as_the_package_pins_it():
    lines = [line.split("#")[0].strip() for line in (FOLDER / "requirements.txt").read_text().splitlines()]
    assert {"metaworld==3.1.1", "mujoco==3.3.0"} <= set(lines)
    assert yaml.safe_load((FOLDER / "sawyer.yaml").read_text())["policy_only"] is True


class Shown(Stage):
    """The stage above, with an expert that closes its fingers, and three things to point to."""

    def picture(self):
        return np.full((16, 16, 3), self.steps % 256, np.uint8)

    def expert(self, observation):
        return np.array([0.02, 0, 0, 1.0])

    def points(self, observation):
        return {"hand": (3, 4), "object": (5, 6), "goal": (15, 0)}


def test_demonstrations_are_written_with_all_their_questions(tmp_path):
    """As the actions that were wanted; a disturbed one has been pushed, or its fingers held open."""
    task, name = Shown(), "pick-place-v3"
    episodes = [collect.demonstrate(task, name, seed, collect.Disturbance(seed, 0.5)) for seed in range(6)]
    with collect.writing(tmp_path / "set", 16) as writer:
        for episode in episodes:
            writer.add(episode)
    data = open_dataset(tmp_path / "set")
    assert [one.extra["disturbance"] for one in data.episodes] == [0, 0.5, 0.5, 0, 0.5, 0.5]
    for number, episode in enumerate(episodes):
        columns = data.columns(number, ["action", "executed_action"])
        assert (columns["action"] == np.float32([0.02, 0, 0, 1])).all()
        changed = (columns["action"] != columns["executed_action"]).any(0)
        assert changed.any() == (episode.extra["disturbance"] > 0)
        asked = [entry.content for row, entry in data.language(number).events if row == 0 and entry.role == "user"]
        assert asked == [question for question, _ in suite.questions(suite.TASKS[name].sentence, task.points(None))]


def test_fingers_are_held_open_only_where_they_are_to_close():
    held, loose = (
        np.array([collect.Disturbance(seed, 0.5)(np.array([0, 0, 0, effort])) for seed in range(3000)])
        for effort in (1.0, -0.5)
    )
    assert not (held[:, 3] == -1).any(), "a slip begins with the next step"
    slips = collect.Disturbance(1, 0.5)
    done = np.array([slips(np.array([0, 0, 0, 1.0]))[3] for _ in range(2000)])
    assert 0.02 < (done == -1).mean() < 0.25 and (loose[:, 3] == -0.5).all()
    opened = np.flatnonzero(np.diff(np.concatenate([[0], done == -1, [0]])))
    lengths = (opened[1::2] - opened[::2])[:-1]  # the last may be cut off
    assert lengths.min() >= 6


class Asked:
    """A model that goes the wrong way, and keeps what it was asked."""

    def __init__(self, actions=((-3.0, 0, 0, 0),) * 12):
        self.requests, self.actions = [], actions

    def __call__(self, request):
        self.requests.append(request)
        return {"actions": np.array(self.actions)}


def test_in_practice_the_model_acts_and_what_the_expert_wants_is_written():
    model, sentence = Asked(), suite.TASKS["reach-v3"].sentence
    turns = practice.Turns(model, sentence, seed=3)
    episode = collect.demonstrate(Shown(), "reach-v3", 3, turns, practice.TAIL, practice.LONGEST)
    wanted, done = episode.columns["action"], episode.columns["executed_action"]
    assert (wanted == np.float32([0.02, 0, 0, 1])).all() and len(done) == practice.LONGEST
    acted = (done[:, 0] == -1).reshape(-1, evaluate.EXECUTED)  # clipped, as a robot would
    assert (acted.all(1) | ~acted.any(1)).all(), "turns are whole"
    assert 0.4 < acted.mean() < 0.95 and (done[~acted.ravel()] == wanted[0]).all()
    assert [one["reset"] for one in model.requests] == [True] + [False] * (len(model.requests) - 1)
    assert len(model.requests) == acted.all(1).sum() and not episode.extra["success"]
    assert set(model.requests[0]) == {"observation/image", "observation/state", "prompt", "reset"}
    again = collect.demonstrate(Shown(), "reach-v3", 3, practice.Turns(Asked(), sentence, 3), 5, practice.LONGEST)
    np.testing.assert_array_equal(again.columns["executed_action"], done)


def test_in_practice_the_expert_stays_after_success():
    model = Asked(((0.5, 0, 0, 0),) * 3)  # of a chunk that is shorter than a turn, all is executed
    turns = practice.Turns(model, "Reach", seed=1)
    episode = collect.demonstrate(Shown(), "reach-v3", 1, turns, practice.TAIL, practice.LONGEST)
    assert episode.extra["success"] and len(episode.columns["action"]) < practice.LONGEST
    tail = episode.columns["executed_action"][-practice.TAIL :]
    assert (tail == episode.columns["action"][-practice.TAIL :]).all()
    with pytest.raises(ValueError, match="actions of shape"):
        collect.demonstrate(Shown(), "reach-v3", 1, practice.Turns(Asked([[np.nan] * 4]), "Reach", 1))


def test_the_recipe_behind_practice_goes_on_from_the_checkpoint(tmp_path):
    from wall_oss_ros.training.recipe import load_recipe

    (tmp_path / "scenes").mkdir()
    first = load_recipe(run.prepare_recipe("mt10", tmp_path, "float32"))
    (tmp_path / "checkpoint").mkdir()
    then = load_recipe(run.practice_recipe(tmp_path, tmp_path / "checkpoint", 90))
    assert then.start == str(tmp_path / "checkpoint") and then.vision is None and first.vision
    assert [one.name for one in then.datasets] == ["mt10", "practice"] and then.questions == first.questions
    assert then.datasets[1].mapping == then.datasets[0].mapping
    assert [(one.steps, one.decay, one.trains) for one in then.stages] == [(90, 60, "all")]
    assert load_recipe(run.practice_recipe(tmp_path, tmp_path / "elsewhere", 5)) == then  # a run's own stays


@pytest.mark.parametrize(
    "words", [["--practice", "50"], ["--practice", "-1"], ["--practice", "5", "--practice-steps", "0"]]
)
def test_practice_that_makes_no_sense_is_refused(tmp_path, words, capsys):
    with pytest.raises(SystemExit):
        run.main(["--output", str(tmp_path), *words])
    assert "--practice" in capsys.readouterr().err


def test_minutes_before_are_counted_in_an_evaluation(tmp_path, monkeypatch):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "training.json").write_text(json.dumps({"minutes": 12.5, "steps": 9}))

    @contextmanager
    def serving(*_):
        yield "ws://here"

    said = []
    monkeypatch.setattr(run, "serving", serving)
    monkeypatch.setattr(run, "must", lambda command, *_, **__: said.append([str(word) for word in command]))
    run.evaluate(Path("python"), tmp_path / "checkpoint", tmp_path / "evaluation", "mt10", 3, 2, "cpu", before=50.0)
    assert json.loads((tmp_path / "evaluation" / "training.json").read_text()) == {"minutes": 62.5, "steps": 9}
    assert said[0][said[0].index("--uri") + 1] == "ws://here" and "3" in said[0]
