# SPDX-License-Identifier: Apache-2.0
"""RVL, a lossless code for depth images: runs of zeros, and differences between neighbours in few bits.

As described in A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017. An image's pixels, row by row, are
runs: how many have nothing, how many have something, and for each of these how it differs from the one before that had
something. Every number is written three bits at a time, the lowest first, each with a fourth that says whether more
follow; differences are folded first, so that small ones of either sign are small numbers. Eight such nibbles make a
word of 32 bits, the first in its highest bits; words are little-endian.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_LONGEST = 11  # nibbles of a number: 33 bits, more than any that an image has
_MOST = 500_000  # runs of an image: each takes a microsecond or two, and of pixels in turn there would be millions
_BLOCK = 1 << 15  # bytes that are taken apart at a time, since numbers take many times the room


class RvlError(ValueError):
    """The bytes are no RVL image of that size."""


def decoded(data: bytes, count: int) -> np.ndarray:
    """The pixels of an RVL image.

    Args:
        data: without any header; bytes behind its last whole word are left out.
        count: pixels in all; the caller bounds it.

    Returns:
        (count,) uint16.

    Raises:
        RvlError: the data ends early, or has runs that no image of so many pixels has.
    """
    walk = _Walk(count)
    for block in _blocks(data):
        if walk.done():
            break
        walk.take(block)
    if not walk.done():
        raise RvlError(f"its data ends after {walk.known} of {count} pixels")
    image = np.zeros(count, np.uint16)
    image[walk.full()] = np.cumsum(np.concatenate(walk.steps), dtype=np.uint16)  # modulo 2^16, as the steps are
    return image


class _Walk:
    """The way through an image's numbers from run to run.

    Attributes:
        steps: of the pixels that have something, how each differs from the one before, (n,) uint16 of each block.
    """

    def __init__(self, count: int):
        self._count, self._begins, self._ends = count, list[int](), list[int]()
        self._at = 0  # the pixel at which the last run has ended
        self._empty: int | None = None  # pixels that have nothing, at the beginning of the run that has just begun
        self._left = 0  # of the last run's steps, those that are still to come
        self.steps: list[np.ndarray] = [np.zeros(0, np.uint16)]

    @property
    def known(self) -> int:
        """Pixels that are known."""
        return self._at - self._left

    def done(self) -> bool:
        return self._at == self._count and not self._left

    def full(self) -> np.ndarray:
        """(count,) bool: which pixels have something."""
        edges = np.zeros(self._count + 1, np.int8)
        edges[self._begins] += 1
        edges[self._ends] -= 1
        return np.cumsum(edges[:-1], dtype=np.int8).astype(bool)

    def take(self, numbers: np.ndarray) -> None:
        """The next numbers, (n,) int64."""
        values, heads, at = numbers.tolist(), [], 0  # one by one, a list is several times as fast as an array
        while at < len(values) and not self.done():
            if self._left:
                passed = min(self._left, len(values) - at)
                self._left -= passed
                at += passed
            else:
                heads.append(at)
                self._head(values[at])
                at += 1
        wanted = np.zeros(len(numbers), bool)
        wanted[:at] = True
        wanted[heads] = False
        folded = numbers[wanted]
        self.steps.append(((folded >> 1) ^ -(folded & 1)).astype(np.uint16))

    def _head(self, number: int) -> None:
        """How many pixels of a run have nothing, or then, how many have something."""
        if self._empty is None:
            self._empty = number
            return
        begin = self._at + self._empty
        end = begin + number
        # A run begins where the one before has ended, so only the first may have no zeros, and the last nothing else.
        strange = (self._at and not self._empty) or (not number and end < self._count)
        if strange or end > self._count or len(self._begins) == _MOST:
            raise RvlError(f"after {self._at} of {self._count} pixels it has runs that no image has")
        self._at, self._left, self._empty = end, number, None
        if number:
            self._begins.append(begin)
            self._ends.append(end)


def _blocks(data: bytes) -> Iterator[np.ndarray]:
    """All numbers in the data, some at a time, (n,) int64; one that is not whole at the end is left out."""
    rest = np.zeros(0, np.uint8)  # nibbles of a number that goes on in the next block
    for at in range(0, len(data) - 3, _BLOCK):
        words = np.frombuffer(data, "<u4", min(_BLOCK, len(data) - at) // 4, at)
        nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).astype(np.uint8).ravel()
        nibbles = np.concatenate([rest, nibbles])
        lasts = np.flatnonzero(nibbles < 8)
        whole = int(lasts[-1]) + 1 if len(lasts) else 0
        rest = nibbles[whole:]
        firsts = np.concatenate([[0], lasts[:-1] + 1])[: len(lasts)]
        lengths = lasts - firsts + 1
        if max(len(rest), lengths.max(initial=0)) > _LONGEST:
            raise RvlError("it has a number that is too large for any image")
        if whole:
            place = np.arange(whole) - np.repeat(firsts, lengths)
            yield np.add.reduceat((nibbles[:whole] & 7).astype(np.int64) << (3 * place), firsts)
