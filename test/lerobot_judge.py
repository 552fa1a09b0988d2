# SPDX-License-Identifier: Apache-2.0
"""lerobot itself as the judge, in the environment whose Python LEROBOT_PYTHON names; docs/how-to/datasets.md tells how
to make one."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lerobot_support import VIEW

from wall_oss_ros.data.lerobot import Entry, open_dataset
from wall_oss_ros.data.lerobot.language import FURTHER, told_apart

PYTHON = os.environ.get("LEROBOT_PYTHON", "")
PEER = Path(__file__).with_name("data") / "lerobot" / "lerobot_peer.py"
MARKS = [
    pytest.mark.skipif(not PYTHON, reason="LEROBOT_PYTHON names no Python with lerobot"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@cache
def peer_version() -> str:
    told = [PYTHON, "-c", "import importlib.metadata as m; print(m.version('lerobot'))"]
    return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip() if PYTHON else "none"


def knows_language() -> pytest.MarkDecorator:
    """Skips where the judge does not know language columns."""
    version = peer_version()
    older = version != "none" and tuple(map(int, version.split(".")[:2])) < (0, 6)
    return pytest.mark.skipif(older, reason=f"lerobot {version} does not know language columns; 0.6 and later do")


@cache
def _process() -> subprocess.Popen:
    return subprocess.Popen([PYTHON, PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def peer(name: str, *arguments: Any) -> Any:
    """Has lerobot do something; see lerobot_peer.py."""
    process = _process()
    process.stdin.write(json.dumps([name, *arguments], default=str) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert "error" not in answer, answer["error"][-3000:]
    return answer["value"]


def compare(folder: Path, scratch: Path) -> None:
    """What lerobot reads of a dataset is what we read of it: each number, pixel and word of each frame."""
    peer("read", folder, scratch / "theirs.npz")
    theirs = np.load(scratch / "theirs.npz")
    dataset, first = open_dataset(folder), 0
    for episode in dataset.episodes:
        rows = slice(first, first := first + episode.length)
        columns = dataset.columns(episode.index)
        for key, values in columns.items():
            found = theirs[key][rows].reshape(values.shape)  # of more than one axis, it makes all numbers float32
            assert (found == values.astype(found.dtype)).all(), key
        for view in dataset.views:
            assert (theirs[view][rows] == dataset.pictures(view, episode.index)).all(), view
        assert theirs["task"][rows].tolist() == [dataset.tasks[index] for index in columns["task_index"]]
        language = dataset.language(episode.index)
        if "subtask" in theirs:
            assert tuple(text or None for text in theirs["subtask"][rows]) == language.subtasks
        if "language_persistent" in dataset.features:
            held = [_values(entry) for entry in language.persistent]
            for row in theirs["language_persistent"][rows]:
                assert sorted(json.loads(row), key=lambda entry: entry["timestamp"]) == held
        if "language_events" in dataset.features:
            said = [[entry for at, entry in language.events if at == row] for row in range(episode.length)]
            if FURTHER in dataset.features:
                said = [told_apart(entries)[0] for entries in said]
            found = [json.loads(row) for row in theirs["language_events"][rows]]
            assert found == [[_values(entry, persistent=False) for entry in entries] for entries in said]
    assert first == len(theirs["index"])
    for key, given in dataset.statistics.items():
        for name, value in given.items():
            assert np.allclose(theirs[f"stats/{key}/{name}"], value)


def _values(entry: Entry, persistent: bool = True) -> dict[str, Any]:
    """An entry as lerobot gives it."""
    values = {**entry._asdict(), "tool_calls": list(entry.tool_calls) or None}
    time = values.pop("timestamp")
    return {**values, "timestamp": float(np.float32(time))} if persistent else values


__all__ = ["MARKS", "VIEW", "compare", "knows_language", "peer", "peer_version"]
