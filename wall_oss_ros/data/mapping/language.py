# SPDX-License-Identifier: Apache-2.0
"""What is said in recordings: instructions, subtasks, thoughts, questions; as texts to act on and to be answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wall_oss_ros.data.dataset import LanguageSample, follow_path
from wall_oss_ros.data.lerobot.language import answered
from wall_oss_ros.data.mapping.columns import Columns
from wall_oss_ros.data.mapping.spec import Language
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.known_sentences import normalise

if TYPE_CHECKING:
    from wall_oss_ros.data.lerobot import LeRobotDataset

PERSISTENT, _STYLES = "language_persistent", ("plan", "memory", "motion")
_ANSWERS = "answers"
THOUGHT = "What has to be thought of to follow: "
_SPECIAL, _WORD = re.compile(r"<\|[^|]*\|>"), re.compile(r"[^\W\d_]+")
Texts = list[str | None]
"""For each row, a text or None."""


@dataclass(frozen=True)
class EpisodeWords:
    """What is said in an episode of n rows.

    Attributes:
        instructions, subtasks, thoughts, plans: row by row.
        questions: row to its questions and answers.
        paraphrases: other ways to say the instruction.
        settings: the mapping's.
    """

    instructions: Texts
    subtasks: Texts
    thoughts: Texts
    plans: Texts
    settings: Language
    questions: Mapping[int, Sequence[tuple[str, str]]] = field(default_factory=dict)
    paraphrases: Sequence[str] = ()

    @property
    def plan(self) -> list[str]:
        """The subtasks, in the order in which they were done; one that goes on is there once, and no end is."""
        said = [text for text in self.subtasks if text and text != prompts.DONE]
        return [text for text, before in zip(said, [None, *said]) if text != before]

    def acting(
        self, rng: np.random.Generator, row: int, count: int, paths: Mapping[str, float] | None = None
    ) -> list[tuple[str, str]]:
        """Up to ``count`` different texts that the motion from a row on follows, each with what is said before it.

        Args:
            paths: see :meth:`~wall_oss_ros.data.dataset.Dataset.acting`.
        """
        found = self.followed(self._worded(rng, row), self.subtasks[row], self.thoughts[row], rng, paths)
        if len(found) > count:
            found = [found[i] for i in rng.permutation(len(found))[:count]]
        return found

    def followed(
        self,
        instruction: str | None,
        subtask: str | None,
        thought: str | None = None,
        rng: np.random.Generator | None = None,
        paths: Mapping[str, float] | None = None,
    ) -> list[tuple[str, str]]:
        """The texts that motion for both is shown with, each with what is said before it: as the mapping has it, or one
        that ``rng`` draws from ``paths``. That all is done is nothing to act on.

        Where there are no subtasks at all, the instruction is followed whatever the paths.
        """
        subtask, over = (None, True) if subtask == prompts.DONE else (subtask, False)
        if paths is not None and rng is not None:
            if over:
                return []
            way = follow_path(rng, paths, instruction, subtask, thought)
            if way is None and instruction and not subtask:
                way = instruction, ""
            return [] if way is None else [way]
        alone = [] if over else [subtask or instruction]
        texts = {"instruction": [instruction], "subtask": alone, "both": [instruction, subtask]}
        return [(text, "") for text in dict.fromkeys(texts[self.settings.acts_on]) if text]

    def language(
        self,
        rng: np.random.Generator,
        row: int,
        kinds: Mapping[str, float] | None = None,
        called: Sequence[tuple[str, str]] = (),
    ) -> LanguageSample | None:
        """Draws something to be answered about a row; None where there is nothing.

        Args:
            called: further instructions, each with the subtask that it calls for in this row.
        """
        samples = self.samples(row, self._worded(rng, row))
        if further := [LanguageSample("reason", prompts.reason_suffix(text), answer) for text, answer in called]:
            samples["reason"] = [*samples.get("reason", ()), *further]
        shares: Mapping[str, float] = dict(self.settings.kinds.items()) if kinds is None else kinds
        weights = np.array([shares.get(kind, 0.0) for kind in samples], float)
        if not weights.sum() > 0:
            return None
        chosen = samples[list(samples)[rng.choice(len(weights), p=weights / weights.sum())]]
        return chosen[int(rng.integers(len(chosen)))]

    def _worded(self, rng: np.random.Generator, row: int) -> str | None:
        """The instruction of a row, in one of the ways to say it."""
        instruction = self.instructions[row]
        if instruction is None or not self.paraphrases:
            return instruction
        ways = list(dict.fromkeys([instruction, *self.paraphrases]))
        return ways[int(rng.integers(len(ways)))]

    def samples(self, row: int, instruction: str | None) -> dict[str, list[LanguageSample]]:
        """All that can be asked about a row under an instruction, by kind."""
        subtask, thought = self.subtasks[row], self.thoughts[row]
        asked = normalise(instruction or "") or instruction  # as the planner will ask
        found: dict[str, list[LanguageSample]] = {}
        if instruction and subtask:
            found["reason"] = [LanguageSample("reason", prompts.reason_suffix(asked), subtask)]
        if plan := instruction and (self.plans[row] or (subtask and "\n".join(self.plan))):
            found["plan"] = [LanguageSample("plan", prompts.plan_suffix(asked), plan)]
        if instruction and thought:
            found["thought"] = [LanguageSample("thought", prompts.ask_suffix(THOUGHT + instruction), thought)]
        if row in self.questions:
            found["ask"] = [
                LanguageSample("ask", prompts.ask_suffix(question), answer) for question, answer in self.questions[row]
            ]
        return found


class Words:
    """Reads what is said.

    Args:
        settings: the mapping's.
        columns: of the dataset.

    Raises:
        WallOSSError: a column of text is not there.
    """

    def __init__(self, settings: Language, columns: Columns, dataset: LeRobotDataset):
        self._settings, self._columns, self._dataset = settings, columns, dataset
        self._sources = {
            "instruction": self._source("instruction", settings.instruction, "task"),
            "subtask": self._source("subtask", settings.subtask, "subtask"),
            "thought": self._source("thought", settings.thought, *_STYLES, _ANSWERS),
            "plan": self._source("plan", settings.plan, "plan"),
        }

    def _source(self, key: str, given: str | None, *own: str) -> str | None:
        """A column of text; a word of ``own`` for what the dataset says itself; None for nothing."""
        if given is None or given in own:
            return given
        return self._columns.text(f"language.{key}", given)

    def read(self, episode: int) -> EpisodeWords:
        """What is said in an episode, by its index."""
        wanted = [one for one in self._sources.values() if one not in (None, "task", "subtask", *_STYLES, _ANSWERS)]
        indices = ["task_index"] if "task_index" in self._dataset.features else []
        wanted += [*indices, "frame_index", *(["timestamp"] if {*self._sources.values()} & {*_STYLES} else [])]
        table = self._dataset.columns(episode, sorted({*wanted} & {*self._dataset.features}))
        rows = len(next(iter(table.values())))
        spoken = self._dataset.language(episode)
        asked: dict[int, list[tuple[str, str]]] = {}
        if self._settings.questions or self._sources["thought"] == _ANSWERS:
            asked = _questions(spoken.events)
        found: dict[str, Texts] = {}
        for key, source in self._sources.items():
            if source is None:
                found[key] = [None] * rows
            elif source == "task":
                found[key] = self._by_number(table.get("task_index"), self._dataset.tasks, episode, rows)
            elif source == "subtask":
                found[key] = [cleaned(text) for text in spoken.subtasks]
            elif source == _ANSWERS and key == "thought":
                found[key] = [", ".join(answer for _, answer in asked.get(row, ())) or None for row in range(rows)]
            elif source in _STYLES and key in ("thought", "plan"):
                said = [spoken.active(source, float(time)) for time in table["timestamp"]]
                found[key] = [cleaned(one and one.content, "\n") for one in said]
            else:
                found[key] = [cleaned(text, "\n" if key in ("thought", "plan") else " ") for text in table[source]]
        questions = asked if self._settings.questions else {}
        others = [cleaned(entry.content) for entry in spoken.persistent if entry.style == "task_aug"]
        paraphrases = [text for text in dict.fromkeys(others) if text] if self._sources["instruction"] == "task" else []
        texts = found["instruction"], found["subtask"], found["thought"], found["plan"]
        return EpisodeWords(*texts, self._settings, questions, paraphrases)

    def _by_number(self, numbers: np.ndarray | None, texts: Mapping[int, str], episode: int, rows: int) -> Texts:
        if numbers is None:
            return [None] * rows
        if strange := sorted({int(n) for n in numbers} - {*texts}):
            raise WallOSSError(
                f"{self._dataset.folder}, episode {episode}: task_index {strange[0]} stands in no table of tasks.",
                "Mend the dataset, or name a column of text as language.instruction.",
            )
        return [cleaned(texts[int(number)]) for number in numbers]

    def vocabulary(self, episodes: Sequence[int]) -> list[str]:
        """Every word of what is said in these episodes, in lower case."""
        texts: set[str] = set()
        only_tables = (
            self._sources["thought"] is None and self._sources["plan"] is None and not self._settings.questions
        )
        only_tables &= PERSISTENT not in self._dataset.features
        tables = {"instruction": ("task", self._dataset.tasks), "subtask": ("subtask", self._dataset.subtasks)}
        if only_tables and all(self._sources[key] in (None, name) and table for key, (name, table) in tables.items()):
            texts |= {*self._dataset.tasks.values(), *self._dataset.subtasks.values()}
        else:
            for episode in episodes:
                words = self.read(episode)
                said = (*words.instructions, *words.subtasks, *words.thoughts, *words.plans)
                texts |= {text for text in said if text}
                texts |= {*words.paraphrases}
                texts |= {text for asked in words.questions.values() for pair in asked for text in pair}
        return words_of(texts)


def words_of(texts: Iterable[str]) -> list[str]:
    """Every word of texts once, in lower case."""
    return sorted({word for text in texts for word in _WORD.findall(text.lower())})


def _questions(events: Sequence[tuple[int, Any]]) -> dict[int, list[tuple[str, str]]]:
    """Questions with their answers, by row: what a user asks about pictures, and what is answered on the same row."""
    rows: dict[int, list[Any]] = {}
    for row, entry in events:
        rows.setdefault(row, []).append(entry)
    found: dict[int, list[tuple[str, str]]] = {}
    for row, said in rows.items():
        for asked, answer in answered(said):
            question, text = (cleaned(said[at].content, "\n") for at in (asked, answer))
            if question and text:
                found.setdefault(row, []).append((" ".join(question.split()), text))
    return found


def cleaned(text: object, between: str = " ") -> str | None:
    """A text without tokens that mean something in prompts, its lines joined; None where nothing is left."""
    lines = [" ".join(line.split()) for line in _SPECIAL.sub(" ", "" if text is None else str(text)).splitlines()]
    return between.join(line for line in lines if line) or None
