# SPDX-License-Identifier: Apache-2.0
"""Weights by part of the network, and what can be told of them by reading each once."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from wall_oss_ros.model.weights import Header, listing, opened

PARTS = {  # the first that matches a tensor's name has it
    "vision tower": r"visual\.",
    "words in": r"model\.embed_tokens\.",
    "words out": r"lm_head\.",
    "attention": r".*\.self_attn\.",
    "vision-language expert": r".*\.experts\.0\.",
    "action expert": r".*\.experts\.\d+\.",
    "statistics": r"action_preprocessor\.normalizer_",
    "state and action maps": r"action_preprocessor\.",
    "norms": r".*norm",
    "other": r"",
}
BITS = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "I64": 64, "I32": 32, "I16": 16}  # all others: 8
HUGE = 1e4  # no weight of a trained network of this kind comes near
BLOCK = 1 << 22  # numbers held at a time


@dataclass(frozen=True)
class Part:
    """Sums over the tensors of a part."""

    name: str
    tensors: int
    parameters: int
    bytes: int
    types: str


@dataclass
class TensorSummary:
    """What reading a tensor once told."""

    not_finite: int = 0  # numbers that are not finite
    largest: float = 0.0  # absolute, of the finite ones
    least: float = float("inf")
    greatest: float = float("-inf")
    checksum: int = 0

    @property
    def constant(self) -> bool:
        return self.least == self.greatest

    def include(self, block: Tensor) -> None:
        """Counts some of the tensor's numbers."""
        self.checksum = zlib.crc32(block.contiguous().reshape(-1).view(torch.uint8).numpy(), self.checksum)
        values = block.float()
        finite = values[values.isfinite()]
        self.not_finite += values.numel() - finite.numel()
        if finite.numel():
            least, greatest = float(finite.min()), float(finite.max())
            self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)
            self.largest = max(self.largest, abs(least), abs(greatest))


def parts(headers: Mapping[str, Header]) -> list[Part]:
    """The parts that a checkpoint has, in the order of :data:`PARTS`."""
    members: defaultdict[str, list[Header]] = defaultdict(list)
    for name, header in headers.items():
        members[next(part for part, pattern in PARTS.items() if re.match(pattern, name))].append(header)
    return [
        Part(
            part,
            len(group := members[part]),
            sum(prod(header.shape) for header in group),
            sum(prod(header.shape) * BITS.get(header.dtype, 8) // 8 for header in group),
            ", ".join(sorted({header.dtype for header in group})),
        )
        for part in PARTS
        if part in members
    ]


def examine(headers: Mapping[str, Header]) -> Iterator[tuple[str, TensorSummary]]:
    """Reads every tensor, a block at a time; never holds more than :data:`BLOCK` numbers."""
    for file in sorted({header.file for header in headers.values()}):
        with opened(file) as content:
            for name, header in headers.items():
                if header.file == file:
                    yield name, _summary(content, header)


def _summary(content, header: Header) -> TensorSummary:
    summary = TensorSummary()
    if not header.shape:
        summary.include(content.get_tensor(header.key).reshape(1))
    elif prod(header.shape):
        view = content.get_slice(header.key)
        rows = max(1, BLOCK // prod(header.shape[1:]))
        for start in range(0, header.shape[0], rows):
            summary.include(view[start : start + rows])
    return summary


def suspicions(headers: Mapping[str, Header]) -> Iterator[str]:
    """Reads all weights and says what is wrong with them."""
    not_finite, still, huge, same = [], [], [], defaultdict(list)
    for name, summary in examine(headers):
        shape = headers[name].shape
        if summary.not_finite:
            not_finite.append(f"{name} ({summary.not_finite})")
        if summary.largest > HUGE:
            huge.append(f"{name} ({summary.largest:.3g})")
        if len(shape) > 1 and summary.constant:
            still.append(f"{name} (all {summary.least:g})")
        elif len(shape) > 1:  # a vector of ones or zeros is how norms and biases begin
            same[summary.checksum, shape].append(name)
    for title, names in (
        ("not finite", not_finite),
        ("one number throughout", still),
        (f"beyond {HUGE:g}", huge),
        ("the same numbers", [" = ".join(names) for names in same.values() if len(names) > 1]),
    ):
        if names:
            yield f"{title}: {listing(names, 6)}"
