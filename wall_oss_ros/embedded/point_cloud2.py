# SPDX-License-Identifier: Apache-2.0
"""Point clouds between sensor_msgs/PointCloud2 and NumPy, with the names and rules of sensor_msgs_py.point_cloud2."""

from __future__ import annotations

import sys
from array import array
from collections import namedtuple
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured, unstructured_to_structured

from wall_oss_ros.embedded.interfaces import get_interface

PointCloud2 = get_interface("sensor_msgs", "msg", "PointCloud2")
PointField = get_interface("sensor_msgs", "msg", "PointField")
DUMMY_FIELD_PREFIX = "unnamed_field"
_TYPES = {
    PointField.INT8: np.int8, PointField.UINT8: np.uint8, PointField.INT16: np.int16, PointField.UINT16: np.uint16,
    PointField.INT32: np.int32, PointField.UINT32: np.uint32, PointField.FLOAT32: np.float32,
    PointField.FLOAT64: np.float64,
}  # fmt: skip


def dtype_from_fields(fields: Iterable[Any], point_step: int | None = None) -> np.dtype:
    """The structured type of one point; a field with a count above 1 becomes ``name_0``, ``name_1``, ...

    Args:
        fields: sensor_msgs/PointField.
        point_step: bytes per point; as the fields need if not given.
    """
    names, formats, offsets = [], [], []
    for index, field in enumerate(fields):
        assert field.count > 0, "Can't process fields with count = 0."
        kind, name = np.dtype(_TYPES[field.datatype]), field.name or f"{DUMMY_FIELD_PREFIX}_{index}"
        for part in range(field.count):
            names.append(name if field.count == 1 else f"{name}_{part}")
            formats.append(kind.str)
            offsets.append(field.offset + part * kind.itemsize)
    assert len(set(names)) == len(names), "Duplicate field names are not allowed!"
    size = {} if point_step is None else {"itemsize": point_step}
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, **size})


def read_points(
    cloud: Any,
    field_names: Iterable[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """A cloud's points as a structured array.

    Args:
        cloud: sensor_msgs/PointCloud2.
        field_names: the fields wanted, in their order; all if not given.
        skip_nans: leave out points with a NaN, unless the cloud says that it is dense.
        uvs: indices of the points wanted.
        reshape_organized_cloud: as a two-dimensional array, if the cloud is one.
    """
    assert isinstance(cloud, PointCloud2), "Cloud is not a sensor_msgs.msg.PointCloud2"
    dtype = dtype_from_fields(cloud.fields, cloud.point_step)
    points = np.ndarray((cloud.width * cloud.height,), dtype, bytes(cloud.data))
    if field_names is not None:
        wanted = list(field_names)
        assert set(wanted) <= set(dtype.names), "Requested field is not in the fields of the PointCloud!"
        points = points[wanted]
    if bool(cloud.is_bigendian) != (sys.byteorder == "big"):
        points = points.byteswap()
    if skip_nans and not cloud.is_dense:
        points = points[~np.any([np.isnan(points[name]) for name in points.dtype.names], axis=0)]
    if uvs is not None:
        points = points[uvs if isinstance(uvs, np.ndarray) else np.fromiter(uvs, int)]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.width, cloud.height)
    return points


def read_points_numpy(
    cloud: Any,
    field_names: Iterable[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[int] | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """As `read_points`, as a plain array (..., fields); the fields must have one type."""
    wanted = None if field_names is None else list(field_names)
    kinds = {field.datatype for field in cloud.fields if wanted is None or field.name in wanted}
    assert len(kinds) <= 1, "All fields need to have the same datatype. Use `read_points()` otherwise."
    return structured_to_unstructured(read_points(cloud, wanted, skip_nans, uvs, reshape_organized_cloud))


def read_points_list(
    cloud: Any, field_names: Iterable[str] | None = None, skip_nans: bool = False, uvs: Iterable[int] | None = None
) -> list[Any]:
    """As `read_points`, as a list of named tuples."""
    points = read_points(cloud, field_names, skip_nans, uvs)
    return [namedtuple("Point", points.dtype.names)._make(point) for point in points]


def create_cloud(header: Any, fields: list[Any], points: Any, point_step: int | None = None) -> Any:
    """A sensor_msgs/PointCloud2 of points.

    Args:
        header: std_msgs/Header.
        fields: sensor_msgs/PointField.
        points: an array (points, fields) or (width, height, fields), a structured one, or an iterable of tuples.
        point_step: bytes per point; as the fields need if not given.
    """
    dtype = dtype_from_fields(fields, point_step)
    if not isinstance(points, np.ndarray):
        points = np.array([tuple(point) for point in points], dtype)
    elif points.dtype.names is None:
        same = all(field.datatype == fields[0].datatype for field in fields)
        assert same, "All fields need to have the same datatype. Pass a structured NumPy array otherwise."
        points = unstructured_to_structured(points, dtype)
    else:
        assert points.dtype == dtype, "PointFields and structured NumPy array dtype do not match for all fields!"
    assert points.ndim <= 2, "Points can only be organized in at most two dimensions."
    width, height = (*points.shape, 1)[:2]
    return PointCloud2(
        header=header, height=height, width=width, is_dense=False, is_bigendian=sys.byteorder == "big",
        fields=list(fields), point_step=dtype.itemsize, row_step=dtype.itemsize * width,
        data=array("B", np.ascontiguousarray(points).tobytes()),
    )  # fmt: skip


def create_cloud_xyz32(header: Any, points: Any) -> Any:
    """A cloud of points (x, y, z) as float32, m."""
    kind = PointField.FLOAT32
    return create_cloud(
        header, [PointField(name=name, offset=4 * i, datatype=kind, count=1) for i, name in enumerate("xyz")], points
    )
