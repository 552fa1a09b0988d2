# SPDX-License-Identifier: Apache-2.0
"""Questions about pictures as a source of training: conversations, and their pictures as the model takes them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from wall_oss_ros.data.questions.conversations import PICTURE, Said, Turn, read_conversation, taken_apart
from wall_oss_ros.data.questions.entries import read_entries
from wall_oss_ros.data.questions.spots import Pieces, Space, joined
from wall_oss_ros.data.splits import split_episodes
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import resize_view
from wall_oss_ros.policy.observation import Observation

_log = logging.getLogger(__name__)
_NAMED = 5  # bad lines in a message
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF
NEXT = f"{prompts.END}\n<|im_start|>user\n"


class Conversation(NamedTuple):
    """What is said about pictures."""

    line: int
    pictures: tuple[Path, ...]
    turns: tuple[Turn, ...]


class PictureQuestions:
    """Conversations about pictures. There is no robot in them and no motion.

    Those that are held out come last: all that is said about a picture is on one side.

    Args:
        file: JSON or JSON lines, in the form of LLaVA or of Qwen.
        folder: of the pictures; the file's own when None.
        space: what points and boxes are in; None where there are none.
        image_size: side of the square pictures that the model takes; None for the released resizing.
        held_out: share of the pictures that is kept for validation.
        bad_lines: whether a file with lines that cannot be used is refused, or these are skipped.
        seed: of which pictures are held out.

    Raises:
        WallOSSError: lines cannot be used, which the message names with what is wrong; or there are none that can.
    """

    def __init__(
        self,
        file: Path,
        folder: Path | None = None,
        space: Space | None = None,
        image_size: int | None = None,
        held_out: float = 0.05,
        bad_lines: Literal["refuse", "skip"] = "refuse",
        seed: int = 0,
    ):
        self.file, self.folder = Path(file), Path(file).parent if folder is None else Path(folder)
        self._space, self._size = space, image_size
        self._there: dict[Path, bool] = {}
        found, bad = [], []
        for entry in read_entries(self.file):
            try:
                if entry.problem is not None:
                    raise ValueError(entry.problem)
                found.append(self._conversation(entry.line, read_conversation(entry.content)))
            except ValueError as error:
                bad.append(f"line {entry.line}: {error}")
        if bad:
            words = f"{'; '.join(bad[:_NAMED])}{f'; and {len(bad) - _NAMED} more' if len(bad) > _NAMED else ''}"
            message = f"{self.file}: {len(bad)} of {len(bad) + len(found)} entries cannot be used: {words}."
            if bad_lines == "refuse" or not found:
                raise WallOSSError(message, "Correct them, or set bad_lines: skip.")
            _log.warning(message)
        if not found:
            raise WallOSSError(f"{self.file} has no conversation.", "Give JSON or JSON lines with conversations.")
        numbers = {path: number for number, path in enumerate(dict.fromkeys(one.pictures[0] for one in found))}
        kept = split_episodes(numbers.values(), {"validation": held_out, "training": 1 - held_out}, seed)["validation"]
        last = set(kept) if len(kept) < len(numbers) else set()
        self._conversations = sorted(found, key=lambda one: numbers[one.pictures[0]] in last)
        self.held_out = sum(numbers[one.pictures[0]] in last for one in found)

    def __len__(self) -> int:
        return len(self._conversations)

    def __getitem__(self, index: int) -> Conversation:
        return self._conversations[index]

    def shown(self, conversation: Conversation, count: int | None = None) -> list[np.ndarray]:
        """The first ``count`` pictures of a conversation, all when None, as the model takes them: (H, W, 3) uint8 each.

        Raises:
            WallOSSError: one cannot be read; the message names file and line.
        """
        from PIL import Image

        found = []
        for path in conversation.pictures[:count]:
            try:
                with Image.open(path) as picture:
                    views = Observation.of({path.name: picture}).images
                found.append(resize_view(views[path.name], self._size))
            except (WallOSSError, OSError, ValueError, Image.DecompressionBombError) as error:
                problem = error.message if isinstance(error, WallOSSError) else str(error)
                raise WallOSSError(
                    f"{self.file}, line {conversation.line}: the picture {path} cannot be used: {problem.rstrip('.')}.",
                    "Mend or remove it, and the line.",
                ) from None
        return found

    def asked(self, index: int) -> list[tuple[str, str]]:
        """Questions and answers about the only picture of a conversation, without its mark; none where it has several,
        or pictures are of no fixed size."""
        conversation, side = self[index], self._size
        if side is None or len(conversation.pictures) != 1:
            return []
        said = [(joined(turn.question, (side, side)), joined(turn.answer, (side, side))) for turn in conversation.turns]
        return [(question.replace(PICTURE, "").strip(), answer) for question, answer in said]

    def texts(self, rng: np.random.Generator, index: int) -> list[str]:
        """All that is said in a conversation, as a tokenizer is made of it."""
        del rng
        said = [text for turn in self[index].turns for text in turn]
        return [joined(text, (self._size or 256, self._size or 256)).replace(PICTURE, "") for text in said]

    def _conversation(self, line: int, said: Said) -> Conversation:
        paths = tuple(self.folder / name for name in said.pictures)
        for path in paths:
            if path not in self._there:
                self._there[path] = path.is_file()
            if not self._there[path]:
                raise ValueError(f"there is no picture {path}")
        size = None
        if self._space is not None and said.points:
            sizes = {_size(path) for path in dict.fromkeys(paths)}
            if len(sizes) > 1:
                raise ValueError("it points, and its pictures differ in size: nobody knows into which")
            size = sizes.pop()
        return Conversation(line, paths, taken_apart(said, self._space, size))


def dialogue(turns: Sequence[Turn], size: tuple[int, int]) -> tuple[str, str]:
    """The prompt of the last of these turns, with those before it, and its answer: plain chat in Qwen's format, as the
    model was made for. Pictures are shown where they are marked.

    Args:
        size: width and height that the pictures are shown in.
    """
    words = [(joined(turn.question, size).replace(PICTURE, prompts.IMAGE), joined(turn.answer, size)) for turn in turns]
    before = "".join(f"{question}{prompts.ASSISTANT}{answer}{NEXT}" for question, answer in words[:-1])
    question, answer = words[-1]
    return f"{prompts.SYSTEM}<|im_start|>user\n{before}{question}{prompts.ASSISTANT}", answer


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a picture, as it is shown."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            width, height = picture.size
            turned = picture.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the picture {path} cannot be read: {error}") from None
    return (height, width) if turned else (width, height)


__all__ = ["Conversation", "PictureQuestions", "Pieces", "dialogue"]
