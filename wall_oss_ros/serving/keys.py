# SPDX-License-Identifier: Apache-2.0
"""How a client names what it sends and what it wants back: a small YAML file, or a robot's own names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.checked import checked, explain
from wall_oss_ros.robots.components import Component, Finite, Name
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotation_forms import FORMS, RotationForm

ActionMode = Literal["absolute", "relative", "step"]
_Scale = Annotated[float, Field(allow_inf_nan=False)]
_WHAT = "The file of keys"


class Part(Component):
    """Numbers of a client's that are one part of the robot's layout; ours are theirs times ``scale`` plus ``offset``.

    Attributes:
        dof: of the profile's ``dof_config``.
        form: how a rotation is written, that of the tool itself; left out, as the checkpoint has it, measured from the
            profile's ``tool_rotation``.
        scale, offset: to the profile's units (m, rad); one for all numbers, or one for each.
    """

    dof: Name
    form: RotationForm | None = None
    scale: _Scale | tuple[_Scale, ...] = 1.0
    offset: Finite | tuple[Finite, ...] = 0.0

    @model_validator(mode="after")
    def _can_be_undone(self):
        if 0 in (self.scale if isinstance(self.scale, tuple) else (self.scale,)):
            raise ValueError("a scale of 0 loses what is scaled")
        if self.form is not None and (self.scale, self.offset) != (1.0, 0.0):
            raise ValueError("a form of rotation has units of its own: leave scale and offset out")
        return self


class StatePart(Part):
    """A part of the state.

    Attributes:
        key: what the client calls the vector that it is in.
        entries: from which to before which of its numbers, from 0; all when left out.
    """

    key: Name = "state"
    entries: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]] | None = None


class ActionPart(Part):
    """A part of the actions, behind those listed before it.

    Attributes:
        clip: the client's numbers end there, such as [-1, 1].
    """

    clip: tuple[Finite, Finite] | None = None


class Keys(Component):
    """What a client calls things.

    Attributes:
        views: the client's key, or several of which one must be there, for each view of the robot's that it calls
            otherwise.
        instruction: keys of the instruction; the first that is there counts.
        state: parts; where left out, the robot's whole layout in one vector, or its own entries.
        actions: parts, in order; where left out, the robot's own entries of the layout.
        action_mode: whether actions are absolute targets, displacements from the observed state, or from one step of
            the chunk to the next. Grippers, heads and lifts are always absolute.
    """

    views: dict[str, Name | tuple[Name, ...]] = Field(default_factory=dict)
    instruction: tuple[Name, ...] = ("prompt", "instruction")
    state: tuple[StatePart, ...] | None = None
    actions: tuple[ActionPart, ...] | None = None
    action_mode: ActionMode = "absolute"


def read_keys(path: str | Path | None, layout: Layout, views: Mapping[str, str], mode: ActionMode | None) -> Keys:
    """A file of keys, with what the command line says laid over it.

    Args:
        path: the file; none is the robot's own names.
        layout: of the robot.
        views: further keys, by view.
        mode: of actions; None leaves the file's.

    Raises:
        WallOSSError: it cannot be read, a field is unknown or out of range, or does not fit the robot.
    """
    content, source, what = {}, "", _WHAT
    if path is not None:
        what = f"{_WHAT} {path}"
        source = strict_yaml.read_text(path, _WHAT)
        content = strict_yaml.load(source, what)
        if not isinstance(content, dict):
            raise WallOSSError(f"{what} must be a mapping of fields.", "docs/how-to/serve.md has an example.")
    try:
        keys = checked(Keys, content)
    except ValidationError as error:
        raise WallOSSError(f"{what} is not valid: {explain(error.errors()[0], source)}.", "Correct it.") from None
    changes: dict[str, Any] = {"views": {**keys.views, **views}}
    if mode is not None:
        changes["action_mode"] = mode
    keys = keys.model_copy(update=changes)
    if problem := _problem(keys, layout):
        raise WallOSSError(
            f"{what if path else 'What was said of keys'} does not fit the robot: {problem}.", "Correct it."
        )
    return keys


def _problem(keys: Keys, layout: Layout) -> str:
    """What in it is not of the robot; empty for nothing."""
    names = [view.name for view in layout.profile.views]
    if strange := [view for view in keys.views if view not in names]:
        return f"there is no view {strange[0]!r}; there are {', '.join(names)}"
    if not keys.instruction:
        return "instruction lists no key"
    if keys.actions == ():
        return "actions lists no part"
    for what, parts in (("state", keys.state or ()), ("actions", keys.actions or ())):
        dofs = [part.dof for part in parts]
        if twice := [dof for dof in dofs if dofs.count(dof) > 1]:
            return f"{what} has {twice[0]} twice"
        for part in parts:
            if problem := _misfit(part, layout):
                return f"{what}: {problem}"
    return ""


def _misfit(part: Part, layout: Layout) -> str:
    if part.dof not in layout.slots:
        return f"there is no {part.dof!r} in the profile's dof_config; there are {', '.join(layout.slots)}"
    slot = layout.slots[part.dof]
    size = slot.stop - slot.start
    if not layout.mask[slot].any():
        return f"the robot has no {part.dof}"
    if part.form is not None:
        if all(own.rotation != slot for own in layout.arms):
            return f"{part.dof} is no rotation, and has no form {part.form}"
        size = FORMS[part.form]
    for name in ("scale", "offset"):
        value = getattr(part, name)
        if isinstance(value, tuple) and len(value) != size:
            return f"{part.dof} has {size} numbers, but {len(value)} are given as its {name}"
    if isinstance(part, StatePart) and part.entries is not None and part.entries[1] - part.entries[0] != size:
        return f"{part.dof} has {size} numbers, but entries are {part.entries[0]} to {part.entries[1]}"
    if isinstance(part, ActionPart) and part.clip is not None and part.clip[0] >= part.clip[1]:
        return f"{part.dof} is clipped to nothing"
    return ""
