# SPDX-License-Identifier: Apache-2.0
"""What callers of the model and the policy may get wrong: each is refused in one sentence, and never an exception of
PyTorch, NumPy or Python."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoint_support import INSTRUCTION, VIEWS, make_checkpoint, rewrite
from network_support import make_batch, row, small_model
from PIL import Image

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.sampling import TokenChoice
from wall_oss_ros.model.statistics import Statistics
from wall_oss_ros.policy import Observation, Policy, WallOSSProcessor
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.observation import PreviousChunk

PICTURE = np.random.default_rng(0).integers(0, 256, (56, 56, 3), np.uint8)
SEEN = Observation.of(dict.fromkeys(VIEWS, PICTURE), np.zeros(20))
HALF = "pick up the red \ud83d cube"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def policy(folder) -> Policy:
    return Policy.from_pretrained(folder)


@pytest.fixture(scope="module")
def processor(folder) -> WallOSSProcessor:
    return WallOSSProcessor.from_pretrained(folder)


def refused(call, message: str) -> None:
    with pytest.raises(WallOSSError) as found:
        call()
    assert message in found.value.message, found.value.message
    assert found.value.hint


def with_image(picture) -> Observation:
    return replace(SEEN, images={**SEEN.images, "face_view": picture})


ACTS = {
    "an observation that is none": (lambda p: p.act(None, INSTRUCTION), "An observation is NoneType"),
    "no words": (lambda p: p.act(SEEN, None), "The words are None"),
    "bytes": (lambda p: p.reason(SEEN, b"pick"), "The words are b'pick'"),
    "half a character": (lambda p: p.act(SEEN, HALF), "half a character, '\\ud83d', at place 16"),
    "half a character in a question": (lambda p: p.ask(SEEN, HALF), "half a character"),
    "half a character to plan": (lambda p: p.plan(SEEN, HALF), "half a character"),
    "no steps": (lambda p: p.act(SEEN, INSTRUCTION, steps=0), "0 flow steps"),
    "negative steps": (lambda p: p.act(SEEN, INSTRUCTION, steps=-1), "-1 flow steps"),
    "half steps": (lambda p: p.act(SEEN, INSTRUCTION, steps=2.5), "2.5 flow steps"),
    "steps in words": (lambda p: p.act(SEEN, INSTRUCTION, steps="10"), "'10' flow steps"),
    "endless steps": (lambda p: p.act(SEEN, INSTRUCTION, steps=10**9), "1000000000 flow steps"),
    "a huge seed": (lambda p: p.act(SEEN, INSTRUCTION, seed=1 << 80), "seed is"),
    "a seed in words": (lambda p: p.act(SEEN, INSTRUCTION, seed="1"), "seed is '1'"),
    "no views": (lambda p: p.act(replace(SEEN, images={}), INSTRUCTION), "has no face_view, right_wrist_view"),
    "a picture in colours by planes": (lambda p: p.act(with_image(PICTURE.T), INSTRUCTION), "face_view is uint8 of"),
    "a picture that is a list": (lambda p: p.act(with_image(PICTURE.tolist()), INSTRUCTION), "face_view is"),
    "no picture": (lambda p: p.act(with_image(None), INSTRUCTION), "face_view is"),
    "a picture without pixels": (lambda p: p.act(with_image(PICTURE[:0, :0]), INSTRUCTION), "face_view has 0 x 0"),
    "a picture of ten pixels": (lambda p: p.act(with_image(PICTURE[:10, :10]), INSTRUCTION), "face_view has 10 x 10"),
    "no state": (lambda p: p.act(replace(SEEN, state=None), INSTRUCTION), "two arrays"),
    "a short state": (
        lambda p: p.act(replace(SEEN, state=SEEN.state[:7], state_mask=SEEN.state_mask[:7]), INSTRUCTION),
        "The state has 7 numbers",
    ),
    "a state in words": (lambda p: p.act(replace(SEEN, state=np.array(["a"] * 20)), INSTRUCTION), "The state is <U1"),
    "a narrow previous chunk": (
        lambda p: p.act(SEEN, INSTRUCTION, previous=PreviousChunk(np.zeros((4, 7)), 1)),
        "The previous chunk is of shape (4, 7)",
    ),
    "a previous chunk without numbers": (
        lambda p: p.act(SEEN, INSTRUCTION, previous=PreviousChunk(np.full((4, 20), np.nan), 1)),
        "finite",
    ),
    "a previous chunk in words": (lambda p: p.act(SEEN, INSTRUCTION, previous=PreviousChunk("far", 1)), "no number"),
    "steps committed in words": (
        lambda p: p.act(SEEN, INSTRUCTION, previous=PreviousChunk(np.zeros((4, 20)), "two")),
        "no number",
    ),
    "pictures without names": (lambda p: p.act(replace(SEEN, images=[PICTURE]), INSTRUCTION), "The views are list"),
    "a previous chunk as it is": (lambda p: p.act(SEEN, INSTRUCTION, previous=np.zeros((4, 20))), "chunk is ndarray"),
}  # fmt: skip


@pytest.mark.parametrize("call, message", ACTS.values(), ids=ACTS)
def test_a_policy_refuses(policy, call, message):
    refused(lambda: call(policy), message)
    assert np.isfinite(policy.act(SEEN, INSTRUCTION, steps=np.int64(1), seed=np.int64(3))).all(), "it works afterwards"


PROMPTS = {
    "no views": (dict(views=[]), "The views of the prompt are []"),
    "views that are a text": (dict(views="face_view"), "The views of the prompt are 'face_view'"),
    "views that are numbers": (dict(views=[1]), "The views of the prompt are [1]"),
    "unknown views": (dict(views=["back_view"]), "The observation has no back_view"),
    "no instructions": (dict(instructions=None), "The instructions are None"),
    "an instruction that is none": (dict(instructions=[None]), "Among the instructions is None"),
    "half a character": (dict(instructions=HALF), "half a character"),
    "half a character in an answer": (dict(kind="reason", answers=[HALF]), "half a character"),
    "no observations": (dict(observations=[]), "0 observations"),
    "observations that are none": (dict(observations=[1]), "Among the observations is 1"),
    "None to see": (dict(observations=None), "The observations are None"),
    "too many instructions": (dict(instructions=[INSTRUCTION] * 3), "1 observations, 3 instructions"),
    "a kind that is a list": (dict(kind=["act"]), "Kind ['act']"),
    "answers of another kind": (dict(kind="reason", answers=[1]), "Among the answers is 1"),
    "a video that is a picture": (dict(videos=[PICTURE]), "A video is uint8 of shape (56, 56, 3)"),
    "a video that is a path": (dict(videos=["clip.mp4"]), "Among the videos is 'clip.mp4'"),
    "a video without frames": (dict(videos=[np.zeros((0, 56, 56, 3), np.uint8)]), "A video is uint8"),
    "time that goes back": (dict(videos=[PICTURE[None]], frame_period=-1.0), "frame_period is -1.0"),
}


@pytest.mark.parametrize("given, message", PROMPTS.values(), ids=PROMPTS)
def test_a_processor_refuses(processor, given, message):
    given = {"observations": SEEN, "instructions": INSTRUCTION} | given
    refused(lambda: processor(given.pop("observations"), given.pop("instructions"), **given), message)


@pytest.mark.parametrize(
    "changes, message",
    [({"views": ["back_view"]}, "no words for the view 'back_view'"), ({"image_size": 50}, "image_size 50")],
)
def test_a_checkpoint_that_cannot_be_shown_anything_is_refused_at_once(folder, tmp_path, changes, message):
    shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config | changes))
    refused(lambda: Policy.from_pretrained(tmp_path / "copy"), message)


def test_a_view_without_words_is_refused(processor):
    obs = replace(SEEN, images={"back_view": PICTURE})
    refused(lambda: processor(obs, INSTRUCTION, views=["back_view"]), "There are no words for the view 'back_view'")


def short(key: str, *index):
    return lambda b: b.update({key: b[key][index]})


BATCHES = {
    "no tokens": (lambda b: b.pop("input_ids"), "has no input_ids"),
    "empty prompts": (lambda b: b.update(input_ids=b["input_ids"][:, :0]), "input_ids is of shape (1, 0)"),
    "no prompts": (lambda b: b.update(input_ids=b["input_ids"][:0]), "input_ids is of shape (0, "),
    "tokens that are a list": (lambda b: b.update(input_ids=b["input_ids"].tolist()), "a tensor was expected"),
    "tokens with fractions": (lambda b: b.update(input_ids=b["input_ids"].float()), "input_ids is torch.float32"),
    "a token too high": (lambda b: b["input_ids"].__setitem__((0, 0), 96), "to 96; 0 to 95 can be used"),
    "a negative token": (lambda b: b["input_ids"].__setitem__((0, 0), -1), "input_ids holds -1 to"),
    "no mask of freedoms": (lambda b: b.pop("dof_mask"), "has no dof_mask"),
    "a narrow mask": (short("dof_mask", slice(None), slice(None), slice(7)), "dof_mask is (1, 4, 7)"),
    "two masks": (lambda b: b.update(dof_mask=b["dof_mask"].repeat(2, 1, 1)), "dof_mask is (2, 4, 20)"),
    "narrow noise": (short("noise", slice(None), slice(None), slice(7)), "noise is (1, 4, 7)"),
    "much noise": (lambda b: b.update(noise=b["noise"].repeat(2, 1, 1)), "noise is (2, 4, 20)"),
    "narrow chunks": (short("action_chunk", slice(None), slice(None), slice(7)), "action_chunk is (1, 4, 7)"),
    "no mask of the state": (lambda b: b.pop("agent_pos_mask"), "has no agent_pos_mask"),
    "a narrow state": (short("proprioception", slice(None), slice(None), slice(7)), "proprioception is (1, 1, 7)"),
    "no pixels": (lambda b: b.pop("pixel_values"), "has no pixel_values"),
    "a grid of two numbers": (short("image_grid_thw", slice(None), slice(2)), "image_grid_thw is (1, 2)"),
    "a mask of another length": (short("attention_mask", slice(None), slice(3)), "attention_mask is (1, 3)"),
    "a mask that is a list": (lambda b: b.update(attention_mask=[[1]]), "attention_mask is [[1]]"),
    "types of another length": (
        lambda b: b.update(moe_token_types=b["input_ids"][:, :3]), "moe_token_types is (1, 3)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("change, message", BATCHES.values(), ids=BATCHES)
def test_a_network_refuses(change, message):
    model, batch = small_model(), make_batch(torch.tensor([row([5, 6])]))
    change(batch)
    refused(lambda: model.sample_actions(batch, steps=1), message)
    refused(lambda: model(batch), message)


ANYTHING = [
    1, "x", [1], {}, torch.tensor(1.0), torch.zeros(0), torch.zeros(2), torch.zeros(2, 1), torch.zeros(2, 1, 1),
    torch.zeros(2, 4, 20).int(), torch.zeros(2, 14).bool(), torch.full((2, 14), -1), torch.full((2, 14), 10**9),
    torch.tensor([[1, -4, -4]] * 2), torch.zeros(2, 14, dtype=torch.complex64), torch.zeros(3, 4, 20),
    torch.full((2, 4, 20), float("nan")), np.zeros((2, 4, 20)),
]  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [*make_batch(torch.tensor([row([5, 6])])), "labels", "moe_token_types", "video_grid_thw", "second_per_grid_ts"],
)
def test_whatever_is_in_a_batch_nothing_but_a_refusal_comes_of_it(key):
    model, batch = small_model(), make_batch(torch.tensor([row([5, 6]), row([7, 8])]))
    for value in ANYTHING:
        for call in (model, lambda b: model.sample_actions(b, steps=1), lambda b: model.generate(b, 1)):
            with suppress(WallOSSError):
                call({**batch, key: value})


NETWORKS = {
    "no batch": (lambda m, b: m(None), "A batch is None"),
    "negative steps": (lambda m, b: m.sample_actions(b, steps=-1), "-1 flow steps"),
    "no steps": (lambda m, b: m.sample_actions(b, steps=0), "0 flow steps"),
    "many times": (lambda m, b: m(b, time=torch.zeros(2)), "time is (2,)"),
    "labels too high": (lambda m, b: m({**b, "labels": b["input_ids"] + 90}), "labels holds "),
    "no new tokens": (lambda m, b: m.generate(b, 0), "0 new tokens"),
    "new tokens in words": (lambda m, b: m.generate(b, "many"), "'many' new tokens"),
    "endless new tokens": (lambda m, b: m.generate(b, 10**12), "1000000000000 new tokens"),
    "an end in words": (lambda m, b: m.generate(b, 2, eos="stop"), "eos is 'stop'"),
    "a huge seed": (lambda m, b: TokenChoice(1.0, seed=1 << 70), "seed is"),
    "temperature in words": (lambda m, b: TokenChoice("hot"), "temperature is 'hot'"),
    "top_p in words": (lambda m, b: TokenChoice(1.0, top_p=None), "top_p is None"),
    "tokens allowed that are none": (lambda m, b: m.generate(b, 2, choose=TokenChoice(allowed=[500])), "500"),
}


@pytest.mark.parametrize("call, message", NETWORKS.values(), ids=NETWORKS)
def test_a_network_refuses_arguments(call, message):
    model, batch = small_model(), make_batch(torch.tensor([row([5, 6])]))
    refused(lambda: call(model, batch), message)


PLACES = {
    "None": ((None,), {}, "None names no folder"),
    "a number": ((3,), {}, "3 names no folder"),
    "a zero byte": (("a\0b",), {}, "no folder"),
    "nobody's home": (("~nobody-has-this-name/x",), {}, "names no folder"),
    "nothing": (("",), {}, "no folder"),
    "a type by name": ((), {"dtype": "bfloat16"}, "dtype is 'bfloat16'"),
    "whole numbers": ((), {"dtype": torch.int16}, "dtype is torch.int16"),
    "a device without one": ((), {"device": "cuda:77"}, "The device 'cuda:77' cannot be used"),
    "a device that is none": ((), {"device": "gpu"}, "The device 'gpu' cannot be used"),
    "a device that is an object": ((), {"device": object()}, "cannot be used"),
}


@pytest.mark.parametrize("args, options, message", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("kind", [WallOSS, Policy])
def test_loading_refuses(folder, kind, args, options, message):
    refused(lambda: kind.from_pretrained(*(args or (folder,)), **options), message)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_named(folder):
    refused(lambda: Policy.from_pretrained(folder, device="cuda"), "The device 'cuda' cannot be used")


@pytest.mark.parametrize("options, message", [({"threads": "all"}, "threads is 'all'"), ({"robot": 7}, "robot 7"),
                                              ({"profile": "franka"}, "The profile is str"),
                                              ({"attention": None}, "attention backend None")])  # fmt: skip
def test_a_policy_refuses_to_load(folder, options, message):
    refused(lambda: Policy.from_pretrained(folder, **options), message)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.float8_e4m3fn])
def test_quantised_weights_are_refused(folder, tmp_path, kind):
    shutil.copytree(folder, tmp_path / "copy")
    name = "model.layers.0.moe.experts.0.up_proj.weight"
    rewrite(tmp_path / "copy", lambda t: t.update({name: t[name].to(kind)}))
    for strict in (True, False):
        refused(lambda strict=strict: WallOSS.from_pretrained(tmp_path / "copy", strict=strict), f"{name} is {kind}")


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    def adapt(model):
        model.lm_head.lora_A = torch.nn.Linear(1, 1)  # as peft adds them

    changes = {
        "has adapters, such as lm_head.lora_A": adapt,
        "unknown tensors: model.more.weight": lambda m: m.model.add_module("more", torch.nn.Linear(1, 1, bias=False)),
        "lm_head.weight (3, 32) instead of": lambda m: setattr(m, "lm_head", torch.nn.Linear(32, 3, bias=False)),
        "views is []": lambda m: setattr(m.config, "views", []),
        "sampling_temperature is 'cold'": lambda m: m.config.extra.update(sampling_temperature="cold"),
    }
    for message, change in changes.items():
        model = small_model()
        change(model)
        refused(lambda model=model: model.save_pretrained(tmp_path / "saved"), message)
        assert not (tmp_path / "saved").exists()
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", None, "a\0b"):
        refused(lambda place=place: small_model().save_pretrained(place), "cannot be written")


UNITS = {
    "a wrong kind": (lambda n: Normalizer(np.zeros(2), np.ones(2), "std"), "kind 'std'"),
    "a wrong kind to store": (lambda n: Statistics().set("a", torch.ones(2), torch.ones(2), "std"), "kind 'std'"),
    "narrow values": (lambda n: n.normalize(np.zeros((4, 1))), "shape (4, 1)"),
    "wide chunks": (lambda n: n.denormalize(np.zeros((4, 3))), "shape (4, 3)"),
    "a narrow mask": (lambda n: n.normalize(np.zeros(2), np.ones(1, bool)), "shape (1,)"),
}


@pytest.mark.parametrize("call, message", UNITS.values(), ids=UNITS)
def test_a_normalizer_refuses(call, message):
    refused(lambda: call(Normalizer(np.zeros(2), np.ones(2))), message)


PICTURES = {
    "16 bits": (lambda: {"face_view": Image.fromarray(np.full((56, 56), 40000, np.uint16))}, "mode I;16"),
    "32 bits": (lambda: {"face_view": Image.new("I", (56, 56))}, "mode I,"),
    "fractions": (lambda: {"face_view": Image.new("F", (56, 56))}, "mode F,"),
    "no pixels": (lambda: {"face_view": Image.new("RGB", (0, 0))}, "0 x 0 pixels"),
    "ten pixels": (lambda: {"face_view": Image.new("RGB", (10, 10))}, "10 x 10 pixels"),
    "one line": (lambda: {"face_view": Image.new("RGB", (640, 1))}, "640 x 1 pixels"),
    "uint16": (lambda: {"face_view": np.zeros((56, 56, 3), np.uint16)}, "face_view is uint16"),
    "nothing": (lambda: {"face_view": None}, "face_view is object"),
    "rows of several lengths": (lambda: {"face_view": [[1], [1, 2]]}, "face_view"),
    "no dictionary": (lambda: [PICTURE], "The views are list"),
}


@pytest.mark.parametrize("images, message", PICTURES.values(), ids=PICTURES)
def test_pictures_that_show_nothing_are_refused(images, message):
    refused(lambda: Observation.of(images()), message)


def test_pictures_are_turned_as_their_exif_says():
    picture = Image.fromarray(PICTURE[:28])
    picture.getexif()[0x0112] = 6  # a quarter turn clockwise is wanted
    turned = Observation.of({"face_view": picture}).images["face_view"]
    assert np.array_equal(turned, np.rot90(PICTURE[:28], -1))
