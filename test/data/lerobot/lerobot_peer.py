# SPDX-License-Identifier: Apache-2.0
"""Runs in an environment with the package lerobot, which knows nothing of ours: what it reads and writes judges us.

python lerobot_peer.py read FOLDER OUT.npz       every frame of a dataset, as lerobot gives it
python lerobot_peer.py write FOLDER image|video  a dataset that lerobot writes, frames as in lerobot_support.py
python lerobot_peer.py convert FOLDER            v2.1 to v3.0 by lerobot's own converter, in place
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

VIEW = "observation.images.front"
HEIGHT, WIDTH = 48, 64
LENGTHS = (12, 20, 1, 15)
TASKS = ("close the drawer", "wipe the table")


def read(folder: str, out: str) -> None:
    dataset = LeRobotDataset("nobody/set", root=folder, video_backend="pyav", tolerance_s=1e-4)
    found: dict[str, list] = {}
    for index in range(len(dataset)):
        for key, value in dataset[index].items():
            if key in dataset.meta.camera_keys:
                value = np.round(value.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
            elif key.startswith("language_"):
                value = repr(value)
            found.setdefault(key, []).append(value if isinstance(value, str) else np.asarray(value))
    arrays = {key: np.array(values) for key, values in found.items()}
    for key, given in dataset.meta.stats.items():
        arrays |= {f"stats/{key}/{name}": np.asarray(value) for name, value in given.items()}
    np.savez(out, **arrays)


def write(folder: str, kind: str) -> None:
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


def convert(folder: str) -> None:
    try:
        from lerobot.datasets.v30.convert_dataset_v21_to_v30 import convert_dataset
    except ImportError:
        from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset
    path = Path(folder)
    if path.parent.name == "nobody":
        convert_dataset(f"nobody/{path.name}", root=str(path.parent.parent), push_to_hub=False)
        return
    convert_dataset(path.name, root=str(path.parent), push_to_hub=False)


if __name__ == "__main__":
    {"read": read, "write": write, "convert": convert}[sys.argv[1]](*sys.argv[2:])
