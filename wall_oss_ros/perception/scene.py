# SPDX-License-Identifier: Apache-2.0
"""The observed scene as a cloud of coloured points: all views that have depth, thinned, in the base frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.lenses import Distortion, rays


def scene_points(obs: Observation, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """What the observation's cameras see.

    Args:
        voxel: edge of the cubes of space of which each keeps one point, m.

    Returns:
        Places (N, 3) float32 in the base frame, m, and colours (N, 3) uint8 RGB. Empty if no view has both depth and a
        calibrated camera.
    """
    places, colours = [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.uint8)]
    for view, depth in obs.depths.items():
        camera, picture = obs.cameras.get(view), obs.images.get(view)
        if camera is None or picture is None or not np.isfinite([*camera.matrix.flat, *camera.pose.flat]).all():
            continue
        x, y, ways = _ways(depth.shape, picture.shape[:2], tuple(camera.matrix.ravel().tolist()), camera.distortion)
        there = np.nonzero((depth > 0) & np.isfinite(ways[..., 2]))
        seen = ways[there] * (depth[there] / 1000.0)[:, None]
        places.append((seen @ camera.pose[:3, :3].T + camera.pose[:3, 3]).astype(np.float32))
        colours.append(picture[y[there], x[there]])
    return _thinned(np.concatenate(places), np.concatenate(colours), voxel)


@lru_cache(maxsize=8)  # of views, which stay as they are from one observation to the next
def _ways(
    shape: tuple[int, int], picture: tuple[int, int], matrix: tuple[float, ...], distortion: Distortion | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For the middle of each depth pixel: column and row (h, w) in the picture, and its direction (h, w, 3)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = (columns + 0.5) * picture[1] / shape[1], (rows + 0.5) * picture[0] / shape[0]
    return x.astype(int), y.astype(int), rays(np.stack([x, y], -1), np.reshape(matrix, (3, 3)), distortion)


def _thinned(places: np.ndarray, colours: np.ndarray, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """The first point in each cube of space."""
    cells = np.floor(places / voxel).astype(np.int64)
    cells -= cells.min(axis=0, initial=0)
    _, count_y, count_z = cells.max(axis=0, initial=0) + 1
    _, first = np.unique((cells[:, 0] * count_y + cells[:, 1]) * count_z + cells[:, 2], return_index=True)
    return places[first], colours[first]
