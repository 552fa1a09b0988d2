# SPDX-License-Identifier: Apache-2.0
"""What the language head says, as text that knows how likely it was found. Imports no torch."""

from __future__ import annotations

import math


class Answer(str):
    """A text, with its confidence, and what was thought first.

    Attributes:
        confidence: the probability that the language head gave to exactly this answer: the product over its tokens, the
            end included; NaN where it is not known. Answers are whole sentences that often differ in one word: in a
            mean over tokens that word would drown, and it is the one that is in doubt.
        thought: what the model wrote before it, of what it sees; the confidence does not count it. Empty where it wrote
            none.
    """

    confidence: float
    thought: str

    def __new__(cls, text: str, confidence: float = math.nan, thought: str = "") -> Answer:
        made = super().__new__(cls, text)
        made.confidence, made.thought = confidence, thought
        return made
