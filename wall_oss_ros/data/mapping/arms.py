# SPDX-License-Identifier: Apache-2.0
"""One arm of recordings, in the units and frames of its profile.

Displacements are put onto what they are displacements from in the recorded frames; only then are poses brought into the
profile's. Those along the base's axes turn the tool about them, R' = D R; those along the tool's, R' = R D.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass

import numpy as np

from wall_oss_ros.data.mapping.columns import Columns, Picked, optional
from wall_oss_ros.data.mapping.frames import Frames
from wall_oss_ros.data.mapping.rotations import euler, products
from wall_oss_ros.data.mapping.spec import ArmActions, ArmColumns, ArmFrames, Opening, Rotation
from wall_oss_ros.data.mapping.tracks import Kind, Track
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.rotation_forms import FORMS, matrices
from wall_oss_ros.robots.rotations import matrix_from_quaternion, six_from_matrix
from wall_oss_ros.robots.urdf import position_limits

_FAR = 2.0  # strokes beyond closed or open where a gripper's numbers cannot be meant so
_TURN = 2 * np.pi  # rad beyond a joint's limits, or within a displacement, where degrees were taken for radians
_TURNS = 2 * _TURN  # rad that Euler angles and turns about an axis never reach, however they go on from turn to turn
_REACH = 10.0  # m from its base that no arm's tool is


@dataclass
class ArmNumbers:
    """An arm at some moments (...,); what is not known is None or NaN."""

    position: np.ndarray | None = None  # (..., 3) m
    rotation: np.ndarray | None = None  # (..., 3, 3)
    joints: np.ndarray | None = None  # (..., n) rad
    opening: np.ndarray | None = None  # (...,) m


class _Half:
    """State or action of an arm: its columns, found."""

    def __init__(self, columns: Columns, where: str, spec: ArmColumns, profile: RobotProfile):
        count = len(profile.arm.joints)
        self._spec, self._columns, self._gripper, self._where = spec, columns, profile.gripper, where
        self.position = optional(columns, f"{where}.position", spec.position, 3)
        numbers = None if spec.rotation is None else FORMS[spec.rotation.form]
        self.rotation = optional(columns, f"{where}.rotation", spec.rotation, numbers)
        self.joints = optional(columns, f"{where}.joints", spec.joints, count)
        self._limits = (0.0, 0.0) if self.joints is None else position_limits(profile, profile.arm.joints)
        self.opening = None if spec.gripper is None else columns.opening(f"{where}.gripper", spec.gripper)
        if profile.arm.joints_dof is not None and (self.position or self.rotation):
            raise columns.error(
                where,
                f"position and rotation of the tool, where the model of {profile.name} moves joints",
                "Map joints, or use a profile with position_dof and rotation_dof.",
            )

    @property
    def names(self) -> list[str]:
        picked = [self.position, self.rotation, self.joints, self.opening and self.opening[0]]
        return [one.column for one in picked if one is not None]

    def read(self, table: Table[str, np.ndarray]) -> ArmNumbers:
        """Its numbers, row by row, as they were recorded but for units."""
        found = ArmNumbers()
        if self.position is not None:
            found.position = self._within(self.position, table, -_REACH, _REACH, "m", "unit: mm")
        if self.rotation is not None:
            if self._spec.rotation.form in ("euler", "axis_angle"):
                self._within(self.rotation, table, -_TURNS, _TURNS, "rad", "unit: deg")
            found.rotation = self._matrices(self._spec.rotation, self.rotation, table)
        if self.joints is not None:
            low, high = self._limits
            found.joints = self._within(self.joints, table, low - _TURN, high + _TURN, "rad", "unit: deg")
        if self.opening is not None:
            found.opening = self._opening(self._spec.gripper, table)
        return found

    def _within(self, picked: Picked, table: Table[str, np.ndarray], low, high, unit: str, usual: str) -> np.ndarray:
        """(n, k) of what was picked, once none of it is beyond what can be meant, (k,) or one number for all."""
        values = picked.read(table)
        beyond = (values < low) | (values > high)  # what is not known is neither
        if beyond.any():
            at = int(np.flatnonzero(beyond.any(0))[0])
            own = values[:, at][np.isfinite(values[:, at])]
            raise self._columns.error(
                picked.field,
                f"number {picked.at[at]} of {picked.column} spans {own.min():.4g} to {own.max():.4g} {unit}, which "
                "nothing of an arm does",
                f"Say its unit or scale; {usual} is what is most often left out.",
            )
        return values

    @staticmethod
    def _matrices(spec: Rotation, picked: Picked, table: Table[str, np.ndarray]) -> np.ndarray:
        return matrices(picked.read(table), spec.form, spec.order)

    def _opening(self, spec: Opening, table: Table[str, np.ndarray]) -> np.ndarray:
        picked, shut, wide = self.opening
        closed, most = self._gripper.closed, self._gripper.open
        values = picked.read(table)
        share = (values[:, 0] - closed) / (most - closed) if shut is None else ((values - shut) / (wide - shut)).mean(1)
        known = share[np.isfinite(share)]
        if len(known) and not (known.min() >= -_FAR and known.max() <= 1 + _FAR):
            said = f"{values[np.isfinite(values)].min():.4g} to {values[np.isfinite(values)].max():.4g}"
            meant = f"{closed:g} to {most:g} m" if shut is None else f"closed {spec.closed}, open {spec.open}"
            raise self._columns.error(
                f"{self._where}.gripper", f"{picked.column} spans {said}, far from {meant}",
                "Correct closed and open, or the unit.",
            )  # fmt: skip
        return closed + np.clip(share, 0, 1) * (most - closed)


class ArmReader:
    """Reads one arm.

    Args:
        columns: of the dataset.
        state, action: the mapping's sections; None where it has none. ``action`` is None for targets that are states.
        profile: of a robot that has this arm alone.
        layout: of that arm.
    """

    def __init__(
        self,
        columns: Columns,
        state: ArmColumns | None,
        action: ArmActions | None,
        frames: ArmFrames,
        profile: RobotProfile,
        layout: Layout,
    ):
        name = profile.arm.name
        self._state = _Half(columns, f"state.arms.{name}", state or ArmColumns(), profile)
        self._action = None if action is None else _Half(columns, f"action.arms.{name}", action, profile)
        self._spec, self._layout = action, layout
        self._frames = Frames(frames)
        self._reference = matrix_from_quaternion(profile.arm.tool_rotation)
        self._rows = profile.arm.rotation_6d == "rows"
        halves = [self._state] if self._action is None else [self._state, self._action]
        by_joints = layout.joints is None and any(half.joints is not None for half in halves)
        self._arm = Arm(profile) if by_joints else None
        if action is not None and action.relative == "no" and action.frame == "tool":
            raise columns.error(
                f"action.arms.{name}.frame", "targets are no displacements, so that they have no axes of the tool",
                "Say relative: state or step, or leave frame out.",
            )  # fmt: skip
        if action is not None and action.relative != "no":
            turned = self._state.rotation is not None or self._arm is not None
            if action.frame == "tool" and action.position is not None and not turned:
                raise columns.error(
                    f"action.arms.{name}.frame", f"the tool's axes are not known: state.arms.{name} has no rotation",
                    f"Map state.arms.{name}.rotation.",
                )  # fmt: skip
            for what in ("position", "rotation", "joints"):
                felt = getattr(self._state, what) is not None
                felt |= what != "joints" and self._state.joints is not None and self._arm is not None
                if getattr(self._action, what) is not None and not felt:
                    raise columns.error(
                        f"action.arms.{name}.relative",
                        f"{what} is a displacement, and state.arms.{name} has no {what}",
                        f"Map state.arms.{name}.{what}, which displacements are put onto.",
                    )  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Of the columns that it reads."""
        return self._state.names + ([] if self._action is None else self._action.names)

    def read(self, table: Table[str, np.ndarray]) -> ArmMotion:
        """The arm in an episode."""
        felt = self._state.read(table)
        if felt.joints is not None and self._arm is not None:
            felt.position, felt.rotation = self._frames.recorded(*self.forward(felt.joints))
        told = None if self._action is None else self._action.read(table)
        return ArmMotion(self, felt, told)

    def commands(self, table: Table[str, np.ndarray], places: np.ndarray) -> ArmNumbers:
        """Where targets in the action's columns lead the arm at places (...,) along their rows."""
        told = ArmNumbers() if self._action is None else self._action.read(table)
        if told.joints is not None and self._arm is not None:
            told.position, told.rotation = self._frames.recorded(*self.forward(told.joints))
        return _at(_tracks(told, "command"), places)

    def forward(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tool positions (..., 3) and rotations (..., 3, 3) in the profile's frames for joints (..., n)."""
        flat = joints.reshape(-1, joints.shape[-1])
        position, rotation = np.full((len(flat), 3), np.nan), np.full((len(flat), 3, 3), np.nan)
        for row in np.flatnonzero(np.isfinite(flat).all(-1)):
            position[row], rotation[row] = self._arm.fk(flat[row])
        return position.reshape(*joints.shape[:-1], 3), rotation.reshape(*joints.shape[:-1], 3, 3)

    def write(self, rows: np.ndarray, arm: ArmNumbers) -> None:
        """Puts an arm into vectors (..., A) of the layout, poses brought from recorded frames into the profile's."""
        own = self._layout
        if own.joints is not None:
            if arm.joints is not None:
                rows[..., own.joints] = arm.joints
        else:
            position, rotation = self._frames.ours(arm.position, arm.rotation)
            if position is not None:
                rows[..., own.position] = position
            if rotation is not None:
                turned = rotation @ self._reference.T
                if own.space.angles:
                    rows[..., own.rotation] = euler(turned)
                else:
                    rows[..., own.rotation] = six_from_matrix(np.swapaxes(turned, -1, -2) if self._rows else turned)
        if arm.opening is not None:
            rows[..., own.gripper] = arm.opening

    def integrate(self, felt: ArmNumbers, told: ArmNumbers) -> ArmNumbers:
        """Targets of displacements from the state of the same row."""
        found = ArmNumbers(opening=told.opening)
        if told.joints is not None:
            found.joints = felt.joints + told.joints
        if told.position is not None:
            way = told.position
            if self._spec.frame == "tool":
                way = (felt.rotation @ way[..., None])[..., 0]
            found.position = felt.position + way
        if told.rotation is not None:
            along = self._spec.frame == "tool"
            found.rotation = felt.rotation @ told.rotation if along else told.rotation @ felt.rotation
        return found


class ArmMotion:
    """An arm in an episode of n rows."""

    def __init__(self, reader: ArmReader, felt: ArmNumbers, told: ArmNumbers | None):
        self._reader, self.felt = reader, _tracks(felt, "linear")
        self._steps: _Steps | None = None
        if told is None:
            self._told = self.felt
            return
        spec = reader._spec
        if spec.relative == "state":
            told = reader.integrate(felt, told)
        elif spec.relative == "step":
            self._steps = _Steps(told, spec.frame == "tool")
            told = ArmNumbers(opening=told.opening)
        if told.joints is not None and reader._arm is not None:
            told.position, told.rotation = reader._frames.recorded(*reader.forward(told.joints))
        self._told = _tracks(told, "command")

    def state(self, rows: np.ndarray) -> ArmNumbers:
        """The arm at places (...,) along the rows."""
        return _at(self.felt, rows)

    def targets(self, begin: np.ndarray, first: np.ndarray, places: np.ndarray) -> ArmNumbers:
        """Where the arm is told to be.

        Args:
            begin: (B,) places of the states that chunks begin at, which displacements of steps are put onto.
            first: (B,) places of the first commands of chunks.
            places: (B, H) places of all of them, resampled.
        """
        found = _at(self._told, places)
        if self._steps is not None:
            self._steps.onto(_at(self.felt, begin), first, places, found)
            if found.joints is not None and self._reader._arm is not None:
                found.position, found.rotation = self._reader._frames.recorded(*self._reader.forward(found.joints))
        return found

    def write(self, vectors: np.ndarray, arm: ArmNumbers) -> None:
        """As :meth:`ArmReader.write`."""
        self._reader.write(vectors, arm)


class _Steps:
    """Displacements each from the target of the one before, added up from the first row on."""

    def __init__(self, told: ArmNumbers, along_tool: bool):
        self._along_tool = along_tool
        numbers = [one for one in (told.joints, told.position, told.rotation) if one is not None]
        lost = np.any([np.isnan(one).reshape(len(one), -1).any(1) for one in numbers], axis=0)
        self._lost = np.concatenate([[0], np.cumsum(lost)])  # a chunk that one is missing in is not known from there on
        self._joints = None if told.joints is None else _sums(np.nan_to_num(told.joints))
        self._turns = None
        if told.rotation is not None:
            turns = np.where(np.isnan(told.rotation), np.eye(3), told.rotation)
            self._turns = Track(products(turns, not along_tool), "rotation")
        way = None if told.position is None else np.nan_to_num(told.position)
        if way is not None and along_tool:
            turned = np.broadcast_to(np.eye(3), (len(way), 3, 3)) if self._turns is None else self._turns.values[:-1]
            way = (turned @ way[..., None])[..., 0]
        self._ways = None if way is None else _sums(way)

    def onto(self, begin: ArmNumbers, first: np.ndarray, places: np.ndarray, found: ArmNumbers) -> None:
        """Writes targets (B, H): states ``begin`` (B,) moved by the commands from ``first`` (B,) to ``places``."""
        rows = np.maximum(first, 0)
        if self._joints is not None:
            found.joints = begin.joints[:, None] + self._joints.at(places + 1) - self._joints.at(rows)[:, None]
        if self._ways is not None:
            way = self._ways.at(places + 1) - self._ways.at(rows)[:, None]
            if self._along_tool:
                turn = begin.rotation
                if self._turns is not None:
                    turn = turn @ np.swapaxes(self._turns.at(rows), -1, -2)
                way = (turn[:, None] @ way[..., None])[..., 0]
            found.position = begin.position[:, None] + way
        if self._turns is not None:
            back, last = np.swapaxes(self._turns.at(rows), -1, -2)[:, None], self._turns.at(places + 1)
            if self._along_tool:
                found.rotation = begin.rotation[:, None] @ back @ last
            else:
                found.rotation = last @ back @ begin.rotation[:, None]
        count = len(self._lost) - 1
        until = np.clip(np.ceil(places + 1 - 1e-6), 0, count).astype(int)
        lost = self._lost[until] > self._lost[np.clip(np.floor(rows + 1e-6), 0, count).astype(int)][:, None]
        for numbers in (found.joints, found.position, found.rotation):
            if numbers is not None:
                numbers[lost] = np.nan


def _sums(values: np.ndarray) -> Track:
    return Track(np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, 0)]))


def _tracks(arm: ArmNumbers, gripper: Kind) -> dict[str, Track]:
    kinds: dict[str, Kind] = {"position": "linear", "rotation": "rotation", "joints": "angle", "opening": gripper}
    return {
        name: Track(values, kind) for name, kind in kinds.items() if (values := getattr(arm, name)) is not None
    }  # fmt: skip


def _at(tracks: dict[str, Track], places: np.ndarray) -> ArmNumbers:
    return ArmNumbers(**{name: track.at(places) for name, track in tracks.items()})
