# SPDX-License-Identifier: Apache-2.0
"""One master: whether anybody else plans, thinks or commands for this robot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SILENT = 2.5  # s without a word, after which one of two is taken for gone; each speaks at least once a second


class Senders:
    """Who has spoken lately in a part that one node alone may have.

    Args:
        part: what they are, in the plural.
    """

    def __init__(self, part: str):
        self._part = part
        self._heard: dict[str, float] = {}

    def heard(self, who: str, steady: float) -> None:
        """One of that id has spoken, at ``steady`` s of steady time."""
        self._heard[who] = steady

    def fault(self, steady: float) -> str:
        """Who the two are, in words; empty while there is one."""
        self._heard = {who: time for who, time in self._heard.items() if steady - time <= _SILENT}
        if len(self._heard) < 2:
            return ""
        return f"there are {len(self._heard)} {self._part}, {_listed(self._heard)}: end all but one"


def foreign_publishers(own: str, publishers: Mapping[str, Iterable[str]]) -> str:
    """Who else publishes commands, in words; empty when nobody does.

    Args:
        own: this node's full name. One of the same name is told by its status: a node that was killed is listed for
            some seconds more.
        publishers: the full names of nodes that publish, by topic of commands.
    """
    for topic, names in publishers.items():
        others = sorted({name for name in names if name != own})
        if others:
            return f"{_listed(others)} may publish commands on {topic}, too: end it, or take that publisher away"
    return ""


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))
