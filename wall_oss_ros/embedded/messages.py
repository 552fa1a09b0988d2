# SPDX-License-Identifier: Apache-2.0
"""The base of message classes, which `interfaces` makes at run time from fields."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

from wall_oss_ros.embedded.fields import Field

PLACEHOLDER = "structure_needs_at_least_one_member"


class Message:
    """Base of every message class: keyword constructor, checked assignment, comparison and printing like rclpy's."""

    __slots__ = ()
    _fields: ClassVar[dict[str, Field]] = {}
    _key: ClassVar[str] = ""  # name in the type store: package/kind/Name
    _rebuild: ClassVar[Callable]  # remakes a pickled message, given key and values

    def __init__(self, **kwargs: Any):
        unknown = kwargs.keys() - self._fields.keys()
        if unknown:
            raise AssertionError(
                f"Invalid arguments passed to constructor of {type(self).__name__}: {', '.join(sorted(unknown))}; "
                f"its fields are {', '.join(self._fields)}"
            )
        for name, field in self._fields.items():
            object.__setattr__(self, name, field.check(kwargs[name]) if name in kwargs else field.default())

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._fields.get(name)
        if field is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        object.__setattr__(self, name, field.check(value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return False
        return all(_equal(getattr(self, name), getattr(other, name)) for name in self._fields)

    __hash__ = None

    def __repr__(self) -> str:
        values = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__module__}.{type(self).__name__}({values})"

    def __copy__(self) -> Message:
        return type(self)._from_wire(*(getattr(self, name) for name in self._fields), convert=False)

    def __deepcopy__(self, memo: dict) -> Message:
        values = (copy.deepcopy(getattr(self, name), memo) for name in self._fields)
        return type(self)._from_wire(*values, convert=False)

    def __reduce__(self):
        return self._rebuild, (self._key, {name: getattr(self, name) for name in self._fields})

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Field names and their types, such as ``{"data": "sequence<double>"}``."""
        return {name: field.ros_type for name, field in cls._fields.items()}

    @classmethod
    def _from_wire(cls, *values: Any, convert: bool = True) -> Message:
        """An instance from the codec's values, in the order of the fields, unchecked."""
        message = cls.__new__(cls)
        put = object.__setattr__
        for (name, field), value in zip(cls._fields.items(), values):
            put(message, name, field.from_wire(value) if convert and field.from_wire else value)
        return message


class EmptyMessage(Message):
    """A message without fields; DDS wants at least one member, which the user does not see."""

    __slots__ = ()

    @property
    def structure_needs_at_least_one_member(self) -> int:
        return 0


def _equal(left: Any, right: Any) -> bool:
    result = left == right
    return bool(result.all()) if hasattr(result, "all") else bool(result)
