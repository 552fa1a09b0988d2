# SPDX-License-Identifier: Apache-2.0
"""From cameras' pictures to patches, in this project's way and in the public one."""

from __future__ import annotations

import numpy as np
import torch

from wall_oss_ros.policy.images import image_patches, resize_view

HEIGHT, WIDTH = 480, 640


class Cameras:
    """Random pictures, and what both ways make of them.

    Args:
        views: how many; side: of the square pictures that the model takes.
    """

    def __init__(self, views: int, side: int):
        from transformers.models import qwen2_vl

        kind = getattr(qwen2_vl, "Qwen2VLImageProcessorPil", None) or qwen2_vl.Qwen2VLImageProcessor
        self._public, self._side, self._random = kind(), side, np.random.default_rng(0)
        self.images = [self._picture() for _ in range(views)]

    def _picture(self) -> np.ndarray:
        return self._random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    def change(self, views: slice) -> None:
        """Shows something else in these views."""
        for view in range(len(self.images))[views]:
            self.images[view] = self._picture()

    def patches(self) -> torch.Tensor:
        """(patches of all views, patch_dim) float32, as the policy makes them."""
        return torch.from_numpy(image_patches(np.stack([resize_view(image, self._side) for image in self.images])))

    def public_patches(self) -> torch.Tensor:
        """The same by Pillow's resizing and transformers' image processor, as the public code calls them."""
        resized = [resize_view(image, self._side) for image in self.images]
        return torch.from_numpy(self._public(resized, do_resize=False, return_tensors="np")["pixel_values"])
