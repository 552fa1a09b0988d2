# SPDX-License-Identifier: Apache-2.0
"""The pictures on the page: what each camera sees, whole, and what the model pointed at in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.status_text import printable
from wall_oss_ros.perception.ages import VIEWS_FRESH, LastHeard, span

MOST_MARKS = 20


class Cameras:
    """One place for each view: its camera's whole picture, or the model's view of it while that does not come.

    Args:
        panel: where they are shown.
        views: names of the views, each with what the model calls it.
    """

    def __init__(self, panel: Panel, views: Sequence[tuple[str, str]]):
        self._panel, self._views = panel, views
        self._places = {name: index for index, (name, _) in enumerate(views)}
        self._whole = [LastHeard(VIEWS_FRESH) for _ in views]
        self._cut = [LastHeard(VIEWS_FRESH) for _ in views]
        self._pointing: Any = None

    def hear_views(self, pictures: Sequence[np.ndarray], steady: float, names: Sequence[str] | None = None) -> None:
        """The model's views, in the profile's order or with their names."""
        for number, pixels in enumerate(pictures):
            place = self._places.get(names[number]) if names else number
            if place is None or place >= len(self._views):
                continue
            self._cut[place].hear(steady)
            if self._whole[place].stale(steady):
                self._panel.show_picture(place, lambda pixels=pixels: pixels)

    def hear_camera(self, view: str, pixels: Callable[[], np.ndarray], steady: float) -> None:
        """A camera's whole picture."""
        place = self._places[view]
        self._whole[place].hear(steady)
        self._panel.show_picture(place, pixels)

    def hear_pointing(self, message: Any) -> None:
        """wall_oss_msgs/Grounding: what the model pointed at last."""
        self._pointing = message

    def show(self, steady: float, now: float, silence: str) -> None:
        """Brings names, ages and marks up to date.

        Args:
            silence: that perception has said nothing since, and for how long.
        """
        shown = []
        for place, (name, prompt) in enumerate(self._views):
            whole = not self._whole[place].stale(steady)
            shown.append(
                {
                    "name": printable(prompt or name, 40),
                    "kind": "whole picture" if whole else "as the model sees it",
                    "silence": "" if whole else self._cut[place].silence(steady) or silence,
                    "marks": self._marks(name, whole),
                }
            )
        self._panel.show("cameras", {"views": shown, "pointed": self._pointed(now)})

    def _pointed(self, now: float) -> dict[str, str] | None:
        message = self._pointing
        if message is None:
            return None
        age = max(now - message.header.stamp.sec - message.header.stamp.nanosec * 1e-9, 0.0)
        return {
            "question": printable(message.question, 200),
            "answer": printable(message.answer, 300),
            "age": f"{span(age)} ago",
        }

    def _marks(self, view: str, whole: bool) -> list[dict[str, Any]]:
        """Points and boxes in the picture that is shown, pixels; none where it is not known where they are in it."""
        message = self._pointing
        if message is None or message.view != view:
            return []
        matrix = np.asarray(message.to_camera, float).reshape(3, 3)
        if not whole:
            if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
                return []
            matrix = np.linalg.inv(matrix)
        marks = [self._mark(one, matrix, whole, ((one.x, one.y),)) for one in message.points[:MOST_MARKS]]
        marks += [
            self._mark(box.middle, matrix, whole, ((box.x_min, box.y_min), (box.x_max, box.y_max)))
            for box in message.boxes[:MOST_MARKS]
        ]
        return [mark for mark in marks if mark is not None]

    @staticmethod
    def _mark(point: Any, matrix: np.ndarray, whole: bool, pixels: Sequence[tuple[float, float]]) -> dict | None:
        if not whole:
            moved = [matrix @ (x, y, 1.0) for x, y in pixels]
            pixels = [(x / w, y / w) for x, y, w in moved if w]
        flat = [round(float(value), 1) for pixel in pixels for value in pixel]
        if len(flat) not in (2, 4) or not all(map(math.isfinite, flat)):
            return None
        place = ""
        if point.has_position:
            place = "at " + ", ".join(f"{getattr(point.position, axis):.3f}" for axis in "xyz") + " m"
        return {"pixels": flat, "label": printable(point.label, 60), "place": place or printable(point.message, 120)}
