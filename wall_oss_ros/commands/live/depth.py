# SPDX-License-Identifier: Apache-2.0
"""Judges depth images: are they distances, of the pictures' camera, and of their moments? Having none is no fault."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.commands.live.facts import Facts, Finding
from wall_oss_ros.perception.compressed_depth import is_compressed, parsed_format
from wall_oss_ros.perception.depth import DepthError
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.profile import RobotProfile

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_ENCODINGS = ("16UC1", "32FC1")
_UNUSED = "Without it, what the model points at is placed on the floor: docs/how-to/cameras.md#4-depth"


def depth(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    for view in profile.views:
        if view.depth_topic is not None:
            yield _of_view(view, facts, profile.watchdog.view_skew)


def _of_view(view: View, facts: Facts, tolerance: float) -> Finding:
    what, topic = f"camera {view.name}: depth", view.depth_topic
    ends, images = facts.publishers.get(topic, ()), facts.depths.get(view.name, [])
    if not ends:
        return Finding(what, "OK", f"none: nobody publishes {topic}")
    expected = _COMPRESSED if is_compressed(topic) else _IMAGE
    if strange := sorted({end.type for end in ends} - {expected}):
        return Finding(
            what, "WARN", f"{topic} is {', '.join(strange)}, {expected} is expected", f"Name another. {_UNUSED}"
        )
    if not images:
        return Finding(what, "WARN", f"nothing came on {topic}", f"Does its driver send depth? {_UNUSED}")
    last, pictures = images[-1], facts.pictures.get(view.name, [])
    packed = last.type == _COMPRESSED  # whose size is known once it is unpacked
    said = last.encoding if packed else f"{last.width} x {last.height} {last.encoding}"
    if not (_is_depth(last.encoding) if packed else last.encoding in _ENCODINGS):
        return Finding(what, "WARN", f"{said}: no distances", f"Name a topic of 16UC1 (mm) or 32FC1 (m). {_UNUSED}")
    if pictures and "" not in (last.frame, pictures[-1].frame) and last.frame != pictures[-1].frame:
        found = f"{said}, in frame {last.frame}, the pictures are in {pictures[-1].frame}"
        return Finding(what, "WARN", found, f"Have the driver register it (align_depth). {_UNUSED}")
    apart = _apart([one.stamp for one in pictures], [one.stamp for one in images])
    if apart is not None and not apart <= tolerance:
        found = f"{said}, {1000 * apart:.0f} ms apart from the pictures; {tolerance:g} s are permitted"
        return Finding(what, "WARN", found, f"Raise its rate, or synchronise the clocks. {_UNUSED}")
    return Finding(what, "OK", said if apart is None else f"{said}, {1000 * apart:.0f} ms from the pictures")


def _is_depth(form: str) -> bool:
    try:
        parsed_format(form)
    except DepthError:
        return False
    return True


def _apart(pictures: list[float], images: list[float]) -> float | None:
    """How far the nearest depth image is from a picture that was taken meanwhile, s: the median. None without any."""
    taken, measured = np.array(pictures, float), np.array(images, float)
    if not (len(taken) and np.isfinite(taken).all() and np.isfinite(measured).all()):
        return None
    # Those before depth has begun, or after it has ended, have no partner to be compared with.
    meanwhile = taken[(taken >= measured.min()) & (taken <= measured.max())]
    of = meanwhile if len(meanwhile) else taken
    return float(np.median(np.abs(of[:, None] - measured[None]).min(axis=1)))
