# SPDX-License-Identifier: Apache-2.0
"""Parameters as a table, one line each: typed, bounded and described."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wall_oss_ros import starting
from wall_oss_ros.errors import WallOSSError, missing_package
from wall_oss_ros.policy.number_types import NAMES, named
from wall_oss_ros.robots.profile import RobotProfile

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.logging import get_logger

_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number with a decimal point", str: "a string"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Args:
        name: its name in ROS.
        default: its default value, which also gives its type.
        description: what it does, with its unit, for ``ros2 param describe``.
        low, high: smallest and largest permitted value of a number.
        choices: permitted values of a string; None permits any.
        live: whether it may change while the node runs.
    """

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None
    live: bool = False

    def expected(self) -> str:
        """What is permitted, in words."""
        if self.choices is not None:
            return "one of " + ", ".join(self.choices)
        words = _TYPE_NAMES[type(self.default)] + f" such as {self.default!r}"
        if self.low is not None:
            words += f", from {self.low:g} to {self.high:g}"
        return words

    def descriptor(self) -> ParameterDescriptor:
        """The parameter as ROS is told of it, which enforces type and range."""
        descriptor = ParameterDescriptor(name=self.name, description=self.description, read_only=not self.live)
        if self.choices is not None:
            descriptor.additional_constraints = self.expected()
        if self.low is not None and isinstance(self.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(self.low), to_value=float(self.high), step=0.0)
            ]
        elif self.low is not None:
            descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)]
        return descriptor


POLICY_PARAMETERS = (
    Parameter(
        "model", "", "A checkpoint: its folder, or owner/name on the hub; empty is the one that ships for the robot."
    ),
    Parameter("device", "cpu", "Torch device the model runs on, such as cpu or cuda:0."),
    Parameter("dtype", "auto", "Type of the weights: auto, which measures; float32; bfloat16; or int8, with torchao:"
              " half of bfloat16's memory for the large ones.", choices=NAMES),
    Parameter("threads", 1, "Torch threads of the process; 0: torch's number, or fewer if measured faster.", 0, 256),
    Parameter("attention", "auto", "Attention kernel: flash (flash-attn, on a GPU), sdpa (PyTorch's), or auto: flash"
              " where it is installed and fits.", choices=("auto", "sdpa", "flash")),
)  # fmt: skip


def load_policy(model: str, device: str, dtype: str, threads: int, attention: str, profile: RobotProfile):
    """Loads the ``Policy`` that ``POLICY_PARAMETERS`` name. torch is imported here, not before: it takes seconds.

    Raises:
        WallOSSError: there is no such checkpoint, it cannot be used, or it is not for this robot; or the extra for
            models is not installed.
    """
    from wall_oss_ros.policy.checkpoints import model_directory

    try:
        with starting.imports():
            from wall_oss_ros.policy.policy import Policy
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from error
    folder = model_directory(model or None, profile)
    policy = Policy.from_pretrained(
        folder, device, named(dtype), threads=threads or None, profile=profile, attention=attention
    )
    get_logger("wall_oss.model").info(str(policy.choice))
    return policy


def declare(node, table: Iterable[Parameter]) -> None:
    """Declares the parameters of a table on a node.

    Raises:
        WallOSSError: the value given on the command line or in a parameter file is not permitted.
    """
    table = {parameter.name: parameter for parameter in table}
    for parameter in table.values():
        try:
            node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())
        except ParameterException as error:
            reason = str(error.args[0] if error.args else error)
            raise WallOSSError(
                f"Parameter {parameter.name} of node {node.get_name()} was refused: {reason}.",
                f"Give {parameter.expected()}.",
            ) from error
        value = node.get_parameter(parameter.name).value
        if parameter.choices is not None and value not in parameter.choices:
            raise WallOSSError(
                f"Parameter {parameter.name} of node {node.get_name()} is {value!r}.", f"Give {parameter.expected()}."
            )

    def check(changes) -> SetParametersResult:
        for change in changes:
            known = table.get(change.name)
            if known is not None and known.choices is not None and change.value not in known.choices:
                return SetParametersResult(successful=False, reason=f"{change.name} must be {known.expected()}")
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(check)
