# SPDX-License-Identifier: Apache-2.0
"""Parameters: a name, a type and a value; and the ranges that values keep to."""

from __future__ import annotations

import array
import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import yaml

from wall_oss_ros.embedded.interfaces import get_interface

PARAMETER_SEPARATOR_STRING = "."


class Parameter:
    """A named, typed value.

    Args:
        name: the parameter's name.
        type_: its type; that of the value if not given.
        value: bool, int, float, str, bytes, or a list or array of one of the first four; None for NOT_SET.

    Raises:
        TypeError: the value is of none of these types.
        ValueError: value and type do not go together.
    """

    class Type(Enum):
        NOT_SET = 0
        BOOL = 1
        INTEGER = 2
        DOUBLE = 3
        STRING = 4
        BYTE_ARRAY = 5
        BOOL_ARRAY = 6
        INTEGER_ARRAY = 7
        DOUBLE_ARRAY = 8
        STRING_ARRAY = 9

        @classmethod
        def from_parameter_value(cls, value: Any) -> Parameter.Type:
            """The type that fits a Python value; that of an empty list is BYTE_ARRAY, as in rclpy.

            Raises:
                TypeError: none does.
            """
            for kind in cls:
                if kind.check(value):
                    return kind
            raise TypeError(f"The given value is not one of the allowed types: {value!r}.")

        def check(self, value: Any) -> bool:
            """Whether a value may have this type."""
            if self is Parameter.Type.NOT_SET:
                return value is None
            if self.name in _SCALARS:
                return _is(value, _SCALARS[self.name])
            if isinstance(value, array.array):
                return value.typecode in _TYPECODES.get(self.name, "")
            if isinstance(value, np.ndarray):
                value = value.tolist()
            return isinstance(value, (list, tuple)) and all(_is(item, _ARRAY_ITEMS[self.name]) for item in value)

    @classmethod
    def from_parameter_msg(cls, msg: Any) -> Parameter:
        """From rcl_interfaces/Parameter."""
        kind = cls.Type(msg.value.type)
        value = None
        if kind is not cls.Type.NOT_SET:
            value = getattr(msg.value, _FIELDS[kind.name])
            value = list(value) if kind.name in _ARRAY_ITEMS else value
        return cls(msg.name, kind, value)

    def __init__(self, name: str, type_: Parameter.Type | None = None, value: Any = None):
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError("type must be an instance of 'Parameter.Type'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_.name}' and value '{value}' do not agree")
        self._name, self._type, self._value = name, type_, value

    @property
    def name(self) -> str:
        return self._name

    @property
    def type_(self) -> Parameter.Type:
        return self._type

    @property
    def value(self) -> Any:
        return self._value

    def get_parameter_value(self) -> Any:
        """As rcl_interfaces/ParameterValue."""
        message = get_interface("rcl_interfaces", "msg", "ParameterValue")(type=self._type.value)
        if self._type is not Parameter.Type.NOT_SET:
            value = self._value
            value = value.tolist() if isinstance(value, (np.ndarray, array.array)) else value
            setattr(message, _FIELDS[self._type.name], list(value) if isinstance(value, tuple) else value)
        return message

    def to_parameter_msg(self) -> Any:
        """As rcl_interfaces/Parameter."""
        return get_interface("rcl_interfaces", "msg", "Parameter")(name=self._name, value=self.get_parameter_value())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameter):
            return False
        return (self._name, self._type) == (other._name, other._type) and bool(np.all(self._value == other._value))

    __hash__ = None

    def __repr__(self) -> str:
        return f"Parameter(name={self._name!r}, type={self._type.name}, value={self._value!r})"


_SCALARS = {"BOOL": bool, "INTEGER": int, "DOUBLE": float, "STRING": str}
_ARRAY_ITEMS = {
    "BYTE_ARRAY": bytes, "BOOL_ARRAY": bool, "INTEGER_ARRAY": int, "DOUBLE_ARRAY": float, "STRING_ARRAY": str,
}  # fmt: skip
_TYPECODES = {"INTEGER_ARRAY": "bhilqBHILQ", "DOUBLE_ARRAY": "fd"}  # of an array.array
_FIELDS = {name: f"{name.lower()}_value" for name in (*_SCALARS, *_ARRAY_ITEMS)}


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def parameter_value_to_python(parameter_value: Any) -> Any:
    """The Python value in an rcl_interfaces/ParameterValue."""
    message = get_interface("rcl_interfaces", "msg", "Parameter")(value=parameter_value)
    return Parameter.from_parameter_msg(message).value


def get_parameter_value(string_value: str) -> Any:
    """An rcl_interfaces/ParameterValue from YAML text."""
    try:
        value = yaml.safe_load(string_value)
    except yaml.YAMLError:
        value = string_value
    try:
        return Parameter("", value=value).get_parameter_value()
    except TypeError:
        return Parameter("", value=string_value).get_parameter_value()


def parameter_dict_from_yaml_file(
    parameter_file: str, use_wildcard: bool = False, target_nodes: list[str] | None = None, namespace: str = ""
) -> dict[str, Any]:
    """rcl_interfaces/Parameter by name, from a parameter file.

    Args:
        parameter_file: path of the file.
        use_wildcard: take what is below ``/**``, too, before what is below the nodes.
        target_nodes: keys of nodes in the file; all if not given.
        namespace: goes before the names.

    Raises:
        RuntimeError: the file lacks a node, or is no parameter file.
    """
    with open(parameter_file, encoding="utf-8") as file:
        content = yaml.safe_load(file)
    if not isinstance(content, dict):
        raise RuntimeError(f"{parameter_file} is not a valid ROS parameter file")
    keys = ["/**"] if use_wildcard and "/**" in content else []
    keys += target_nodes or [key for key in content if key != "/**"]
    if not keys:
        raise RuntimeError("Param file does not contain selected parameters")
    found: dict[str, Any] = {}
    for key in keys:
        if key not in content:
            raise RuntimeError(f"Param file does not contain parameters for {key}, only for nodes: {list(content)}")
        if not isinstance(content[key], dict) or "ros__parameters" not in content[key]:
            raise RuntimeError(f"YAML file is not a valid ROS parameter file for node {key}")
        found |= _flat(content[key]["ros__parameters"] or {}, namespace)
    return {name: Parameter(name, value=value).to_parameter_msg() for name, value in found.items()}


def _flat(tree: dict, prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        full = f"{prefix}{PARAMETER_SEPARATOR_STRING}{name}" if prefix else str(name)
        flat |= _flat(value, full) if isinstance(value, dict) else {full: value}
    return flat


def nearly_equal(left: float, right: float) -> bool:
    """Equality of floats up to rounding, as rclpy takes it."""
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-15)


def range_refusal(parameter: Parameter, limits: Any, same: Callable[[Any, Any], bool]) -> str:
    """Why a number does not lie within a descriptor's range; empty when it does.

    Args:
        parameter: an INTEGER or DOUBLE.
        limits: rcl_interfaces/IntegerRange or FloatingPointRange; step 0 allows everything between.
        same: whether two numbers count as equal.
    """
    value = parameter.value
    low, high = min(limits.from_value, limits.to_value), max(limits.from_value, limits.to_value)
    if same(value, low) or same(value, high):
        return ""
    problem = f"Parameter {parameter.name} out of range. Min: {limits.from_value}, Max: {limits.to_value}"
    if not low < value < high:
        return f"{problem}, value: {value}"
    if limits.step and not same(value, low + round((value - low) / limits.step) * limits.step):
        return f"{problem}, Step: {limits.step}, value: {value}"
    return ""
