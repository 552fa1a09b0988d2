# SPDX-License-Identifier: Apache-2.0
"""From cameras' pictures to patches, in this project's way and in the public one."""

from __future__ import annotations

import numpy as np
import torch

from wall_oss_ros.model import VisionConfig
from wall_oss_ros.policy.images import MEAN, STD, resize_view
from wall_oss_ros.policy.pictures import Picture, Pictures

HEIGHT, WIDTH = 480, 640


class RandomPatches:
    """Pictures that are patches from the start, at random."""

    def __init__(self, views: int, side: int, vision: VisionConfig, device: torch.device):
        """Args: views: how many; side: of the square pictures that the model takes."""
        self._rows, self._vision, self._device = side // vision.patch_size, vision, device
        self._random = torch.Generator().manual_seed(0)
        self.pictures = [self._picture() for _ in range(views)]

    def _picture(self) -> Picture:
        shape = self._rows**2, 3 * self._vision.patch_size**2
        levels = torch.randint(256, shape, dtype=torch.uint8, generator=self._random)
        return Picture(levels.to(self._device), self._rows, self._rows)

    def change(self, views: slice) -> None:
        """Shows something else in these views."""
        for view in range(len(self.pictures))[views]:
            self.pictures[view] = self._picture()

    def seen(self) -> list[Picture]:
        """As the policy sees them."""
        return self.pictures

    def public_patches(self) -> torch.Tensor:
        """(patches of all views, patch_dim) float32, normalised, each as two frames."""
        levels = torch.cat([picture.patches for picture in self.pictures]).cpu()
        levels = levels.view(len(levels), 3, 1, -1)
        mean, std = (torch.from_numpy(of)[:, None, None] for of in (MEAN, STD))
        return ((levels / 255 - mean) / std).repeat(1, 1, self._vision.temporal_patch_size, 1).flatten(1)


class Cameras:
    """Random pictures of 640 x 480, and what both ways make of them."""

    def __init__(self, views: int, side: int, vision: VisionConfig, device: torch.device):
        """Args: views: how many; side: of the square pictures that the model takes."""
        from transformers.models import qwen2_vl

        kind = getattr(qwen2_vl, "Qwen2VLImageProcessorPil", None) or qwen2_vl.Qwen2VLImageProcessor
        self._public, self._side, self._random = kind(), side, np.random.default_rng(0)
        self._pictures, self._last = Pictures(vision, side, device), [None] * views
        self.images = [self._picture() for _ in range(views)]

    def _picture(self) -> np.ndarray:
        return self._random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    def change(self, views: slice) -> None:
        """Shows something else in these views."""
        for view in range(len(self.images))[views]:
            self.images[view] = self._picture()

    def seen(self) -> list[Picture]:
        """As the policy sees them."""
        made = zip(map(str, range(len(self.images))), self.images, self._last)
        self._last = [self._pictures.take(view, image, last) for view, image, last in made]
        return self._last

    def public_patches(self) -> torch.Tensor:
        """(patches of all views, patch_dim) float32 by Pillow's resizing and transformers' image processor, as the
        public code calls them."""
        resized = [resize_view(image, self._side) for image in self.images]
        return torch.from_numpy(self._public(resized, do_resize=False, return_tensors="np")["pixel_values"])
