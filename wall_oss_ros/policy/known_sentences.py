# SPDX-License-Identifier: Apache-2.0
"""The sentences that a checkpoint is known to understand, as its config.json lists them.

A small model answers and moves whatever it is told, also where it has never learnt what that means. So its checkpoint
says what it was trained on and found to understand, and all else is refused before it is asked::

    "known_sentences": {
      "slots": {"colour": ["red", "green"], "tray": ["left", "right"]},
      "instructions": ["{put|place} the {colour} cube in the {tray} tray"],
      "questions": ["Where is the {colour} cube?"]
    }

In a template ``{a|b}`` is either, ``{colour}`` one of that slot's words, and ``{colour 2}`` another one of them than
``{colour}``. Capitals, spaces and a final mark make no difference. Released checkpoints list none: they are asked
anything.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief

Kind = Literal["instructions", "questions"]
_PART = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"([^\W\d]\w*)(?: \d+)?")
_QUOTED = 100  # letters of a sentence in a message


def normalise(text: str) -> str:
    """A sentence in the form that models are trained on: lower case, single spaces, no final punctuation."""
    return " ".join(text.lower().split()).rstrip(" .!?")


class _Slot(NamedTuple):
    name: str  # as the template has it, such as "colour 2"
    kind: str  # such as "colour"


class _Template:
    """A template, as a pattern for what it means, and for what nearly means it.

    Raises:
        ValueError: it names a slot that is not there.
    """

    def __init__(self, text: str, slots: Mapping[str, Sequence[str]]):
        self.slots: list[_Slot] = []
        self._values = slots
        self._choices: list[str] = []  # the first of each part
        pieces, patterns = _PART.split(text), []
        for at, piece in enumerate(pieces):
            if at % 2 == 0:
                patterns.append(re.escape(_inside(piece)))
            elif "|" in piece:
                patterns.append(f"(?:{'|'.join(re.escape(one.lower()) for one in piece.split('|'))})")
                self._choices.append(piece.split("|")[0])
            else:
                match = _SLOT.fullmatch(piece)
                if match is None or match[1] not in slots:
                    raise ValueError(f"{text!r} has {{{piece}}}, which is no slot and no choice")
                patterns.append(
                    f"(?P<s{len(self.slots)}>{'|'.join(re.escape(one.lower()) for one in slots[match[1]])})"
                )
                self.slots.append(_Slot(piece, match[1]))
                self._choices.append("")
        self._pieces, self._patterns = pieces, patterns
        self._whole = re.compile("".join(patterns).rstrip(r"\?.!"))

    def words(self, text: str) -> list[str] | None:
        """The slots' words in a normalised sentence; None where it is none of these."""
        match = self._whole.fullmatch(text)
        return None if match is None else [match[f"s{at}"] for at in range(len(self.slots))]

    def twice(self, words: Sequence[str]) -> str:
        """A word that stands for two things that must differ; empty where none does."""
        for at, (slot, word) in enumerate(zip(self.slots, words)):
            for other, same in zip(self.slots[:at], words):
                if slot.kind == other.kind and slot.name != other.name and word == same:
                    return word
        return ""

    def open_slot(self, text: str) -> tuple[str, str] | None:
        """The slot that a sentence leaves open, and the word there that is none of it, if any; None otherwise."""
        places = [at for at, pattern in enumerate(self._patterns) if pattern.startswith("(?P<s")]
        for place, slot in zip(places, self.slots):
            patterns = list(self._patterns)
            patterns[place] = r"(?:(?P<odd>[^\W_]+) )?"
            patterns[place + 1] = patterns[place + 1].removeprefix("\\ ")
            if match := re.fullmatch("".join(patterns).rstrip(r"\?.!"), text):
                return slot.kind, match["odd"] or ""
        return None

    def filled(self, words: Sequence[str] = ()) -> str:
        """The template as a sentence, with its own capitals and marks.

        Args:
            words: of the slots; the first that are possible where there are none.
        """
        given, used, parts = iter(words), set(), []
        for at, piece in enumerate(self._pieces):
            if at % 2 == 0:
                parts.append(piece)
            elif choice := self._choices[at // 2]:
                parts.append(choice)
            else:
                kind = _SLOT.fullmatch(piece)[1]
                word = next(given, None) or next(one for one in self._values[kind] if one not in used)
                used.add(word)
                parts.append(word)
        return "".join(parts)


class KnownSentences:
    """What may be said to a checkpoint.

    Args:
        content: as config.json has it; empty where everything may.

    Raises:
        WallOSSError: it is not of that form.
    """

    def __init__(self, content: Any):
        wrong = WallOSSError(
            f"config.json: known_sentences is {brief(content)}; slots with words, and lists of instructions and "
            "questions were expected.",
            "Use the config.json that came with the weights.",
        )
        if not isinstance(content, Mapping) or set(content) - {"slots", "instructions", "questions"}:
            raise wrong
        slots = content.get("slots", {})
        if not isinstance(slots, Mapping) or not all(_texts(words) and len(set(words)) > 1 for words in slots.values()):
            raise wrong
        self._templates: dict[str, list[_Template] | None] = {}
        for kind in ("instructions", "questions"):
            texts = content.get(kind)
            if texts is not None and not _texts(texts):
                raise wrong
            try:
                self._templates[kind] = None if texts is None else [_Template(text, slots) for text in texts]
            except ValueError as error:
                raise WallOSSError(f"config.json: known_sentences: {error}.", "Correct that template.") from None
        self._slots = slots

    def lists(self, kind: Kind) -> bool:
        """Whether there is a list of that kind; where there is none, all may be said."""
        return self._templates[kind] is not None

    def understood(self, text: str, kind: Kind) -> tuple[str, str]:
        """A sentence as the checkpoint was trained on it, and why it is not understood, empty where it is.

        Instructions are left as they are but for normalising; the reason may be a question, such as which colour.
        """
        templates, said = self._templates[kind], normalise(text)
        if templates is None:
            return text, ""
        for template in templates:
            if (words := template.words(said)) is not None:
                if twice := template.twice(words):
                    return text, f'"{twice}" is named twice in "{_shown(text)}": which other one?'
                return said if kind == "instructions" else template.filled(words), ""
        for template in templates:
            if (found := template.open_slot(said)) is not None:
                slot, odd = found
                choice = _either([str(one) for one in self._slots[slot]])
                if odd:
                    return text, f'"{odd}" in "{_shown(text)}" is no {slot} that the model knows: {choice}?'
                return text, f'"{_shown(text)}" leaves open which {slot}: {choice}?'
        return text, f'The model was not trained on "{_shown(text)}"; it was on "{self._like(said, templates)}".'

    def _like(self, said: str, templates: Sequence[_Template]) -> str:
        """The sentence that is most alike."""
        sentences = [template.filled() for template in templates]
        rates = [difflib.SequenceMatcher(None, said[:300], normalise(one)).ratio() for one in sentences]
        return sentences[rates.index(max(rates))]


def _inside(piece: str) -> str:
    """A piece of a template as sentences are normalised, with the spaces at its ends."""
    return re.sub(r"\s+", " ", piece.lower())


def _texts(value: Any) -> bool:
    """Whether it is a list of texts, at least one."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one.strip() for one in value)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
