# SPDX-License-Identifier: Apache-2.0
"""FAST tokens in a recipe on recordings: what the language head learns to say, masks, vocabularies, refusals."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from recipe_support import ONE, OTHER, STAGE, lay_out, recipe

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.policy import Observation, Policy
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.training import dry_run
from wall_oss_ros.training.batches import complete
from wall_oss_ros.training.losses import compute
from wall_oss_ros.training.packing import FAST, IGNORED
from wall_oss_ros.training.pipeline import prepare, train
from wall_oss_ros.training.sources import open_sources

ONLY_ONE = [ONE | {"held_out": 0.25}]
SPELLS = {"trains": "language", "language_branches": 1, "acting_branches": 0, "fast_branches": 2, "vision_rate": 0.0}
VOCABULARY = {"vocab_size": 280}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return lay_out(tmp_path, monkeypatch)


def run(made, output, **how):
    return train(made, output, open_sources(made, 56), **how)


def lines(output) -> list[dict]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_language_head_learns_to_say_the_demonstrated_chunks(folder):
    stage = SPELLS | {"steps": 220, "batch": 16, "learning_rate": 4e-3, "warmup": 20, "decay": 100}
    made = recipe(folder, stage, datasets=ONLY_ONE, fast=VOCABULARY, validate_every=110, save_every=220)
    mixture = open_sources(made, 56)
    output = train(made, folder / "out", mixture)
    data = mixture.sources[0].data
    policy = Policy.from_pretrained(output, profile=load_profile(folder / "one.yaml"))
    assert policy.fast is not None, "its chunks come from FAST tokens: nothing else was trained"
    moves = Normalizer.from_statistics(policy.model.action_preprocessor.normalizer_action, "one")
    rng, off, shown = np.random.default_rng(0), [], []
    for index in whole(data)[::3]:
        (felt,), (known,) = data.states(np.array([index]))
        views = dict(zip(data.views, data.images(np.array([index]))[0]))
        acting = data.acting(rng, index, 1)[0]
        chunk = policy.act(Observation(0.0, views, felt, known), acting.text)
        shown.append(moves.normalize(acting.chunk))
        off.append(np.abs(moves.normalize(chunk) - shown[-1]).mean())
    assert np.median(off) < 0.05 and np.mean(off) < 0.12, "rounding moves a value by 0.05 at most in the mean"
    assert np.std(shown, 0).mean() > 0.3, "they are not all the same"
    steps = [line for line in lines(output) if "kinds" in line]
    assert set().union(*(line["kinds"] for line in steps)) == {"fast", "plan", "reason"}
    assert steps[0]["fast"] == pytest.approx(steps[0]["kinds"]["fast"], rel=1e-4) and steps[0]["fast"] > 4
    assert steps[-1]["fast"] < 0.5 and steps[-1]["flow"] == 0
    validated = [line for line in lines(output) if "held_out" in line][-1]
    assert validated["held_out"]["talking"][2] == pytest.approx(validated["held_out_kinds"]["fast"], rel=0.2)
    report = json.loads((output / "open_loop" / "open_loop.json").read_text())["talking"]
    assert report["chunks"] + report["no_chunk"] == 5 and report["mean_absolute_error"]["arm_position"] < 0.02


def whole(data) -> list[int]:
    """Training samples whose chunk is known to its last step."""
    return [index for index in range(len(data) - data.held_out) if data.chunks(np.array([index]))[1].all()]


def test_chunks_in_which_an_entry_is_missing_are_not_asked_for_and_nothing_is_nan(folder):
    """The silent robot has no gripper on record: under the other's statistics its tokens would have to tell of it."""
    both = [ONE, OTHER | {"stored_as": "one"}]
    changed = SPELLS | {"trains": "all", "steps": 2, "batch": 8}
    with pytest.raises(WallOSSError, match="Not one of 51 chunks of one has all entries"):
        made = recipe(folder, changed, datasets=both, fast=VOCABULARY)
        prepare(made, open_sources(made, 56), folder / "run")
    made = recipe(folder, changed, fast=VOCABULARY, open_loop_episodes=0)
    model, _, trainer = prepare(made, open_sources(made, 56), folder / "other")
    for number, live in ((0, 7), (1, 6)):
        batches = trainer.batches.of[number]
        batch = batches.draw(np.arange(10), made.stages[0], 0)
        assert batch.fast_tokens > 20 and batch.actions.shape[1] == 0
        moves, words = batches.normalizers()[1], batches.words
        asked = [at for at, kind in enumerate(batch.packed.kinds[3]) if kind == FAST]
        ids = batch.packed.labels[3][batch.packed.label_kinds[3] == asked[0]].tolist()
        assert moves.mask().sum() == live
        decoded = words.decode(ids, 4, moves.mask())
        chunk = moves.normalize(batches.data.chunks(np.array([3]))[0][0])
        assert np.abs(decoded - chunk).max() < 0.2, "rounded, and nothing else"
    silent = trainer.batches.of[1]
    silent.data.motion(silent.data.training[0]).known[:] = False  # no state, from which displacements would begin
    batch = silent.draw(np.arange(4), made.stages[0], 0)
    assert batch.fast_tokens == batch.answer_tokens == 0 and not (batch.packed.labels != IGNORED).any()
    losses = compute(model, batch, 2, torch.Generator().manual_seed(0))
    assert [float(one) for one in losses.all] == [0, 0, 0]


def test_which_chunks_are_complete():
    live, known = np.array([1, 1, 0], bool), np.ones((4, 3), bool)
    known[:, 2] = False  # an entry that the tokens do not tell of
    assert complete(known, live)
    ended = known.copy()
    ended[2:] = False
    assert complete(ended, live), "the episode ends: what follows repeats the last command"
    for step, entry in ((0, 0), (1, 1)):
        gap = known.copy()
        gap[step, entry] = False
        assert not complete(gap, live)
    assert not complete(np.zeros((4, 3), bool), live)


def test_a_checkpoint_with_fast_tokens_is_fine_tuned_and_one_without_is_refused(folder):
    small = {"open_loop_episodes": 0, "datasets": ONLY_ONE}
    run(recipe(folder, {"steps": 1}, **small), folder / "plain")
    on = {"vocab_size": None, "model": None, **small}
    made = recipe(folder, SPELLS | {"steps": 1}, start="plain", **on)
    made = made.model_copy(update={"start": str(folder / "plain")})
    with pytest.raises(
        WallOSSError, match=r"vocabulary of .*plain has no FAST tokens, such as <\|action_token_0\|>; the stage all"
    ):
        run(made, folder / "refused")
    run(
        recipe(folder, SPELLS | {"steps": 1, "trains": "all", "acting_branches": 1}, fast=VOCABULARY, **small),
        folder / "base",
    )
    assert not json.loads((folder / "base" / "config.json").read_text()).get("use_fast_tokenizer"), "both heads: flow"
    made = recipe(folder, SPELLS | {"steps": 3}, start="base", **on).model_copy(update={"start": str(folder / "base")})
    run(made, folder / "tuned")
    config = json.loads((folder / "tuned" / "config.json").read_text())
    assert config["use_fast_tokenizer"] is True
    words, again = ((folder / name / "action_tokenizer" / "tokenizer.json").read_text() for name in ("base", "tuned"))
    assert (
        words == again
        and (folder / "base" / "tokenizer.json").read_text() == (folder / "tuned" / "tokenizer.json").read_text()
    )
    before, after = (WallOSS.from_pretrained(folder / name).state_dict() for name in ("base", "tuned"))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert "action_preprocessor.propri_proj.weight" in moved, "what the language head is told of the state"
    assert not any("experts.1." in name or ".w1." in name for name in moved) and "lm_head.weight" in moved
    with pytest.raises(WallOSSError, match="says its actions in FAST tokens, which no stage of mine trains"):
        flow = recipe(folder, {"steps": 1}, start="tuned", **on).model_copy(update={"start": str(folder / "tuned")})
        run(flow, folder / "driven")
    flow = flow.model_copy(update={"model": {"use_fast_tokenizer": False}})
    run(flow, folder / "driven")
    assert Policy.from_pretrained(folder / "driven").fast is None
    shutil.rmtree(folder / "base" / "action_tokenizer")
    with pytest.raises(WallOSSError, match="FAST tokens in its vocabulary, but no FAST tokenizer"):
        run(made, folder / "lost")
    named = made.model_copy(
        update={"fast": made.fast.model_copy(update={"tokenizer": str(folder / "tuned" / "action_tokenizer")})}
    )
    run(named, folder / "found")
    assert (folder / "found" / "action_tokenizer" / "processor_config.json").exists()


def test_a_dry_run_says_how_many_chunks_fast_tokens_can_say(folder):
    made = recipe(folder, SPELLS, fast=VOCABULARY)
    said = dry_run.run(made, open_sources(made, 56), folder / "dry_run")
    counts = re.findall(r"FAST tokens can say (\d+) of (\d+) chunks, by [\d.]+ tokens on average", said)
    assert [int(asked) - int(sayable) for sayable, asked in counts] == [3, 3], "an episode's last row leads nowhere"
    assert "<|action_token_" in said


def test_a_run_that_is_resumed_keeps_its_fast_tokenizer(folder):
    made = recipe(folder, SPELLS | {"steps": 2}, datasets=ONLY_ONE, fast=VOCABULARY, open_loop_episodes=0)
    run(made, folder / "out")
    before = (folder / "out" / "run" / "action_tokenizer" / "tokenizer.json").read_bytes()
    more = recipe(folder, SPELLS | {"steps": 4}, datasets=ONLY_ONE, fast={"vocab_size": 300}, open_loop_episodes=0)
    run(more, folder / "out", resume=True)
    assert (folder / "out" / "action_tokenizer" / "tokenizer.json").read_bytes() == before
    assert json.loads((folder / "out" / "training.json").read_text())["steps"] == 4


@pytest.mark.parametrize("changes, words", [
    ({"stages": [STAGE | SPELLS | {"trains": "action_expert"}]}, "FAST tokens train the language head"),
    ({"stages": [STAGE | SPELLS | {"fast_branches": -1}]}, "fast_branches"),
    ({"fast": {"vocab_size": 100}}, "fast.vocab_size"),
    ({"fast": {"scale": 0}}, "fast.scale"),
])  # fmt: skip
def test_recipes_that_cannot_be_are_refused(folder, changes, words):
    with pytest.raises(WallOSSError, match=words):
        recipe(folder, **changes)
