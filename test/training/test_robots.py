# SPDX-License-Identifier: Apache-2.0
"""Several robots in one recipe: they must be of one kind, and take turns in demonstrations and in DAgger's episodes."""

from types import SimpleNamespace

import numpy as np
import pytest

from wall_oss_ros.data.frames import is_made
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim import dagger, datasets
from wall_oss_ros.sim.cubes.demonstrations import CubeEnvironment
from wall_oss_ros.sim.datasets import shared_task
from wall_oss_ros.sim.lifting.task import LiftingTask
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.training.recipe import load_recipe


def recipe(*robots, **data):
    tiny = load_recipe("tiny")
    return tiny.model_copy(update={"robots": robots, "data": tiny.data.model_copy(update=data)})


def test_robots_of_different_views_or_without_a_simulation_cannot_share_a_recipe(tmp_path):
    for name in ("dual_arm", "curriculum_dual_arm"):
        assert isinstance(shared_task(load_recipe(name)), LiftingTask)
    assert type(shared_task(recipe("franka", "ur"))) is type(task_of("franka"))
    with pytest.raises(WallOSSError, match=r"franka, dual_arm, whose views differ.*left_wrist_view"):
        shared_task(recipe("franka", "dual_arm"))
    with pytest.raises(WallOSSError, match="franka cannot be simulated"):
        task_of(load_profile("franka").model_copy(update={"simulation": None}))


class Here:
    """A pool of no processes: what it is given is done at once, here."""

    def __init__(self, processes, initializer=None, initargs=()):
        if initializer is not None:
            initializer(*initargs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    imap = staticmethod(map)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(datasets, "multiprocessing", SimpleNamespace(get_context=lambda _: SimpleNamespace(Pool=Here)))
    monkeypatch.setattr(datasets, "POSED_PER_JOB", 2)
    monkeypatch.setattr(datasets, "EPISODES_PER_JOB", 1)
    monkeypatch.setattr(dagger, "_loops", [])
    monkeypatch.setattr(CubeEnvironment, "chunks", lambda environment: np.zeros((9, 10, 7)))


@pytest.fixture
def environments(monkeypatch):
    """The robots' names, in the order in which frames are taken of them."""
    order, frame = [], CubeEnvironment.frame

    def noted(environment):
        order.append(environment.profile.name)
        return frame(environment)

    monkeypatch.setattr(CubeEnvironment, "frame", noted)
    return order


def runs(names) -> list[str]:
    """Without repetitions in a row."""
    return [name for name, before in zip(names, [None, *names]) if name != before]


@pytest.mark.slow
def test_demonstrations_are_of_all_robots_in_equal_shares(tmp_path, environments):
    wanted = recipe("franka", "ur", episodes=2, posed_frames=8, keep_every=40, seed=3)
    made = datasets.make_dataset(wanted, tmp_path / "data").frames
    assert len(made) == len(environments) and made.meta["settings"]["robots"] == ["franka", "ur"]
    posed = {name: environments.count(name) for name in set(environments)}
    assert set(posed) == {"franka", "ur"} and min(posed.values()) >= 5, "four posed frames and a demonstration each"
    count = len(environments)
    datasets.make_dataset(wanted, tmp_path / "data")
    assert len(environments) == count, "what is there is left alone"
    assert is_made(tmp_path / "data", made.meta["settings"])
    assert not is_made(tmp_path / "data", made.meta["settings"] | {"robots": ["franka"]})


class Idler:
    """A model that stands still, and thinks at once that all is done."""

    judges_plans = lists_instructions = False
    rate_hz = 10.0

    listed = True

    def unlist(self):
        self.listed = False

    def understood(self, text, kind):
        return text, "It is not listed." if self.listed else ""

    def plan(self, obs, instruction):
        return "pick up the red cube"

    def reason(self, obs, instruction):
        return prompts.DONE

    def act(self, obs, subtask, steps, seed, previous):
        return np.zeros((10, 20), np.float32)


def test_in_dagger_robots_take_turns_episode_by_episode(tmp_path, environments, monkeypatch):
    asked = []
    monkeypatch.setattr(
        dagger.Policy, "from_pretrained", lambda *args, **kwargs: asked.append((args, kwargs)) or Idler()
    )
    made = dagger.Dagger(recipe("franka", "ur"))(tmp_path / "model", tmp_path / "data", 3, 1).frames
    assert asked == [((str(tmp_path / "model"),), {"threads": 1, "robot": "franka"})]
    assert runs(environments) == ["franka", "ur", "franka"] and len(made) == len(environments)
    assert not any(loop.policy.listed for loop in dagger._loops), "it learns what no checkpoint lists yet"
    for loop in dagger._loops:
        loop.environment.simulator.close()


@pytest.mark.parametrize("name", ["tiny", "curriculum", "dual_arm", "curriculum_dual_arm"])
def test_a_recipe_asks_only_what_its_task_can_be_asked(name):
    recipe = load_recipe(name)
    known = shared_task(recipe).language.material
    for stage in recipe.stages:
        assert {*(stage.kinds or {})} <= {*known}, stage.name
