# SPDX-License-Identifier: Apache-2.0
"""States and action chunks of recorded episodes, in a robot's layout, units, frames, rate and action mode."""

from __future__ import annotations

from collections.abc import Mapping as Table
from pathlib import Path
from typing import Any

import numpy as np

from wall_oss_ros.data.mapping.arms import ArmMotion, ArmReader
from wall_oss_ros.data.mapping.columns import Columns, optional
from wall_oss_ros.data.mapping.spec import Actions, ArmActions, ArmFrames, BaseActions, Mapping, Numbers
from wall_oss_ros.data.mapping.tracks import Track
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile

_ON = 1e-6  # share of a row
_NOTHING = ArmActions()


class MotionReader:
    """Reads motion from the columns of one dataset.

    Args:
        mapping: which column is what.
        columns: the dataset's.
        profile: the robot's.
        fps: rows a second of the dataset.

    Attributes:
        names: of the columns that it reads.
        layout: the profile's.

    Raises:
        WallOSSError: the mapping names what the profile or the dataset does not have.
    """

    def __init__(self, mapping: Mapping, columns: Columns, profile: RobotProfile, fps: float):
        self.profile, self.layout, self.fps = profile, Layout(profile), mapping.fps or fps
        own = None if isinstance(mapping.action, str) else mapping.action
        told = own or Actions()
        self.delays = mapping.state.delay * self.fps, told.delay * self.fps
        self.follows_state = own is None
        arms = [one.arm.name for one in profile.arms]
        parts = {part.name: part for part in profile.parts}
        for field, given, known in (
            ("state.arms", mapping.state.arms, arms), ("action.arms", told.arms, arms),
            ("frames", mapping.frames, arms),
            ("state.parts", mapping.state.parts, parts), ("action.parts", told.parts, parts),
        ):  # fmt: skip
            if strange := [name for name in given if name not in known]:
                raise columns.error(
                    f"{field}.{strange[0]}", f"the robot {profile.name} has none of that name",
                    f"Its own: {', '.join(known) or 'none'}.",
                )  # fmt: skip
        self._arms = [
            ArmReader(
                columns, mapping.state.arms.get(one.arm.name),
                None if own is None else told.arms.get(one.arm.name, _NOTHING),
                mapping.frames.get(one.arm.name, ArmFrames()), one, layout,
            )
            for one, layout in zip(profile.arms, self.layout.arms)
        ]  # fmt: skip
        counts = {name: len(part.joints) for name, part in parts.items()}
        self._parts = {
            part.dof: (
                optional(columns, f"state.parts.{name}", mapping.state.parts.get(name), counts[name]),
                optional(columns, f"action.parts.{name}", told.parts.get(name), counts[name]),
            )
            for name, part in parts.items()
        }
        self._base = _BaseReader(columns, mapping.state.base, told.base) if profile.base is not None else None
        if profile.base is None and (mapping.state.base or told.base):
            raise columns.error(
                f"{'state' if mapping.state.base else 'action'}.base", f"the robot {profile.name} has no base",
                "Leave it out.",
            )  # fmt: skip
        pairs = [one for pair in self._parts.values() for one in pair]
        pairs += [] if self._base is None else [self._base.state, self._base.pose, self._base.velocity]
        self.names = sorted(
            {name for arm in self._arms for name in arm.names} | {one.column for one in pairs if one is not None}
        )
        self.relative = np.zeros(self.layout.size, bool)  # entries that need the state to be displacements
        if profile.action_mode == "relative":
            for layout in self.layout.arms:
                self.relative[layout.space.entries] = True

    def read(self, table: Table[str, np.ndarray]) -> Motion:
        """An episode from its columns."""
        arms = [arm.read(table) for arm in self._arms]
        parts = {
            dof: tuple(None if one is None else one.read(table) for one in pair) for dof, pair in self._parts.items()
        }
        base = None if self._base is None else self._base.read(table, self.fps)
        return Motion(self, len(next(iter(table.values()))), arms, parts, base)


class Motion:
    """An episode of n rows.

    Attributes:
        states: (n, A) float32, 0 where nothing is known; known: (n, A) bool.
    """

    def __init__(self, reader: MotionReader, rows: int, arms: list[ArmMotion], parts: dict[str, Any], base: Any):
        self._reader, self._rows, self._arms, self._base = reader, rows, arms, base
        self._parts = {
            dof: tuple(None if one is None else Track(one, "linear") for one in pair) for dof, pair in parts.items()
        }
        layout = reader.layout
        self._felt_at = np.arange(rows) + reader.delays[0]
        vectors = np.full((rows, layout.size), np.nan)
        for arm in arms:
            arm.write(vectors, arm.state(self._felt_at))
        for dof, (felt, _) in self._parts.items():
            if felt is not None:
                vectors[:, layout.slots[dof]] = felt.at(self._felt_at)
        if base is not None and base.felt is not None:
            vectors[:, layout.slots[reader.profile.base.dof]] = base.felt.at(self._felt_at)
        beyond = (self._felt_at > rows - 1 + _ON) | (self._felt_at < -_ON)
        vectors[beyond] = np.nan
        self.known = np.isfinite(vectors)
        for own in layout.arms:  # six numbers are a rotation together
            if own.rotation is not None:
                self.known[:, own.rotation] &= self.known[:, own.rotation].all(1, keepdims=True)
        self.states = np.where(self.known, vectors, 0).astype(np.float32)

    def chunks(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The chunks that begin at rows (B,).

        Step k is what the robot was told to be at (k + 1) / rate after the row. Steps beyond the episode's end repeat
        the last command, and are not known.

        Returns:
            (B, H, A) float32 in the profile's action mode, and which entries are known, (B, H, A) bool.
        """
        reader, layout = self._reader, self._reader.layout
        rows = np.asarray(rows)
        steps = (np.arange(reader.profile.horizon) + 1) * reader.fps / reader.profile.rate_hz
        begin = rows + reader.delays[0]
        if reader.follows_state:  # a row's state is where the row before was to lead
            first, places = begin, begin[:, None] + steps
        else:
            first = rows + reader.delays[1]
            places = first[:, None] + steps - 1
        targets = np.full((*places.shape, layout.size), np.nan)
        for arm in self._arms:
            arm.write(targets, arm.targets(begin, first, places))
        for dof, (felt, told) in self._parts.items():
            track = felt if reader.follows_state else told
            if track is not None:
                targets[..., layout.slots[dof]] = track.at(places)
        if self._base is not None:
            found = self._base.targets(begin, first, places, reader.follows_state)
            if found is not None:
                targets[..., layout.slots[reader.profile.base.dof]] = found
        return self._chunks(targets, rows, (places <= self._rows - 1 + _ON) & (places > -1 - _ON))

    def following(
        self, rows: np.ndarray, table: Table[str, np.ndarray], given: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The chunks of a robot that stands as it did at rows (N,) and is told something else from there on.

        Args:
            table: of the action's columns, n rows for each chunk, (N, n, ...): targets, the first that of the row.
            given: (N, n) bool, which of these there are.

        Returns:
            As :meth:`chunks`; a base is told nothing.
        """
        reader, layout, (count, length) = self._reader, self._reader.layout, given.shape
        steps = (np.arange(reader.profile.horizon) + 1) * reader.fps / reader.profile.rate_hz
        ahead = np.broadcast_to(reader.delays[1] + steps - 1, (count, len(steps)))
        inside = (ahead <= length - 1 + _ON) & (ahead > -1 - _ON)
        ahead = np.clip(ahead, 0, length - 1)
        for place in (np.floor(ahead + _ON), np.ceil(ahead - _ON)):
            inside &= np.take_along_axis(given, place.astype(int), 1)
        flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in table.items()}
        places = ahead + length * np.arange(count)[:, None]  # all behind one another; none is mixed with the next
        targets = np.full((*places.shape, layout.size), np.nan)
        for arm in reader._arms:
            arm.write(targets, arm.commands(flat, places))
        for dof, (_, told) in reader._parts.items():
            if told is not None:
                targets[..., layout.slots[dof]] = Track(told.read(flat)).at(places)
        return self._chunks(targets, np.asarray(rows), inside)

    def _chunks(self, targets: np.ndarray, rows: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chunks of targets (B, H, A) from rows (B,), and what is known of them; ``inside`` (B, H): steps there are."""
        known = np.isfinite(targets) & inside[..., None]
        for own in self._reader.layout.arms:
            if own.rotation is not None:
                known[..., own.rotation] &= known[..., own.rotation].all(-1, keepdims=True)
        known &= (self.known[rows] | ~self._reader.relative)[:, None]
        return self._in_mode(targets, rows), known

    def _in_mode(self, targets: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Targets in the profile's action mode; what is not a number stays where the robot is."""
        layout = self._reader.layout
        starts = np.where(self.known[rows], self.states[rows].astype(float), 0.0)
        for own in layout.arms:
            rest = np.zeros(layout.size)
            own.space.rest(rest)
            missing = ~self.known[rows][:, own.space.entries]
            starts[:, own.space.entries] = np.where(missing, rest[own.space.entries], starts[:, own.space.entries])
        targets = np.where(np.isfinite(targets), targets, starts[:, None])
        chunks = np.stack([layout.relative(one, start) for one, start in zip(targets, starts)])
        if self._reader.profile.action_mode == "relative":
            for part in layout.angles:
                chunks[..., part] = (chunks[..., part] + np.pi) % (2 * np.pi) - np.pi
        return np.where(np.isfinite(chunks), chunks, 0).astype(np.float32)


class _BaseReader:
    """A driving base's columns."""

    def __init__(self, columns: Columns, state: Numbers | None, action: BaseActions | None):
        self.state = optional(columns, "state.base", state, 3)
        told = action or BaseActions.model_construct()
        self.pose = optional(columns, "action.base.pose", told.pose, 3)
        self.velocity = optional(columns, "action.base.velocity", told.velocity, (2, 3))

    def read(self, table: Table[str, np.ndarray], fps: float) -> _BaseMotion:
        felt, pose, velocity = (
            None if one is None else one.read(table) for one in (self.state, self.pose, self.velocity)
        )
        if velocity is not None and velocity.shape[1] == 2:
            velocity = np.insert(velocity, 1, 0.0, axis=1)
        return _BaseMotion(felt, pose, None if velocity is None else velocity / fps)


class _BaseMotion:
    """A base in an episode: poses x, y and yaw along the rows; steps along its own axes."""

    def __init__(self, felt: np.ndarray | None, told: np.ndarray | None, steps: np.ndarray | None):
        self.felt = None if felt is None else _Poses(felt)
        self._told = None if told is None else _Poses(told)
        self._way = None
        if steps is not None:
            yaw = np.concatenate([[0.0], np.cumsum(steps[:, 2])])
            moved = (steps[:, 0] + 1j * steps[:, 1]) * np.exp(1j * yaw[:-1])
            place = np.concatenate([[0.0], np.cumsum(moved)])
            self._way = Track(np.stack([place.real, place.imag, yaw], -1))

    def targets(self, begin, first, places, follows_state: bool) -> np.ndarray | None:
        """(B, H, 3); where there is no state, from where the base is."""
        if follows_state or self._way is None:
            track = self.felt if follows_state else self._told
            return None if track is None else track.at(places)
        start = np.zeros((len(begin), 3)) if self.felt is None else self.felt.at(begin)
        here, there = self._way.at(np.maximum(first, 0))[:, None], self._way.at(places + 1)
        way = (there[..., 0] - here[..., 0] + 1j * (there[..., 1] - here[..., 1])) * np.exp(
            1j * (start[:, None, 2] - here[..., 2])
        )
        return np.stack(
            [
                start[:, None, 0] + way.real,
                start[:, None, 1] + way.imag,
                start[:, None, 2] + there[..., 2] - here[..., 2],
            ],
            -1,
        )


class _Poses:
    """x and y mixed straight, the yaw the short way round."""

    def __init__(self, values: np.ndarray):
        self._place, self._yaw = Track(values[:, :2]), Track(values[:, 2:], "angle")

    def at(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([self._place.at(rows), self._yaw.at(rows)], -1)


def open_motion(mapping: Mapping, file: Path | str, dataset: Any, profile: RobotProfile) -> MotionReader:
    """The motion of a LeRobot dataset by a mapping that was read from ``file``."""
    return MotionReader(mapping, Columns(dataset.features, file, dataset.folder), profile, dataset.fps)
