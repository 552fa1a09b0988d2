# SPDX-License-Identifier: Apache-2.0
"""What was measured on this machine before, in a small file below the user's cache folder.

The file is a help and nothing more: whatever is wrong with it, it counts as empty, and is written anew. Writers replace
it as a whole. Two at the same time may lose one of their entries, which is then measured again.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json

A_DAY = 86400.0
"""Seconds for which something is kept that was measured on a busy machine."""
Type = Literal["float32", "bfloat16"]
MOST_BYTES, MOST_ENTRIES, LONGEST = 1 << 20, 50, 1000
_VERSION = 2


class Entry(BaseModel):
    """One choice.

    Attributes:
        asked: on what machine and for what network, in full; the file's keys are digests of it.
        weights, steps, widen, packed, whole: see :class:`~wall_oss_ros.policy.ways.Way`.
        threads: of torch.
        why: in words.
        until: s since 1970, for what was measured on a busy machine; None where it was quiet.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    asked: dict[str, str | int]
    weights: Type
    steps: Type
    widen: bool
    packed: bool
    whole: bool
    threads: Annotated[int, Field(ge=1, le=4096)]
    until: Annotated[float, Field(allow_inf_nan=False)] | None = None
    why: Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"^[^\x00-\x1f\x7f]*$")]


def place() -> Path | None:
    """The file; None where the user has no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(given) if os.path.isabs(given) else Path.home() / ".cache"  # as XDG wants relative ones ignored
    except RuntimeError:
        return None
    return folder / "wall_oss_ros" / "choices.json"


def recall(
    asked: Mapping[str, str | int], disturbed: bool = True, now: Callable[[], float] = time.time
) -> Entry | None:
    """What was chosen on this machine for this network; None where nothing is known.

    Args:
        disturbed: whether what was measured on a busy machine, within the last day, will do.
    """
    found = _entries().get(_key(asked))
    if found is None or found.asked != dict(asked):
        return None
    fresh = found.until is None or (disturbed and 0 <= found.until - now() <= A_DAY)  # and not from a clock ahead
    return found if fresh else None


def remember(entry: Entry) -> bool:
    """Keeps a choice, with the newest others; whether that could be done."""
    file, entries = place(), _entries()
    if file is None:
        return False
    key = _key(entry.asked)
    entries.pop(key, None)  # the newest stands last
    kept = dict([*entries.items(), (key, entry)][-MOST_ENTRIES:])
    text = json.dumps({"version": _VERSION, "choices": {key: one.model_dump() for key, one in kept.items()}}, indent=1)
    part = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".choices.", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.replace(part, file)
    except OSError:
        if part is not None:
            with suppress(OSError):
                os.unlink(part)
        return False
    return True


def _key(asked: Mapping[str, str | int]) -> str:
    return sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest()[:16]


def _entries() -> dict[str, Entry]:
    """Those that can be read."""
    file = place()
    try:
        if file is None or not file.is_file() or file.stat().st_size > MOST_BYTES:
            return {}
        content = read_json(file, "It is written anew.")
    except (OSError, ValueError, WallOSSError):
        return {}
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        return {}
    choices = content.get("choices")
    found = {}
    for key, values in choices.items() if isinstance(choices, dict) else ():
        with suppress(ValidationError):
            found[key] = Entry.model_validate(values)
    return found
