# SPDX-License-Identifier: Apache-2.0
"""FAST: an action chunk as a short list of tokens (arXiv 2501.09747).

Each degree of freedom's course over time is transformed into cosines (orthonormal DCT-II), the coefficients are scaled
and rounded, and written out lowest frequency first, within a frequency by degree of freedom. Each integer becomes the
character with that code, counted from the least one, and byte-pair encoding shortens the text.

A tokenizer is data, a folder of two files as physical-intelligence/fast has them: ``tokenizer.json`` (the byte-pair
encoding) and ``processor_config.json`` (scale, min_token, vocab_size, and perhaps time_horizon and action_dim). The
Python file that is published beside them is never read.

Rounding moves each coefficient by at most 1 / (2 * scale). The transform C being orthonormal, the root mean square
error of a degree of freedom over a chunk is at most that too, and the error at step t at most the sum over frequencies
k of abs(C[k, t]) / (2 * scale): see :func:`largest_error`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

BYTES = 256
"""Entries that any byte-level vocabulary starts with."""
_CODES = 0xD800  # characters from here on are surrogates, which no text can hold


class NotAChunk(WallOSSError):
    """Tokens that encode no normalised action chunk. The robot has to hold."""

    def __init__(self, problem: str):
        super().__init__(
            f"The action tokens make no action chunk: {problem}.",
            "Observe again; if it persists, the checkpoint does not fit this robot or this FAST tokenizer.",
        )


@lru_cache(maxsize=8)
def cosines(horizon: int) -> np.ndarray:
    """The orthonormal DCT-II as a matrix C (frequency, time): C @ x transforms, C.T @ y transforms back."""
    from scipy.fft import dct  # only here: importing it takes 0.4 s, which models with a flow head need not spend

    return dct(np.eye(horizon), norm="ortho", axis=0)


def _coefficients(chunk: np.ndarray, scale: float) -> np.ndarray:
    """(T, D) -> (T * D,) integers, lowest frequency first."""
    return np.around(cosines(len(chunk)) @ chunk * scale).astype(np.int64).ravel()


def largest_error(horizon: int, scale: float) -> float:
    """How far a decoded value can be from the encoded one; see the module."""
    return float(np.abs(cosines(horizon)).sum(0).max() / (2 * scale))


def by_bytes() -> pre_tokenizers.ByteLevel:
    """Each byte of a text as one character, nothing split off."""
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def train_bpe(texts: Iterable[str], vocab_size: int, split: pre_tokenizers.PreTokenizer) -> Tokenizer:
    """Byte-level byte-pair encoding for these texts; ``split`` ends in :func:`by_bytes`."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = split, decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return bpe


class FastTokenizer:
    """Encodes and decodes normalised chunks (T, D): T steps of D degrees of freedom, those that the robot has."""

    def __init__(
        self, bpe: Tokenizer, scale: float, min_token: int, horizon: int | None = None, width: int | None = None
    ):
        """
        Args:
            bpe: byte-pair encoding over characters.
            scale: what coefficients are multiplied with before rounding.
            min_token: the rounded coefficient that becomes character 0.
            horizon, width: T and D where they are fixed, else None.
        """
        self.bpe, self.scale, self.min_token, self.horizon, self.width = bpe, scale, min_token, horizon, width
        self._known = set(bpe.get_vocab().values())
        self.vocab_size: int = 1 + max(self._known, default=-1)

    def encode(self, chunk: np.ndarray) -> list[int]:
        """The tokens of a chunk (T, D), normalised to [-1, 1].

        Raises:
            WallOSSError: the chunk is not finite, of another size than the tokenizer's, or beyond what it can encode.
        """
        chunk = np.asarray(chunk, np.float64)
        own = (self.horizon, self.width)
        if chunk.ndim != 2 or not chunk.size or any(w not in (None, n) for w, n in zip(own, chunk.shape)):
            raise WallOSSError(
                f"The chunk has shape {chunk.shape}; (steps, degrees of freedom) = "
                f"({own[0] or 'any'}, {own[1] or 'any'}) was expected.",
                "Encode the chunk of one robot, without the degrees of freedom it does not have.",
            )
        if not np.isfinite(chunk).all():
            raise WallOSSError("The chunk is not finite.", "Check the dataset and its statistics.")
        codes = _coefficients(chunk, self.scale) - self.min_token
        if codes.min() < 0 or codes.max() >= _CODES:
            raise WallOSSError(
                f"The chunk has a coefficient of {codes.min() + self.min_token} to {codes.max() + self.min_token}; "
                f"this FAST tokenizer begins at {self.min_token}.",
                "Normalise chunks to [-1, 1], or fit a tokenizer to this dataset.",
            )
        text = "".join(map(chr, codes))
        tokens = self.bpe.encode(text, add_special_tokens=False).ids
        if self.bpe.decode(tokens, skip_special_tokens=False) != text:
            raise WallOSSError(
                "This FAST tokenizer has no token for some coefficient of the chunk.",
                "Fit a tokenizer to this dataset.",
            )
        return tokens

    def decode(
        self, tokens: Sequence[int], horizon: int | None = None, width: int | None = None, limit: float | None = 1.0
    ) -> np.ndarray:
        """The chunk (T, D) float32 that the tokens encode, within [-limit, limit] but for rounding.

        Args:
            horizon, width: T and D; the tokenizer's own when None.
            limit: largest magnitude of a normalised value; one that exceeds it by more than rounding explains is
                refused. None accepts any.

        Raises:
            NotAChunk: an unknown token, bytes that are not text, a wrong number of coefficients, a value out of range.
        """
        horizon, width = horizon or self.horizon, width or self.width
        if not horizon or not width:
            raise WallOSSError("The size of the chunk is not known.", "Give horizon and width.")
        unknown = [token for token in tokens if token not in self._known]
        if unknown:
            raise NotAChunk(f"{unknown[0]} is none of the {self.vocab_size} tokens")
        text = self.bpe.decode(list(tokens), skip_special_tokens=False)
        if "\N{REPLACEMENT CHARACTER}" in text:
            raise NotAChunk("their bytes are no text")
        if len(text) != horizon * width:
            raise NotAChunk(f"they hold {len(text)} coefficients, {horizon} steps of {width} need {horizon * width}")
        codes = np.fromiter(map(ord, text), np.int64, len(text)) + self.min_token
        chunk = cosines(horizon).T @ (codes.reshape(horizon, width) / self.scale)
        reach = float(np.abs(chunk).max())
        if limit is not None and reach > limit + largest_error(horizon, self.scale) + 1e-6:
            raise NotAChunk(f"a value of {reach:.3g} is beyond {limit:g} by more than rounding explains")
        return chunk.astype(np.float32)

    def longest(self, horizon: int, width: int, limit: float = 1.0) -> int:
        """Tokens that an encoding can have at most: one a byte. No coefficient of a chunk exceeds limit * sqrt(T)."""
        top = int(np.ceil(self.scale * limit * np.sqrt(horizon))) - self.min_token
        return horizon * width * len(chr(min(max(top, 0), _CODES - 1)).encode())

    @classmethod
    def fit(cls, chunks: Iterable[np.ndarray], vocab_size: int = 1024, scale: float = 10.0) -> FastTokenizer:
        """Makes a tokenizer for a dataset.

        Any chunk in [-1, 1] of these sizes can be encoded afterwards: by Parseval no coefficient exceeds sqrt(T), and
        every byte is in the vocabulary.

        Args:
            chunks: (T, D) each, normalised, without the degrees of freedom that the robot does not have.
            vocab_size: at least 256; the paper takes 1024 for one dataset.
            scale: the paper's 10; larger is more exact, with more tokens.

        Raises:
            WallOSSError: there are no chunks, they are not finite matrices, or a setting is out of its range.
        """
        if vocab_size < BYTES or not 0 < scale < float("inf"):
            raise WallOSSError(
                f"vocab_size {vocab_size} and scale {scale} cannot be used.",
                f"Take at least {BYTES} tokens and a positive scale; 1024 and 10 are usual.",
            )
        codes, horizon = [], 0
        for chunk in chunks:
            chunk = np.asarray(chunk, np.float64)
            if chunk.ndim != 2 or not chunk.size or not np.isfinite(chunk).all():
                raise WallOSSError("A chunk is not a finite matrix (steps, degrees of freedom).", "Check the dataset.")
            codes.append(_coefficients(chunk, scale))
            horizon = max(horizon, len(chunk))
        if not codes:
            raise WallOSSError("There are no chunks to fit a FAST tokenizer to.", "Give a dataset's chunks.")
        least = min(-int(np.ceil(scale * np.sqrt(horizon))), *(int(code.min()) for code in codes))
        if max(int(code.max()) for code in codes) - least >= _CODES:
            raise WallOSSError("The chunks' coefficients span too many integers.", "Normalise them, or lower scale.")
        texts = ("".join(map(chr, code - least)) for code in codes)
        return cls(train_bpe(texts, vocab_size, by_bytes()), scale, least)

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the two files, and one that lets transformers read the first.

        Raises:
            WallOSSError: they cannot be written.
        """
        try:
            self._write(Path(folder))
        except Exception as error:  # the tokenizers library raises no more particular one
            raise WallOSSError(
                f"{brief(folder)} cannot be written: {error}.", "Name a folder on a disk with room."
            ) from None

    def _write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bpe.save(str(folder / "tokenizer.json"))
        config = {
            "processor_class": "UniversalActionProcessor",
            "scale": self.scale,
            "min_token": self.min_token,
            "vocab_size": self.vocab_size,
            "time_horizon": self.horizon,
            "action_dim": self.width,
        }
        (folder / "processor_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        reading = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
        (folder / "tokenizer_config.json").write_text(json.dumps(reading, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike) -> FastTokenizer:
        """Reads a folder, or a repository on the Hugging Face hub such as ``physical-intelligence/fast``.

        Raises:
            WallOSSError: a file is missing, damaged, or says something impossible.
        """
        from wall_oss_ros.model.checkpoint import locate

        folder = locate(path)
        nested = folder / "bpe_tokenizer"  # where newer versions of transformers save it
        file = (nested if nested.is_dir() else folder) / "tokenizer.json"
        try:
            values = dict(json.loads((folder / "processor_config.json").read_text(encoding="utf-8")))
            bpe = Tokenizer.from_file(str(file))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise WallOSSError(
                f"{folder} holds no FAST tokenizer: {error}.",
                "processor_config.json and tokenizer.json are needed, as in physical-intelligence/fast.",
            ) from None
        scale, least, size = (values.get(key) for key in ("scale", "min_token", "vocab_size"))
        sizes = [values.get(key) for key in ("time_horizon", "action_dim")]
        counts = [value for value in (size, *sizes) if value is not None]
        usable = type(scale) in (int, float) and 0 < scale < float("inf") and type(least) is int
        if not usable or any(type(value) is not int or value < 1 for value in counts):
            raise WallOSSError(
                f"{folder / 'processor_config.json'}: scale {scale!r}, min_token {least!r}, vocab_size {size!r}, "
                f"time_horizon and action_dim {sizes!r}; a positive scale and integers were expected.",
                "Fetch the FAST tokenizer again.",
            )
        tokenizer = cls(bpe, scale, least, *sizes)
        if size is not None and tokenizer.vocab_size > size:
            raise WallOSSError(
                f"{file} has {tokenizer.vocab_size} tokens, processor_config.json says {size}.",
                "Use the two files of one FAST tokenizer.",
            )
        return tokenizer
