# SPDX-License-Identifier: Apache-2.0
"""Cameras' pictures on their way into the engine: each is resized, cut and encoded once, whoever asks about it.

The engine takes still pictures in grey levels, a byte each. The vision tower wants each twice, as two frames, and
normalised; both lie in the weights of its first map instead (:class:`StillEmbed`), which halves its products and leaves
an eighth of the bytes to cut, keep and send to a GPU.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wall_oss_ros.model import VisionConfig
from wall_oss_ros.model.vision import PatchEmbed
from wall_oss_ros.policy.images import MEAN, STD, resizings
from wall_oss_ros.policy.resizing import resize


@dataclass(eq=False)
class Picture:
    """What one camera showed. Two of them are the same only if they are one object.

    Attributes:
        patches: (rows * columns, 3 * patch * patch) uint8, merged cell by merged cell, on the model's device.
        rows, columns: how many patches.
        tokens: (merged cells, H) of the vision tower, once an engine has encoded it.
        shown: shape and bytes of the camera's picture.
    """

    patches: Tensor
    rows: int
    columns: int
    tokens: Tensor | None = None
    shown: tuple[tuple[int, ...], bytes] | None = None

    @property
    def grid(self) -> list[int]:
        """Frames, rows and columns."""
        return [1, self.rows, self.columns]


class Pictures:
    """Makes them, and gives the same one for the same picture as long as nobody has seen another in that view.

    Twins share one, and each also keeps its own last pictures: so neither makes the other forget.
    """

    def __init__(self, vision: VisionConfig, image_size: int | None, device: torch.device):
        """Args: image_size: side of the square that the checkpoint wants; None for the released resizing."""
        self._vision, self._size, self._device = vision, image_size, device
        self._latest: dict[str, Picture] = {}
        self._lock = threading.Lock()

    def take(self, view: str, image: np.ndarray, own: Picture | None = None) -> Picture:
        """A camera's picture (H, W, 3) uint8.

        Args:
            own: the last one that the caller had of this view.

        Raises:
            WallOSSError: it is too narrow.
        """
        shown = image.shape, image.tobytes()  # a copy: cameras may write into their buffers again
        if own is not None and own.shown == shown:
            return own
        with self._lock:
            latest = self._latest.get(view)
            if latest is None or latest.shown != shown:
                self._latest[view] = latest = self.make(image)
                latest.shown = shown
            return latest

    def make(self, image: np.ndarray) -> Picture:
        """The same without remembering it."""
        vision = self._vision
        height, width = image.shape[:2]
        sizes = resizings(height, width, self._size, vision.cell)
        picture = resize(image, sizes, self._device)
        rows, columns = (side // vision.patch_size for side in picture.shape[:2])
        return Picture(cut_tensor(picture, vision.patch_size, vision.spatial_merge_size), rows, columns)


def cut_tensor(picture: Tensor, patch: int, merge: int) -> Tensor:
    """(H, W, 3) -> (patches, 3 * patch * patch), merged cell by merged cell, in memory of their own."""
    rows, columns = (side // (patch * merge) for side in picture.shape[:2])
    x = picture.reshape(rows, merge, patch, columns, merge, patch, 3)
    return x.permute(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3 * patch * patch)


class StillEmbed:
    """The vision tower's first map, for still pictures in grey levels.

    W (x / 255 - mean) / std, the same for every frame of a patch, is one map of x: frames' weights add up, scale and
    offset go into weights and bias. They are added in float64 and kept in float32: rounded to bfloat16, weights on
    numbers that are not centred would err more than those on normalised ones.
    """

    def __init__(self, embed: PatchEmbed):
        weight = embed.proj.weight.detach().double().sum(2)  # (width, 3, patch, patch)
        mean, std = (torch.from_numpy(of).double().to(weight.device)[:, None, None] for of in (MEAN, STD))
        self.weight = (weight / (255 * std)).flatten(1).float()
        self.bias = -(weight * mean / std).sum((1, 2, 3)).float()

    def __call__(self, patches: Tensor) -> Tensor:
        """(n, 3 * patch * patch) uint8 -> (n, width) float32."""
        return F.linear(patches.float(), self.weight, self.bias)
