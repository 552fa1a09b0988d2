# SPDX-License-Identifier: Apache-2.0
"""Forms of instructions in many words, as a task has them: drawn at random, and understood.

What an instruction means may depend on what stands where ("the leftmost cube", "the near tray"); so a form looks at a
frame. Phrasings under ``unseen`` are never shown in training: evaluation asks with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from wall_oss_ros.sim.goals import Goal

Words = Mapping[str, str]
_SLOT = re.compile(r"\{(\w)\}")
_TRIES = 12


class Look(Protocol):
    """A frame as instructions see it: colours of the things that are there, and those that none has."""

    @property
    def colours(self) -> list[str]: ...
    @property
    def missing(self) -> list[str]: ...


class Form(NamedTuple):
    """A form of instruction.

    Attributes:
        share: of the instructions that are drawn.
        phrases: in training; ``unseen``: in evaluation alone. Slots are in braces.
        goals: what it means, given the words of its slots and a frame; None where the frame does not allow it.
    """

    share: float
    phrases: tuple[str, ...]
    unseen: tuple[str, ...]
    goals: Callable[[Words, Any], Sequence[Goal] | None]


class Phrasing:
    """What may be asked for.

    Attributes:
        slots: what may stand in a phrase's slots; c and d are different colours.

    Args:
        forms: by name.
        unclear: instructions that leave open what is meant, and what is asked back.
        senseless: instructions in known words that cannot be followed.
        unknown: a frame of which nothing is known; what asks it for more raises a ``KeyError``.
    """

    def __init__(
        self,
        forms: Mapping[str, Form],
        slots: Mapping[str, Sequence[str]],
        unclear: Mapping[str, str],
        senseless: Sequence[str],
        unknown: Look,
    ):
        self._forms, self.slots, self._unclear, self._senseless = forms, slots, unclear, senseless
        self._unknown, self._names = unknown, tuple(forms)
        shares = np.array([form.share for form in forms.values()])
        self._shares = shares / shares.sum()
        said = " ".join((*unclear, *senseless))
        self._filling = [slot for slot in slots if f"{{{slot}}}" in said]

    @property
    def texts(self) -> tuple[str, ...]:
        """All that instructions consist of, with their slots."""
        phrases = (text for form in self._forms.values() for text in (*form.phrases, *form.unseen))
        return (*phrases, *self._unclear, *self._senseless, *(word for words in self.slots.values() for word in words))

    def templates(self, form: str, unseen: bool, names: Mapping[str, str]) -> list[str]:
        """A form's phrases as ``known_sentences`` of a config.json has them.

        Args:
            unseen: those that training does not show, instead of those that it does.
            names: of the slots there, by ours.
        """
        one = self._forms[form]
        return [
            _SLOT.sub(lambda match: f"{{{names[match[1]]}}}", text) for text in (one.unseen if unseen else one.phrases)
        ]

    def draw(
        self,
        rng: np.random.Generator,
        seen: Look,
        absent_share: float = 0.0,
        forms: Sequence[str] = (),
        unseen: bool = False,
    ) -> tuple[str, str, list]:
        """A random instruction about a frame: its form, its words, what it asks for.

        Args:
            absent_share: how often an instruction names a colour that nothing has.
            forms: of these, alike often; of all, by their shares, where there are none.
            unseen: in words that training does not show.

        Raises:
            ValueError: the frame allows none of ``forms``.
        """
        for _ in range(_TRIES):
            name = str(rng.choice(forms)) if forms else self._names[rng.choice(len(self._names), p=self._shares)]
            form = self._forms[name]
            for _ in range(_TRIES):
                first, second = map(str, rng.permutation(seen.colours)[:2])
                if seen.missing and rng.random() < absent_share:
                    first = str(rng.choice(seen.missing))
                words = {"c": first, "d": second}
                words |= {slot: str(rng.choice(some)) for slot, some in self.slots.items() if slot not in words}
                if goals := _goals(form, words, seen):
                    return name, str(rng.choice(form.unseen if unseen else form.phrases)).format(**words), goals
        raise ValueError(f"the scene allows no instruction of the form {', '.join(forms)}")

    def meaning(self, text: str, seen: Look | None) -> list | None:
        """What an instruction in lower case asks for; None where it is none of these, or the frame does not allow it.

        Args:
            seen: the frame; None where it is not known: then only what means the same on every frame is understood.
        """
        for pattern, form in self._patterns:
            if (match := pattern.fullmatch(text)) is None:
                continue
            words = match.groupdict()
            if "d" in words and words["c"] == words["d"]:
                return None
            return _goals(form, words, self._unknown if seen is None else seen)
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Form]]:
        return [(self.pattern(text), form) for form in self._forms.values() for text in (*form.phrases, *form.unseen)]

    def pattern(self, phrase: str) -> re.Pattern[str]:
        """What a phrase matches, its slots as groups."""
        return re.compile(_SLOT.sub(lambda match: f"(?P<{match[1]}>{'|'.join(self.slots[match[1]])})", phrase))

    def unclear(self, rng: np.random.Generator) -> tuple[str, str]:
        """One of them, and what is asked back."""
        text = str(rng.choice(list(self._unclear)))
        return self._filled(rng, text), self._unclear[text]

    def senseless(self, rng: np.random.Generator) -> str:
        return self._filled(rng, str(rng.choice(self._senseless)))

    def _filled(self, rng: np.random.Generator, text: str) -> str:
        words: dict[str, str] = {}
        for slot in self._filling:
            words[slot] = str(rng.choice([one for one in self.slots[slot] if slot != "d" or one != words["c"]]))
        return text.format(**words)


def _goals(form: Form, words: Words, seen: Look) -> list | None:
    try:
        goals = form.goals(words, seen)
    except KeyError:  # a colour that is not there, or nothing is known of the frame
        return None
    return list(goals) if goals else None
