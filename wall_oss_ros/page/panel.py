# SPDX-License-Identifier: Apache-2.0
"""The panel beside the 3-D scene: instruction, plan, cameras and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import viser
from PIL import Image

VIEW_HEIGHT = 224  # pixels, of an image on the page
GAP = 6  # pixels between images
BADGES = {"good": "#16a34a", "busy": "#d97706", "bad": "#dc2626", "quiet": "#6b7280"}
SERVICES = {"stop": "red", "resume": "green", "home": "gray"}  # control's, each with the colour of its button


@dataclass(frozen=True)
class PlanLine:
    """A subtask as shown: ``mark`` is one character, ``tone`` one of BADGES, ``active`` whether it is being done."""

    mark: str
    text: str
    tone: str
    active: bool = False


@dataclass(frozen=True)
class Actions:
    """What the panel's controls do, called from the server's threads. ``call`` gets a name of ``SERVICES``."""

    instruct: Callable[[str], None]
    call: Callable[[str], None]


class Panel:
    """The controls and readings of one server.

    Args:
        server: whose panel it is.
        title: shown above everything.
        example: what the field for the instruction contains at first.
        actions: what the controls do.
        steered: whether there is a robot to be commanded; a record can only be looked at.
    """

    def __init__(self, server: viser.ViserServer, title: str, example: str, actions: Actions, steered: bool = True):
        gui = server.gui
        gui.configure_theme(control_width="large", show_logo=False, show_share_button=False, brand_color=(37, 99, 235))
        gui.main_panel.dock_right()
        gui.set_panel_label(title)
        if steered:
            self._instruction = gui.add_text("Instruction", example, hint="Enter sends it too, when it has changed.")
            send = gui.add_button("Send", color="blue")
            send.on_click(lambda _: actions.instruct(self._instruction.value))
        for service, colour in SERVICES.items() if steered else ():
            button = gui.add_button(service.capitalize(), color=colour)
            button.on_click(lambda _, service=service: actions.call(service))
        self._answer = gui.add_html("")
        with gui.add_folder("Plan"):
            self._plan = gui.add_html("")
        with gui.add_folder("Cameras"):
            blank = np.full((VIEW_HEIGHT, 2 * VIEW_HEIGHT, 3), 238, np.uint8)
            self._pictures = gui.add_image(blank, format="jpeg", jpeg_quality=85)
            self._pictures_note = gui.add_html("")
        with gui.add_folder("Control"):
            self._figures = gui.add_html("")
        self.show_plan("", "planner not heard yet", "quiet", [], "")
        self.show_control("not heard yet", "quiet", "", {})

    def show_plan(
        self, instruction: str, state: str, tone: str, lines: Sequence[PlanLine], message: str, stale: bool = False
    ) -> None:
        """The plan: its instruction, its state as a badge, and its subtasks; ``stale`` when it is not the present."""
        rows = [f'<div style="margin:2px 0 8px">{_badge(state, tone)} <b>{escape(instruction)}</b></div>']
        for line in lines:
            weight = "600" if line.active else "400"
            rows.append(
                f'<div style="padding:3px 0;font-weight:{weight}"><span style="color:{BADGES[line.tone]};'
                f'display:inline-block;width:1.4em">{escape(line.mark)}</span>{escape(line.text)}</div>'
            )
        if message:
            rows.append(f'<div style="padding-top:6px;color:{BADGES["quiet"]}">{escape(message)}</div>')
        self._set(self._plan, _aged("".join(rows), stale))

    def show_answer(self, service: str, tone: str, words: str) -> None:
        """What control answered to the last service call."""
        self._set(self._answer, f"{_badge(service, tone)} {escape(words)}")

    def show_control(self, state: str, tone: str, reason: str, figures: Mapping[str, str], stale: bool = False) -> None:
        """Control's state as a badge with its reason, and figures in a table; ``stale`` when it has said no more."""
        rows = "".join(
            f'<tr><td style="color:{BADGES["quiet"]};padding:1px 14px 1px 0">{escape(name)}</td>'
            f'<td style="font-variant-numeric:tabular-nums">{escape(value)}</td></tr>'
            for name, value in figures.items()
        )
        head = f'<div style="margin:2px 0 6px">{_badge(state, tone)} {escape(reason)}</div>'
        self._set(self._figures, _aged(f'{head}<table style="font-size:0.9em">{rows}</table>', stale))

    def show_pictures(self, pictures: Sequence[np.ndarray], silence: str = "") -> None:
        """The views, each (height, width, 3) uint8 RGB; grey where the cameras are silent, and ``silence`` says so."""
        shown = mosaic(pictures)
        self._pictures.image = greyed(shown) if silence else shown
        self.note_pictures(silence)

    def note_pictures(self, silence: str) -> None:
        """That what is shown is no longer the present; nothing while it is."""
        self._set(self._pictures_note, _badge(silence, "quiet") if silence else "")

    @staticmethod
    def _set(handle, content: str) -> None:
        box = f'<div style="padding:0 0.8em 0.5em;font-size:0.9em">{content}</div>'
        if handle.content != box:  # each change is a message to every browser
            handle.content = box


def mosaic(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """One or two images side by side, or the first with the others in a column beside it. (H, W, 3) uint8 RGB."""
    if len(pictures) <= 2:
        return _joined([_scaled(picture, VIEW_HEIGHT) for picture in pictures], axis=1)
    first, *others = pictures
    width, height = min(picture.shape[1] / picture.shape[0] for picture in others), len(others)
    column = round(width * (VIEW_HEIGHT * 1.5 - (height - 1) * GAP) / height)
    stack = _joined(
        [_scaled(picture, round(column * picture.shape[0] / picture.shape[1])) for picture in others], axis=0
    )
    return _joined([_scaled(first, len(stack)), stack], axis=1)


def greyed(picture: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 without its colours and half as strong."""
    grey = picture.mean(axis=2, keepdims=True) * 0.5 + 112
    return np.repeat(grey, 3, axis=2).astype(np.uint8)


def _scaled(picture: np.ndarray, height: int) -> np.ndarray:
    width = round(height * picture.shape[1] / picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _joined(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Images in a row (axis 1) or column (axis 0), with gaps; all cut to the height, or width, of the smallest."""
    across = 1 - axis
    least = min(picture.shape[across] for picture in pictures)
    joined: list[np.ndarray] = []
    for picture in pictures:
        part = picture[:, :least] if across == 1 else picture[:least]
        shape = [*part.shape]
        shape[axis] = GAP
        joined += [part, np.full(shape, 255, np.uint8)]
    return np.concatenate(joined[:-1], axis=axis)


def _aged(content: str, stale: bool) -> str:
    """What is no longer the present looks so."""
    return f'<div style="filter:grayscale(1);opacity:0.5">{content}</div>' if stale else content


def _badge(text: str, tone: str) -> str:
    return (
        f'<span style="background:{BADGES[tone]};color:white;border-radius:4px;padding:1px 7px;'
        f'font-size:0.85em">{escape(text)}</span>'
    )
