# SPDX-License-Identifier: Apache-2.0
"""Conversations about pictures in the forms of LLaVA and of Qwen: who says what, and where pictures are shown."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from wall_oss_ros.data.questions.spots import Pieces, Space, has_spots, in_pieces
from wall_oss_ros.json_files import brief

PICTURE = "<image>"
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_SHOWN = re.compile(r"<\|vision_start\|>(?:<\|image_pad\|>)+<\|vision_end\|>")
_SPECIAL = re.compile(r"<\|[^|]*\|>")
_ELSEWHERE = re.compile(r"^(https?|ftp|s3|gs|data):", re.IGNORECASE)


class Turn(NamedTuple):
    """A question, with a mark where each picture is shown, and its answer."""

    question: Pieces
    answer: Pieces

    @property
    def pictures(self) -> int:
        """How many it shows."""
        return sum(piece.count(PICTURE) for piece in self.question if isinstance(piece, str))


class Said(NamedTuple):
    """A conversation as it is written: the names of its pictures, and texts by turns."""

    pictures: tuple[str, ...]
    turns: tuple[tuple[str, str], ...]

    @property
    def points(self) -> bool:
        """Whether something is pointed to."""
        return any(has_spots(text) for turn in self.turns for text in turn)


def read_conversation(entry: Any) -> Said:
    """An entry of a file.

    Raises:
        ValueError: it is none, in one sentence without an end.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"it is {type(entry).__name__}, not an object")
    if entry.get("video") or entry.get("videos"):
        raise ValueError("it is about a video; only pictures are read")
    messages = entry.get("conversations", entry.get("messages"))
    if not isinstance(messages, list) or not messages:
        raise ValueError("it has no conversations (or messages)")
    pictures = [*_names(entry, "image"), *_names(entry, "images")]
    beside = bool(pictures)
    texts: list[tuple[str, str]] = []
    for number, message in enumerate(messages):
        role, text, own = _message(message, number)
        if own and beside:
            raise ValueError("it names pictures both beside and within its messages")
        pictures += own
        if role != "system":
            texts.append((role, text))
    wanted = ["user", "assistant"] * (len(texts) // 2)
    if not texts or [role for role, _ in texts] != wanted:
        raise ValueError("its turns are not question and answer by turns")
    turns = [(texts[at][1], texts[at + 1][1]) for at in range(0, len(texts), 2)]
    if not pictures:
        raise ValueError("it has no picture")
    marks = sum(question.count(PICTURE) for question, _ in turns)
    if not marks:
        turns[0] = f"{PICTURE}\n" * len(pictures) + turns[0][0], turns[0][1]
    elif marks != len(pictures):
        raise ValueError(f"it has {len(pictures)} pictures and {marks} marks {PICTURE}")
    for number, (question, answer) in enumerate(turns, 1):
        if PICTURE in answer:
            raise ValueError(f"answer {number} shows a picture")
        if "<video>" in question or "<audio>" in question:
            raise ValueError(f"question {number} shows a video or a sound; only pictures are read")
    return Said(tuple(pictures), tuple(turns))


def taken_apart(said: Said, space: Space | None, size: tuple[int, int] | None) -> tuple[Turn, ...]:
    """Its turns; see :func:`~wall_oss_ros.data.questions.spots.in_pieces`.

    Raises:
        ValueError: as there, or nothing is left of an answer without the tokens that mean something in prompts.
    """
    turns = tuple(Turn(*(_clean(in_pieces(text, space, size)) for text in turn)) for turn in said.turns)
    for number, turn in enumerate(turns, 1):
        if not any(not isinstance(piece, str) or piece.strip() for piece in turn.answer):
            raise ValueError(f"answer {number} is empty")
    return turns


def _names(entry: dict[str, Any], key: str) -> list[str]:
    value = entry.get(key)
    names = [] if value is None else value if isinstance(value, list) else [value]
    return [_name(name) for name in names]


def _name(name: Any) -> str:
    if isinstance(name, dict):  # Qwen's and the datasets library's
        name = name.get("path") or name.get("image") or name.get("url")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"the name of a picture is {brief(name)}")
    if _ELSEWHERE.match(name):
        raise ValueError(f"the picture {brief(name)} is no file; fetch it first")
    return name.removeprefix("file://")


def _message(message: Any, number: int) -> tuple[str, str, list[str]]:
    """Who speaks, the text, and pictures that it names itself."""
    if not isinstance(message, dict):
        raise ValueError(f"message {number + 1} is {type(message).__name__}, not an object")
    role = _ROLES.get(str(message.get("from", message.get("role"))).lower())
    if role is None:
        raise ValueError(f"message {number + 1} is by {brief(message.get('from', message.get('role')))}")
    content = message.get("value", message.get("content"))
    if isinstance(content, str):
        return role, _SHOWN.sub(PICTURE, content).strip(), []
    if not isinstance(content, list):
        raise ValueError(f"message {number + 1} has no text")
    text, pictures = "", []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            text += part["text"]
        elif kind in ("image", "image_url"):
            text += PICTURE
            pictures += [_name(part[kind])] if kind in part else []
        else:
            raise ValueError(f"message {number + 1} has a part that is neither text nor a picture: {brief(kind)}")
    return role, text.strip(), pictures


def _clean(pieces: Pieces) -> Pieces:
    """Without tokens that mean something in prompts."""
    return tuple(_SPECIAL.sub("", piece) if isinstance(piece, str) else piece for piece in pieces)
