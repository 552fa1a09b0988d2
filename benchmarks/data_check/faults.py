# SPDX-License-Identifier: Apache-2.0
"""Faults as people meet them, each planted in a sound dataset: in its content, or in its files once written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_check.sets import VIEWS, Content, encode, lines

STATE, ACTION = "observation.state", "action"


class Fault(NamedTuple):
    """A fault.

    Attributes:
        check: what ``wall-oss data check`` calls it; several names where it may be told in several ways.
        words: what another tool's words must hold, any of them, to count as having found it.
        content: plants it before the set is written.
        files: plants it in the files.
    """

    name: str
    check: tuple[str, ...]
    words: tuple[str, ...]
    content: Callable[[Content], None] | None = None
    files: Callable[[Path], None] | None = None
    version: str = "v3.0"
    episode: int | None = None


def _column(name: str, change: Callable[[np.ndarray, int], np.ndarray], only: int | None = None):
    def plant(content: Content) -> None:
        for index, episode in enumerate(content.episodes):
            if only is None or index == only:
                episode.columns[name] = change(episode.columns[name].copy(), index).astype(episode.columns[name].dtype)

    return plant


def _both(change, only=None):
    def plant(content: Content) -> None:
        for name in (STATE, ACTION):
            _column(name, change, only)(content)

    return plant


def _set(rows, at, value):
    def change(values: np.ndarray, index: int) -> np.ndarray:
        values[rows, at] = value
        return values

    return change


def _scaled(at, factor):
    def change(values: np.ndarray, index: int) -> np.ndarray:
        values[:, at] *= factor
        return values

    return change


def _clipped(at: int):
    def change(values: np.ndarray, index: int) -> np.ndarray:
        values[:, at] = np.minimum(values[:, at], 0.05)
        return values

    return change


def _swap(values: np.ndarray, index: int) -> np.ndarray:
    values[:, [0, 2]] = values[:, [2, 0]]
    return values


def _leap(values: np.ndarray, index: int) -> np.ndarray:
    values[40, 1] += 1.8
    return values


def _late(frames: int):
    def change(values: np.ndarray, index: int) -> np.ndarray:
        return np.concatenate([np.repeat(values[:1], frames, 0), values])[: len(values)]

    return change


def _pictures(view: str, change: Callable[[np.ndarray], np.ndarray], only: int | None = 3):
    def plant(content: Content) -> None:
        for index, episode in enumerate(content.episodes):
            if only is None or index == only:
                episode.pictures[view] = change(episode.pictures[view].copy())

    return plant


def _frozen(pictures: np.ndarray) -> np.ndarray:
    pictures[20:] = pictures[20]
    return pictures


def _views_swapped(content: Content) -> None:
    pictures = content.episodes[3].pictures
    pictures[VIEWS[0]], pictures[VIEWS[1]] = pictures[VIEWS[1]], pictures[VIEWS[0]]


def _views_same(content: Content) -> None:
    for episode in content.episodes:
        episode.pictures[VIEWS[1]] = episode.pictures[VIEWS[0]]


def _time(change: Callable[[np.ndarray], np.ndarray], only: int | None = 2):
    def plant(content: Content) -> None:
        for index, episode in enumerate(content.episodes):
            if only is None or index == only:
                time = np.arange(len(episode)) / content.fps
                episode.columns["timestamp"] = change(time).astype(np.float32)

    return plant


def _gap(time: np.ndarray) -> np.ndarray:
    time[30:] += 0.4
    return time


def _back(time: np.ndarray) -> np.ndarray:
    time[30] = time[28]
    return time


def _jitter(time: np.ndarray) -> np.ndarray:
    return time + np.random.default_rng(0).uniform(-0.3, 0.3, len(time)) / 30 * (np.arange(len(time)) > 0)


def _short(content: Content) -> None:
    one = content.episodes[5]
    one.columns = {key: value[:9] for key, value in one.columns.items()}
    one.pictures = {key: value[:9] for key, value in one.pictures.items()}


def _long(content: Content) -> None:
    one = content.episodes[5]
    rng = np.random.default_rng(1)
    for group in (one.columns, one.pictures):
        for key, value in group.items():
            group[key] = np.concatenate([value] * 9)
    for key in (STATE, ACTION):
        one.columns[key] = one.columns[key] + rng.normal(0, 1e-3, one.columns[key].shape).astype(np.float32)


def _twice(content: Content) -> None:
    content.episodes[6] = content.episodes[1]


def _task(index: int, text: str):
    def plant(content: Content) -> None:
        content.episodes[index].task = text

    return plant


def _failed(content: Content) -> None:
    for index, episode in enumerate(content.episodes):
        episode.extra["success"] = index != 4


def _subtasks(content: Content) -> None:
    content.subtasks = ["reach", "grasp"]
    for index, episode in enumerate(content.episodes):
        values = (np.arange(len(episode)) > 30).astype(np.int64)
        if index == 2:
            values[40:] = 7
        episode.columns["subtask_index"] = values


def info(change: Callable[[dict], None]):
    def plant(folder: Path) -> None:
        path = folder / "meta/info.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))

    return plant


def table(change: Callable[[list[dict]], object]):
    """Changes the rows of v3.0's table of episodes."""

    def plant(folder: Path) -> None:
        path = folder / "meta/episodes/chunk-000/file-000.parquet"
        before = pq.read_table(path)
        rows = before.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, before.schema), path)

    return plant


def data(change: Callable[[pa.Table], pa.Table]):
    """Changes the first file of data."""

    def plant(folder: Path) -> None:
        path = sorted((folder / "data").rglob("*.parquet"))[0]
        pq.write_table(change(pq.read_table(path)), path)

    return plant


def _shift(key: str, by: float):
    def change(rows: list[dict]) -> None:
        for row in rows[3:]:
            row[key] += by

    return table(change)


def _scrambled(rows: list[dict]) -> None:
    key = f"videos/{VIEWS[0]}/from_timestamp"
    rows[2][key], rows[4][key] = rows[4][key], rows[2][key]


def _stats(change: Callable[[dict], None]):
    def plant(folder: Path) -> None:
        path = folder / "meta/stats.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))

    return plant


def _merged(stats: dict) -> None:
    """As after a merge whose quantiles were averaged."""
    for key in (STATE, ACTION):
        for name in ("q01", "q10", "q90", "q99"):
            stats[key][name] = [0.6 * q + 0.4 * m for q, m in zip(stats[key][name], stats[key]["mean"])]


def _half(stats: dict) -> None:
    """As if they were of one of two sets that were merged."""
    stats[STATE]["mean"] = [m + 0.1 for m in stats[STATE]["mean"]]
    stats[STATE]["count"] = [stats[STATE]["count"][0] // 2]


def _cut_video(folder: Path) -> None:
    """The last frames of an episode's video are lost."""
    import av

    path = folder / f"videos/chunk-000/{VIEWS[0]}/episode_000002.mp4"
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    encode(path, frames[:-12], 30)


def _slower_video(folder: Path) -> None:
    import av

    path = folder / f"videos/chunk-000/{VIEWS[0]}/episode_000002.mp4"
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    encode(path, frames, 25)


def _truncate(folder: Path) -> None:
    path = sorted((folder / "data").rglob("*.parquet"))[-1]
    path.write_bytes(path.read_bytes()[:-400])


def _latin(folder: Path) -> None:
    path = folder / "meta/tasks.jsonl"
    path.write_bytes(path.read_text().replace("drawer", "dr\u00e4wer").encode("latin-1"))


def _drop_rows(found: pa.Table) -> pa.Table:
    return found.slice(0, len(found) - 7)


def _other_episode(found: pa.Table) -> pa.Table:
    at = found.schema.get_field_index("episode_index")
    values = np.array(found.column(at).to_pylist())
    values[20:30] = 5
    return found.set_column(at, "episode_index", pa.array(values))


def _bad_tasks(folder: Path) -> None:
    path = folder / "meta/tasks.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lines(path, rows[:-1])


def _rename_view(folder: Path) -> None:
    (folder / f"videos/chunk-000/{VIEWS[1]}/episode_000001.mp4").unlink()


FAULTS = (
    Fault(
        "rows cut off", ("length", "totals", "offsets"), ("mismatch", "total_frames", "length"), files=data(_drop_rows)
    ),
    Fault(
        "data file not finished",
        ("layout",),
        ("parquet", "read", "unreadable", "corrupt"),
        files=_truncate,
        version="v2.1",
    ),
    Fault(
        "rows of another episode",
        ("scattered rows", "length"),
        ("mismatch", "episode_index", "length"),
        files=data(_other_episode),
    ),
    Fault(
        "lengths of the table stale",
        ("length",),
        ("mismatch", "length"),
        files=table(lambda rows: rows[2].update(length=rows[2]["length"] + 9)),
    ),
    Fault(
        "dataset_from_index stale",
        ("offsets",),
        ("from_index", "offset", "index"),
        files=_shift("dataset_from_index", 5),
    ),
    Fault(
        "from_timestamp stale",
        ("video offsets", "video length"),
        ("from_timestamp", "timestamp"),
        files=_shift(f"videos/{VIEWS[0]}/from_timestamp", -0.5),
    ),
    Fault("from_timestamp scrambled", ("video offsets",), ("from_timestamp", "timestamp"), files=table(_scrambled)),
    Fault("fps truncated", ("rate",), ("fps", "interval", "rate"), files=info(lambda values: values.update(fps=29))),
    Fault("timestamps at another rate", ("rate",), ("fps", "interval", "rate"), content=_time(lambda t: t * 1.2, None)),
    Fault("a gap in time", ("gaps",), ("gap", "dropped"), content=_time(_gap), episode=2),
    Fault("time goes back", ("timestamps",), ("monoton", "increas"), content=_time(_back), episode=2),
    Fault(
        "jitter", ("jitter",), ("jitter", "interval", "irregular", "gap", "toler"), content=_time(_jitter), episode=2
    ),
    Fault(
        "NaN in the state",
        ("not finite",),
        ("nan",),
        content=_column(STATE, _set(slice(20, 24), 3, np.nan), 1),
        episode=1,
    ),
    Fault("infinite action", ("not finite",), ("inf",), content=_column(ACTION, _set(10, 2, np.inf), 1), episode=1),
    Fault(
        "constant dimension",
        ("constant",),
        ("constant", "zero var", "static", "stuck", "variance"),
        content=_column(STATE, _set(slice(None), 3, 0.7)),
    ),
    Fault(
        "sensor hung in an episode",
        ("stuck",),
        ("stuck", "static", "frozen", "constant"),
        content=_column(STATE, _set(slice(None), 2, 1.2), 4),
        episode=4,
    ),
    Fault("clipped at a limit", ("saturated",), ("clip", "satur", "at maximum"), content=_column(ACTION, _clipped(0))),
    Fault("swapped dimensions", ("swapped numbers",), ("swap", "correl"), content=_column(STATE, _swap)),
    Fault(
        "degrees in the state",
        ("units",),
        ("degree", "unit", "radian"),
        content=_column(STATE, _scaled(slice(0, 6), 57.29578)),
    ),
    Fault(
        "degrees throughout", ("units",), ("degree", "unit", "radian"), content=_both(_scaled(slice(0, 6), 57.29578))
    ),
    Fault(
        "degrees in an episode",
        ("units",),
        ("degree", "unit", "radian"),
        content=_both(_scaled(slice(0, 6), 57.29578), 3),
        episode=3,
    ),
    Fault(
        "gripper the other way",
        ("direction",),
        ("gripper", "invert", "direction"),
        content=_column(ACTION, lambda v, i: np.column_stack([v[:, :6], 1 - v[:, 6]])),
    ),
    Fault(
        "gripper the other way in an episode",
        ("direction",),
        ("gripper", "invert", "direction"),
        content=_column(ACTION, lambda v, i: np.column_stack([v[:, :6], 1 - v[:, 6]]), 3),
        episode=3,
    ),
    Fault("state 15 frames late", ("delay",), ("delay", "lag", "latency"), content=_column(STATE, _late(13))),
    Fault("action after the state", ("delay",), ("delay", "lag", "latency"), content=_column(ACTION, _late(6))),
    Fault(
        "an episode with another delay",
        ("delay",),
        ("delay", "lag", "latency"),
        content=_column(STATE, _late(7), 3),
        episode=3,
    ),
    Fault(
        "action copied from the state",
        ("copied",),
        ("identical", "copy", "same as"),
        content=lambda c: [e.columns.update(action=e.columns[STATE].copy()) for e in c.episodes] and None,
    ),
    Fault(
        "the state leaps",
        ("leap",),
        ("jump", "leap", "spike", "outlier", "discontin"),
        content=_column(STATE, _leap, 4),
        episode=4,
    ),
    Fault(
        "a video is missing", ("missing view",), ("missing", "not found"), files=_rename_view, version="v2.1", episode=1
    ),
    Fault(
        "a video is short",
        ("video length",),
        ("frames", "frame count", "length"),
        files=_cut_video,
        version="v2.1",
        episode=2,
    ),
    Fault("a video of another rate", ("rate",), ("fps",), files=_slower_video, version="v2.1", episode=2),
    Fault(
        "frozen view",
        ("frozen view",),
        ("frozen", "freeze", "static frame", "identical frame", "duplicate frame"),
        content=_pictures(VIEWS[0], _frozen),
        episode=3,
    ),
    Fault(
        "black view", ("black view",), ("black", "dark", "blank"), content=_pictures(VIEWS[0], np.zeros_like), episode=3
    ),
    Fault(
        "overexposed view",
        ("overexposed view",),
        ("overexpos", "bright", "white", "satur"),
        content=_pictures(VIEWS[0], lambda p: np.full_like(p, 255)),
        episode=3,
    ),
    Fault("two views are one", ("same view",), ("identical", "same view", "duplicate"), content=_views_same),
    Fault("views change places", ("swapped views",), ("swap",), content=_views_swapped, episode=3),
    Fault(
        "picture size is another",
        ("picture size",),
        ("resolution", "shape", "size"),
        files=info(lambda v: v["features"][VIEWS[0]].update(shape=[96, 128, 3])),
    ),
    Fault(
        "codec is another",
        ("codec",),
        ("codec",),
        files=info(lambda v: v["features"][VIEWS[0]]["info"].update({"video.codec": "av1"})),
    ),
    Fault(
        "a task under two spellings",
        ("spelling",),
        ("spelling", "duplicate task", "similar"),
        content=_task(4, "Close the  wooden drawer."),
    ),
    Fault(
        "a task mistyped",
        ("spelling",),
        ("spelling", "duplicate task", "similar"),
        content=_task(4, "close the woden drawer"),
    ),
    Fault("an empty task", ("empty task",), ("empty", "task"), content=_task(4, "  ")),
    Fault("task_index out of range", ("tasks",), ("task",), files=_bad_tasks, version="v2.1"),
    Fault("words that are not UTF-8", ("encoding",), ("utf", "decode", "encoding"), files=_latin, version="v2.1"),
    Fault("subtask out of range", ("subtasks",), ("subtask",), content=_subtasks, episode=2),
    Fault("a very short episode", ("episode length",), ("short",), content=_short, episode=5),
    Fault("a very long episode", ("episode length",), ("long",), content=_long, episode=5),
    Fault("an episode twice", ("duplicate episodes",), ("duplicate",), content=_twice, episode=6),
    Fault("an episode marked as failed", ("failed",), ("fail", "success"), content=_failed, episode=4),
    Fault("statistics of half the set", ("statistics",), ("stat", "mean"), files=_stats(_half)),
    Fault("quantiles averaged by a merge", ("quantiles",), ("quantile", "q01", "q99"), files=_stats(_merged)),
)
