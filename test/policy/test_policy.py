# SPDX-License-Identifier: Apache-2.0
"""The policy as a robot uses it, with a tiny checkpoint of random weights and a real tokenizer."""

import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoint_support import VIEWS, small_config

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import Observation, Policy, prompts
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.policy.runtime import GraphCache
from wall_oss_ros.training.tokenizer import train_tokenizer

ARM = slice(7, 14)
INSTRUCTION = "put the red cube in the left tray"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = train_tokenizer([INSTRUCTION, "pick up the red cube", "done"] * 3, 400)
    config = small_config(tokenizer, extra={"known_words": "put the red cube in left tray pick up".split()})
    torch.manual_seed(0)
    model = WallOSS(config)
    minimum, delta = torch.zeros(20), torch.zeros(20)
    minimum[ARM], delta[ARM] = -0.5, 1.0
    model.action_preprocessor.normalizer_action.set("franka", minimum, delta)
    model.action_preprocessor.normalizer_propri.set("franka", minimum, delta)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def policy(folder) -> Policy:
    return Policy.from_pretrained(folder)


def observe(seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    mask = np.zeros(20, bool)
    mask[ARM] = True
    state = np.where(mask, rng.uniform(-0.4, 0.4, 20), 0).astype(np.float32)
    return Observation(float(seed), {view: rng.integers(0, 256, (56, 56, 3), np.uint8) for view in VIEWS}, state, mask)


def whole_batch(policy: Policy, obs: Observation, suffix: str | list[int], horizon: int) -> dict:
    """The same prompt, in words or tokens, as one sequence without any prefix."""
    pixel_values, grids = policy.processor.patches(policy.processor.images(obs, VIEWS))
    ids = policy.processor.expand(policy.processor.opening(VIEWS), grids)
    tail = (policy.processor.encode(suffix) if isinstance(suffix, str) else suffix) + [
        policy.config.action_token_id
    ] * horizon
    mask = torch.from_numpy(obs.state_mask).float()
    batch = {
        "input_ids": torch.tensor([ids + tail]),
        "pixel_values": pixel_values,
        "image_grid_thw": grids,
    }
    if horizon:
        state = (2 * (torch.from_numpy(obs.state) + 0.5) - 1) * mask
        batch |= {
            "proprioception": state[None, None],
            "agent_pos_mask": mask[None, None],
            "dof_mask": mask.expand(1, horizon, -1),
        }
    return batch


def test_weights_are_in_full_precision_on_a_cpu_unless_told(folder):
    assert {p.dtype for p in Policy.from_pretrained(folder).model.parameters()} == {torch.float32}
    half = Policy.from_pretrained(folder, dtype=torch.bfloat16).model
    assert half.model.embed_tokens(torch.tensor([1])).dtype == torch.bfloat16


def test_actions_equal_the_whole_sequence(policy):
    for obs in (observe(0), observe(1)):
        policy.reason(obs, INSTRUCTION)  # leaves its own suffix in the cache
        chunk = policy.act(obs, "pick up the red cube", steps=4, seed=5)
        noise = torch.randn(10, 20, generator=torch.Generator().manual_seed(5))[None]
        batch = whole_batch(policy, obs, prompts.act_suffix("pick up the red cube"), 10)
        expected = policy.model.sample_actions(batch, noise, 4, use_cache=False)[0].clamp(-1, 1).numpy()
        assert np.allclose(chunk[:, ARM], expected[:, ARM] / 2, atol=1e-5)  # (x + 1) / 2 * 1 - 0.5


def test_words_equal_the_whole_sequence(policy):
    obs = observe(0)
    policy.act(obs, "pick up the red cube", steps=1)
    batch = whole_batch(policy, obs, prompts.reason_suffix(INSTRUCTION), 0)
    expected = policy.model.generate(batch, 48, use_cache=False)[0].tolist()
    if policy.config.eos_token_id in expected:
        expected = expected[: expected.index(policy.config.eos_token_id)]
    assert len(expected) > 3
    assert policy.reason(obs, INSTRUCTION) == policy.processor.decode(expected)


def test_an_answer_knows_how_likely_the_model_found_it(policy):
    """The product of its tokens' probabilities; and no other words for that."""
    obs, found = observe(), []

    def likeliest(logits):
        found.append(logits.double().softmax(-1).max())
        return logits.argmax(-1)

    said = policy.reason(obs, INSTRUCTION)
    suffix = policy.processor.encode(prompts.reason_suffix(INSTRUCTION))
    assert str(said) == policy.processor.decode(policy._engine.generate(suffix, 48, choose=likeliest))
    assert said.confidence == pytest.approx(float(torch.stack(found).prod()), rel=1e-3)
    assert 0 < said.confidence < 1 and len(found) > 3


def test_what_is_said_before_the_motion_is_one_sequence_with_it(policy, monkeypatch):
    """As training has it: acting prompt, words, their end, motion."""
    special = list(policy.processor.tokenizer.get_added_tokens_decoder())  # which are no words

    def choose(logits):
        return logits.index_fill(-1, torch.tensor(special), -torch.inf).argmax(-1)

    monkeypatch.setattr("wall_oss_ros.policy.policy.TokenChoice", lambda: choose)
    obs, acted, act = observe(0), [], policy._engine.act
    monkeypatch.setattr(policy._engine, "act", lambda suffix, *others: (acted.append(suffix), act(suffix, *others))[1])
    answer, chunk = policy.act_aloud(obs, INSTRUCTION, steps=4, seed=5)
    prompt = policy.processor.encode(prompts.act_suffix(INSTRUCTION))
    said, end = acted[0][len(prompt) : -1], acted[0][-1]
    assert acted[0][: len(prompt)] == prompt and end == policy.config.eos_token_id and len(said) > 3
    assert str(answer) == prompts.without_thought(policy.processor.decode(said))[1]
    noise = torch.randn(10, 20, generator=torch.Generator().manual_seed(5))[None]
    expected = policy.model.sample_actions(whole_batch(policy, obs, acted[0], 10), noise, 4, use_cache=False)
    assert np.allclose(chunk[:, ARM], expected[0].clamp(-1, 1).numpy()[:, ARM] / 2, atol=1e-5)
    assert not np.allclose(chunk, policy.act(obs, INSTRUCTION, steps=4, seed=5), atol=1e-4)


def test_a_checkpoint_that_acts_aloud_always_says_first_what_it_moves_for(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "aloud")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "aloud" / "config.json").write_text(json.dumps(config | {"acts_aloud": True}))
    aloud, obs = Policy.from_pretrained(tmp_path / "aloud"), observe(0)
    chunk, alone = aloud.act(obs, INSTRUCTION, seed=5), Policy.from_pretrained(folder).act(obs, INSTRUCTION, seed=5)
    assert np.allclose(chunk, aloud.act_aloud(obs, INSTRUCTION, seed=5)[1], atol=1e-5)
    assert not np.allclose(chunk, alone, atol=1e-4)


@pytest.mark.parametrize(
    "text, thought, rest",
    [
        ("the cube in left tray\n\npick up the red cube", "the cube in left tray", "pick up the red cube"),
        ("pick up the red cube", "", "pick up the red cube"),
        ("\n\npick up the red cube", "", "pick up the red cube"),
        ("the cube\n\n", "the cube", ""),
    ],
)
def test_a_thought_is_told_apart_and_does_not_count_for_the_confidence(policy, monkeypatch, text, thought, rest):
    ids, end, size = policy.processor.encode(text), policy.config.eos_token_id, policy.config.vocab_size

    def generate(suffix, limit, state=None, state_mask=None, choose=None):
        assert limit > 48 and suffix == policy.processor.encode(prompts.reason_suffix(INSTRUCTION, thought=True))
        for token in [*ids, end]:
            logits = torch.zeros(1, size)
            logits[0, token] = 3.0
            assert int(choose(logits)) == token
        return ids

    monkeypatch.setattr(policy._engine, "generate", generate)
    answer = policy.reason(observe(), INSTRUCTION, thought=True)
    assert (str(answer), answer.thought) == (rest, thought)
    counted = len(policy.processor.encode(rest)) + 1
    sure = np.exp(3.0) / (np.exp(3.0) + size - 1)
    assert answer.confidence == pytest.approx(sure**counted, rel=1e-4)


def test_chunk_is_physical_and_only_the_arm_moves(policy):
    chunk = policy.act(observe(), INSTRUCTION, seed=1)
    assert chunk.shape == (policy.horizon, 20) and chunk.dtype == np.float32
    assert (np.abs(chunk[:, ARM]) <= 0.5).all() and chunk[:, ARM].std() > 0
    assert not chunk[:, :7].any() and not chunk[:, 14:].any()
    assert policy.dof_mask.nonzero()[0].tolist() == list(range(7, 14))


def test_seed_makes_it_repeatable_and_the_observation_matters(policy):
    act = lambda obs, seed: policy.act(obs, INSTRUCTION, seed=seed)  # noqa: E731
    first = act(observe(0), 3)
    assert np.allclose(first, act(observe(0), 3), atol=1e-6)
    assert not np.allclose(first, act(observe(0), 4))
    assert not np.allclose(first, act(observe(1), 3))
    moved = replace(observe(0), state=observe(0).state * 0.5)
    assert not np.allclose(first, act(moved, 3), atol=1e-4)


def test_pictures_are_encoded_once_for_several_prompts(policy, monkeypatch):
    calls = []
    encode = policy.model.visual.encode
    monkeypatch.setattr(policy.model.visual, "encode", lambda *args: calls.append(1) or encode(*args))
    obs = observe(0)
    policy.reason(obs, INSTRUCTION)
    policy.act(obs, INSTRUCTION)
    policy.ask(replace(obs, stamp=9.0), "what is in the gripper?")
    assert len(calls) == 1
    policy.act(observe(1), INSTRUCTION)
    assert len(calls) == 2


def test_long_questions_grow_the_cache(policy):
    obs = observe(0)
    before = policy.act(obs, INSTRUCTION, seed=0)
    assert isinstance(policy.ask(obs, "where is the red cube? " * 200), str)
    assert np.allclose(before, policy.act(obs, INSTRUCTION, seed=0), atol=1e-5)


def test_two_threads_share_it(policy):
    expected = {seed: policy.act(observe(seed), INSTRUCTION, seed=seed) for seed in range(2)}
    results: dict[int, list] = {0: [], 1: []}

    def work(seed: int) -> None:
        for _ in range(5):
            results[seed].append(policy.act(observe(seed), INSTRUCTION, seed=seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in results]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(np.allclose(expected[seed], chunk, atol=1e-6) for seed in results for chunk in results[seed])
    assert [len(chunks) for chunks in results.values()] == [5, 5]


def test_warm_up_needs_no_robot(policy):
    policy.warm_up()


def test_unknown_words(policy):
    assert policy.unknown_words("Put the red Cube in the blue bucket!") == ["blue", "bucket"]


def test_special_tokens_in_an_instruction_are_only_words(policy):
    obs = observe(0)
    assert policy.reason(obs, f"{INSTRUCTION} <|im_end|>") == policy.reason(obs, INSTRUCTION)
    with pytest.raises(WallOSSError, match="empty"):
        policy.plan(obs, " <|im_end|> ")


def test_weights_that_are_not_finite_never_pass(policy):
    with torch.no_grad():
        policy.model.model.embed_tokens.weight.fill_(float("nan"))
    with pytest.raises(WallOSSError, match="not finite"):
        policy.act(observe(0), INSTRUCTION)
    with pytest.raises(WallOSSError, match="not finite"):
        policy.reason(observe(0), INSTRUCTION)


def test_observations_that_do_not_fit_are_refused(policy):
    obs = observe(0)
    with pytest.raises(WallOSSError, match="no right_wrist_view"):
        policy.act(replace(obs, images={"face_view": obs.images["face_view"]}), INSTRUCTION)
    with pytest.raises(WallOSSError, match="14 numbers"):
        policy.act(replace(obs, state=obs.state[:14], state_mask=obs.state_mask[:14]), INSTRUCTION)
    with pytest.raises(WallOSSError, match="0 flow steps"):
        policy.act(obs, INSTRUCTION, steps=0)


def test_checkpoints_that_do_not_fit_are_refused(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "model.safetensors"):
        (copy / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(WallOSSError, match="no tokenizer.json"):
        Policy.from_pretrained(copy)
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(WallOSSError, match="not a tokenizer"):
        Policy.from_pretrained(copy)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        if token["content"] == "<|im_end|>":
            token["content"] = "<|something|>"
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(WallOSSError, match=r"<\|im_end\|> at None"):
        Policy.from_pretrained(copy)
    with pytest.raises(WallOSSError, match="no statistics for the robot 'ur'; it has: franka"):
        Policy.from_pretrained(folder, robot="ur")


def test_twins_share_the_weights_and_compute_at_the_same_time_as_alone(policy):
    twin = policy.twin()
    own, its = policy._engine.runtime, twin._engine.runtime
    assert twin.model is policy.model and its._layers is own._layers and its.flow is own.flow
    assert its.cache is not own.cache and its.embeds.data_ptr() != own.embeds.data_ptr()
    observations = [observe(seed) for seed in range(6)]
    alone = [(policy.act(obs, INSTRUCTION, seed=1), policy.reason(obs, INSTRUCTION)) for obs in observations]
    acted, judged = [], []
    thinking = threading.Thread(target=lambda: judged.extend(policy.reason(obs, INSTRUCTION) for obs in observations))
    moving = threading.Thread(target=lambda: acted.extend(twin.act(obs, INSTRUCTION, seed=1) for obs in observations))
    for thread in (thinking, moving):
        thread.start()
    for thread in (thinking, moving):
        thread.join()
    assert judged == [words for _, words in alone]
    assert all(np.array_equal(chunk, lone) for chunk, (lone, _) in zip(acted, alone))


def test_a_checkpoint_is_known_by_its_files(folder, tmp_path):
    first = checkpoint_identity(folder)
    assert first == Policy.from_pretrained(folder).checkpoint and first.startswith(f"{folder.name}@")
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    assert checkpoint_identity(copy) == first
    model = WallOSS.from_pretrained(copy)
    with torch.no_grad():
        for parameter in model.parameters():  # as further training does
            parameter.add_(1e-3)
    model.save_pretrained(copy)
    assert checkpoint_identity(copy) != first


def test_twins_make_and_encode_a_picture_once(policy, monkeypatch):
    twin, encoded, made = policy.twin(), [], []
    encode, make = policy.model.visual.encode, policy._pictures.make
    monkeypatch.setattr(policy.model.visual, "encode", lambda *args: encoded.append(len(args[1])) or encode(*args))
    monkeypatch.setattr(policy._pictures, "make", lambda image: made.append(1) or make(image))
    obs = observe(0)
    chunk = policy.act(obs, INSTRUCTION, seed=1)
    assert np.array_equal(twin.act(replace(obs, stamp=1.0), INSTRUCTION, seed=1), chunk)
    one_new = replace(obs, images={**obs.images, VIEWS[0]: observe(1).images[VIEWS[0]]})
    twin.act(one_new, INSTRUCTION)
    assert np.array_equal(policy.act(obs, INSTRUCTION, seed=1), chunk), "its own, though the twin has seen another"
    assert encoded == [len(VIEWS), 1] and len(made) == len(VIEWS) + 1


def test_an_observation_that_failed_half_way_is_taken_again(policy, monkeypatch):
    first, second = observe(0), observe(1)
    expected = policy.act(first, INSTRUCTION, seed=1), policy.act(second, INSTRUCTION, seed=1)
    policy.act(first, INSTRUCTION)
    with monkeypatch.context() as broken:
        broken.setattr(policy.model.visual, "encode", lambda *args: [][0])
        with pytest.raises(IndexError):
            policy.act(observe(2), INSTRUCTION)
    for obs, chunk in zip((first, second), expected):
        assert np.allclose(policy.act(obs, INSTRUCTION, seed=1), chunk, atol=1e-6)


def test_a_policy_that_was_warmed_up_records_nothing_more(policy):
    captured = []
    policy._engine.graphs = GraphCache(lambda work: captured.append(1) or work)
    policy.warm_up()
    before = len(captured)
    for seed, instruction in enumerate([INSTRUCTION, "pick up the red cube", f"{INSTRUCTION} " * 9]):
        obs = observe(seed)
        policy.plan(obs, instruction)
        policy.act_aloud(obs, policy.reason(obs, instruction) or instruction)
        policy.ask(obs, "what is in the gripper?" * (seed + 1))
        policy.act(
            replace(observe(seed + 1), images={**obs.images, VIEWS[0]: observe(9).images[VIEWS[0]]}), instruction
        )
    assert before > 20 and len(captured) == before
