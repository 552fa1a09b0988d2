# SPDX-License-Identifier: Apache-2.0
"""Faults of views: pictures and videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from data_check.fault import Fault, info
from data_check.sets import VIEWS, Content, encode


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


def _video(change: Callable[[np.ndarray], np.ndarray] = lambda frames: frames, fps: float = 30):
    """Encodes an episode's video anew."""

    def plant(folder: Path) -> None:
        path = folder / f"videos/chunk-000/{VIEWS[0]}/episode_000002.mp4"
        with av.open(str(path)) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        encode(path, change(frames), fps)

    return plant


def _lost_video(folder: Path) -> None:
    (folder / f"videos/chunk-000/{VIEWS[1]}/episode_000001.mp4").unlink()


FAULTS = (
    Fault(
        "a video is missing", ("missing view",), ("missing", "not found"), files=_lost_video, version="v2.1", episode=1
    ),
    Fault(
        "a video is short",
        ("video length",),
        ("frames", "frame count", "length"),
        files=_video(lambda frames: frames[:-12]),
        version="v2.1",
        episode=2,
    ),
    Fault("a video of another rate", ("rate",), ("fps",), files=_video(fps=25), version="v2.1", episode=2),
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
)
