# SPDX-License-Identifier: Apache-2.0
"""How far an instruction has come whose later goals undo earlier ones, told from frames one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wall_oss_ros.policy import prompts
from wall_oss_ros.sim.goals import Goal, Language


class Course:
    """Follows goals phase by phase: once a phase is done, it stays behind.

    Args:
        language: says what the phases are.
        goals: all that the instruction asks for, in order.

    Attributes:
        at: the phase that is under way, or the last one.
    """

    def __init__(self, language: Language, goals: Sequence[Goal]):
        self._language, self._all, self._phases = language, list(goals), language.phases(goals)
        self.at = 0

    @property
    def goals(self) -> list[Goal]:
        """Those of the phase under way."""
        return self._phases[self.at]

    @property
    def last(self) -> bool:
        """Whether no phase is left but the present one."""
        return self.at == len(self._phases) - 1

    def called(self, frame: np.void) -> str:
        """The subtask that is called for now, ``done``, or what is impossible."""
        if missing := self._language.missing(frame, self._all):
            return missing
        while (called := self._language.active_subtask(frame, self.goals)) == prompts.DONE and not self.last:
            self.at += 1
        return called
