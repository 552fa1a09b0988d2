# SPDX-License-Identifier: Apache-2.0
"""Which episodes train and which validate, and in what order samples come: the same on every machine, for ever.

Splits are of whole episodes: frames of one episode are so much alike that a split over frames validates what was learnt
by heart. Nothing here depends on NumPy's generators, whose streams may change from version to version.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief


def split_episodes(
    episodes: Iterable[int], parts: Mapping[str, float | Sequence[int]], seed: int = 0
) -> dict[str, tuple[int, ...]]:
    """Episodes by part, such as ``{"train": 0.9, "validation": 0.1}`` or ``{"validation": [3, 7], "train": 1.0}``.

    Args:
        episodes: their indices.
        parts: each a list of episodes, or a share of those that no list has. Shares sum up to 1 at most. A part whose
            share is above 0 gets at least one episode, if there are as many as parts.
        seed: another one draws others.

    Returns:
        Each part's episodes in order. An episode is in one part at most.

    Raises:
        WallOSSError: a list names an episode that is not there or in another list, or shares are none.
    """
    left = dict.fromkeys(int(index) for index in episodes)
    found: dict[str, tuple[int, ...]] = {}
    shares: dict[str, float] = {}
    for name, part in parts.items():
        if isinstance(part, (int, float)) and not isinstance(part, bool):
            if not math.isfinite(part) or not 0 <= part <= 1:
                raise WallOSSError(f"The share of {name} is {brief(part)}; from 0 to 1 is expected.")
            shares[name] = float(part)
            continue
        if isinstance(part, str) or not isinstance(part, Iterable):
            raise WallOSSError(f"The part {name} is {brief(part)}; a share or a list of episodes is expected.")
        for index in (chosen := sorted({int(index) for index in part})):
            if index not in left:
                raise WallOSSError(f"The part {name} names episode {index}, which is not there or in another part.")
            del left[index]
        found[name] = tuple(chosen)
    if sum(shares.values()) > 1 + 1e-9:
        raise WallOSSError(
            f"The shares of {', '.join(shares)} sum up to {sum(shares.values()):g}; 1 at most is expected."
        )
    order = sorted(left, key=lambda index: (drawn(seed, index), index))
    counts = _counts(len(order), list(shares.values()))
    for name, count in zip(shares, counts):
        found[name] = tuple(sorted(order[:count]))
        order = order[count:]
    return {name: found[name] for name in parts}


def drawn(seed: object, index: int) -> float:
    """A number from 0 to 1 that looks drawn, always the same for a seed and an index."""
    digest = hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class Shuffle:
    """A random order of ``count`` samples that is never laid out: the k-th sample is worked out when it is asked for.

    So a run goes on at any step, workers share an order without sharing memory, and it takes the same few bytes for a
    hundred samples or a billion. Each epoch has an order of its own, in which each sample is there once.

    A Feistel network of four rounds permutes the numbers below the next power of 4; those beyond ``count`` are permuted
    again until they fall below (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002).
    """

    def __init__(self, count: int, seed: int = 0, epoch: int = 0) -> None:
        if count < 1:
            raise WallOSSError(f"There are {count} samples to shuffle; at least one is expected.")
        self._count = count
        self._bits = max(1, math.ceil((count - 1).bit_length() / 2))
        digest = hashlib.blake2b(f"{seed}/{epoch}".encode(), digest_size=32).digest()
        self._keys = [np.uint64(key) for key in np.frombuffer(digest, np.uint64)]

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int | slice) -> int | np.ndarray:
        """The sample at a place, or at several, (n,) int64."""
        if isinstance(index, slice):
            return self.at(np.arange(*index.indices(self._count)))
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return int(self.at(np.array([index % self._count]))[0])

    def at(self, places: np.ndarray) -> np.ndarray:
        """The samples at places (n,), each from 0 to below the number of samples."""
        found = self._permuted(np.asarray(places).astype(np.uint64))
        while (outside := found >= self._count).any():
            found[outside] = self._permuted(found[outside])
        return found.astype(np.int64)

    def _permuted(self, values: np.ndarray) -> np.ndarray:
        mask, bits = np.uint64((1 << self._bits) - 1), np.uint64(self._bits)
        left, right = values >> bits, values & mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        return (left << bits) | right


def _mixed(values: np.ndarray) -> np.ndarray:
    """Numbers that look drawn: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _counts(total: int, shares: list[float]) -> list[int]:
    """How many of ``total`` each share gets: rounded down, the rest by what was cut off, none of them empty."""
    exact = [share * total for share in shares]
    counts = [math.floor(value + 1e-9) for value in exact]
    rest = round(sum(exact)) - sum(counts)
    for at in sorted(range(len(shares)), key=lambda at: counts[at] - exact[at])[:rest]:
        counts[at] += 1
    wanted = [at for at, share in enumerate(shares) if share > 0]
    for at in wanted:
        most = max(range(len(counts)), key=lambda other: counts[other])
        if not counts[at] and total >= len(wanted):
            if sum(counts) >= total:
                counts[most] -= 1
            counts[at] += 1
    return counts
