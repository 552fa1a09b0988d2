# SPDX-License-Identifier: Apache-2.0
"""Writing and reading LeRobot datasets: frames a second, one after another and at random, and bytes a frame.

Writes episodes of moving pictures in each form (H.264, AV1, images), then reads one view in order and in random order,
one frame at a time, as training asks for them. One thread, one process.

    python benchmarks/datasets.py --episodes 8 --length 200 --size 240 320
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wall_oss_ros.data.lerobot import EpisodeData, Feature, LeRobotWriter, encode, open_dataset
from wall_oss_ros.data.splits import Shuffle

VIEW = "observation.images.front"
FORMS = {"H.264": ("video", "h264"), "AV1": ("video", "av1"), "images (PNG)": ("image", "h264")}


def frames(length: int, height: int, width: int, seed: int):
    """Something that moves over something that is not smooth, with the noise of a camera."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    scene = scene.repeat(8, axis=0).repeat(8, axis=1)[:height, :width].astype(np.int16)
    for row in range(length):
        pixels = scene + rng.integers(-3, 4, scene.shape, dtype=np.int16)
        left = (3 * row) % (width - width // 4)
        pixels[height // 3 : height // 2, left : left + width // 4] = (200, 30, 30)
        yield np.clip(pixels, 0, 255).astype(np.uint8)


def write(folder: Path, view: str, codec: str, args: argparse.Namespace, made: list[list[np.ndarray]]) -> float:
    """Seconds that it took."""
    height, width = args.size
    features = {
        "observation.state": Feature("float32", (8,), None),
        "action": Feature("float32", (7,), None),
        VIEW: Feature(view, (height, width, 3), ("height", "width", "channels")),
    }
    began = time.perf_counter()
    with LeRobotWriter(folder, 30, features, codec=codec) as writer:
        for pixels in made:
            columns = {"observation.state": np.zeros((args.length, 8)), "action": np.zeros((args.length, 7))}
            writer.add(EpisodeData(columns, {VIEW: pixels}, "move"))
    return time.perf_counter() - began


def read(folder: Path, order, length: int) -> float:
    """Frames a second, with their rows of state and action."""
    dataset = open_dataset(folder)
    began = time.perf_counter()
    for at in order:
        episode, row = divmod(int(at), length)
        dataset.pictures(VIEW, episode, [row])
        dataset.columns(episode, ["observation.state", "action"], slice(row, row + 16))
    return len(order) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=8)
    parser.add_argument("--length", type=int, default=200, help="frames of an episode")
    parser.add_argument("--size", type=int, nargs=2, default=(240, 320), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--frames", type=int, default=400, help="that are read at random")
    parser.add_argument(
        "--keyframes", type=int, nargs="+", default=[encode.KEYFRAMES], help="frames from one to the next"
    )
    args = parser.parse_args()
    height, width = args.size
    total = args.episodes * args.length
    made = [list(frames(args.length, height, width, seed)) for seed in range(args.episodes)]
    print(
        f"{platform.processor() or platform.machine()}, {args.episodes} episodes of {args.length}, {height} x {width}"
    )
    print(f"{'':24}{'written':>10}{'in order':>10}{'random':>10}{'ratio':>8}{'kB/frame':>10}")
    for every in args.keyframes:
        for encoders in encode.CODECS.values():
            for _, options in encoders:
                options["g"] = str(every)
        for name, (view, codec) in FORMS.items():
            folder = Path(tempfile.mkdtemp())
            try:
                seconds = write(folder / "set", view, codec, args, made)
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / total / 1000
                in_order = read(folder / "set", range(min(total, args.frames)), args.length)
                at_random = read(folder / "set", Shuffle(total)[: min(total, args.frames)], args.length)
            finally:
                shutil.rmtree(folder)
            label = name if view == "image" else f"{name}, keyframe of {every}"
            rates = f"{total / seconds:10.0f}{in_order:10.0f}{at_random:10.0f}"
            print(f"{label:24}{rates}{at_random / in_order:8.2f}{size:10.1f}")


if __name__ == "__main__":
    main()
