# SPDX-License-Identifier: Apache-2.0
"""Sound datasets of a made-up arm, in memory and on the disk: smooth motion that follows its commands, two cameras."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from wall_oss_ros.data.lerobot.schema import texts_table
from wall_oss_ros.data.statistics import Statistics

HEIGHT, WIDTH = 48, 64
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3", "gripper")
VIEWS = ("observation.images.front", "observation.images.wrist")
TASKS = ("put the red cube in the left tray", "close the wooden drawer", "hang the towel on the hook")


@dataclass
class Episode:
    """Columns (n, D), pictures by view (n, H, W, 3), and the rest of the table."""

    columns: dict[str, np.ndarray]
    pictures: dict[str, np.ndarray]
    task: str
    extra: dict[str, object] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["action"])


@dataclass
class Content:
    """A dataset before it is laid out."""

    fps: float
    episodes: list[Episode]
    names: tuple[str, ...] = JOINTS
    robot_type: str = "ur5e"
    subtasks: list[str] = field(default_factory=list)
    info: dict[str, object] = field(default_factory=dict)


def sound(rng: np.random.Generator, episodes: int = 8, fps: float = 30, shortest: int = 70, lag: int = 2) -> Content:
    """Point to point motions with the speed of a minimum jerk; the arm follows its commands ``lag`` frames late."""
    made = []
    scenes = {view: _scene(rng, number) for number, view in enumerate(VIEWS)}
    for number in range(episodes):
        length = int(rng.integers(shortest, 2 * shortest))
        command = _motion(rng, length)
        state = np.concatenate([np.repeat(command[:1], lag, 0), command])[:length]
        state = state + rng.normal(0, 2e-4, state.shape)
        state[:, -1] = np.clip(state[:, -1], 0, 1)
        columns = {"observation.state": state.astype(np.float32), "action": command.astype(np.float32)}
        pictures = {view: _pictures(rng, scenes[view], state, at) for at, view in enumerate(VIEWS)}
        made.append(Episode(columns, pictures, TASKS[number % len(TASKS)]))
    return Content(fps, made)


def _motion(rng: np.random.Generator, length: int) -> np.ndarray:
    """(length, 7): six joints in rad through random poses, each motion of 12 to 25 frames, and a gripper, 0 to 1."""
    home = np.array([0.2, -1.3, 1.6, -1.2, -1.5, 0.4])
    pose, hand = home + rng.normal(0, 0.15, 6), 1.0
    rows: list[np.ndarray] = []
    while len(rows) < length:
        goal, steps = home + rng.normal(0, 0.45, 6), int(rng.integers(12, 26))
        t = np.linspace(0, 1, steps)
        s = (10 * t**3 - 15 * t**4 + 6 * t**5)[:, None]
        rows += list(np.column_stack([pose + s * (goal - pose), np.full(steps, hand)]))
        then = float(rng.uniform(0.0, 0.3)) if hand > 0.6 else float(rng.uniform(0.8, 1.0))
        shut = np.linspace(hand, then, 8)
        rows += list(np.column_stack([np.repeat(goal[None], 8, 0), shut]))
        pose, hand = goal, then
    return np.array(rows[:length])


def _scene(rng: np.random.Generator, number: int) -> np.ndarray:
    coarse = rng.integers(40, 200, (6, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR if number else 0))


def _pictures(rng: np.random.Generator, scene: np.ndarray, state: np.ndarray, number: int) -> np.ndarray:
    """A block that moves with the arm before a scene, and the noise of a sensor."""
    pictures = np.repeat(scene[None], len(state), 0).astype(np.int16)
    for at, row in enumerate(state):
        x = int(np.clip(WIDTH * (0.5 + 0.35 * np.sin(row[number] + 0.7 * row[4])), 0, WIDTH - 13))
        y = int(np.clip(HEIGHT * (0.5 + 0.35 * np.sin(row[1 + number] + 0.7 * row[3] + row[5])), 0, HEIGHT - 13))
        pictures[at, y : y + 12, x : x + 12] = (230, 60, 40)
        pictures[at, y : y + 12, x + 2 : x + 2 + int(8 * row[6])] = (30, 90, 220)
    noise = rng.normal(0, 2, (7, *pictures.shape[1:]))
    return np.clip(pictures + noise[np.arange(len(state)) % 7], 0, 255).astype(np.uint8)


def write(content: Content, folder: Path, version: str = "v3.0", video: bool = True, per_file: int = 100) -> Path:
    """Lays ``content`` out as lerobot does, with right tables, offsets and statistics."""
    tasks = list(dict.fromkeys(episode.task for episode in content.episodes))
    views = list(content.episodes[0].pictures)
    v3 = version == "v3.0"
    table, statistics, whole = [], [], {}
    files: dict[int, list[pa.Table]] = {}
    videos: dict[tuple[str, int], list[np.ndarray]] = {}
    first = 0
    for index, episode in enumerate(content.episodes):
        n, file = len(episode), index // per_file if v3 else index
        time = np.arange(n) / content.fps
        columns: dict[str, np.ndarray] = {
            **episode.columns,
            "timestamp": time.astype(np.float32),
            "frame_index": np.arange(n),
            "episode_index": np.full(n, index),
            "index": first + np.arange(n),
            "task_index": np.full(n, tasks.index(episode.task)),
        }
        columns.update({k: v for k, v in episode.columns.items() if k in columns})
        row: dict[str, object] = {"episode_index": index, "tasks": [episode.task], "length": n, **episode.extra}
        if v3:
            row |= {
                "data/chunk_index": 0,
                "data/file_index": file,
                "dataset_from_index": first,
                "dataset_to_index": first + n,
            }
        own = {}
        for key, values in columns.items():
            if values.dtype == object:
                continue
            one = Statistics(int(np.prod(values.shape[1:])))
            one.add(values.reshape(n, -1))
            own[key] = _listed(one.result())
            whole.setdefault(key, Statistics(one.width)).merge(one)
        for view in views:
            held = videos.setdefault((view, file), [])
            if v3 and video:
                start = sum(map(len, held)) / content.fps
                row |= {
                    f"videos/{view}/chunk_index": 0,
                    f"videos/{view}/file_index": file,
                    f"videos/{view}/from_timestamp": start,
                    f"videos/{view}/to_timestamp": start + n / content.fps,
                }
            held.append(episode.pictures[view])
            own[view] = _of_pictures(episode.pictures[view])
        statistics.append(own)
        table.append(row)
        data = {key: _column(values) for key, values in columns.items()}
        if not video:
            data |= {
                view: pa.array(
                    [{"bytes": _png(p), "path": f"{at}.png"} for at, p in enumerate(episode.pictures[view])],
                    pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
                )
                for view in views
            }
        files.setdefault(file, []).append(pa.table(data))
        first += n
    for file, parts in files.items():
        name = f"chunk-000/{f'file-{file:03d}' if v3 else f'episode_{file:06d}'}.parquet"
        _write(folder / "data" / name, pa.concat_tables(parts))
    for (view, file), parts in videos.items() if video else ():
        name = f"{view}/chunk-000/file-{file:03d}.mp4" if v3 else f"chunk-000/{view}/episode_{file:06d}.mp4"
        encode(folder / "videos" / name, np.concatenate(parts), content.fps)
    _tables(
        content, folder, version, video, tasks, table, statistics, {k: _listed(v.result()) for k, v in whole.items()}
    )
    return folder


def _tables(content, folder, version, video, tasks, table, statistics, whole) -> None:
    v3 = version == "v3.0"
    views = list(content.episodes[0].pictures)
    for view in views:
        parts = [own[view] for own in statistics]
        whole[view] = {
            "min": np.min([p["min"] for p in parts], 0).tolist(),
            "max": np.max([p["max"] for p in parts], 0).tolist(),
            "mean": np.mean([p["mean"] for p in parts], 0).tolist(),
            "std": np.mean([p["std"] for p in parts], 0).tolist(),
            "count": [int(sum(p["count"][0] for p in parts))],
        }
    frames = sum(len(episode) for episode in content.episodes)
    features: dict[str, dict] = {}
    for key, values in content.episodes[0].columns.items():
        width = int(np.prod(values.shape[1:]))
        names = list(content.names) if width == len(content.names) else None
        dtype = "string" if values.dtype == object else str(values.dtype)
        features[key] = {"dtype": dtype, "shape": list(values.shape[1:]) or [1], "names": names}
    for view in views:
        height, width = content.episodes[0].pictures[view].shape[1:3]
        features[view] = {
            "dtype": "video" if video else "image",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
        if video:
            features[view]["info"] = {
                "video.fps": content.fps,
                "video.height": height,
                "video.width": width,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "has_audio": False,
            }
    for key, dtype in (
        ("timestamp", "float32"),
        ("frame_index", "int64"),
        ("episode_index", "int64"),
        ("index", "int64"),
        ("task_index", "int64"),
    ):
        features[key] = {"dtype": dtype, "shape": [1], "names": None}
    data = "file-{file_index:03d}" if v3 else "episode_{episode_index:06d}"
    chunk = "chunk-{chunk_index:03d}" if v3 else "chunk-{episode_chunk:03d}"
    about = {
        "codebase_version": version,
        "robot_type": content.robot_type,
        "total_episodes": len(table),
        "total_frames": frames,
        "total_tasks": len(tasks),
        "chunks_size": 1000,
        "fps": content.fps,
        "splits": {"train": f"0:{len(table)}"},
        "data_path": f"data/{chunk}/{data}.parquet",
        "video_path": (f"videos/{{video_key}}/{chunk}/{data}.mp4" if v3 else f"videos/{chunk}/{{video_key}}/{data}.mp4")
        if video
        else None,
        "features": features,
        **content.info,
    }
    if not v3:
        about |= {"total_chunks": 1, "total_videos": len(table) * len(views) if video else 0}
    meta = folder / "meta"
    meta.mkdir(parents=True, exist_ok=True)
    (meta / "info.json").write_text(json.dumps(about, indent=4))
    if v3:
        flat = [
            {
                **row,
                **{f"stats/{k}/{n}": v for k, s in own.items() for n, v in s.items()},
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
            for row, own in zip(table, statistics)
        ]
        _write(meta / "episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(flat))
        _write(meta / "tasks.parquet", texts_table(dict(enumerate(tasks)), "task"))
    else:
        lines(meta / "episodes.jsonl", table)
        lines(meta / "tasks.jsonl", [{"task_index": i, "task": task} for i, task in enumerate(tasks)])
        lines(meta / "episodes_stats.jsonl", [{"episode_index": i, "stats": own} for i, own in enumerate(statistics)])
    if version != "v2.1":
        (meta / "stats.json").write_text(json.dumps(whole))
    if content.subtasks:
        _write(
            meta / "subtasks.parquet",
            texts_table(dict(enumerate(content.subtasks)), "subtask"),
        )


def encode(path: Path, frames: np.ndarray, fps: float, codec: str = "libx264", base: int = 90000) -> None:
    """A video as lerobot writes them: a keyframe every second frame, no frames out of order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        options = {"g": "2", "crf": "23", "bf": "0", "preset": "veryfast"}
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, base)
        stream.codec_context.thread_count = 1
        for at, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at / fps * base), Fraction(1, base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _column(values: np.ndarray) -> pa.Array:
    if values.ndim == 1:
        return pa.array(values.tolist() if values.dtype == object else values)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _listed(result: dict[str, np.ndarray]) -> dict[str, list]:
    return {name: values.tolist() for name, values in result.items()}


def _of_pictures(pictures: np.ndarray) -> dict[str, list]:
    values = pictures[:: max(1, len(pictures) // 20)].reshape(-1, 3) / 255
    one = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    return {name: v.reshape(3, 1, 1).tolist() for name, v in one.items()} | {"count": [len(pictures)]}


def _png(picture: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "png", compress_level=1)
    return data.getvalue()


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
