# SPDX-License-Identifier: Apache-2.0
"""From what was seen of a running system to what is found in it, in the order in which one would put it right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from wall_oss_ros.commands.live.cameras import cameras
from wall_oss_ros.commands.live.depth import depth
from wall_oss_ros.commands.live.facts import Facts, Finding
from wall_oss_ros.commands.live.geometry import description, kinematics, tools
from wall_oss_ros.commands.live.sinks import command_topics, controllers, grippers, masters
from wall_oss_ros.commands.live.streams import clock, force, joint_states, odometry, program
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import RobotProfile


def judge(
    profile: RobotProfile,
    facts: Facts,
    namespace: str = "/wall_oss",
    mock: bool = False,
    model: str | Path | None = None,
) -> list[Finding]:
    """All findings.

    Args:
        profile: with its names as they are in the graph.
        facts: what was seen.
        namespace: of our own nodes.
        mock: whether the driver runs without a robot, which neither measures forces nor runs a program.
        model: a checkpoint, as ``model_directory`` takes it; None is what the action expert says, or what ships.
    """
    checks: tuple[Callable[[RobotProfile, Facts], Iterator[Finding]], ...] = (
        others,
        clock,
        joint_states,
        tools,
        partial(masters, ours=namespace),
        partial(command_topics, ours=namespace),
        controllers,
        partial(program, mock=mock),
        partial(force, mock=mock),
        grippers,
        odometry,
        cameras,
        depth,
        description,
        kinematics,
        partial(checkpoint, model=model),
    )
    return [finding for check in checks for finding in check(profile, facts)]


def others(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    if facts.others:
        yield Finding("graph", "OK", f"{len(facts.others)} nodes of others, heard for {facts.seconds:.0f} s")
    else:
        yield Finding(
            "graph",
            "FAIL",
            "nobody is there",
            "Start the driver; the same ROS_DOMAIN_ID, RMW_IMPLEMENTATION "
            "and ROS_AUTOMATIC_DISCOVERY_RANGE everywhere; is the network up?",
        )


def checkpoint(profile: RobotProfile, facts: Facts, model: str | Path | None = None) -> Iterator[Finding]:
    """Whether what an action expert runs is for this robot; where none runs, whether the checkpoint fits."""
    mine = robot_identity(profile)
    for one in facts.experts.values():
        absent = sorted(set(one.views) - {view.name for view in profile.views})
        if one.robot != mine:
            yield Finding(
                "checkpoint",
                "FAIL",
                f"the action expert runs for {one.robot}, this is {mine}",
                "Launch both sides with the same robot:= and the same files",
            )
        elif absent:
            yield Finding(
                "checkpoint",
                "FAIL",
                f"{one.checkpoint} wants the views {', '.join(absent)}",
                "Add these cameras to the profile, or choose another checkpoint",
            )
        else:
            size = f"{one.image_size} px" if one.image_size else "any size"
            yield Finding("checkpoint", "OK", f"{one.checkpoint} runs, for this robot, {len(one.views)} views, {size}")
    if not facts.experts or model is not None:
        yield _fits(profile, model)


def _fits(profile: RobotProfile, model: str | Path | None) -> Finding:
    try:
        from wall_oss_ros.policy.checkpoints import model_directory
        from wall_oss_ros.policy.fit import require_fit
    except ModuleNotFoundError as error:
        return Finding("checkpoint", "-", f"not checked here: {error.name} is not installed (the extra model)")
    try:
        folder = model_directory(model, profile)
        robot = require_fit(folder, profile)
    except ModuleNotFoundError as error:
        return Finding("checkpoint", "-", f"not checked here: {error.name} is not installed (the extra model)")
    except WallOSSError as error:
        return Finding("checkpoint", "FAIL", error.message, error.hint)
    return Finding("checkpoint", "OK", f"{Path(folder).name} fits, with its statistics of {robot}")
