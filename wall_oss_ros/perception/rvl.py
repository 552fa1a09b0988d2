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
_MOST = 500_000  # runs of an image: each takes a few microseconds, and of pixels in turn there would be millions
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
    numbers, runs, steps, done = _Numbers(data), list[tuple[int, int]](), list[np.ndarray](), 0
    while done < count:
        empty, full = map(int, numbers.take(2, done))
        first, end = done + empty, done + empty + full
        # A run begins where the one before has ended, so only the first may have no zeros, and the last nothing else.
        if end > count or (done and not empty) or (not full and end < count) or len(runs) == _MOST:
            raise RvlError(f"after {done} of {count} pixels it has runs that no image has")
        folded = numbers.take(full, first)
        steps.append(((folded >> 1) ^ -(folded & 1)).astype(np.uint16))
        runs.append((first, end))
        done = end
    image, at = np.zeros(count, np.uint16), 0
    values = np.cumsum(np.concatenate(steps), dtype=np.uint16) if steps else image  # modulo 2^16, as the steps are
    for first, end in runs:
        image[first:end] = values[at : at + end - first]
        at += end - first
    return image


class _Numbers:
    """The numbers in the data, one after the other."""

    def __init__(self, data: bytes):
        self._blocks, self._block, self._at = _blocks(data), np.zeros(0, np.int64), 0

    def take(self, count: int, done: int) -> np.ndarray:
        """The next (count,) int64; ``done`` pixels were known before, which an error says."""
        found = self._block[self._at : self._at + count]
        self._at += len(found)
        parts, left = [found], count - len(found)
        while left:
            block = next(self._blocks, None)
            if block is None:
                raise RvlError(f"its data ends after {done} pixels or a little later")
            self._block, self._at = block, min(left, len(block))
            parts.append(block[: self._at])
            left -= self._at
        return found if len(parts) == 1 else np.concatenate(parts)


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
