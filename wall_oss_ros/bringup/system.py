# SPDX-License-Identifier: Apache-2.0
"""What is launched, decided once: read by ``wall-oss run`` and by the ROS 2 launch files. Imports no ROS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.robots.profile import load_profile

PACKAGE = "wall_oss_ros"
NAMESPACE = "wall_oss"
DEFAULT_ROBOT = "franka"
_ABOVE = 0.25  # m above the arms' workspaces: the plan in rviz


@dataclass(frozen=True)
class NodeSpec:
    """One process with one node.

    Args:
        executable: its name for ``ros2 run`` and in ``launch_ros.actions.Node``.
        module: its module for ``python -m``.
        name: the node's name.
        parameters: values by name; they win over the parameter files.
        parameter_files: YAML files in ROS 2's own form.
        remappings: pairs of names, from and to.
        namespace: the node's namespace.
    """

    executable: str
    module: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_files: tuple[Path, ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()
    namespace: str = NAMESPACE

    def arguments(self) -> list[str]:
        """What follows ``python -m module``: rclpy's own argument syntax."""
        words = ["--ros-args", "-r", f"__node:={self.name}", "-r", f"__ns:=/{self.namespace}"]
        for source, target in self.remappings:
            words += ["-r", f"{source}:={target}"]
        for path in self.parameter_files:
            words += ["--params-file", str(path)]
        for name, value in self.parameters.items():
            words += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML, which ROS reads a value as
        return words


def system(
    robot: str = DEFAULT_ROBOT,
    sim: bool = True,
    model: str | Path | None = None,
    seed: int = 0,
    speed: float = 1.0,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    only: Iterable[str] | None = None,
) -> list[NodeSpec]:
    """The nodes that make a robot follow instructions.

    Args:
        robot: name of a profile in config/robots, or a path to one.
        sim: whether the simulated robot is among them; otherwise a driver is expected to run.
        model: as :func:`model_directory` takes it.
        seed: the simulated scene's.
        speed: simulated seconds in a second of wall time.
        parameters: further parameters by node name; they win over the decisions made here.
        only: names of the nodes that are wanted; None is all. The checkpoint is looked for only where one needs it.

    Raises:
        WallOSSError: no such robot, no such checkpoint, or a robot that cannot be simulated.
    """
    profile = load_profile(robot)
    if sim and profile.simulation is None:
        raise WallOSSError(
            f"Robot {profile.name} cannot be simulated: its profile has no simulation section.",
            f"Choose {DEFAULT_ROBOT}, or start the robot's driver and launch with sim:=false.",
        )
    wanted = None if only is None else set(only)
    needs_model = wanted is None or bool(wanted & {"planner", "control"})
    thinking = {"model": str(model_directory(model, profile))} if needs_model else {}
    common = {"robot": robot, "use_sim_time": sim}
    specs = [
        _node("perception", common),
        _node("planner", common | thinking),
        _node("control", common | thinking | {"simulated": sim}),  # else it is as slow as beside people
        _node("plan_markers", common | {"text_z": _ABOVE + max(one.arm.workspace.max[2] for one in profile.arms)}),
    ]
    if sim:
        simulated = {"robot": robot, "seed": seed, "real_time_factor": float(speed)}
        if speed < 1:  # as many pictures to a simulated second as ever
            simulated["camera_rate_hz"] = profile.simulation.camera_rate_hz * speed
        simulator = _node("simulated_robot", simulated)
        specs.insert(0, replace(simulator, namespace=""))  # the driver of a real robot is not in our namespace either
    return _override([spec for spec in specs if wanted is None or spec.name in wanted], parameters or {})


def _node(name: str, parameters: Mapping[str, Any]) -> NodeSpec:
    return NodeSpec(
        executable=name,
        module=f"wall_oss_ros.nodes.{name}",
        name=name,
        parameters=dict(parameters),
        parameter_files=(data_path("config/nodes.yaml"),),
    )


def _override(specs: Iterable[NodeSpec], parameters: Mapping[str, Mapping[str, Any]]) -> list[NodeSpec]:
    specs = list(specs)
    if unknown := set(parameters) - {spec.name for spec in specs}:
        raise WallOSSError(
            f"There is no node {', '.join(sorted(unknown))}.", f"Use {', '.join(s.name for s in specs)}."
        )
    return [replace(spec, parameters={**spec.parameters, **parameters.get(spec.name, {})}) for spec in specs]
