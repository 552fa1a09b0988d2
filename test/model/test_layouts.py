# SPDX-License-Identifier: Apache-2.0
"""Checkpoints laid out as LeRobot, wall-x and the released 0.5 have them: small ones, made from one of ours."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
import yaml
from checkpoint_support import (
    ACTION_MAX,
    ACTION_MIN,
    ARM,
    INSTRUCTION,
    STATE_MAX,
    STATE_MIN,
    VIEWS,
    in_layout,
    make_checkpoint,
    rewrite,
)
from safetensors.torch import load_file, save_file

from wall_oss_ros.commands.inspection.report import inspect
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.checkpoint import read_config, read_statistics
from wall_oss_ros.policy import Observation, Policy, WallOSSProcessor, prompts
from wall_oss_ros.robots.profile import load_profile

FRANKA = load_profile("franka")


def observe() -> Observation:
    rng = np.random.default_rng(0)
    mask = np.zeros(20, bool)
    mask[ARM] = True
    state = np.zeros(20, np.float32)
    state[ARM] = np.array(STATE_MIN) + 0.3 * (np.array(STATE_MAX) - STATE_MIN)
    return Observation(0.0, {view: rng.integers(0, 256, (56, 56, 3), np.uint8) for view in VIEWS}, state, mask)


def without_statistics(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if ".normalizer_" in name]:
        del tensors[name]


def change_config(folder, **changes) -> None:
    values = json.loads((folder / "config.json").read_text())
    values = {key: value for key, value in {**values, **changes}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(values))


# LeRobot

MEAN, STD = [0.5, 0.0, 0.1, 0.0, 0.0, 0.0, 0.04], [0.1, 0.2, 0.1, 0.05, 0.05, 0.05, 0.03]


def lerobot(tmp_path, **changes):
    """A wall_x policy, the folder that its backbone comes from, and a checkpoint of ours that is the same."""
    ours = make_checkpoint(tmp_path / "ours")
    base, policy = tmp_path / "base", tmp_path / "policy"
    shutil.copytree(ours, base)
    (base / "model.safetensors").unlink()
    policy.mkdir()
    tensors = load_file(ours / "model.safetensors")
    without_statistics(tensors)
    save_file({f"model.{name}": tensor for name, tensor in tensors.items()}, policy / "model.safetensors")
    features = {"observation.state": {"type": "STATE", "shape": [20]}}
    features |= {f"observation.images.{view}": {"type": "VISUAL", "shape": [3, 56, 56]} for view in VIEWS}
    values = {
        "type": "wall_x", "chunk_size": 10, "n_action_steps": 10, "max_action_dim": 20, "max_state_dim": 20,
        "input_features": features, "output_features": {"action": {"type": "ACTION", "shape": [20]}},
        "pretrained_name_or_path": str(base), "prediction_mode": "diffusion", "attn_implementation": "eager",
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"},
    }  # fmt: skip
    (policy / "config.json").write_text(json.dumps({**values, **changes}))
    numbers = {f"{key}.{part}": in_layout(value) for key in ("observation.state", "action")
               for part, value in (("mean", MEAN), ("std", STD))}  # fmt: skip
    for name, step in (("pre", "normalizer_processor"), ("post", "unnormalizer_processor")):
        state_file = f"policy_{name}processor_step_3_{step}.safetensors"
        save_file(numbers, policy / state_file)
        norm_map = {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
        steps = [{"registry_name": step, "config": {"norm_map": norm_map, "features": {}}, "state_file": state_file}]
        (policy / f"policy_{name}processor.json").write_text(json.dumps({"name": f"policy_{name}", "steps": steps}))
    model = WallOSS.from_pretrained(ours)
    for statistics in (model.action_preprocessor.normalizer_propri, model.action_preprocessor.normalizer_action):
        statistics.set("franka", in_layout(MEAN), in_layout(STD), "mean_std")
    model.save_pretrained(ours)
    return policy, base, ours


def test_a_policy_of_lerobot_acts_as_the_network_it_holds(tmp_path):
    policy, _, ours = lerobot(tmp_path)
    theirs, same = Policy.from_pretrained(policy), Policy.from_pretrained(ours)
    assert theirs.robot == "lerobot" and theirs.views == VIEWS and theirs.horizon == 10
    chunk = theirs.act(observe(), INSTRUCTION, seed=3)
    assert np.array_equal(chunk, same.act(observe(), f"{INSTRUCTION}.", seed=3)), "its prompts end with a full stop"
    assert np.array_equal(chunk, theirs.act(observe(), f"{INSTRUCTION}.", seed=3))
    assert not theirs.config.causal_action_attention_mask
    report = inspect(policy)
    assert report.robots["lerobot"]["state kind"] == "mean_std" and report.tokenizer["special"]["<|action|>"]
    assert not [line for line in report.suspicious if line.startswith(("weights", "tokenizer"))], report.suspicious


def test_its_backbone_may_lie_inside(tmp_path):
    policy, base, _ = lerobot(tmp_path, pretrained_name_or_path="x-square-robot/wall-oss-flow")
    shutil.move(base, policy / "backbone")
    assert Policy.from_pretrained(policy).act(observe(), INSTRUCTION, seed=3).shape == (10, 20)


def test_views_that_have_no_words_go_by_their_keys(tmp_path):
    feature = {"type": "VISUAL", "shape": [3, 56, 56]}
    policy, *_ = lerobot(
        tmp_path, input_features={"observation.images.top": feature, "observation.images.face_view": feature}
    )
    processor = WallOSSProcessor.from_pretrained(policy)
    assert processor.opening(processor.config.views).endswith(f" top: {prompts.IMAGE} front view: {prompts.IMAGE}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pretrained_name_or_path": "nowhere-at-all"}, "backbone's config and tokenizer from nowhere-at-all"),
        ({"pretrained_name_or_path": None}, "pretrained_name_or_path is None"),
        ({"max_action_dim": 7}, "max_action_dim is 7, but dof_config of its backbone has 20 numbers"),
        ({"input_features": {}}, "lists no pictures"),
        ({"input_features": ["a"]}, "lists no pictures"),
        ({"type": "pi0"}, "a checkpoint of pi0"),
        ({"type": "smolvla"}, "a checkpoint of SmolVLA"),
    ],
)
def test_what_cannot_be_loaded_is_named(tmp_path, changes, words):
    policy, *_ = lerobot(tmp_path, **changes)
    with pytest.raises(WallOSSError, match=words):
        Policy.from_pretrained(policy)


# The released 0.5, and fine-tunes by wall-x


def released(tmp_path, **statistics):
    """Statistics in two files of torch's, by datasets."""
    folder = make_checkpoint(tmp_path / "released")
    rewrite(folder, without_statistics)
    for owner, low, high in (("propri", STATE_MIN, STATE_MAX), ("action", ACTION_MIN, ACTION_MAX)):
        numbers = {"min.franka": in_layout(low), "delta.franka": in_layout(high) - in_layout(low)}
        numbers |= {"min.x2_normal": torch.full((20,), -1.0), "delta.x2_normal": torch.full((20,), 2.0)}
        torch.save({**numbers, **statistics}, folder / f"normalizer_{owner}.pth")
    return folder


def test_statistics_of_every_dataset_are_read_without_running_anything(tmp_path):
    folder = released(tmp_path)
    actions, states = read_statistics(folder, read_config(folder))
    assert actions.names() == states.names() == ["franka", "x2_normal"]
    ours = Policy.from_pretrained(make_checkpoint(tmp_path / "ours"))
    theirs = Policy.from_pretrained(folder, profile=FRANKA)
    assert np.array_equal(theirs.act(observe(), INSTRUCTION, seed=1), ours.act(observe(), INSTRUCTION, seed=1))


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_files_that_hold_more_than_tensors_are_refused(tmp_path):
    folder = released(tmp_path)
    for content, words in {
        "code": (pickle.dumps(Bomb()), "without running what is in it"),
        "no file of torch's": (b"hello", "without running what is in it"),
        "nothing": (b"", "without running what is in it"),
    }.values():
        (folder / "normalizer_action.pth").write_bytes(content)
        with pytest.raises(WallOSSError, match=words):
            read_statistics(folder, read_config(folder))
    torch.save(Bomb(), folder / "normalizer_action.pth")
    with pytest.raises(WallOSSError, match="without running what is in it"):
        read_statistics(folder, read_config(folder))
    for found, words in (
        ([torch.zeros(20)], "no dictionary of tensors"),
        ({"min.franka": torch.zeros(20)}, "no two vectors"),
        ({"min.franka": torch.zeros(20), "delta.franka": torch.ones(3)}, "no two vectors"),
        ({"min.ur": torch.zeros(20), "delta.ur": torch.ones(20)}, "no dataset in common"),
        ({"min.franka": torch.zeros(30), "delta.franka": torch.ones(30)}, "have 30 numbers, the checkpoint takes 20"),
    ):
        torch.save(found, folder / "normalizer_action.pth")
        with pytest.raises(WallOSSError, match=words):
            read_statistics(folder, read_config(folder))
    (folder / "normalizer_action.pth").unlink()
    with pytest.raises(WallOSSError, match="There is no .*normalizer_action.pth"):
        read_statistics(folder, read_config(folder))


def fine_tune(tmp_path, **training):
    """config.json without degrees of freedom, which stand in config.yml; quantiles in norm_stats.json."""
    folder = make_checkpoint(
        tmp_path / "tuned", dof_config={"arm": 7, "fill": 19}, agent_pos_config={"arm": 8, "fill": 18}
    )
    rewrite(folder, without_statistics)
    change_config(
        folder, dof_config=None, agent_pos_config=None, action_horizon=None, views=None, action_horizon_flow=10
    )
    config = {
        "model_type": "qwen2_5",
        "task": {
            "dof_config": {"action_padding": 19, "master_right_ee_cartesian_pos": 3, "master_right_ee_rotation": 3,
                           "master_right_gripper": 1},
            "agent_pos_config": {"follow_right_ee_cartesian_pos": 3, "follow_right_ee_rotation": 3,
                                 "follow_right_gripper": 2, "action_padding": 18},
            "action_horizon": 10,
        },
        "data": {
            "key_mappings": {"camera": {"observation.images.faceImg": "face_view",
                                        "observation.images.rightImg": "right_wrist_view"}},
            "resolution": {"face_view": 256},
        },
    }  # fmt: skip
    for part, values in training.items():
        config[part] = {**config[part], **values}
    (folder / "config.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    state, action = ({"mean": [0.0] * n, "std": [1.0] * n, "q01": [-0.5] * n, "q99": [0.5] * n} for n in (8, 7))
    (folder / "norm_stats.json").write_text(json.dumps({"norm_stats": {"observation.state": state, "action": action}}))
    return folder


def tuned_observation() -> Observation:
    state = np.concatenate([np.linspace(-0.5, 0.4, 8), np.zeros(18)]).astype(np.float32)
    return Observation(0.0, observe().images, state, np.arange(26) < 8)


def test_a_fine_tune_says_the_rest_in_its_training_configuration(tmp_path):
    policy = Policy.from_pretrained(fine_tune(tmp_path))
    assert list(policy.config.dof_config) == [
        "master_right_ee_cartesian_pos", "master_right_ee_rotation", "master_right_gripper", "action_padding",
    ], "what fills up comes last"  # fmt: skip
    assert policy.config.propri_dim == policy.config.action_dim == 26 and policy.horizon == 10
    assert policy.dof_mask.sum() == 7 and policy.robot == "norm_stats"
    assert f" face_view: {prompts.IMAGE}" in policy.processor.opening(policy.views), "its prompts have raw names"
    chunk = policy.act(tuned_observation(), INSTRUCTION, seed=0)
    assert chunk.shape == (10, 26) and np.abs(chunk[:, :7]).max() <= 0.5 and not chunk[:, 7:].any()


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"data": {"resolution": {"face_view": 224}}}, "resolution of 224 for face_view"),
        ({"task": {"dof_config": {"arm": 6}}}, "7 numbers, the checkpoint takes 6"),
        ({"task": {"dof_config": "arm"}}, "dof_config"),
        ({"task": {"state_bins": 0}}, "state_bins"),
    ],
)
def test_training_configurations_that_do_not_fit_are_refused(tmp_path, training, words):
    with pytest.raises(WallOSSError, match=words):
        Policy.from_pretrained(fine_tune(tmp_path, **training))


def test_the_state_as_text_and_the_robot_in_the_prompt(tmp_path):
    folder = fine_tune(
        tmp_path,
        task={"use_state_string_representation": True},
        data={"use_embodied_system_prompt_ratio": 0.5, "camera_name_mapping": {"face_view": "front view"}},
    )
    change_config(folder, embodiment="Single Franka")
    policy = Policy.from_pretrained(folder)
    said, encode = [], policy.processor.encode
    policy.processor.encode = lambda text: said.append(text) or encode(text)
    obs = tuned_observation()
    chunk = policy.act(obs, INSTRUCTION, seed=0)
    whole = "".join(reversed(said))
    assert whole.startswith(
        "<|im_start|>system\nYou are an embodied vision-language-action (VLA) model controlling the robot with "
        "language instructions.\n Embodiment: Single Franka\n Camera Setup: front view, right_wrist_view,\n"
        " Frequency: 10HZ\n Action Space: Abs EEF\n<|im_end|>\n<|im_start|>user\nObservation: front view:"
    )
    bins = np.digitize(2 * (obs.state[:8] + 0.5) - 1, np.linspace(-1, 1, 257)[:-1]) - 1
    assert f"Proprioception: {' '.join(map(str, bins))}\n" in whole and "<|propri|>" not in whole
    other = Observation(0.0, obs.images, obs.state + 0.2, obs.state_mask)
    assert not np.array_equal(policy.act(other, INSTRUCTION, seed=0), chunk), "the words tell the state"
    processor = WallOSSProcessor.from_pretrained(folder)
    batch = processor([obs, other], INSTRUCTION)
    assert "proprioception" not in batch
    noise = torch.randn(1, 10, 26, generator=torch.Generator().manual_seed(0))
    actions = policy.model.sample_actions({**processor(obs, INSTRUCTION), "noise": noise})
    assert actions.shape == (1, 10, 26) and torch.isfinite(actions).all()


def test_bins_of_the_state():
    state = np.array([-1.0, -0.999, 0.0, 0.5, 1.0, 0.3], np.float32)
    mask = np.array([1, 1, 1, 1, 1, 0], bool)
    assert prompts.state_words(state, mask) == "0 0 128 192 255"
    assert prompts.state_words(state, mask, 512) == "0 0 256 384 511"


def test_a_larger_vocabulary_is_that_of_the_weights(tmp_path):
    folder = make_checkpoint(tmp_path)
    change_config(folder, vocab_size=read_config(folder).vocab_size - 30)
    assert Policy.from_pretrained(folder).act(observe(), INSTRUCTION, seed=0).shape == (10, 20)
    assert any("theirs are used" in line for line in inspect(folder).suspicious)
