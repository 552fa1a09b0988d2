# SPDX-License-Identifier: Apache-2.0
"""What the language head says, as text that knows how likely it was found. Imports no torch."""

from __future__ import annotations

import math


class Answer(str):
    """A text, with its confidence.

    Attributes:
        confidence: the probability that the language head gave to exactly this answer: the product over its tokens, the
            end included; NaN where it is not known. Answers are whole sentences that often differ in one word: in a
            mean over tokens that word would drown, and it is the one that is in doubt.
    """

    confidence: float

    def __new__(cls, text: str, confidence: float = math.nan) -> Answer:
        made = super().__new__(cls, text)
        made.confidence = confidence
        return made
