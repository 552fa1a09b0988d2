# SPDX-License-Identifier: Apache-2.0
"""The built-in way home: up, then home, along the first of several ways that is free, or one that a search finds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple, Protocol

import numpy as np
import pinocchio

from wall_oss_ros.homing.clearance import Clearance
from wall_oss_ros.robots.kinematics import Arm

_RISE = 0.01  # m of a straight tool motion between two postures that are computed
_TURN = 0.05  # rad, the same for its rotation
_SWING = 0.3  # rad that a joint may move between two of these: more is no straight motion any longer
_REACH = 0.5  # rad, the most that any joint moves from one node of a tree to the next
_NODES = 400  # of both trees
_CUTS = 60


class Way(NamedTuple):
    """Postures to go through, (m, n) rad, straight from each to the next; or none, and why."""

    knots: np.ndarray | None
    reason: str = ""


class HomingPlanner(Protocol):
    """Plans ways home. ``name`` is what people call it."""

    name: str

    def plan(self, q) -> Way:
        """A way home from joints (n,) rad of all arms, at rest; or none, and why. May take seconds."""


class BuiltinPlanner:
    """Plans with what the profile knows: the arms, their limits and workspace, but no objects.

    First all tools go straight up to the height that they have at home, as far as that is free: whatever is held or
    stands around the fingers is left upwards. From there, in this order: all joints straight to home; the tools
    straight to home; the same with one arm after the other; and what a random search finds. The same start gives the
    same way.
    """

    name = "builtin"

    def __init__(self, clearance: Clearance):
        self._clearance = clearance

    def plan(self, q) -> Way:
        """A way home from joints (n,) rad at which the arms rest; checked in small steps."""
        clearance = self._clearance
        q = np.asarray(q, float)
        if reason := clearance.objection(q[None]):
            return Way(None, f"where the arms are, {reason}")
        if reason := clearance.objection(clearance.home[None]):
            return Way(None, f"at home, {reason}")
        up = self._up(q)
        reason = ""
        for start in (up, [q]) if len(up) > 1 else ([q],):
            for rest in self._candidates(start[-1]):
                knots = np.array([*start, *rest])
                objection = clearance.objection(knots)
                if not objection:
                    return Way(knots)
                reason = reason or objection
        found = connect(up[-1], clearance.home, clearance, np.random.default_rng(0))
        if found is None:
            return Way(None, f"no free way was found; on the straight one {reason}")
        return Way(np.array([*up, *found[1:]]))

    def _candidates(self, q: np.ndarray) -> Iterator[list[np.ndarray]]:
        clearance = self._clearance
        home = clearance.home
        yield [home]
        lines = [_line(arm, q[own], *arm.fk(arm.home)) for arm, own in zip(clearance.arms, clearance.slices)]
        if all(lines):
            yield [*self._together(q, lines), home]
        if len(lines) == 1:
            return
        for order in permutations(range(len(lines))):
            for straight in (True, False):
                way, at = [], q
                for i in order:
                    own, arm = clearance.slices[i], clearance.arms[i]
                    for posture in [*([] if straight else lines[i]), arm.home]:
                        at = at.copy()
                        at[own] = posture
                        way.append(at)
                yield way

    def _up(self, q: np.ndarray) -> list[np.ndarray]:
        """From q (n,) on: all tools straight up, as far as all can and it is free."""
        clearance, lines = self._clearance, []
        for arm, own in zip(clearance.arms, clearance.slices):
            position, rotation = arm.fk(q[own])
            clear = max(position[2], arm.fk(arm.home)[0][2])
            lines.append(_line(arm, q[own], np.array([*position[:2], clear]), rotation, homing=0.0, part=True))
        way = [q]
        for posture in self._together(q, lines):
            if clearance.objection(np.array([way[-1], posture])):
                break
            way.append(posture)
        return way

    def _together(self, q: np.ndarray, lines: list[list[np.ndarray]]) -> list[np.ndarray]:
        """The arms along their lines at once, step by step; one that has arrived waits for the others."""
        way = []
        for k in range(max(map(len, lines))):
            at = q.copy()
            for own, line in zip(self._clearance.slices, lines):
                if line:
                    at[own] = line[min(k, len(line) - 1)]
            way.append(at)
        return way


def _line(arm: Arm, q: np.ndarray, position, rotation, homing: float = 0.1, part: bool = False) -> list[np.ndarray]:
    """Postures (n,) that bring the tool from q straight to a pose, without q; empty when there are none.

    Args:
        homing: see :meth:`Arm.ik`.
        part: whether to give the part of the way that can be reached.
    """
    here, turned = arm.fk(q)
    turn = pinocchio.log3(turned.T @ rotation)
    steps = int(np.ceil(max(np.linalg.norm(position - here) / _RISE, np.linalg.norm(turn) / _TURN)))
    way = [q]
    for k in range(1, steps + 1):
        share = k / steps
        place, rotated = here + share * (position - here), turned @ pinocchio.exp3(share * turn)
        solution = arm.ik(place, rotated, way[-1], homing=homing)
        if not solution.ok or np.abs(solution.q - way[-1]).max() > _SWING:
            return way[1:] if part else []
        way.append(solution.q)
    return way[1:]


def connect(start: np.ndarray, goal: np.ndarray, clearance: Clearance, rng: np.random.Generator) -> list | None:
    """A free way from joints ``start`` to ``goal``, each (n,) rad, as a list of postures; None when none was found.

    Two trees grow from both ends, each towards random postures and then towards what the other has found (Kuffner and
    LaValle, RRT-Connect, ICRA 2000). Random postures lie in the box that both ends span, widened by a quarter turn.
    """
    low = np.maximum(np.minimum(start, goal) - np.pi / 2, clearance.lower)
    high = np.minimum(np.maximum(start, goal) + np.pi / 2, clearance.upper)
    trees = [_Tree(start), _Tree(goal)]
    for turn in range(_NODES):
        grown, other = trees[turn % 2], trees[1 - turn % 2]
        node = grown.grow(rng.uniform(low, high), clearance)
        if node is None:
            continue
        at = grown.nodes[node]
        while (reached := other.grow(at, clearance)) is not None:
            if np.array_equal(other.nodes[reached], at):
                ends = (node, reached) if turn % 2 == 0 else (reached, node)
                way = [*reversed(trees[0].branch(ends[0])), *trees[1].branch(ends[1])[1:]]
                return _cut_short(way, clearance, rng)
        if sum(len(tree.nodes) for tree in trees) > _NODES:
            return None
    return None


class _Tree:
    """Postures with the one that each was reached from; the first is the root."""

    def __init__(self, root: np.ndarray):
        self.nodes, self._from = [root], [-1]

    def grow(self, towards: np.ndarray, clearance: Clearance) -> int | None:
        """Adds a posture nearer to ``towards``, if the way there is free; gives its number."""
        nearest = int(np.argmin(np.abs(np.array(self.nodes) - towards).max(axis=1)))
        near = self.nodes[nearest]
        way = towards - near
        longest = np.abs(way).max()
        new = towards if longest <= _REACH else near + way * (_REACH / longest)
        if longest == 0.0 or clearance.objection(np.array([near, new])):
            return None
        self.nodes.append(new)
        self._from.append(nearest)
        return len(self.nodes) - 1

    def branch(self, node: int) -> list[np.ndarray]:
        """The postures from a node back to the root."""
        way = []
        while node >= 0:
            way.append(self.nodes[node])
            node = self._from[node]
        return way


def _cut_short(way: list, clearance: Clearance, rng: np.random.Generator) -> list:
    for _ in range(_CUTS):
        if len(way) < 3:
            break
        a, b = sorted(rng.choice(len(way), 2, replace=False))
        if b - a > 1 and not clearance.objection(np.array([way[a], way[b]])):
            way = [*way[: a + 1], *way[b:]]
    return way
