# SPDX-License-Identifier: Apache-2.0
"""Whether a checkpoint's units and layout are those of a robot. The wrong ones move an arm to the wrong place."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.checkpoint import read_config, read_statistics
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.policy.normalizer import Normalizer, default_robot
from wall_oss_ros.policy.robot_statistics import for_robot
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.robots.urdf import position_limits

_log = logging.getLogger(__name__)

FAR = 1.0  # m outside the workspace that a recorded position may lie; workspaces are drawn narrower than an arm's reach
TURN = 2 * np.pi + 0.1  # rad; no angle is recorded beyond a full turn
SIX = 1.5  # a 6-D rotation's numbers lie within 1; spare for widened ranges
GRIPPER = 1.5  # times the profile's stroke that a recorded opening may reach


def views_of(config: WallOSSConfig, robot: str) -> list[str]:
    """The views that a checkpoint takes of a robot, by the name of its statistics: where several robots with different
    views were trained on, ``views_of`` in its config says each one's."""
    each = config.extra.get("views_of")
    views = each.get(robot) if isinstance(each, dict) else None
    listed = isinstance(views, list) and views and all(isinstance(view, str) for view in views)
    return list(views) if listed else list(config.views)


def mismatches(
    config: WallOSSConfig, states: Normalizer, actions: Normalizer, profile: RobotProfile, robot: str | None = None
) -> list[str]:
    """What keeps this checkpoint from moving this robot, one sentence each; empty when nothing is known to.

    Args:
        states, actions: the statistics to be used, as the checkpoint has them.
        robot: their name.
    """
    states = for_robot(states, config.agent_pos_config, profile)
    actions = for_robot(actions, config.dof_config, profile)
    layout = {name: dict(profile.dof_config) for name in ("dof_config", "agent_pos_config")}
    other = [name for name, wanted in layout.items() if list(getattr(config, name).items()) != list(wanted.items())]
    if other:  # what sits where is unknown: nothing else can be compared
        return [f"{name} of the checkpoint is {getattr(config, name)}, of the profile {layout[name]}" for name in other]
    found = []
    if abs(config.action_rate_hz - profile.rate_hz) > 0.01 * profile.rate_hz:
        found.append(
            f"its chunks have {config.action_rate_hz:g} rows a second, the profile plays them at {profile.rate_hz:g}"
        )
    cameras = {view.name for view in profile.views}
    if absent := [view for view in views_of(config, robot or "") if view not in cameras]:
        found.append(f"it wants the views {', '.join(absent)}, which the robot does not have")
    return [*found, *_problems("state", states, profile), *_problems("action", actions, profile)]


def _problems(what: str, normalizer: Normalizer, profile: RobotProfile) -> Iterator[str]:
    layout = Layout(profile)
    yield from _still(what, normalizer, layout)
    for own, one in zip(layout.arms, profile.arms):
        if what == "action" and profile.action_mode == "relative":
            yield from _displacements(normalizer, own, one)
        else:
            yield from (_places if own.joints is None else _joints)(what, normalizer, own, one)
        yield from _rotation(what, normalizer, own, one)
        yield from _gripper(what, normalizer, own, one)
    yield from _parts(what, normalizer, layout)


def _displacements(actions: Normalizer, layout: Layout, profile: RobotProfile) -> Iterator[str]:
    joints = layout.joints is not None
    name, unit = (profile.arm.joints_dof, "rad") if joints else (profile.arm.position_dof, "m")
    low, high = _part(actions, layout.joints if joints else layout.position)
    farthest = TURN if joints else np.subtract(profile.arm.workspace.max, profile.arm.workspace.min) + FAR
    if (np.maximum(-low, high) > farthest).any():
        guess = _degrees(low, high) if joints else _thousandth(low, high, FAR)
        yield f"action displacements in {name} reach {_range(low, high)} {unit}{guess}"
    elif (low > 0.05).any() or (high < -0.05).any():
        yield (
            f"action {name} spans {_range(low, high)} {unit}, which leaves out 0: these are absolute positions, "
            "but the profile's action_mode is relative"
        )


def _parts(what: str, normalizer: Normalizer, layout: Layout) -> Iterator[str]:
    """Of head, lift and base, as far as the checkpoint moves them: one that it was not trained on stands still."""
    for name, slot in layout.slots.items():
        low, high = _part(normalizer, slot)
        if layout.optional[slot].all() and normalizer.varies[slot].any() and max(-low.min(), high.max()) > TURN:
            yield f"{what} {name} spans {_range(low, high)}, not rad or m: degrees or millimetres by the look of it"


def _part(normalizer: Normalizer, where) -> tuple[np.ndarray, np.ndarray]:
    low, high = normalizer.bounds()
    return low[where], high[where]


def _still(what: str, normalizer: Normalizer, layout: Layout) -> Iterator[str]:
    for name, slot in layout.slots.items():
        if (still := layout.mask[slot] & ~layout.optional[slot] & ~normalizer.varies[slot]).any():
            share = f"{int(still.sum())} of {slot.stop - slot.start} entries"
            yield f"{what} {name} has no range in {share} that the robot moves"
        low, high = _part(normalizer, slot)
        tells = len(low) > 1 or layout.optional[slot].all()  # a gripper may well span 0 to 1; see its own lines
        if layout.mask[slot].all() and tells and not low.any() and (high == 1).all():
            yield f"{what} {name} spans 0 to 1 throughout, as the public code writes where its data had no such entries"


def _places(what: str, normalizer: Normalizer, layout: Layout, profile: RobotProfile) -> Iterator[str]:
    low, high = _part(normalizer, layout.position)
    space, name = profile.arm.workspace, profile.arm.position_dof
    spans, inside = f"{what} {name} spans {_range(low, high)} m", f"the workspace is {_range(space.min, space.max)} m"
    farthest = float(np.max(np.abs([space.min, space.max]))) + FAR
    if (low < np.subtract(space.min, FAR)).any() or (high > np.add(space.max, FAR)).any():
        yield f"{spans}{_thousandth(low, high, farthest)}; {inside}"
    elif (low > space.max).any() or (high < space.min).any():
        hint = "; displacements? the profile's action_mode is absolute" if what == "action" else "; another base frame?"
        yield f"{spans} and never enters the workspace: {inside}{hint}"


def _joints(what: str, normalizer: Normalizer, layout: Layout, profile: RobotProfile) -> Iterator[str]:
    low, high = _part(normalizer, layout.joints)
    least, most = position_limits(profile, profile.arm.joints)
    spans = f"{what} {profile.arm.joints_dof} spans {_range(low, high)} rad"
    if max(-low.min(), high.max()) > TURN:
        yield f"{spans}{_degrees(low, high)}"
    elif (low > most).any() or (high < least).any():
        yield f"{spans}, which some joint never reaches: the URDF's limits are {_range(least, most)} rad"


def _rotation(what: str, normalizer: Normalizer, layout: Layout, profile: RobotProfile) -> Iterator[str]:
    if layout.rotation is None:
        return
    low, high = _part(normalizer, layout.rotation)
    spans, largest = f"{what} {profile.arm.rotation_dof} spans {_range(low, high)}", max(-low.min(), high.max())
    if len(low) == 6 and largest > SIX:
        yield f"{spans}; numbers of a 6-D rotation lie within -1 and 1"
    elif len(low) == 3 and largest > TURN:
        yield f"{spans} rad{_degrees(low, high)}"


def _gripper(what: str, normalizer: Normalizer, layout: Layout, profile: RobotProfile) -> Iterator[str]:
    shut, wide = profile.gripper.closed, profile.gripper.open
    least, most = (float(edge) for edge in _part(normalizer, layout.gripper))
    spare = (GRIPPER - 1) * (wide - shut)
    if least < shut - spare or most > wide + spare:
        share = ", a share of the stroke by the look of it (then set gripper.counted in the profile)"
        guess = share if least >= -0.05 and 0.5 < most <= 1.05 else _thousandth(
            np.array([least]), np.array([most]), 2 * wide
        )  # fmt: skip
        yield (
            f"{what} {profile.gripper.dof} spans {least:.4g} to {most:.4g} m{guess}; "
            f"the gripper opens from {shut:g} to {wide:g} m"
        )


def _degrees(low: np.ndarray, high: np.ndarray) -> str:
    return ", degrees by the look of it" if max(-low.min(), high.max()) <= 361 else ""


def _thousandth(low: np.ndarray, high: np.ndarray, most: float) -> str:
    largest = float(max(np.abs(low).max(), np.abs(high).max()))
    return ", millimetres by the look of it" if largest > 10 * most and largest / 1000 <= most else ""


def _range(low, high) -> str:
    return ", ".join(f"{a:.3g} to {b:.3g}" for a, b in zip(np.asarray(low), np.asarray(high)))


def require_fit(folder: Path, profile: RobotProfile, robot: str | None = None) -> str:
    """Refuses a checkpoint that must not move the robot; reads its statistics, not its weights.

    Args:
        robot: whose statistics to use. When None, those that the profile names and no others; where it names none,
            those of its own name, or the only ones there are.

    Returns:
        Whose statistics fit.

    Raises:
        WallOSSError: it does not fit (every mismatch in one line), has no statistics for this robot, or cannot be read.
    """
    config = read_config(folder)
    actions, states = read_statistics(folder, config)
    known = actions.names()
    if robot is None:
        wanted, trained = profile.trained_as, ", ".join(known) or "no robot"
        if profile.statistics is not None and wanted not in known:
            raise WallOSSError(
                f"{folder} was trained on {trained}, not on {wanted}, which the profile of {profile.name} demands.",
                "Use a checkpoint trained for this robot, or train one: docs/how-to/fine_tune.md.",
            )
        robot = wanted if wanted in known else default_robot(actions, states) or wanted
        if robot != wanted:
            _log.warning("%s was trained on %s, not on %s; those statistics are used.", folder, trained, wanted)
    if problems := mismatches(
        config, Normalizer.from_statistics(states, robot), Normalizer.from_statistics(actions, robot), profile, robot
    ):
        raise WallOSSError(
            f"{folder}, with its statistics of {robot}, does not fit the robot {profile.name}: {'; '.join(problems)}.",
            "Use a checkpoint trained for this robot, or correct its profile; wall-oss inspect shows the numbers.",
        )
    return robot
