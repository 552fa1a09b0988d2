# SPDX-License-Identifier: Apache-2.0
"""Runs in an environment with the package lerobot, which knows nothing of ours: what it reads and writes judges us.

Each line of standard input asks for something, ["read", FOLDER, OUT.npz]; each line of standard output answers,
{"value": ...} or {"error": TEXT}. One process does it all, since importing lerobot takes long.
"""

import json
import os
import sys
import traceback
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

VIEW = "observation.images.front"
HEIGHT, WIDTH = 48, 64
LENGTHS = (12, 20, 1, 15)
TASKS = ("close the drawer", "wipe the table")


def opened(folder: str) -> LeRobotDataset:
    return LeRobotDataset("nobody/set", root=folder, video_backend="pyav", tolerance_s=1e-4)


def read(folder: str, out: str) -> None:
    """Every frame of a dataset, as lerobot gives it."""
    dataset = opened(folder)
    found: dict[str, list] = {}
    for index in range(len(dataset)):
        for key, value in dataset[index].items():
            if key in getattr(dataset.meta, "depth_keys", ()):
                value = value.numpy()
            elif key in dataset.meta.camera_keys:
                value = np.round(value.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
            elif key in ("language_persistent", "language_events"):
                value = json.dumps(value)
            elif value is None:  # a column that no file has
                value = -1
            found.setdefault(key, []).append(value if isinstance(value, str) else np.asarray(value))
    arrays = {key: np.array(values) for key, values in found.items()}
    for key, given in dataset.meta.stats.items():
        arrays |= {f"stats/{key}/{name}": np.asarray(value) for name, value in given.items()}
    np.savez(out, **arrays)


def write(folder: str, kind: str) -> None:
    """A dataset that lerobot writes, with views of a kind (image, video), frames as in lerobot_support.py."""
    features = {
        "observation.state": {"dtype": "float32", "shape": (3,), "names": ["episode", "row", "x"]},
        "action": {"dtype": "float32", "shape": (2,), "names": {"motors": ["a", "gripper"]}},
        VIEW: {"dtype": kind, "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
    }
    dataset = LeRobotDataset.create(
        "nobody/set", 15, features, root=folder, robot_type="panda", use_videos=kind == "video"
    )
    for episode, length in enumerate(LENGTHS):
        for row in range(length):
            pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
            pixels[:, : WIDTH // 2] = 20 + 9 * row % 220
            pixels[:, WIDTH // 2 :] = 30 + 50 * episode % 200
            dataset.add_frame({
                "observation.state": np.array([episode, row, 0.5], np.float32),
                "action": np.array([episode + 0.01 * row, row >= length / 2], np.float32),
                VIEW: pixels,
                "task": TASKS[episode % 2],
            })  # fmt: skip
        dataset.save_episode()
    dataset.finalize()


def write_depth(folder: str, kind: str) -> None:
    """A dataset with a depth map (0.6 on) beside a view of colours."""
    features = {
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        VIEW: {"dtype": kind, "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]},
        "observation.images.depth": {
            "dtype": kind, "shape": (HEIGHT, WIDTH, 1), "names": ["height", "width", "channels"],
            "info": {"is_depth_map": True, "depth_unit": "mm"},
        },
    }  # fmt: skip
    dataset = LeRobotDataset.create("nobody/set", 15, features, root=folder, use_videos=kind == "video")
    for episode in range(3):
        for row in range(8):
            dataset.add_frame({
                "action": np.zeros(2, np.float32),
                VIEW: np.full((HEIGHT, WIDTH, 3), 40 + 20 * episode + 5 * row, np.uint8),
                "observation.images.depth": np.full((HEIGHT, WIDTH, 1), 400 + 100 * row, np.uint16),
                "task": TASKS[0],
            })  # fmt: skip
        dataset.save_episode()
    dataset.finalize()


def convert(folder: str) -> None:
    """v2.1 to v3.0 by lerobot's own converter, in place."""
    path = Path(folder)
    try:  # 0.4: the folder that owners are in; later: that of the dataset
        from lerobot.datasets.v30.convert_dataset_v21_to_v30 import convert_dataset

        root = path.parent.parent
    except ImportError:
        from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset

        root = path
    convert_dataset(f"{path.parent.name}/{path.name}", root=str(root), push_to_hub=False)


def annotate(folder: str, staged: dict[str, list[dict]]) -> None:
    """Words put into a dataset by what lerobot-annotate writes with (0.6 on), once models have found them.

    Args:
        staged: of an episode's number, entries with "timestamp", or with "row", the frame at whose time they are.
    """
    from lerobot.annotations.steerable_pipeline.executor import Executor
    from lerobot.annotations.steerable_pipeline.reader import iter_episodes
    from lerobot.annotations.steerable_pipeline.staging import EpisodeStaging
    from lerobot.annotations.steerable_pipeline.writer import LanguageColumnsWriter

    root, staging = Path(folder), Path(folder).with_name(f"{Path(folder).name}-staged")
    records = [one for one in iter_episodes(root) if str(one.episode_index) in staged]
    for record in records:
        rows = staged[str(record.episode_index)]
        timed = [
            {**entry, "timestamp": record.frame_timestamps[entry["row"]]} if "row" in entry else entry for entry in rows
        ]
        EpisodeStaging(staging, record.episode_index).write("plan", timed)
    LanguageColumnsWriter().write_all(records, staging, root)
    Executor._ensure_annotation_metadata_in_info(root)


def annotate_again(folder: str) -> None:
    """The words of a dataset, as lerobot reads them, put into it by lerobot: it looks at each entry's style, camera and
    words, and refuses what it does not know."""
    dataset, staged = opened(folder), {}
    for index in range(len(dataset)):
        row = dataset[index]
        at, said = int(row["frame_index"]), staged.setdefault(str(int(row["episode_index"])), [])
        said += row["language_persistent"] if at == 0 else []
        said += [{**entry, "row": at} for entry in row["language_events"]]
    annotate(folder, staged)


def render(folder: str, recipe: dict) -> list:
    """What a recipe of lerobot's (0.6 on) makes of each frame: messages, or None; by the step that training runs."""
    from lerobot.configs.recipe import TrainingRecipe
    from lerobot.processor.converters import batch_to_transition
    from lerobot.processor.render_messages_processor import RenderMessagesStep

    step, dataset, found = RenderMessagesStep(TrainingRecipe.from_dict(recipe)), opened(folder), []
    for index in range(len(dataset)):
        done = step(batch_to_transition(dataset[index]))
        found.append(None if done is None else done["complementary_data"].get("messages", "untouched"))
    return found


def batches(folder: str, recipe: dict) -> list:
    """What training is given (0.6 on): rendered by a recipe and put together, two frames at a time, numbers of
    their shapes; how many messages each frame has."""
    import torch
    from lerobot.configs.recipe import TrainingRecipe
    from lerobot.datasets.language_render import render_sample
    from lerobot.utils.collate import lerobot_collate_fn

    dataset, told = opened(folder), TrainingRecipe.from_dict(recipe)

    def rendered(index: int) -> dict | None:
        row = dataset[index]
        where = {"t": float(row["timestamp"]), "sample_idx": index, "task": row["task"]}
        words = {"persistent": row["language_persistent"], "events": row["language_events"]}
        said = render_sample(recipe=told, **words, **where)
        return None if said is None else row | said

    loader = torch.utils.data.DataLoader(
        range(len(dataset)), 2, collate_fn=lambda at: lerobot_collate_fn(list(map(rendered, at)))
    )
    shapes = {key: list(value.shape) for key, value in dataset[0].items() if hasattr(value, "shape")}
    found = []
    for batch in loader:
        assert all(list(batch[key].shape[1:]) == shape for key, shape in shapes.items())
        found += map(len, batch["messages"])
    return found


def merge(folders: list[str], out: str) -> None:
    """Datasets put together by lerobot."""
    from lerobot.datasets.dataset_tools import merge_datasets

    merge_datasets([opened(folder) for folder in folders], "nobody/merged", output_dir=out)


def delete(folder: str, episodes: list[int], out: str) -> None:
    """A dataset without some episodes, by lerobot."""
    from lerobot.datasets.dataset_tools import delete_episodes

    delete_episodes(opened(folder), episodes, output_dir=out, repo_id="nobody/fewer")


KNOWN = {
    one.__name__: one
    for one in (read, write, write_depth, convert, annotate, annotate_again, render, batches, merge, delete)
}

if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # lerobot prints
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"value": KNOWN[name](*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
