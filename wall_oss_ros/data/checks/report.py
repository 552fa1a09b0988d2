# SPDX-License-Identifier: Apache-2.0
"""A page of what was found: a table, the pictures at the frames named, and the numbers over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from wall_oss_ros.data.checks.findings import Finding, grouped, told
from wall_oss_ros.data.checks.pictures import chosen
from wall_oss_ros.data.checks.run import Result
from wall_oss_ros.data.checks.survey import Survey
from wall_oss_ros.data.lerobot.reader import LeRobotDataset
from wall_oss_ros.data.lerobot.video import Decoder
from wall_oss_ros.data.sheets import Strip, sheet
from wall_oss_ros.errors import WallOSSError

AT_MOST = 40
"""Findings that are drawn, the worst first; and episodes on the sheet."""
_EACH = 2
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#1b1b1b}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #ddd;padding:.35em .6em;text-align:left;vertical-align:top}
img{max-width:100%;height:auto}
.error{color:#b00020;font-weight:600}.warning{color:#9a5b00;font-weight:600}.note{color:#555}
@media(prefers-color-scheme:dark){body{background:#161616;color:#e8e8e8}td,th{border-color:#333}
.error{color:#ff8a80}.warning{color:#ffc46b}.note{color:#aaa}}
"""


def write_report(result: Result, folder: Path) -> Path:
    """Writes report.html and its pictures into ``folder``, which is made; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    survey = result.survey
    worst = [finding for group in grouped(result.findings) for finding in group[:_EACH]]
    drawn = {}
    for number, finding in enumerate(worst[:AT_MOST]):
        if name := _draw(survey, finding, folder, f"finding_{number:02d}.png"):
            drawn[finding] = name
    _overview(survey, folder / "episodes.png")
    page = folder / "report.html"
    page.write_text(_page(result, drawn), encoding="utf-8")
    return page


def _page(result: Result, drawn: dict[Finding, str]) -> str:
    survey = result.survey
    counts = ", ".join(told(result.findings))
    rows = "".join(_row(finding, drawn.get(finding)) for finding in result.findings[:2000])
    if len(result.findings) > 2000:
        rows += f"<tr><td colspan=6>and {len(result.findings) - 2000} more; --json has them all</td></tr>"
    pictures = "".join(
        f'<h3 id="{name}">{escape(f.check)}: {escape(place(f))}</h3><p>{escape(f.what)} {escape(f.todo)}</p>'
        f'<img src="{name}" alt="{escape(f.check)}">'
        for f, name in drawn.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(survey.folder.name)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style>'
        f"<h1>{escape(survey.folder.name)}</h1><p>{survey.info.version}, {len(survey.table)} episodes, "
        f"{result.frames} frames at {survey.fps:g} Hz; {result.pictures} pictures looked at. {counts}.</p>"
        "<table><tr><th>level<th>check<th>episode<th>frame<th>column<th>what, and what to do</tr>"
        f"{rows or '<tr><td colspan=6>Nothing was found.</td></tr>'}</table>{pictures}"
        '<h2>Episodes</h2><img src="episodes.png" alt="pictures of episodes"></html>'
    )


def _row(f: Finding, name: str | None) -> str:
    frame = "" if f.frame is None else f"{f.frame}" if f.last is None else f"{f.frame} to {f.last}"
    link = f' <a href="#{name}">see</a>' if name else ""
    episode = "" if f.episode is None else f.episode
    return (
        f'<tr><td class="{f.level}">{f.level}<td>{escape(f.check)}<td>{episode}<td>{frame}<td>{escape(f.column or "")}'
        f"<td>{escape(f.what)} {escape(f.todo)}{link}</tr>"
    )


def place(f: Finding) -> str:
    """Where a finding is, as people say it."""
    parts = [] if f.episode is None else [f"episode {f.episode}"]
    if f.frame is not None:
        parts.append(f"frame {f.frame}" if f.last is None else f"frames {f.frame} to {f.last}")
    return ", ".join([*parts, *([f.column] if f.column else [])]) or "the dataset"


def fetch(survey: Survey, key: str, episode: int, rows: Sequence[int] | np.ndarray) -> list[np.ndarray | None]:
    """Pictures by row, as far as they can be had."""
    try:
        return list(LeRobotDataset(survey.folder).pictures(key, episode, list(rows)))
    except WallOSSError:
        pass
    path = survey.video_path(episode, key)
    if survey.info.features[key].dtype != "video" or path is None:
        return [None for _ in rows]
    start = survey.video_start(episode, key)
    pictures: list[np.ndarray | None] = []
    try:
        decoder = Decoder(path)
    except WallOSSError:
        return [None for _ in rows]
    for row in rows:
        try:
            pictures += decoder.frames([start + row / survey.fps], 0.75 / survey.fps)
        except WallOSSError:
            pictures.append(None)
    decoder.close()
    return pictures


def _draw(survey: Survey, finding: Finding, folder: Path, name: str) -> str | None:
    column = (finding.column or "").split("[")[0].split(" ")[0]
    views = survey.colours()
    episode = finding.episode
    if column in views and episode is not None:
        length = int(survey.table.get(episode, {}).get("length") or 0)
        first, last = finding.frame or 0, finding.last if finding.last is not None else finding.frame or 0
        rows = np.unique(
            np.clip([first - 1, first, (first + last) // 2, last, last + 1, length - 1], 0, max(length - 1, 0))
        )
        strips = [
            Strip(
                f"episode {episode}, {key}",
                fetch(survey, key, episode, rows),
                [f"frame {row}" for row in rows],
                [key == column and first <= row <= last for row in rows],
            )
            for key in views
        ]
        sheet(strips).save(folder / name)
        return name
    if column in survey.info.features and column not in views:
        return name if _plot(survey, finding, column, folder / name) else None
    return None


def _plot(survey: Survey, finding: Finding, column: str, path: Path) -> bool:
    """The numbers over time; of state and action together where both have them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    episode = finding.episode if finding.episode is not None else min(survey.table, default=0)
    curves = list(_curves(survey, finding, column, episode))
    if not curves:
        return False
    figure, axes = plt.subplots(figsize=(10, 3), constrained_layout=True)
    for label, values in curves:
        axes.plot(np.arange(len(values)), values, label=label, linewidth=1)
    if finding.frame is not None:
        axes.axvspan(
            finding.frame - 0.5,
            (finding.last if finding.last is not None else finding.frame) + 0.5,
            color="#c8102e",
            alpha=0.25,
        )
    axes.set(xlabel=f"frame of episode {episode}", title=f"{finding.check}: {finding.column}")
    if len(curves) <= 10:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def _curves(survey: Survey, finding: Finding, column: str, episode: int) -> Iterator[tuple[str, np.ndarray]]:
    label = finding.column or column
    at = int(label.split("[")[1].split("]")[0]) if "[" in label else None
    names = [column]
    if at is not None:
        names += [key for key in ("observation.state", "action") if key != column]
    rows = next((rows for rows in _episode(survey, episode)), None)
    for name in names if rows is not None else []:
        values = rows.columns.get(name)
        if values is None or values.dtype == object:
            continue
        if column == "timestamp":
            yield "steps of time, in frames", np.diff(values[:, 0], prepend=np.nan) * survey.fps
            continue
        which = (
            range(min(values.shape[1], 10))
            if at is None
            else [at]
            if name == column
            else _partner(survey, column, at, name)
        )
        for one in which:
            yield survey.label(name, one), values[:, one]


def _partner(survey: Survey, column: str, at: int, other: str) -> list[int]:
    """The entry of another column that has the same name, or, in one as long, the same place."""
    features = survey.info.features
    if other not in features:
        return []
    width = features[other].entries
    name = survey.name(column, at)
    same = [i for i in range(width) if name and survey.name(other, i) == name]
    return same[:1] or ([at] if features[column].entries == width and at < width else [])


def _episode(survey: Survey, episode: int) -> Iterator:
    path = survey.data_path(episode)
    files = [path] if path is not None and path.is_file() else []
    for file in [*files, *(f for f in survey.data_files() if f not in files)]:
        for rows in survey.of_file(file):
            if rows.episode == episode:
                yield rows


def _overview(survey: Survey, path: Path) -> None:
    """Three pictures of each view, of episodes evenly taken from all."""
    all_of_them = sorted(survey.table)
    episodes = [all_of_them[i] for i in chosen(len(all_of_them), AT_MOST)]
    strips = []
    for episode in episodes:
        length = int(survey.table[episode].get("length") or 0)
        if length:
            rows = chosen(length, 3)
            pictures, labels = [], []
            for key in survey.colours():
                pictures += fetch(survey, key, episode, rows)
                labels += [f"{key.rsplit('.', 1)[-1]} {row}" for row in rows]
            tasks = survey.table[episode].get("tasks")
            strips.append(Strip(f"episode {episode}, {length} frames: {tasks}", pictures, labels))
    sheet(strips).save(path)
