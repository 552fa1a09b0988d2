# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's statistics as one robot may use them: without what its data never had, and in the robot's units.

The public WALL-OSS code writes least value 0 and range 1 where a dataset had no such entry (released checkpoints have
them for each robot in whose data head, lift or base stood still). Such entries say nothing, and the network was never
taught what to put there; taken for a range, they would move a robot by up to a metre.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

GRIPPER = "gripper"


def for_robot(normalizer: Normalizer, dofs: Mapping[str, int], profile: RobotProfile | None = None) -> Normalizer:
    """The statistics with entries that are not this robot's, or that were never set, without range.

    Args:
        normalizer: of states or actions, as the checkpoint has it.
        dofs: the checkpoint's layout, name and number of entries.
        profile: the robot's; where it has another layout, or there is none, only what was never set is taken out. A
            gripper that counts in shares (``gripper.counted``) is brought to m.
    """
    alive = ~never_set(normalizer, dofs)
    if profile is None or list(dofs.items()) != list(profile.dof_config.items()):
        return normalizer.without(~alive)
    layout = Layout(profile)
    # What the arms need is not taken out in silence: the comparison with the profile names it.
    alive = layout.mask & (alive | ~layout.optional)
    fitting = normalizer.without(~alive)
    for entry, stroke, begin in _shares(layout, profile):
        fitting = fitting.rescaled(entry, stroke, begin)
    return fitting


def for_checkpoint(normalizer: Normalizer, profile: RobotProfile) -> Normalizer:
    """Statistics of recordings, in m, as checkpoints for this robot have them: what :func:`for_robot` brings back."""
    first, second = normalizer.offset.copy(), normalizer.scale.copy()
    for entry, stroke, begin in _shares(Layout(profile), profile):
        if not normalizer.varies[entry]:
            continue
        first[entry], second[entry] = (first[entry] - begin) / stroke, second[entry] / stroke
        if stroke < 0:  # a share of what is closed is least where the opening is greatest
            first[entry] += second[entry] if normalizer.kind == "min_max" else 0
            second[entry] *= -1
    return Normalizer(first, second, normalizer.kind)


def _shares(layout: Layout, profile: RobotProfile) -> Iterator[tuple[int, float, float]]:
    """The grippers that count in shares: entry, m of a whole share, and m of no share."""
    for own, one in zip(layout.arms, profile.arms):
        gripper = one.gripper
        if gripper.counted == "share_open":
            yield own.gripper, gripper.open - gripper.closed, gripper.closed
        elif gripper.counted == "share_closed":
            yield own.gripper, gripper.closed - gripper.open, gripper.open


def never_set(normalizer: Normalizer, dofs: Mapping[str, int]) -> np.ndarray:
    """(A,) bool: the entries whose range is 0 to 1 because nothing was known of them.

    All entries of a degree of freedom must be so. A gripper may well span 0 to 1: it is dead only with its arm.
    """
    dead = np.zeros(len(normalizer.offset), bool)
    if normalizer.kind != "min_max":
        return dead
    plain = np.isclose(normalizer.offset, 0, atol=1e-6) & np.isclose(normalizer.scale, 1, atol=1e-6)
    slots, start = {}, 0
    for name, size in dofs.items():
        slots[name] = slice(start, start + size)
        start += size
    silent = {name: bool((plain[slot] | ~normalizer.varies[slot]).all()) for name, slot in slots.items()}
    for name, slot in slots.items():
        before, found, _ = name.partition(GRIPPER)
        arm = [other for other in slots if found and other != name and other.startswith(before) and before]
        if plain[slot].all() and (not found or (arm and all(silent[other] for other in arm))):
            dead[slot] = True
    return dead
