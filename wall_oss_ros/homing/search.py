# SPDX-License-Identifier: Apache-2.0
"""A random search for a free way between two postures: RRT-Connect, with its detours cut short."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.homing.clearance import Clearance

_REACH = 0.5  # rad, the most that any joint moves from one node of a tree to the next
_NODES = 400  # of both trees
_CUTS = 60


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
