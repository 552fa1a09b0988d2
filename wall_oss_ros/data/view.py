# SPDX-License-Identifier: Apache-2.0
"""Episodes to look at: a sheet of pictures, or a page with pictures, videos, numbers over time and words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from wall_oss_ros.data.checks.pictures import chosen
from wall_oss_ros.data.lerobot.reader import LeRobotDataset
from wall_oss_ros.data.sheets import Strip, sheet
from wall_oss_ros.errors import WallOSSError

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:80em;padding:0 1em;color:#1b1b1b}
img,video{max-width:100%;height:auto}video{height:14em;margin-right:.5em}
summary{cursor:pointer;padding:.4em 0;font-weight:600}.words{color:#555}.bad{color:#b00020}
@media(prefers-color-scheme:dark){body{background:#161616;color:#e8e8e8}.words{color:#aaa}.bad{color:#ff8a80}}
"""
_SCRIPT = """
for (const video of document.querySelectorAll('video')) {
  const end = Number(video.dataset.end), start = Number(video.dataset.start);
  video.addEventListener('timeupdate', () => {
    if (video.currentTime >= end) { video.pause(); video.currentTime = start; }
  });
}
"""


def strips(dataset: LeRobotDataset, episode: int, count: int) -> list[Strip]:
    """``count`` pictures of each view, evenly taken."""
    length = dataset[episode].length
    rows = chosen(length, count)
    made = []
    for key in dataset.views:
        title = f"episode {episode}, {key}, {length} frames: {'; '.join(dataset[episode].tasks)}"
        try:
            pictures: Sequence[np.ndarray | None] = list(dataset.pictures(key, episode, rows)) if length else []
        except WallOSSError as error:
            pictures, title = [None for _ in rows], f"{title}; {error.message}"
        made.append(Strip(title, pictures, [f"{row} ({row / dataset.fps:.2f} s)" for row in rows]))
    return made or [Strip(f"episode {episode}, {length} frames: {'; '.join(dataset[episode].tasks)}", [])]


def write_sheet(dataset: LeRobotDataset, episodes: Sequence[int], path: Path, count: int) -> None:
    """A PNG with a strip for each view of each episode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet([strip for episode in episodes for strip in strips(dataset, episode, count)]).save(path, "PNG")


def write_page(dataset: LeRobotDataset, episodes: Sequence[int], folder: Path, count: int) -> Path:
    """index.html and what it shows, in ``folder``; videos are shown from where they are. Returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for at, episode in enumerate(episodes):
        sheet(strips(dataset, episode, count)).save(folder / f"episode_{episode:06d}.png")
        words = _plot(dataset, episode, folder / f"numbers_{episode:06d}.png")
        parts.append(_episode(dataset, episode, folder, words, at < 3))
    page = folder / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(dataset.folder.name)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style>'
        f"<h1>{escape(dataset.folder.name)}</h1><p>{dataset.version}, {escape(str(dataset.robot_type))}, "
        f"{len(dataset.episodes)} episodes at {dataset.fps:g} Hz; {len(episodes)} of them are shown.</p>"
        f"{''.join(parts)}<script>{_SCRIPT}</script></html>",
        encoding="utf-8",
    )
    return page


def _episode(dataset: LeRobotDataset, episode: int, folder: Path, words: str, opened: bool) -> str:
    one = dataset[episode]
    extra = ", ".join(
        f"{key} {value}" for key, value in one.extra.items() if isinstance(value, (bool, int, float, str))
    )
    videos = "".join(
        f'<video controls muted preload="metadata" title="{escape(key)}" data-start="{start:.4f}" data-end="{end:.4f}" '
        f'src="{quote(os.path.relpath(path, folder.resolve()))}#t={start:.4f},{end:.4f}"></video>'
        for key in dataset.views
        if (found := _video(dataset, key, episode)) is not None
        for path, start, end in [found]
    )
    return (
        f'<details {"open" if opened else ""} id="episode-{episode}"><summary>Episode {episode}: '
        f"{escape('; '.join(one.tasks) or 'no task')}, {one.length} frames, {one.length / dataset.fps:.1f} s</summary>"
        f'<p class="words">{escape(extra)}</p>{words}'
        f'<img loading="lazy" src="episode_{episode:06d}.png" alt="pictures"><div>{videos}</div>'
        f'<img loading="lazy" src="numbers_{episode:06d}.png" alt="numbers over time"></details>'
    )


def _video(dataset: LeRobotDataset, key: str, episode: int) -> tuple[Path, float, float] | None:
    if dataset.features[key].dtype != "video":
        return None
    try:
        return dataset.video(key, episode)
    except WallOSSError:
        return None


def _plot(dataset: LeRobotDataset, episode: int, path: Path) -> str:
    """State and action over time, with the subtasks; what is to be said in words is returned as HTML."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    names = [key for key in ("observation.state", "action") if key in dataset.features]
    said = ""
    try:
        columns = dataset.columns(episode, [*names, "timestamp"], check=False)
        subtasks = dataset.language(episode).subtasks
    except WallOSSError as error:
        columns, subtasks = {}, ()
        said = f'<p class="bad">{escape(error.message)}</p>'
    figure, axes = plt.subplots(
        max(len(names), 1),
        1,
        figsize=(11, 2.6 * max(len(names), 1)),
        sharex=True,
        squeeze=False,
        constrained_layout=True,
    )
    for axis, key in zip(axes[:, 0], names if columns else []):
        values = columns[key].reshape(len(columns["timestamp"]), -1)
        labels = dataset.features[key].names
        for at in range(values.shape[1]):
            axis.plot(
                columns["timestamp"],
                values[:, at],
                linewidth=1,
                label=labels[at] if labels and len(labels) == values.shape[1] else str(at),
            )
        axis.set_title(key, fontsize=9)
        if values.shape[1] <= 16:
            axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for row in _changes(subtasks):
            axis.axvline(columns["timestamp"][row], color="#888", linewidth=0.8, linestyle=":")
    axes[-1, 0].set_xlabel("s")
    figure.savefig(path, dpi=90)
    plt.close(figure)
    steps = [f"{row / dataset.fps:.1f} s: {subtasks[row]}" for row in _changes(subtasks) if subtasks[row]]
    return said + (f'<p class="words">{escape("; ".join(steps))}</p>' if steps else "")


def _changes(subtasks: Sequence[str | None]) -> list[int]:
    return [row for row in range(len(subtasks)) if row == 0 or subtasks[row] != subtasks[row - 1]]
