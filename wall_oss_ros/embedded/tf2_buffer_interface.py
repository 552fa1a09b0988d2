# SPDX-License-Identifier: Apache-2.0
"""Transforming stamped data with a buffer: which function serves which type, with tf2_ros.buffer_interface's names."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.time import Duration


class TypeException(Exception):
    """Nothing transforms or converts this type; for most, ``import tf2_geometry_msgs`` brings what does."""

    def __init__(self, errstr: str):
        super().__init__(errstr)
        self.errstr = errstr


class NotImplementedException(Exception):
    """A buffer that does not say how it looks up."""

    def __init__(self) -> None:
        self.errstr = "CanTransform or LookupTransform not implemented"
        super().__init__(self.errstr)


class _Table:
    """Functions by what they are for."""

    def __init__(self) -> None:
        self._functions: dict[Any, Callable] = {}

    def add(self, key: Any, callback: Callable) -> None:
        self._functions[key] = callback

    def get(self, key: Any) -> Callable:
        """Raises TypeException where there is none."""
        if key not in self._functions:
            raise TypeException(f"Type {key} is not loaded or supported")
        return self._functions[key]


class TransformRegistration:
    """Functions ``f(data, transform)`` by the type of the data; one table for all instances."""

    _table: ClassVar[_Table] = _Table()

    def add(self, key: Any, callback: Callable[[Any, Any], Any]) -> None:
        self._table.add(key, callback)

    def get(self, key: Any) -> Callable[[Any, Any], Any]:
        return self._table.get(key)


class ConvertRegistration:
    """Functions that turn data into messages and back, and those between two types directly."""

    _to, _from, _direct = (_Table() for _ in range(3))

    def add_to_msg(self, key: Any, callback: Callable) -> None:
        self._to.add(key, callback)

    def add_from_msg(self, key: Any, callback: Callable) -> None:
        self._from.add(key, callback)

    def add_convert(self, key: tuple[Any, Any], callback: Callable) -> None:
        self._direct.add(key, callback)

    def get_to_msg(self, key: Any) -> Callable:
        return self._to.get(key)

    def get_from_msg(self, key: Any) -> Callable:
        return self._from.get(key)

    def get_convert(self, key: tuple[Any, Any]) -> Callable:
        return self._direct.get(key)


def convert(a: Any, b_type: Any) -> Any:
    """The data as another type: directly if that was registered, otherwise by way of its message."""
    known = ConvertRegistration()
    try:
        direct = known.get_convert((type(a), b_type))
    except TypeException:
        if type(a) is b_type:
            return deepcopy(a)
        to_message, from_message = known.get_to_msg(type(a)), known.get_from_msg(b_type)
        return from_message(to_message(a))
    return direct(a)


def Stamped(obj: Any, stamp: Any, frame_id: str) -> Any:
    """The object with a header."""
    obj.header = get_interface("std_msgs", "msg", "Header")(frame_id=frame_id, stamp=stamp)
    return obj


class BufferInterface:
    """What a buffer offers beside looking up."""

    def __init__(self) -> None:
        self.registration = TransformRegistration()

    def transform(
        self, object_stamped: Any, target_frame: str, timeout: Duration = Duration(), new_type: Any = None
    ) -> Any:
        """Data with a header in another frame, at its own time; converted to `new_type` if that is given.

        Raises:
            TypeException: nothing was registered for its type.
        """
        do = TransformRegistration().get(type(object_stamped))
        header = object_stamped.header
        result = do(object_stamped, self.lookup_transform(target_frame, header.frame_id, header.stamp, timeout))
        return result if new_type is None else convert(result, new_type)

    def transform_full(
        self, object_stamped: Any, target_frame: str, target_time: Any, fixed_frame: str,
        timeout: Duration = Duration(), new_type: Any = None,
    ) -> Any:  # fmt: skip
        """As `transform`, into a frame at another time, while `fixed_frame` stood still."""
        do = TransformRegistration().get(type(object_stamped))
        header = object_stamped.header
        asked = target_frame, target_time, header.frame_id, header.stamp, fixed_frame, timeout
        result = do(object_stamped, self.lookup_transform_full(*asked))
        return result if new_type is None else convert(result, new_type)

    def _missing(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedException()

    lookup_transform = lookup_transform_full = can_transform = can_transform_full = _missing
