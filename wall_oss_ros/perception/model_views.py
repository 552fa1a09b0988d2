# SPDX-License-Identifier: Apache-2.0
"""Which views the model takes, and how large: its side says so, so that there is no second place to say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FORGOTTEN = 3.0  # s: an action expert repeats itself every second; one that has been silent for so long is gone
_LARGEST = 4096  # pixels


@dataclass(frozen=True)
class Model:
    """What an action expert says of itself.

    Attributes:
        expert, checkpoint: an id of its run, and what it runs.
        robot: the identity of the robot it was loaded for.
        views: names of the views that it takes, in its order; none is all of the robot's.
        size: side of the square views, pixels; 0 takes any size.
    """

    expert: str
    checkpoint: str
    robot: str
    views: tuple[str, ...]
    size: int


class ModelViews:
    """Keeps what action experts say that they run, and what views follow from it.

    Args:
        robot: the identity of the robot's profile.
        views: names of the profile's views.
    """

    def __init__(self, robot: str, views: Sequence[str]):
        self._robot, self._all = robot, tuple(views)
        self._heard: dict[str, tuple[float, Model]] = {}

    def hear(self, model: Model, now: float) -> None:
        """An action expert has spoken at ``now``, s of a steady clock."""
        self._heard[model.expert] = now, model
        newest = max(self._heard, key=lambda expert: self._heard[expert][0])
        self._heard = {
            expert: (when, said)
            for expert, (when, said) in self._heard.items()
            if expert == newest or now - when <= _FORGOTTEN
        }

    @property
    def known(self) -> bool:
        """Whether any action expert has spoken."""
        return bool(self._heard)

    @property
    def names(self) -> tuple[str, ...]:
        """The views that make an observation, in the model's order; all of the profile's before it is known."""
        return (self._newest.views if self.known and not self.fault else ()) or self._all

    @property
    def size(self) -> int:
        """Side of the square views, pixels; 0 leaves them as they are."""
        return self._newest.size if self.known else 0

    @property
    def fault(self) -> str:
        """Why there can be no observations for the model that was heard; empty when there can."""
        for _, model in self._heard.values():
            if model.robot != self._robot:
                return f"the model {model.checkpoint} was loaded for robot {model.robot}, this is {self._robot}"
            if strange := [name for name in model.views if name not in self._all]:
                return (
                    f"the model {model.checkpoint} takes the view {', '.join(strange)}, "
                    f"the robot's profile has {', '.join(self._all)}"
                )
            if len(set(model.views)) < len(model.views) or model.size > _LARGEST:
                return (
                    f"the model {model.checkpoint} asks for views {', '.join(model.views)} of {model.size} pixels, "
                    f"expected each once and at most {_LARGEST}"
                )
        if len({(model.views, model.size) for _, model in self._heard.values()}) > 1:
            named = " and ".join(sorted({f"{model.checkpoint} ({model.size})" for _, model in self._heard.values()}))
            return f"there are two action experts that take different views: {named}"
        return ""

    @property
    def _newest(self) -> Model:
        return max(self._heard.values(), key=lambda said: said[0])[1]
