# SPDX-License-Identifier: Apache-2.0
"""FAST tokens: the published format, round trips within the bound, nonsense refused, chunks through a language head."""

import json
import math

import numpy as np
import pytest
import torch
from fast_support import ARM, DOF_MASK, HORIZON, smooth_chunks, tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.action_vocabulary import ActionVocabulary, add_action_tokens, generate_chunks
from wall_oss_ros.model.fast import FastTokenizer, NotAChunk, cosines, largest_error
from wall_oss_ros.training.tokenizer import train_tokenizer

pytestmark = pytest.mark.slow

SIZES = dict(min_dims=2, max_dims=2, min_side=1, max_side=16)
CHUNKS = hnp.arrays(np.float64, hnp.array_shapes(**SIZES), elements=st.floats(-1, 1))
FITTED = {scale: FastTokenizer.fit([*smooth_chunks(60), np.zeros((16, 1))], 300, scale) for scale in (3.0, 10.0, 40.0)}


def coefficients(chunk: np.ndarray) -> np.ndarray:
    """The orthonormal DCT-II by its textbook sum."""
    steps = len(chunk)
    return np.array(
        [
            math.sqrt((2 if k else 1) / steps)
            * sum(chunk[t] * math.cos(math.pi * k * (2 * t + 1) / (2 * steps)) for t in range(steps))
            for k in range(steps)
        ]
    )


def publish(folder, chunks, **changes) -> dict:
    """A folder as the published code writes it, made with the same trainer and settings; returns its config."""
    rounded = [np.around(coefficients(chunk) * 10).astype(int).ravel() for chunk in chunks]
    least, most = min(map(min, rounded)), max(map(max, rounded))
    bpe = ByteLevelBPETokenizer()
    alphabet = [chr(code) for code in range(most - least + 1)]
    bpe._tokenizer.train_from_iterator(
        ("".join(chr(number - least) for number in chunk) for chunk in rounded),
        BpeTrainer(vocab_size=320, min_frequency=2, special_tokens=[], initial_alphabet=alphabet,
                   max_token_length=10000, show_progress=False),
    )  # fmt: skip
    bpe.save(str(folder / "tokenizer.json"))
    config = {
        "action_dim": None,
        "auto_map": {"AutoProcessor": "processing_action_tokenizer.UniversalActionProcessor"},
        "min_token": int(least),
        "processor_class": "UniversalActionProcessor",
        "scale": 10,
        "time_horizon": None,
        "vocab_size": 320,
        **changes,
    }
    (folder / "processor_config.json").write_text(json.dumps(config))
    (folder / "processing_action_tokenizer.py").write_text("raise SystemExit('this must never run')")
    return config


def test_reads_the_published_format(tmp_path):
    chunks = smooth_chunks(40)
    config = publish(tmp_path, chunks)
    fast, raw = FastTokenizer.from_pretrained(tmp_path), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert (fast.scale, fast.min_token) == (10, config["min_token"])
    for chunk in chunks[:5]:
        text = raw.decode(fast.encode(chunk), skip_special_tokens=False)
        numbers = np.array([ord(character) for character in text]) + config["min_token"]
        assert (numbers == np.around(coefficients(chunk) * 10).ravel()).all()  # by frequency, then by joint
        assert np.abs(fast.decode(fast.encode(chunk), *chunk.shape) - chunk).max() <= largest_error(HORIZON, 10)


def test_coefficients_are_written_lowest_frequency_first():
    """One token a character, code N at id N, so that the tokens show the layout."""
    vocabulary = {chr(code): code for code in range(40)}
    bpe = Tokenizer(BPE(vocabulary, []))
    bpe.decoder = Fuse()
    fast = FastTokenizer(bpe, scale=10, min_token=-15)
    still = np.array([[1.0, -0.5]] * 2)  # constant: sqrt(2) * value at frequency 0, nothing at 1
    assert fast.encode(still) == [15 + 14, 15 - 7, 15, 15]
    moving = np.array([[1.0, 0.0], [-1.0, 0.0]])  # sqrt(2) at frequency 1 of the first
    assert fast.encode(moving) == [15, 15, 15 + 14, 15]
    assert np.allclose(fast.decode([29, 8, 15, 15], 2, 2), [[0.99, -0.495]] * 2, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(CHUNKS, st.sampled_from(sorted(FITTED)))
def test_any_normalised_chunk_comes_back_within_the_bound(chunk, scale):
    fast = FITTED[scale]
    tokens = fast.encode(chunk)
    assert len(tokens) <= fast.longest(*chunk.shape)
    error = np.abs(fast.decode(tokens, *chunk.shape) - chunk)
    assert error.max() <= largest_error(len(chunk), scale) + 1e-6
    assert (np.sqrt((error**2).mean(0)) <= 1 / (2 * scale) + 1e-6).all()


def test_the_bound_is_reached():
    """Rounding errors of half a unit whose cosines all add up at one step."""
    matrix, scale = cosines(8), 10.0
    worst = int(np.abs(matrix).sum(0).argmax())
    chunk = matrix.T @ (0.4999 / scale * np.sign(matrix[:, worst]))[:, None]
    fast = FITTED[scale]
    error = np.abs(fast.decode(fast.encode(chunk), 8, 1) - chunk).max()
    assert 0.99 * largest_error(8, scale) < error <= largest_error(8, scale)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-3, 400), max_size=70), st.integers(1, 12), st.integers(1, 7))
def test_any_stream_is_a_bounded_chunk_or_refused(tokens, horizon, width):
    fast = FITTED[10.0]
    try:
        chunk = fast.decode(tokens, horizon, width)
    except NotAChunk:
        return
    assert chunk.shape == (horizon, width) and np.abs(chunk).max() <= 1 + largest_error(horizon, 10) + 1e-5


def test_nonsense_is_refused():
    fast = FITTED[10.0]
    good = fast.encode(smooth_chunks(1)[0])
    zero = fast.bpe.encode(chr(-fast.min_token)).ids
    huge = fast.bpe.encode(chr(200 - fast.min_token)).ids  # a coefficient of 20 where sqrt(8) is the most
    lead = fast.bpe.token_to_id("Ã")  # the first byte of two
    for tokens, message in [
        (good[:-1], "coefficients, 8 steps of 7 need 56"),
        ([], "0 coefficients"),
        ([*good, *good], "112 coefficients"),
        ([*good[:-1], fast.vocab_size], "none of the"),
        ([-1], "-1 is none of the"),
        ([lead] + zero * 55, "no text"),
        (zero * 55 + huge, "beyond 1"),
    ]:
        with pytest.raises(NotAChunk, match=message):
            fast.decode(tokens, HORIZON, 7)
    assert np.abs(fast.decode(zero * 55 + huge, HORIZON, 7, limit=None)).max() > 2


def test_fitting_makes_short_codes_and_saving_keeps_them(tmp_path):
    fast = FastTokenizer.fit(smooth_chunks(200), 500)
    fast.horizon, fast.width = HORIZON, 7
    fresh = smooth_chunks(20, seed=9)
    codes = [fast.encode(chunk) for chunk in fresh]
    assert np.mean([len(code) for code in codes]) < 0.6 * HORIZON * 7
    fast.save(tmp_path / "a")
    again = FastTokenizer.from_pretrained(tmp_path / "a")
    assert [again.encode(chunk) for chunk in fresh] == codes
    assert (again.decode(codes[0]) == fast.decode(codes[0])).all()
    with pytest.raises(WallOSSError, match=r"\(8, 7\) was expected"):
        again.encode(fresh[0][:4])
    with pytest.raises(WallOSSError, match="cannot be written"):
        fast.save("/dev/null/a")


def test_newer_layouts_are_read_too(tmp_path):
    publish(tmp_path, smooth_chunks(20))
    plain = FastTokenizer.from_pretrained(tmp_path)
    (tmp_path / "bpe_tokenizer").mkdir()
    (tmp_path / "tokenizer.json").rename(tmp_path / "bpe_tokenizer" / "tokenizer.json")
    chunk = smooth_chunks(1)[0]
    assert FastTokenizer.from_pretrained(tmp_path).encode(chunk) == plain.encode(chunk)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"scale": 0}, "scale 0"),
        ({"scale": "10"}, "scale '10'"),
        ({"min_token": None}, "min_token None"),
        ({"time_horizon": 0.5}, "0.5"),
        ({"action_dim": -7}, "-7"),
        ({"vocab_size": 100}, "processor_config.json says 100"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, changes, message):
    publish(tmp_path, smooth_chunks(10), **changes)
    with pytest.raises(WallOSSError, match=message):
        FastTokenizer.from_pretrained(tmp_path)


def test_damaged_files_are_refused(tmp_path):
    publish(tmp_path, smooth_chunks(10))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WallOSSError, match="holds no FAST tokenizer"):
        FastTokenizer.from_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text("[1]")
    with pytest.raises(WallOSSError, match="holds no FAST tokenizer"):
        FastTokenizer.from_pretrained(tmp_path)


def test_chunks_that_cannot_be_written_are_refused(tmp_path):
    publish(tmp_path, smooth_chunks(10))
    fast, published = FITTED[10.0], FastTokenizer.from_pretrained(tmp_path)
    with pytest.raises(WallOSSError, match="begins at"):
        fast.encode(np.full((16, 1), -3.0))
    with pytest.raises(WallOSSError, match="not finite"):
        fast.encode(np.full((4, 2), np.nan))
    with pytest.raises(WallOSSError, match="shape"):
        fast.encode(np.zeros(4))
    with pytest.raises(WallOSSError, match="no token for some coefficient"):
        published.encode(np.full((100, 1), 0.9))  # its trainer never saw so large a one
    for chunks, message in [([], "no chunks"), ([np.full((2, 2), np.inf)], "finite"), ([np.zeros(3)], "finite")]:
        with pytest.raises(WallOSSError, match=message):
            FastTokenizer.fit(chunks)
    with pytest.raises(WallOSSError, match="vocab_size 100"):
        FastTokenizer.fit(smooth_chunks(2), 100)


# Through the language model.


@pytest.fixture(scope="module")
def parts():
    return tiny()


def test_words_and_chunks_translate(parts):
    _, words, language = parts
    chunk = np.zeros((HORIZON, 20))
    chunk[:, ARM] = smooth_chunks(1, seed=4)[0]
    answer = words.encode(chunk, DOF_MASK)
    spelled = [language.id_to_token(word) for word in answer]
    tokens = words.fast.encode(chunk[:, ARM])
    assert spelled == [f"<|action_token_{token}|>" for token in tokens] + ["<|im_end|>"]
    assert language.encode(words.spell(chunk, DOF_MASK)).ids == answer[:-1]
    decoded = words.decode([*answer, 5, 6], HORIZON, DOF_MASK)
    assert not decoded[:, ~DOF_MASK].any()
    assert np.abs(decoded - chunk).max() <= largest_error(HORIZON, 10)
    with pytest.raises(NotAChunk, match="no end after"):
        words.decode(answer[:-1], HORIZON, DOF_MASK)
    with pytest.raises(NotAChunk, match="token 5 of the language model"):
        words.decode([5, *answer], HORIZON, DOF_MASK)


def test_a_language_model_without_the_tokens_is_refused(parts):
    language = train_tokenizer(["done"] * 3, 330)
    add_action_tokens(language, 100)
    with pytest.raises(WallOSSError, match=r"has no <\|action_token_100\|>"):
        ActionVocabulary(parts[1].fast, language)


def test_a_random_network_says_nonsense_and_is_refused(parts):
    model, words, _ = parts
    batch = {"input_ids": torch.tensor([[4, 5, 6]])}
    for choose in (None, words.choice(temperature=1.0, seed=0)):
        with pytest.raises(NotAChunk):
            generate_chunks(model, batch, words, DOF_MASK, choose)


def test_a_network_learns_two_chunks_and_says_them(parts):
    """Two prompts of different length, two motions; then from a padded batch, with and without the cache."""
    torch.manual_seed(0)
    model, words, language = tiny()
    chunks = np.zeros((2, HORIZON, 20))
    chunks[:, :, ARM] = smooth_chunks(2, seed=5)
    prompts = [language.encode(text).ids for text in ("pick up", "pick up the red cube")]
    answers = [words.encode(chunk, DOF_MASK) for chunk in chunks]
    pad, width = model.config.pad_token_id, max(len(p) + len(a) for p, a in zip(prompts, answers))
    ids, labels = torch.full((2, width), pad), torch.full((2, width), -100)
    for row, (prompt, answer) in enumerate(zip(prompts, answers)):
        ids[row, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(100):
        loss = model({"input_ids": ids, "attention_mask": (ids != pad).long(), "labels": labels}).cross_entropy_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break
    longest = max(map(len, prompts))
    for side in ("left", "right"):
        rows = [[pad] * (longest - len(p)) + p if side == "left" else p + [pad] * (longest - len(p)) for p in prompts]
        batch = {"input_ids": torch.tensor(rows), "attention_mask": (torch.tensor(rows) != pad).long()}
        for choose, use_cache in ((None, True), (None, False), (words.choice(0.3, 0.9, seed=1), True)):
            said = generate_chunks(model, batch, words, DOF_MASK, choose, use_cache).numpy()
            assert np.abs(said - chunks).max() <= largest_error(HORIZON, 10)
    assert np.abs(chunks[0] - chunks[1]).max() > 3 * largest_error(HORIZON, 10)
