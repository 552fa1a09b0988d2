# SPDX-License-Identifier: Apache-2.0
"""Small LeRobot datasets, laid out by hand as lerobot's releases do, so that reading is judged by something else than
our own writer.

A frame says whose it is: its left half has the level of its row, its right half that of its episode.
"""

import io
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

VIEW = "observation.images.front"
HEIGHT, WIDTH = 48, 64
TASKS = ("close the drawer", "wipe the table")
LENGTHS = (12, 20, 1, 15)

SCALAR = {"shape": [1], "names": None}
FEATURES = {
    "observation.state": {"dtype": "float32", "shape": [3], "names": ["episode", "row", "x"]},
    "action": {"dtype": "float32", "shape": [2], "names": {"motors": ["a", "gripper"]}},
    "timestamp": {"dtype": "float32", **SCALAR},
    "frame_index": {"dtype": "int64", **SCALAR},
    "episode_index": {"dtype": "int64", **SCALAR},
    "index": {"dtype": "int64", **SCALAR},
    "task_index": {"dtype": "int64", **SCALAR},
}


def picture(episode: int, row: int) -> np.ndarray:
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2] = 20 + 9 * row % 220
    pixels[:, WIDTH // 2 :] = 30 + 50 * episode % 200
    return pixels


def whose(pixels: np.ndarray) -> tuple[int, int]:
    """Episode (of the first four) and row (of the first 24) of a frame, however it was encoded."""
    row = (pixels[:, : WIDTH // 2 - 4].mean() - 20) / 9
    episode = (pixels[:, WIDTH // 2 + 4 :].mean() - 30) / 50
    assert abs(row - round(row)) < 0.4 and abs(episode - round(episode)) < 0.2, (episode, row)
    return round(episode), round(row)


def encode(
    path: Path, frames, times, codec="libx264", options=None, base=Fraction(1, 15360), rate=15, pix_fmt="yuv420p"
):
    """A video of ``frames`` shown at ``times`` (seconds)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001), options=options or {})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.time_base = stream.time_base = base
        for pixels, time in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def rows_of(episode: int, length: int, first: int, fps: float, tasks=TASKS) -> dict:
    rows = np.arange(length)
    return {
        "observation.state": [[float(episode), float(row), 0.5] for row in rows],
        "action": [[episode + 0.01 * row, float(row >= length / 2)] for row in rows],
        "timestamp": (rows / fps).astype(np.float32).tolist(),
        "frame_index": rows.tolist(),
        "episode_index": [episode] * length,
        "index": (first + rows).tolist(),
        "task_index": [episode % len(tasks)] * length,
    }


def table(columns: dict) -> pa.Table:
    types = {
        "timestamp": pa.float32(),
        "observation.state": pa.list_(pa.float32(), 3),
        "action": pa.list_(pa.float32()),
    }
    return pa.table({
        name: values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values, types.get(name))
        for name, values in columns.items()
    })  # fmt: skip


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "png")
    return data.getvalue()


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_lines(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(path: Path, columns, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)


def layout(
    folder: Path,
    version="v3.0",
    lengths=LENGTHS,
    fps=15,
    view="image",
    per_file=2,
    video: dict | None = None,
    tasks=TASKS,
    change=lambda episode, columns: columns,
    info: dict | None = None,
    features: dict | None = None,
    offsets=lambda key, value, episode: value,
) -> Path:
    """A dataset of ``lengths`` frames an episode.

    Args:
        view: "image", "video", or None for no pictures.
        per_file: episodes that share a file in v3.0.
        video: options of ``encode``; "start" is when the first frame is shown.
        change: the columns of an episode, as they shall be.
        offsets: the entries of v3.0's table of episodes, as they shall be.
    """
    features = {**FEATURES, **(features or {})}
    if view:
        features[VIEW] = {"dtype": view, "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channels"]}
    video = dict(video or {})
    start = video.pop("start", 0.0)
    firsts = np.cumsum([0, *lengths]).tolist()
    columns = [rows_of(episode, length, firsts[episode], fps, tasks) for episode, length in enumerate(lengths)]
    frames = [[picture(episode, row) for row in range(length)] for episode, length in enumerate(lengths)]
    if view == "image":
        for given, pixels in zip(columns, frames):
            given[VIEW] = [{"bytes": png(one), "path": f"{at}.png"} for at, one in enumerate(pixels)]
    columns = [change(episode, given) for episode, given in enumerate(columns)]
    about = {
        "codebase_version": version,
        "robot_type": "panda",
        "total_episodes": len(lengths),
        "total_frames": firsts[-1],
        "total_tasks": len(tasks),
        "chunks_size": 1000,
        "fps": fps,
        "features": features,
    }
    write_json(folder / "meta/info.json", {**about, **(info or {})})
    episodes = [
        {"episode_index": episode, "tasks": [tasks[episode % len(tasks)]], "length": length}
        for episode, length in enumerate(lengths)
    ]
    if version != "v3.0":
        write_lines(folder / "meta/episodes.jsonl", episodes)
        write_lines(folder / "meta/tasks.jsonl", [{"task_index": i, "task": task} for i, task in enumerate(tasks)])
        for episode, given in enumerate(columns):
            write_parquet(folder / f"data/chunk-000/episode_{episode:06d}.parquet", table(given))
            if view == "video":
                path = folder / f"videos/chunk-000/{VIEW}/episode_{episode:06d}.mp4"
                encode(path, frames[episode], start + np.arange(lengths[episode]) / fps, rate=fps, **video)
        return folder
    write_parquet(
        folder / "meta/tasks.parquet",
        {"task_index": list(range(len(tasks))), "__index_level_0__": list(tasks)},
    )
    for file, members in enumerate(
        np.array_split(range(len(lengths)), -(-len(lengths) // per_file)) if lengths else []
    ):
        tables = [table(columns[episode]) for episode in members]
        write_parquet(folder / f"data/chunk-000/file-{file:03d}.parquet", pa.concat_tables(tables))
        at = 0
        for episode in members:
            episodes[episode] |= {
                "data/chunk_index": 0,
                "data/file_index": file,
                "dataset_from_index": firsts[episode],
                "dataset_to_index": firsts[episode + 1],
            }
            if view == "video":
                episodes[episode] |= {
                    f"videos/{VIEW}/chunk_index": 0,
                    f"videos/{VIEW}/file_index": file,
                    f"videos/{VIEW}/from_timestamp": at / fps,
                    f"videos/{VIEW}/to_timestamp": (at + lengths[episode]) / fps,
                }
            at += lengths[episode]
        if view == "video":
            pixels = [one for episode in members for one in frames[episode]]
            path = folder / f"videos/{VIEW}/chunk-000/file-{file:03d}.mp4"
            encode(path, pixels, start + np.arange(len(pixels)) / fps, rate=fps, **video)
    for row in episodes:
        for key in row:
            row[key] = offsets(key, row[key], row["episode_index"])
    names = list(episodes[0]) if episodes else []
    write_parquet(
        folder / "meta/episodes/chunk-000/file-000.parquet", {name: [row[name] for row in episodes] for name in names}
    )
    return folder


def read_all(dataset, seed: int) -> bool:
    """Every frame in any order, whose it is; a process of its own finds this function here."""
    rng = np.random.default_rng(seed)
    asked = [(episode.index, row) for episode in dataset.episodes for row in range(episode.length)]
    for episode, row in rng.permutation(asked).tolist():
        assert whose(dataset.pictures(VIEW, episode, [row])[0]) == (episode, row)
        assert dataset.columns(episode, rows=slice(row, row + 1))["frame_index"] == [row]
    return True
