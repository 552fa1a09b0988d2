# SPDX-License-Identifier: Apache-2.0
"""What a network is shown in training is what it is shown when the robot drives: every token, and the state."""

import json

import numpy as np
import pytest
import torch
import yaml
from recipe_support import lay_out, recipe

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.policy.processor import WallOSSProcessor
from wall_oss_ros.policy.prompts import reason_suffix
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.training.pipeline import prepare, train
from wall_oss_ros.training.sources import open_sources

WORDS = {"use_state_string_representation": True}
ROBOT = {"use_embodied_system_prompt": True}
LAYOUTS = {
    "flow": {},
    "0.5": {**WORDS, **ROBOT},
    "0.5, 512 bins": {**WORDS, **ROBOT, "state_bins": 512, "embodiment": "Single Franka"},
    "LeRobot's": {"instruction_end": "."},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return lay_out(tmp_path, monkeypatch)


def prepared(folder, more: dict, datasets=None, **changes):
    made = recipe(folder, {"acting_branches": 1}, **changes)
    only = [one for one in made.datasets if datasets is None or one.source in datasets]
    made = made.model_copy(update={"model": {**made.model, **more}, "datasets": tuple(only)})
    mixture = open_sources(made, 56)
    return made, mixture, prepare(made, mixture, folder / "run")


def asked_of_the_engine(policy: Policy, obs: Observation, text: str) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    """Tokens, state and its mask that the engine is given to act on."""
    seen = {}
    engine = policy._engine
    engine.observe = lambda prefix: seen.update(prefix=prefix.input_ids[0].tolist())

    def act(suffix, state, mask, dof_mask, noise, steps, guide=None):
        seen.update(suffix=suffix, state=state, mask=mask)
        return torch.zeros_like(noise)

    engine.act = act
    policy.act(obs, text)
    return seen["prefix"] + seen["suffix"], seen["state"], seen["mask"]


@pytest.mark.parametrize("source", ["talking", "silent"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_prompt_of_training_is_the_prompt_of_driving(folder, name, source):
    made, mixture, (model, tokenizer, trainer) = prepared(folder, LAYOUTS[name], [source])
    data, batches = mixture.sources[0].data, trainer.batches.of[0]
    robot = data.robots[0]
    policy = Policy(
        model, WallOSSProcessor(model.config, tokenizer), robot, profile=load_profile(folder / f"{robot}.yaml")
    )
    index = 21
    (felt,), (known,) = data.states(np.array([index]))
    views = data.images(np.array([index]))[0]
    obs = Observation(0.0, dict(zip(data.views, views)), felt, known)
    stage = made.stages[0].model_copy(update={"language_branches": 0})
    text = data.acting(np.random.default_rng([*batches.seed, 0, 1, 0]), index, 1)[0].text
    batch = batches.draw(np.array([index]), stage, 0)
    ids, state, mask = asked_of_the_engine(policy, obs, text)
    assert batch.packed.input_ids[0].tolist() == ids
    if "use_state_string_representation" in LAYOUTS[name]:
        assert state is None and model.config.propri_token_id not in ids
    else:
        torch.testing.assert_close(batch.state[0], state)
        torch.testing.assert_close(batch.state_mask[0].bool(), mask)
        assert source == "talking" or not mask[6], "nobody recorded its gripper"
    shown = policy.processor.expand(policy.processor.opening(policy.views), policy.processor.patches(list(views))[1])
    said = batches.asked(np.array([index]), [reason_suffix("pick up the cup")])
    asked = policy.processor.encode(reason_suffix(policy.processor.clean("pick up the cup")))
    assert said["input_ids"][0].tolist() == [*shown, *asked]


def test_05s_prompt_tells_robot_cameras_rate_action_space_and_state(folder):
    _, _, (_, tokenizer, trainer) = prepared(folder, LAYOUTS["0.5"])
    stage = trainer.recipe.stages[0]
    for batches, name, cameras in zip(
        trainer.batches.of, ("one", "other"), ("front view,", "front view, right wrist view,")
    ):
        said = tokenizer.decode(batches.draw(np.array([3]), stage, 0).packed.input_ids[0].tolist(), False)
        assert (
            "<|im_start|>system\nYou are an embodied vision-language-action (VLA) model controlling the robot with "
            f"language instructions.\n Embodiment: {name}\n Camera Setup: {cameras}\n Frequency: 10HZ\n "
            "Action Space: Rel EEF\n<|im_end|>\n<|im_start|>user\nObservation: front view: "
        ) in said
        states, _ = batches.normalizers()
        (felt,), (known,) = batches.data.states(np.array([3]))
        live = states.normalize(felt, known)[states.mask(known)]
        bins = np.digitize(live, np.linspace(-1, 1, 257)[:-1]) - 1
        assert f"Proprioception: {' '.join(map(str, bins))}\n" in said and len(live) == (7 if name == "one" else 6)


def test_the_checkpoint_says_how_it_is_asked(folder):
    made = recipe(folder, {"steps": 1}, open_loop_episodes=0)
    made = made.model_copy(update={"model": {**made.model, **LAYOUTS["0.5"]}})
    train(made, folder / "out", open_sources(made, 56))
    assert json.loads((folder / "out" / "config.json").read_text())["use_embodied_system_prompt"] is True
    again = recipe(folder, {"steps": 1}, start="out", vocab_size=None, model=None, open_loop_episodes=0)
    again = again.model_copy(update={"start": str(folder / "out"), "model": {"state_bins": 128}})
    train(again, folder / "tuned", open_sources(again, 56))
    tuned = json.loads((folder / "tuned" / "config.json").read_text())
    assert tuned["use_state_string_representation"] is True and tuned["state_bins"] == 128
    assert Policy.from_pretrained(folder / "tuned", robot="one").processor.embodiment == "one"


def test_one_embodiment_for_several_robots_is_refused(folder):
    with pytest.raises(WallOSSError, match=r'embodiment "Single Franka" would be said of the robots one, other alike'):
        prepared(folder, LAYOUTS["0.5, 512 bins"])


@pytest.mark.parametrize("counted", ["share_open", "share_closed"])
def test_a_gripper_that_a_checkpoint_counts_in_shares_is_trained_as_it_will_be_driven(folder, counted):
    """Recordings are in m; what is stored is in shares, as the profile says of its checkpoints."""
    fields = yaml.safe_load((folder / "one.yaml").read_text())
    fields["gripper"]["counted"] = counted
    (folder / "one.yaml").write_text(yaml.safe_dump(fields))
    _, mixture, (model, _, trainer) = prepared(folder, {}, ["talking"])
    data = mixture.sources[0].data
    stored = model.action_preprocessor.normalizer_propri.get("one")
    opening = data.motion(data.training[0]).states[:, 6]
    stroke = data.profile.gripper.open - data.profile.gripper.closed
    least, most = float(stored[0][6]), float(stored[0][6] + stored[1][6])
    assert 0 <= least < most <= 1.01 and most - least > 0.3 * np.ptp(opening) / stroke
    states, _ = trainer.batches.of[0].normalizers()
    low, high = states.bounds()
    assert low[6] == pytest.approx(min(data.motion(e).states[:, 6].min() for e in data.training), abs=1e-6)
    assert high[6] == pytest.approx(max(data.motion(e).states[:, 6].max() for e in data.training), abs=1e-6)
    sign = np.sign(states.normalize(np.full(7, high[6]))[6])
    assert sign == (1 if counted == "share_open" else -1)
