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

NAMESPACE = "wall_oss"
DEFAULT_ROBOT = "franka"
MODEL_SIDES = ("together", "apart", "elsewhere")
THINKING = ("planner", "action_expert")  # the nodes that have the model
_ABOVE = 0.25  # m above the arms' workspaces: the plan in rviz


@dataclass(frozen=True)
class NodeSpec:
    """One process, most often with one node.

    Args:
        executable: its name for ``ros2 run`` and in ``launch_ros.actions.Node``.
        module: its module for ``python -m``.
        name: the process's name, and the node's where it is one.
        parameters: values by name; they win over the parameter files.
        parameter_files: YAML files in ROS 2's own form.
        remappings: pairs of names, from and to.
        namespace: the node's namespace.
        nodes: the names of its nodes, where they are several.
    """

    executable: str
    module: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_files: tuple[Path, ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()
    namespace: str = NAMESPACE
    nodes: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """What follows ``python -m module``: rclpy's own argument syntax."""
        words = ["--ros-args", "-r", f"__ns:=/{self.namespace}"]
        if not self.nodes:  # it would rename all of them
            words += ["-r", f"__node:={self.name}"]
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
    model_side: str = "together",
    state: Path | None = None,
) -> list[NodeSpec]:
    """The nodes that make a robot follow instructions.

    Args:
        robot: name of a profile in config/robots, or a path to one.
        sim: whether the simulated robot is among them; otherwise a driver is expected to run.
        model: as :func:`model_directory` takes it.
        seed: the simulated scene's.
        speed: simulated seconds in a second of wall time.
        parameters: further parameters by node name; they win over the decisions made here.
        only: names of the processes that are wanted; None is all. The checkpoint is looked for only where one needs it.
        model_side: one of ``MODEL_SIDES``: planner and action expert in one process, on one copy of the weights; each
            in its own; or on another machine.
        state: a folder that lasts as long as this system, for what must outlast its nodes; None is the user's own,
            which lasts for ever.

    Raises:
        WallOSSError: no such robot, no such checkpoint, or a robot that cannot be simulated.
    """
    profile = load_profile(robot)
    if sim and profile.simulation is None:
        raise WallOSSError(
            f"Robot {profile.full_name} cannot be simulated: its profile has no simulation section.",
            f"Choose {DEFAULT_ROBOT}, or start the robot's driver and launch with sim:=false.",
        )
    wanted = None if only is None else set(only)
    if wanted is None:
        thinks = {"together": {"model"}, "apart": set(THINKING), "elsewhere": set()}[model_side]
        wanted = {"simulated_robot", "perception", "control", "plan_markers"} | thinks
    needs_model = bool(wanted & {"model", *THINKING})
    common = {"robot": robot, "use_sim_time": sim}
    thinking = common | ({"model": str(model_directory(model, profile))} if needs_model else {})
    moving = common | {"simulated": sim}  # else it is as slow as beside people
    simulators = []
    if sim:
        simulated = {"robot": robot, "seed": seed, "real_time_factor": float(speed)}
        if speed < 1:  # as many pictures to a simulated second as ever
            simulated["camera_rate_hz"] = profile.simulation.camera_rate_hz * speed
        # The driver of a real robot is not in our namespace either.
        simulators = [replace(_node("simulated_robot", simulated), namespace="")]
    specs = [  # what takes longest to start comes first; a simulation takes its share of the cores as soon as it runs
        replace(_node("model", thinking), nodes=THINKING),
        *(_node(name, thinking) for name in THINKING),
        _node("control", moving | ({} if state is None else {"stop_record": str(state / "stop.json")})),
        _node("perception", common),
        *simulators,
        _node("plan_markers", common | {"text_z": _ABOVE + max(one.arm.workspace.max[2] for one in profile.arms)}),
    ]
    return _override([spec for spec in specs if spec.name in wanted], parameters or {})


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
    names = [name for spec in specs for name in (spec.nodes or (spec.name,))]
    if unknown := set(parameters) - set(names):
        raise WallOSSError(f"There is no node {', '.join(sorted(unknown))}.", f"Use {', '.join(names)}.")

    def overridden(spec: NodeSpec) -> dict[str, Any]:
        # A node takes no notice of parameters that it does not have.
        own = (parameters.get(name, {}) for name in (spec.nodes or (spec.name,)))
        return {**spec.parameters, **{name: value for some in own for name, value in some.items()}}

    return [replace(spec, parameters=overridden(spec)) for spec in specs]
