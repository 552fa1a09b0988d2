# SPDX-License-Identifier: Apache-2.0
"""The observed scene as a cloud of coloured points: all views that have depth, thinned, in the base frame."""

from __future__ import annotations

import numpy as np

from wall_oss_ros.policy.observation import Observation


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
        rows, columns = np.nonzero(depth)
        # The middle of each depth pixel, in pixels of the picture.
        x = (columns + 0.5) * picture.shape[1] / depth.shape[1]
        y = (rows + 0.5) * picture.shape[0] / depth.shape[0]
        far = depth[rows, columns] / 1000.0
        k = camera.matrix
        seen = np.stack([(x - k[0, 2]) / k[0, 0] * far, (y - k[1, 2]) / k[1, 1] * far, far], axis=1)
        places.append((seen @ camera.pose[:3, :3].T + camera.pose[:3, 3]).astype(np.float32))
        colours.append(picture[y.astype(int), x.astype(int)])
    return _thinned(np.concatenate(places), np.concatenate(colours), voxel)


def _thinned(places: np.ndarray, colours: np.ndarray, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    """The first point in each cube of space."""
    cells = np.floor(places / voxel).astype(np.int64)
    cells -= cells.min(axis=0, initial=0)
    _, count_y, count_z = cells.max(axis=0, initial=0) + 1
    _, first = np.unique((cells[:, 0] * count_y + cells[:, 1]) * count_z + cells[:, 2], return_index=True)
    return places[first], colours[first]
