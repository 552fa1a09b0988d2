# SPDX-License-Identifier: Apache-2.0
"""The pictures of a view in a bag: when each was taken, and, in a second pass, the ones that are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wall_oss_ros.data.bags.bag import BadMessage, Bag, Message
from wall_oss_ros.data.bags.samples import Samples
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.pictures import Bridge, PictureError, compressed_pixels, raw_pixels
from wall_oss_ros.perception.view_topics import TYPES
from wall_oss_ros.robots.components import Encoding

_KEPT = 64  # pictures that may wait for their turn, where they come out of order
_BROKEN = 5  # in a row that may be broken; the one before then stands for them


class ViewPictures:
    """A view's pictures.

    Args:
        view: its name.
        topic: of sensor_msgs/Image or CompressedImage.
        samples: of one number, for their times.
        encoding: what the pixels are, where messages say something else.
        bridge: converts raw pictures.

    Attributes:
        size: height and width; of the first one.
        broken: pictures that could not be decoded, of those that were wanted.
    """

    def __init__(self, view: str, topic: str, samples: Samples, encoding: Encoding | None, bridge: Bridge):
        self.view, self.topic, self.samples = view, topic, samples
        self._encoding, self._bridge = encoding, bridge
        self.size: tuple[int, int] | None = None
        self._first: np.ndarray | None = None
        self._count = 0
        self.broken = self.unstamped = 0

    @property
    def where(self) -> str:
        """It, with its topic."""
        return f"{self.view} ({self.topic})"

    def hear(self, bag: Bag, message: Message, time: float | None) -> None:
        """A picture has come; ``time`` (s) is None where it has no stamp."""
        number, self._count = self._count, self._count + 1
        if time is None:
            self.unstamped += 1
            return
        self.samples.add(time, (number,))
        if self.size is None:
            try:
                self._first = self._pixels(bag, message)
                self.size = self._first.shape[:2]
            except (PictureError, BadMessage) as error:
                if self._count > _BROKEN:
                    raise WallOSSError(
                        f"{bag.path}: the pictures of {self.where} cannot be used: {error}.",
                        "Say what they are: the view's encoding, or another topic.",
                    ) from error

    def read(self, bag: Bag, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """Pictures (H, W, 3) uint8 RGB by their numbers in the bag (N,), one after the other.

        Raises:
            WallOSSError: they change their size, are much out of order, or too many in a row are broken.
        """
        order, kept = numbers.tolist(), dict[int, np.ndarray]()
        last = {number: row for row, number in enumerate(order)}  # where each is needed for the last time
        messages = enumerate(bag.messages([self.topic]))
        at, row, before, broken = -1, 0, self._first, 0
        self.broken = 0
        while row < len(order):
            number = order[row]
            while at < number and number not in kept:
                at, message = next(messages)
                if at not in last:
                    continue
                try:
                    pixels, broken = self._pixels(bag, message), 0
                    if pixels.shape[:2] != self.size:
                        raise WallOSSError(
                            f"{bag.path}: the pictures of {self.where} change their size, from {self.size} to "
                            f"{pixels.shape[:2]} (height, width).",
                            "Record with one size.",
                        )
                except (PictureError, BadMessage) as error:
                    broken += 1
                    self.broken += 1
                    if broken > _BROKEN:
                        raise WallOSSError(
                            f"{bag.path}: {broken} pictures of {self.where} in a row cannot be read: {error}.",
                            "Leave this bag out, or record it again.",
                        ) from error
                    pixels = before
                before = pixels
                kept[at] = pixels
                if len(kept) > _KEPT:
                    raise WallOSSError(
                        f"{bag.path}: the pictures of {self.where} are too much out of order.",
                        "Use --time receive, or record it again.",
                    )
            yield kept[number]
            if last[number] == row:
                del kept[number]
            row += 1

    def _pixels(self, bag: Bag, message: Message) -> np.ndarray:
        decoded: Any = bag.decode(message)
        if TYPES[message.type] == "compressed":
            return compressed_pixels(decoded.data, self._encoding)
        return raw_pixels(decoded, self._bridge, self._encoding)
