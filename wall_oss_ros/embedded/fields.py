# SPDX-License-Identifier: Apache-2.0
"""How a field of a message is stored, checked on assignment, and converted to and from the wire.

The rules are those of the classes that rosidl generates for Python, so that code which runs here runs on ROS 2 too:
a float field refuses an int, a ``byte`` is a ``bytes`` of length one, a sequence of numbers is an ``array.array``, a
fixed-size array of numbers is an ``ndarray``, and anything else raises AssertionError.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

TYPECODES = {
    "int8": "b", "uint8": "B", "char": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float32": "f", "float64": "d",
}  # fmt: skip
_ROS_TYPES = {"bool": "boolean", "char": "uint8", "float32": "float", "float64": "double"}  # where they differ
_RANGES = {
    base: (int(np.iinfo(code).min), int(np.iinfo(code).max)) for base, code in TYPECODES.items() if code not in "fd"
}
_RANGES["float32"] = float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)


class Octet(bytes):
    """A ``byte`` field: bytes of length one for the user, an integer for the codec."""

    def __index__(self) -> int:
        return self[0]

    def __bytes__(self) -> bytes:  # before Python 3.11, bytes() would take the index for a length
        return self[:]


class NumberSequence(array):
    """An array.array which hands its bytes to the codec."""

    __slots__ = ()

    def view(self, _dtype: Any) -> memoryview | bytes:
        return memoryview(self).cast("B") if len(self) else b""

    def __copy__(self) -> NumberSequence:  # an array's own copies are plain arrays
        return NumberSequence(self.typecode, self)

    def __deepcopy__(self, _memo: Any) -> NumberSequence:
        return NumberSequence(self.typecode, self)

    def __repr__(self) -> str:
        return f"array({self.typecode!r}, {self.tolist()})" if len(self) else f"array({self.typecode!r})"


class ByteList(list):
    """A sequence of bool or byte: a list for the user, bytes for the codec."""

    def view(self, _dtype: Any) -> bytes:
        return bytes(item[0] if isinstance(item, bytes) else item for item in self)


@dataclass(frozen=True)
class Field:
    """One field of a message class.

    Attributes:
        name: as in the definition.
        ros_type: as ``get_fields_and_field_types`` prints it, such as ``sequence<double>``.
        check: converts an assigned value to what is stored, or raises AssertionError.
        default: makes the initial value.
        from_wire: converts what the codec read to what is stored; None where that is the same.
    """

    name: str
    ros_type: str
    check: Callable[[Any], Any]
    default: Callable[[], Any]
    from_wire: Callable[[Any], Any] | None


def _expect(condition: bool, name: str, expected: str, value: Any) -> None:
    if not condition:
        shown = repr(value)
        shown = shown if len(shown) < 80 else shown[:77] + "..."
        raise AssertionError(f"The {name!r} field must be {expected}, not {type(value).__name__} {shown}")


def _scalar(name: str, base: str, bound: int) -> tuple[str, Callable, Any, Callable | None]:
    """(ROS type, check, default value, from_wire) of a single value that is not a message."""
    if base in ("byte", "octet"):

        def check_byte(value):
            ok = isinstance(value, (bytes, bytearray, memoryview)) and len(value) == 1
            _expect(ok, name, "of type 'bytes' and have length 1", value)
            return Octet((value[0],))

        return "octet", check_byte, Octet(b"\0"), lambda number: Octet((number,))
    if base in ("string", "wstring"):

        def check_string(value):
            _expect(isinstance(value, str), name, "of type 'str'", value)
            _expect(not bound or len(value) <= bound, name, f"a string of at most {bound} characters", value)
            return value

        return (f"string<{bound}>" if bound else base), check_string, "", None
    if base != "bool" and base not in TYPECODES:
        raise TypeError(f"field {name}: unknown type {base}")
    kind = bool if base == "bool" else float if base.startswith("float") else int
    low, high = _RANGES.get(base, (-math.inf, math.inf))

    def check_number(value):
        _expect(isinstance(value, kind), name, f"of type {kind.__name__!r}", value)
        if not low <= value <= high and (kind is int or math.isfinite(value)):
            _expect(False, name, f"in [{low}, {high}] to be stored as {base}", value)
        return value

    return _ROS_TYPES.get(base, base), check_number, kind(), None


def _is_collection(value: Any) -> bool:
    return isinstance(value, (Sequence, Set)) and not isinstance(value, str)


def _numbers(name: str, base: str, check_item: Callable, bound: int) -> tuple[Callable, Callable]:
    """(check, from_wire) of a sequence of integers or floats."""
    typecode = TYPECODES[base]

    def check(value):
        if isinstance(value, array):
            _expect(value.typecode == typecode, name, f"an array.array with typecode {typecode!r}", value)
            result = value if isinstance(value, NumberSequence) else NumberSequence(typecode)
            if result is not value:
                result.frombytes(memoryview(value).cast("B") if len(value) else b"")
        elif isinstance(value, (bytes, bytearray)) and typecode == "B":
            result = NumberSequence(typecode)
            result.frombytes(value)
        else:
            expected = f"a sequence of {base} (a list, bytes or array.array; of an ndarray pass .tolist())"
            _expect(_is_collection(value), name, expected, value)
            for item in value:
                check_item(item)
            result = NumberSequence(typecode, value)
        _expect(not bound or len(result) <= bound, name, f"a sequence of at most {bound} values", value)
        return result

    def from_wire(value):
        result = NumberSequence(typecode)
        result.frombytes(value.view(np.uint8))
        return result

    return check, from_wire


def _fixed_numbers(name: str, base: str, check_item: Callable, length: int) -> tuple[Callable, Callable]:
    """(check, from_wire) of a fixed-size array of integers or floats."""
    dtype = np.dtype(TYPECODES[base])

    def check(value):
        if isinstance(value, np.ndarray):
            _expect(value.dtype == dtype, name, f"an ndarray with dtype {dtype}", value)
            _expect(value.size == length, name, f"an ndarray of size {length}", value)
            return np.ascontiguousarray(value).reshape(length)
        ok = (_is_collection(value) or isinstance(value, array)) and len(value) == length
        _expect(ok, name, f"a sequence of {length} {base}", value)
        for item in value:
            check_item(item)
        return np.array(list(value), dtype=dtype)

    return check, lambda value: value.copy()


def make_field(name: str, description: Any, get_interface: Callable[..., type], default: Any = None) -> Field:
    """A field from rosbags' description of its type.

    Args:
        name: the field's name.
        description: rosbags' tree, ``(Nodetype, ...)``.
        get_interface: finds the class of a nested message by package, kind and name.
        default: the definition's own default, if it has one.
    """
    kind, detail = description
    if kind == Nodetype.BASE:
        ros_type, check, zero, from_wire = _scalar(name, *detail)
        initial = zero if default is None else check(type(zero)(default))
        return Field(name, ros_type, check, lambda: initial, from_wire)
    if kind == Nodetype.NAME:
        nested = get_interface(*detail.split("/"))

        def check_message(value):
            _expect(isinstance(value, nested), name, f"of type '{nested.__name__}'", value)
            return value

        return Field(name, f"{detail.split('/')[0]}/{nested.__name__}", check_message, nested, None)
    (item_kind, item_detail), size = detail
    fixed = kind == Nodetype.ARRAY
    item = make_field(name, (item_kind, item_detail), get_interface)
    if fixed:
        ros_type = f"{item.ros_type}[{size}]"
    else:
        ros_type = f"sequence<{item.ros_type}, {size}>" if size else f"sequence<{item.ros_type}>"
    if item_kind == Nodetype.BASE and item_detail[0] in TYPECODES:
        check, from_wire = (_fixed_numbers if fixed else _numbers)(name, item_detail[0], item.check, size)
        zero = [item.default()] * size if fixed else []
        initial = zero if default is None else [type(item.default())(value) for value in default]
        check(initial)  # now, not when the first message is made
        return Field(name, ros_type, check, lambda: check(initial), from_wire)
    small = item_kind == Nodetype.BASE and item_detail[0] in ("bool", "byte", "octet")
    make_list = ByteList if small else list

    def check_list(value):
        _expect(_is_collection(value), name, f"a sequence of {item.ros_type}", value)
        _expect(not fixed or len(value) == size, name, f"a sequence of {size} {item.ros_type}", value)
        _expect(fixed or not size or len(value) <= size, name, f"a sequence of at most {size} values", value)
        return make_list(item.check(entry) for entry in value)

    def list_from_wire(value):
        if item_kind == Nodetype.BASE and item_detail[0] == "bool":
            return ByteList(bool(entry) for entry in value)
        if small:
            return ByteList(Octet((entry,)) for entry in value)
        return value

    def initial_list():
        if default is not None:
            return make_list(default)
        return make_list(item.default() for _ in range(size if fixed else 0))

    return Field(name, ros_type, check_list, initial_list, list_from_wire)
