# SPDX-License-Identifier: Apache-2.0
"""Pictures of training rows for people, with what is pointed to in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from wall_oss_ros.training.placement import spots_in_order


def show(axis: Any, image: np.ndarray, title: str = "", said: Iterable[str] = ()) -> None:
    """Draws a picture (H, W, 3) on matplotlib's axis, with the points and boxes of what is said about it."""
    axis.imshow(image)
    for numbers in spots_in_order(said):
        if len(numbers) == 2:
            axis.plot(*numbers, "+", color="magenta", markersize=10)
        else:
            x, y = numbers[0::2], numbers[1::2]
            edges = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
            axis.plot(np.take(x, edges[:, 0]) - 0.5, np.take(y, edges[:, 1]) - 0.5, color="magenta", linewidth=1)
    axis.set_title(title, fontsize=7)
    axis.axis("off")
