# SPDX-License-Identifier: Apache-2.0
"""Ranges of parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.parameter import Parameter


def close(left: float, right: float) -> bool:
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
    if not low < value < high:
        return (
            f"Parameter {parameter.name} out of range. Min: {limits.from_value}, Max: {limits.to_value}, value: {value}"
        )
    if limits.step:
        nearest = low + round((value - low) / limits.step) * limits.step
        if not same(value, nearest):
            return (
                f"Parameter {parameter.name} out of range. Min: {limits.from_value}, Max: {limits.to_value}, "
                f"Step: {limits.step}, value: {value}"
            )
    return ""
