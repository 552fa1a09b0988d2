# SPDX-License-Identifier: Apache-2.0
"""What stands where a step's number does when held-out samples are drawn."""

_FIRST = 1_000_000_000


def held_out_step(part: int) -> int:
    """What takes the place of a step's number where held-out samples are drawn."""
    return _FIRST + part


def is_held_out(step: int) -> bool:
    """Whether a step's number stands for held-out samples, which nothing is learnt from."""
    return step >= _FIRST
