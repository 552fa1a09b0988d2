# SPDX-License-Identifier: Apache-2.0
"""What a client asks for: an observation and words, out of a message in openpi's manner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.pictures import PictureError
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.serving.actions import ActionForm, previous_rows
from wall_oss_ros.serving.keys import Keys
from wall_oss_ros.serving.pictures import picture
from wall_oss_ros.serving.state import StateReader, flat

MODES = ("act", "subtask", "plan", "ask")
"""Motion for the instruction as it is; for the subtask that the model names first; for the active subtask of a plan
that is kept; an answer in words."""
_WALL_X_MODES = {"flow": "act", "ar": "act", "flow_with_subtask": "subtask"}
_LONGEST = 2_000  # letters of an instruction
_PREFIXES = ("", "images/", "views/", "image/", "observation/", "observation/images/", "observation.images.")


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        observation: None where there is only a reset.
        instruction: in words, or a question.
        mode: of MODES.
        reset: whether an episode begins: nothing of the one before counts.
        fast: whether FAST tokens are demanded (True), the flow head (False), or either (None).
        previous: (n, A) absolute targets that the robot still follows, step k at the time of the new chunk's step k;
            None for nothing.
        committed: steps of these that are over before the answer can take effect.
    """

    observation: Observation | None
    instruction: str = ""
    mode: str = "act"
    reset: bool = False
    fast: bool | None = None
    previous: np.ndarray | None = None
    committed: int = 0


class RequestReader:
    """Reads requests for one robot and checkpoint.

    Args:
        layout: of the robot.
        views: that the checkpoint takes.
        size: side of its square views, pixels; None leaves them as they are.
        keys: of the client.
        actions: the form of its actions.
        instruction: for requests that have none; empty demands one.
        mode: for requests that name none.
    """

    def __init__(
        self,
        layout: Layout,
        views: list[str],
        size: int | None,
        keys: Keys,
        actions: ActionForm,
        instruction: str = "",
        mode: str = "act",
    ):
        self._size, self._keys, self._form = size or 0, keys, actions
        self._instruction, self._mode = instruction, mode
        self._state = StateReader(layout, keys)
        known = {view.name: view for view in layout.profile.views}
        self._framings = {name: Framing(known[name].model_copy(update=keys.framing.get(name, {}))) for name in views}
        self._names = {name: _names(name, list(known), keys) for name in views}

    def read(self, message: Mapping[str, Any]) -> Request:
        """A message in openpi's manner.

        Raises:
            WallOSSError: something is missing or malformed.
        """
        message = flat(message)
        reset = _truth("reset", message.pop("reset", False))
        if reset and not message:
            return Request(None, reset=True)
        mode, fast = self.mode(message)
        images = {name: self._image(name, message) for name in self._names}
        state, mask = (None, None) if mode == "ask" else self._state.read(message)
        previous, committed = None, 0
        if (rows := message.get("previous_actions")) is not None:
            if mode == "ask":
                raise WallOSSError("previous_actions came with a question.", "Leave them out.")
            previous = self._form.targets(previous_rows("previous_actions", rows, self._form.size), state)
            committed = _count("committed", message.get("committed"))
        elif message.get("committed") is not None:
            raise WallOSSError("committed came without previous_actions.", "Send both, or neither.")
        return Request(
            self.observation(images, state, mask), self.words(message, self._keys.instruction, mode), mode, reset, fast,
            previous, committed,
        )  # fmt: skip

    def observation(self, images: dict[str, np.ndarray], state, mask) -> Observation:
        """One of now, from framed pictures."""
        if state is None:
            state, mask = np.zeros(0, np.float32), np.zeros(0, bool)
        return Observation(time.monotonic(), images, state, mask).check()

    def mode(self, message: Mapping[str, Any]) -> tuple[str, bool | None]:
        """What is asked for, and whether by FAST tokens.

        Raises:
            WallOSSError: there is no such mode.
        """
        mode = message.get("mode", message.get("infer_mode"))
        if mode is None:
            return self._mode, None
        if not isinstance(mode, str) or mode not in (*MODES, *_WALL_X_MODES):
            raise WallOSSError(f"There is no mode {mode!r:.40}.", f"Name one of {', '.join((*MODES, *_WALL_X_MODES))}.")
        return _WALL_X_MODES.get(mode, mode), {"flow": False, "flow_with_subtask": False, "ar": True}.get(mode)

    def words(self, message: Mapping[str, Any], keys: tuple[str, ...], mode: str) -> str:
        """The instruction under the first of these keys that is there.

        Raises:
            WallOSSError: there is none, or it is no text.
        """
        key = next((key for key in keys if message.get(key) is not None), None)
        words = self._instruction if key is None else message[key]
        if isinstance(words, bytes):
            try:
                words = words.decode()
            except UnicodeDecodeError:
                raise WallOSSError(f"{key} is not UTF-8.", "Send a text.") from None
        if not isinstance(words, str):
            raise WallOSSError(f"{key} is {type(words).__name__}; a text was expected.", "Send what to do, in words.")
        if not words.strip():
            what = "is empty" if key is not None else f"is missing: there is no {' and no '.join(keys)}"
            raise WallOSSError(
                f"The {'question' if mode == 'ask' else 'instruction'} {what}.",
                f"Send {keys[0]}, such as: put the red cube in the left tray.",
            )
        if len(words) > _LONGEST:
            raise WallOSSError(
                f"The instruction has {len(words)} letters; {_LONGEST} at most were expected.", "Say it in fewer words."
            )
        return words

    def view(self, name: str, key: str, value: Any) -> np.ndarray:
        """A picture as the robot's perception would frame it for the checkpoint."""
        try:
            return self._framings[name].picture(picture(key, value), self._size)
        except PictureError as error:
            raise WallOSSError(f"The picture {key}: {error}.", "Send what the robot's own camera shows.") from None

    @property
    def views(self) -> dict[str, tuple[str, ...]]:
        """The keys that each view may come under, for the client's metadata."""
        return self._names

    @property
    def state(self) -> list[dict[str, Any]]:
        """What is expected as the state, for the client's metadata."""
        return self._state.describe()

    def _image(self, name: str, message: Mapping[str, Any]) -> np.ndarray:
        names = self._names[name]
        key = next((key for key in names if message.get(key) is not None), None)
        if key is None:
            raise WallOSSError(
                f"The view {name} is missing; there are {', '.join(message)[:300] or 'no keys'}.",
                f"Send it as {names[0]}{f' (or {names[-1]})' if len(names) > 1 else ''}, or name its key: "
                f"--view {name}=KEY.",
            )
        return self.view(name, key, message[key])


def _names(view: str, views: list[str], keys: Keys) -> tuple[str, ...]:
    """What a client may call a view: as it says, or the view's own name, bare or as openpi and LeRobot write it."""
    if (given := keys.views.get(view)) is not None:
        return given
    names = [prefix + view for prefix in _PREFIXES]
    wrists = [name for name in views if "wrist" in name]
    alone = wrists if view in wrists else [name for name in views if name not in wrists]
    if len(alone) == 1:  # openpi's names say no more than this, so there must be no doubt
        names.append("observation/wrist_image" if view in wrists else "observation/image")
    return tuple(names)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise WallOSSError(f"{name} is {value!r:.40}; true or false were expected.", "Send such.")
    return bool(value)


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 1024:
        raise WallOSSError(f"{name} is {value!r:.40}; a number of steps was expected.", "Send 0 or more, 1024 at most.")
    return value
