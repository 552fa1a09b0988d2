# SPDX-License-Identifier: Apache-2.0
"""Pictures of episodes on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wall_oss_ros.sim.closed_loop import Episode


def contact_sheet(episodes: Sequence[Episode], path: Path, most: int = 8, columns: int = 6) -> None:
    """One row an episode: all views at times spread over it, with the instruction and how it ended."""
    from PIL import Image, ImageDraw

    rows = list(episodes[:most])
    height, width = rows[0].pictures[0].shape[:2]
    sheet = Image.new("RGB", (columns * (width + 4), len(rows) * (height + 18)), "white")
    draw = ImageDraw.Draw(sheet)
    for r, episode in enumerate(rows):
        top = r * (height + 18)
        verdict = "success" if episode.success else "not reached"
        draw.text((4, top + 3), f"{episode.instruction}: {verdict} ({episode.seconds:.1f} s)", fill="black")
        chosen = np.linspace(0, len(episode.pictures) - 1, min(columns, len(episode.pictures))).round().astype(int)
        for c, index in enumerate(chosen):
            sheet.paste(Image.fromarray(episode.pictures[index]), (c * (width + 4), top + 18))
    sheet.save(path)
