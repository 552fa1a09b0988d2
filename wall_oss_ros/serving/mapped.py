# SPDX-License-Identifier: Apache-2.0
"""A mapping of recordings, read as what a client sends and wants back."""

from __future__ import annotations

import re
from collections.abc import Mapping as Table
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.lerobot.layout import INFO, read_info
from wall_oss_ros.data.mapping.spec import (
    UNITS,
    Actions,
    ArmActions,
    ArmColumns,
    ArmFrames,
    Mapping,
    Numbers,
    Opening,
    Rotation,
    load_mapping,
)
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotation_forms import FORMS
from wall_oss_ros.serving.keys import ActionMode, ActionPart, Keys, Part, StatePart, spelled

_RANGE = re.compile(r"(\d*):(\d*)")
_MODES: dict[str, ActionMode] = {"no": "absolute", "step": "step"}


def read_keys(name: str | Path | None, layout: Layout, views: Table[str, str], mode: ActionMode | None) -> Keys:
    """What clients call things.

    Args:
        name: a mapping in config/mappings, or its file; None for the robot's own names.
        layout: of the robot.
        views: further keys, by view.
        mode: of actions, whatever the mapping says; None leaves it.

    Raises:
        WallOSSError: the mapping cannot be read, or says what cannot be served; or a view is none of the robot's.
    """
    keys = Keys() if name is None else _Translation(*load_mapping(name), layout, mode).keys()
    known = [view.name for view in layout.profile.views]
    if strange := [view for view in views if view not in known]:
        raise WallOSSError(f"There is no view {strange[0]!r}; there are {', '.join(known)}.", "Correct --view.")
    keys = replace(keys, views={**keys.views, **{view: (key,) for view, key in views.items()}})
    return keys if mode is None else replace(keys, action_mode=mode)


class _Translation:
    """Of one mapping, for one robot."""

    def __init__(self, mapping: Mapping, file: Path, layout: Layout, mode: ActionMode | None):
        self._mapping, self._file, self._layout, self._mode = mapping, file, layout, mode
        self._features = read_info(file.parent).features if (file.parent / INFO).is_file() else {}

    def keys(self) -> Keys:
        profile, mapping = self._layout.profile, self._mapping
        views, framing = {}, {}
        for name, given in mapping.views.items():
            if name not in [view.name for view in profile.views]:
                raise self._error(f"views.{name}", f"the robot {profile.name} has no view of that name")
            column = given if isinstance(given, str) else given.column
            views[name] = spelled(column)
            if not isinstance(given, str):
                changes = {key: getattr(given, key) for key in ("crop", "rotate", "fit")}
                framing[name] = {key: value for key, value in changes.items() if value is not None}
        said = mapping.language.instruction
        instruction = ("prompt", "instruction", *(() if said == "task" else spelled(said)), "task")
        state = self._state()
        if isinstance(mapping.action, str):  # the next state
            return Keys(views, framing, instruction, state)
        actions, mode = self._actions(mapping.action)
        return Keys(views, framing, instruction, state, actions, mode)

    def _state(self) -> tuple[StatePart, ...]:
        profile, given, found = self._layout.profile, self._mapping.state, []
        self._known("state.arms", given.arms, [one.arm.name for one in profile.arms])
        self._known("state.parts", given.parts, [part.name for part in profile.parts])
        for one in profile.arms:
            if (arm := given.arms.get(one.arm.name)) is not None:
                found += [StatePart(**vars(part), key=key) for part, key in self._arm("state", one, arm, False)]
        for part in profile.parts:
            if (numbers := given.parts.get(part.name)) is not None:
                field = f"state.parts.{part.name}"
                found.append(StatePart(**vars(self._part(field, part.dof, numbers)), key=numbers.column))
        if given.base is not None:
            if profile.base is None:
                raise self._error("state.base", f"the robot {profile.name} has no base")
            stands = self._part("state.base", profile.base.dof, given.base)
            found.append(StatePart(**vars(stands), key=given.base.column))
        if not found:
            raise self._error("state", "nothing is mapped")
        return tuple(found)

    def _actions(self, given: Actions) -> tuple[tuple[ActionPart, ...], ActionMode]:
        profile, found = self._layout.profile, list[tuple[Part, str, Any]]()
        self._known("action.arms", given.arms, [one.arm.name for one in profile.arms])
        self._known("action.parts", given.parts, [part.name for part in profile.parts])
        modes = set()
        for one in profile.arms:
            arm = given.arms.get(one.arm.name)
            if arm is None:
                continue
            mode: ActionMode = "absolute"
            if arm.position or arm.rotation or arm.joints:
                mode = self._mode or self._mode_of(f"action.arms.{one.arm.name}", arm)
                modes.add(mode)
            for own, column in self._arm("action", one, arm, mode != "absolute"):
                found.append((own, column, self._ends(arm.gripper) if own.dof == one.gripper.dof else None))
        for part in profile.parts:
            if (numbers := given.parts.get(part.name)) is not None:
                found.append((self._part(f"action.parts.{part.name}", part.dof, numbers), numbers.column, None))
        if len(modes) > 1:
            raise self._error("action.arms", f"the arms' actions are of several kinds: {', '.join(sorted(modes))}")
        mode = next(iter(modes), "absolute")
        if given.base is not None:
            if profile.base is None or given.base.pose is None or mode != "absolute":
                raise self._error("action.base", "a base is served as poses, beside targets of arms, or not at all")
            found.append((self._part("action.base", profile.base.dof, given.base.pose), given.base.pose.column, None))
        if not found:
            raise self._error("action", "nothing is mapped")
        if len(columns := sorted({column for _, column, _ in found})) > 1:
            raise self._error("action", f"a client gets one vector, and this names {' and '.join(columns)}")
        return tuple(self._columns(found)), mode

    def _columns(self, found: list[tuple[Part, str, Any]]) -> list[ActionPart]:
        """The parts, each with its columns, of which every one is told."""
        parts = []
        for part, _, clip in found:
            at = part.at if part.at is not None else tuple(range(part.size(self._layout)))
            parts.append(ActionPart(**{**vars(part), "at": at}, clip=clip))
        told = sorted(column for part in parts for column in part.at)
        column = found[0][1]
        feature = self._features.get(column)
        size = max(told[-1] + 1, 0 if feature is None else int(np.prod(feature.shape)))
        if told != list(range(size)):
            wrong = next(number for number in range(size) if told.count(number) != 1)
            raise self._error(
                "action", f"number {wrong} of {column} is mapped {told.count(wrong)} times; once is needed"
            )
        return parts

    def _arm(self, half: str, one: RobotProfile, arm: ArmColumns, displaced: bool) -> list[tuple[Part, str]]:
        """Parts of an arm, and their columns; ``displaced``: they are displacements."""
        field, found = f"{half}.arms.{one.arm.name}", list[tuple[Part, str]]()
        moves_joints = one.arm.joints_dof is not None
        if arm.joints is not None and not moves_joints:
            raise self._error(f"{field}.joints", f"joints, where the model of {one.name} moves the tool")
        if moves_joints and (arm.position or arm.rotation):
            raise self._error(field, f"position and rotation of the tool, where the model of {one.name} moves joints")
        if arm.joints is not None:
            found.append((self._part(f"{field}.joints", one.arm.joints_dof, arm.joints), arm.joints.column))
        own = self._own_rotation(one, arm) and not displaced
        if arm.position is not None:
            found.append((self._part(f"{field}.position", one.arm.position_dof, arm.position), arm.position.column))
        if arm.rotation is not None:
            part = self._part(f"{field}.rotation", one.arm.rotation_dof, arm.rotation, not own)
            found.append((part, arm.rotation.column))
        if arm.gripper is not None:
            found.append((self._opening(f"{field}.gripper", one, arm.gripper), arm.gripper.column))
        return found

    def _own_rotation(self, one: RobotProfile, arm: ArmColumns) -> bool:
        """Whether an arm's rotation is measured from the profile's ``tool_rotation``, as the layout's is.

        Raises:
            WallOSSError: its frames are others.
        """
        frames, field = self._mapping.frames.get(one.arm.name, ArmFrames()), f"frames.{one.arm.name}"
        if frames == ArmFrames():
            return False
        same = ArmFrames(tool=frames.tool.model_copy(update={"position": (0.0, 0.0, 0.0)})) == frames
        same &= np.allclose(np.abs(np.dot(frames.tool.rotation, one.arm.tool_rotation)), 1.0, atol=1e-9)
        euler = arm.rotation is None or (arm.rotation.form == "euler" and arm.rotation.order == "xyz")
        if not (same and euler and one.dof_config.get(one.arm.rotation_dof) == 3):
            raise self._error(field, "clients are asked in the profile's frames, with its tool_rotation at most")
        return True

    def _part(self, field: str, dof: str, numbers: Numbers, turned: bool = True) -> Part:
        slot = self._layout.slots[dof]
        form = numbers.form if isinstance(numbers, Rotation) and turned else None
        size = slot.stop - slot.start if form is None else FORMS[form]
        unit = 1.0 if numbers.unit is None else UNITS[numbers.unit]
        at = self._places(field, numbers, size)
        factors = []
        for name in ("scale", "offset"):
            value = getattr(numbers, name)
            if isinstance(value, tuple) and len(value) != size:
                raise self._error(f"{field}.{name}", f"{len(value)} values for {size} numbers")
            factors.append(tuple(one * unit for one in value) if isinstance(value, tuple) else value * unit)
        if not np.all(factors[0]):
            raise self._error(f"{field}.scale", "a scale of 0 loses what is scaled")
        order = numbers.order if isinstance(numbers, Rotation) else "xyz"
        return Part(dof, at, form, order, *factors)

    def _opening(self, field: str, one: RobotProfile, opening: Opening) -> Part:
        if opening.unit is not None:
            return Part(one.gripper.dof, self._places(field, opening, 1), scale=UNITS[opening.unit])
        shut, wide = np.broadcast_arrays(opening.closed, opening.open)
        count = max(shut.size, len(opening.at) if isinstance(opening.at, tuple) else 1)
        shut, wide = (np.broadcast_to(values.reshape(-1), (count,)).astype(float) for values in (shut, wide))
        if (shut == wide).any():
            raise self._error(field, "closed and open are the same for one of its numbers")
        scale = (one.gripper.open - one.gripper.closed) / (wide - shut)
        offset = one.gripper.closed - shut * scale
        at = self._places(field, opening, count)
        return Part(one.gripper.dof, at, scale=tuple(scale.tolist()), offset=tuple(offset.tolist()))

    @staticmethod
    def _ends(opening: Opening | None) -> tuple | None:
        """Between which numbers a gripper's are."""
        if opening is None or opening.closed is None:
            return None
        ends = np.sort(np.broadcast_arrays(opening.closed, opening.open), axis=0).reshape(2, -1)
        return tuple(ends[0].tolist()), tuple(ends[1].tolist())

    def _mode_of(self, field: str, arm: ArmActions) -> ActionMode:
        if arm.frame != "base":
            raise self._error(f"{field}.frame", "displacements are served along the axes of the base")
        if arm.relative not in _MODES:
            raise self._error(
                f"{field}.relative",
                "displacements from the state of their own row cannot be told ahead, as that state is not known yet",
                "Say what the client is to get: --action-mode step, relative or absolute.",
            )
        return _MODES[arm.relative]

    def _places(self, field: str, numbers: Numbers | Opening, size: int) -> tuple[int, ...] | None:
        """Which numbers of the column; None for all."""
        at = numbers.at
        if at is None:
            return None
        if isinstance(at, str) and (span := _RANGE.fullmatch(at)):
            places = tuple(range(int(span[1] or 0), int(span[2] or int(span[1] or 0) + size)))
        else:
            feature = self._features.get(numbers.column)
            names = list(feature.names or ()) if feature is not None else []
            listed = (at,) if isinstance(at, str) else at
            if lost := [one for one in listed if isinstance(one, str) and names.count(one) != 1]:
                raise self._error(
                    f"{field}.at",
                    f"{lost[0]} is a name that the dataset gives, and its {INFO} is not beside the mapping",
                    "Give indices, or the mapping that lies in the dataset's folder.",
                )
            places = tuple(names.index(one) if isinstance(one, str) else one for one in listed)
        if len(places) != size:
            raise self._error(f"{field}.at", f"{len(places)} numbers where {size} were expected")
        if len(set(places)) < len(places):
            raise self._error(f"{field}.at", "one of the numbers is there twice")
        return places

    def _known(self, field: str, given: Table[str, Any], known: list[str]) -> None:
        if strange := [name for name in given if name not in known]:
            raise self._error(f"{field}.{strange[0]}", f"the robot has {', '.join(known) or 'none'}, and not that")

    def _error(self, field: str, problem: str, hint: str = "Serve by another mapping.") -> WallOSSError:
        return WallOSSError(f"The mapping {self._file}, field {field}, cannot be served: {problem}.", hint)
