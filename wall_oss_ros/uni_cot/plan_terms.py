# SPDX-License-Identifier: Apache-2.0
"""What a plan's life is governed by, and what passes between it and the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wall_oss_ros.uni_cot.plan import Part


@dataclass(frozen=True)
class PlannerSettings:
    """Attributes:
    confirmations: equal answers in a row before the plan moves on.
    stray_answers: answers in a row that are not in the plan before it is made anew.
    replans: how often a plan is made anew before it counts as failed.
    retries: how often a subtask that has failed is tried again before that.
    refusals: how often a plan that was refused is made anew by the reason, before a refusal ends it.
    """

    confirmations: int = 2
    stray_answers: int = 6
    replans: int = 2
    retries: int = 1
    refusals: int = 3


@dataclass(frozen=True)
class Draft:
    """What the model makes of an instruction.

    Attributes:
        reasoning: the plan as it wrote it; lines: the subtasks in it, or the instruction where it was asked for none.
        thought: what it wrote of what it sees, if it was asked to.
        fault: why there are none, if so.
        asked: what its judgements are asked by; parts: of the lines, where each is asked about by itself.
        first: what it called for thereupon; confidence: how likely it found that.
        stamp: of the observation, s.
    """

    stamp: float
    reasoning: str = ""
    lines: tuple[str, ...] = ()
    fault: str = ""
    asked: str = ""
    first: str = ""
    confidence: float = math.nan
    thought: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Question:
    """What the model is to judge: ``about`` is the text it is asked about, ``state`` whether its answer counts."""

    about: str
    state: tuple
