# SPDX-License-Identifier: Apache-2.0
"""Judges cameras: rate, age, size, encoding, what they say of their lens, and how far views are apart in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.commands.live.facts import Facts, Finding
from wall_oss_ros.commands.live.streams import source, timing
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.profile import RobotProfile

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
KINDS = {"raw": (IMAGE,), "compressed": (COMPRESSED,), "auto": (IMAGE, COMPRESSED)}  # by a view's transport
_ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8", "mono8")  # as they are; the rest is converted
_CONVERTED = ("mono16", "rgb16", "bgr16", "rgba16", "bgra16", "bayer_", "yuv422", "uyvy", "yuyv")
_SMALL = 112  # pixels: the shipped models' views


def cameras(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    for view in profile.views:
        what = f"camera {view.name}"
        start = "Start the camera's driver, or name its topic: docs/how-to/cameras.md"
        yield from source(facts, what, view.image_topic, KINDS[view.transport], start)
        if not facts.publishers.get(view.image_topic):
            continue
        stream = facts.streams.get(view.image_topic)
        yield timing(
            what, view.image_topic, stream, profile.watchdog.observation_age, 0.9 * profile.rate_hz, facts.simulated
        )
        yield from _pictures(facts, view, what)
        yield from _lens(facts, view, what)
    yield from _skew(profile, facts)


def _pictures(facts: Facts, view: View, what: str) -> Iterator[Finding]:
    pictures = facts.pictures.get(view.name, [])
    if not pictures:
        return
    what, last = f"{what}: pictures", pictures[-1]
    packed = last.type == COMPRESSED  # whose size is known once it is unpacked
    kinds = sorted({(one.width, one.height, one.encoding) for one in pictures})
    said = ", ".join(encoding if packed else f"{width} x {height} {encoding}" for width, height, encoding in kinds)
    encoding, frames = view.encoding or last.encoding, {one.frame for one in pictures}
    if len(kinds) > 1:
        yield Finding(what, "FAIL", f"they change: {said}", "Is there a second camera on the same topic?")
    elif packed and not any(name in last.encoding.lower() for name in ("jpeg", "jpg", "png")):
        yield Finding(what, "FAIL", f"{said or 'no format'}: such pictures are not taken", "Have it send JPEG or PNG")
    elif not packed and min(last.width, last.height) < 1:
        yield Finding(what, "FAIL", f"{said}: empty", "Look at the camera's driver")
    elif not packed and encoding not in _ENCODINGS and not encoding.startswith(_CONVERTED):
        do = f"Have its driver send {_words()}; what 8UC3 is, the view's encoding in the profile says"
        yield Finding(what, "FAIL", f"{said}: such pictures are not taken", do)
    elif not packed and min(last.width, last.height) < _SMALL:
        yield Finding(what, "WARN", f"{said}: smaller than a view of the model", "Raise the camera's resolution")
    elif frames != {view.optical_frame}:
        found = f"{said}, in frame {', '.join(sorted(frames))}, not {view.optical_frame}"
        do = "Is it another camera? Else name its frame in the profile (optical_frame)"
        yield Finding(what, "WARN", found, do)
    else:
        yield Finding(what, "OK", said)


def _words() -> str:
    return ", ".join(_ENCODINGS)


def _lens(facts: Facts, view: View, what: str) -> Iterator[Finding]:
    what, lens = f"{what}: calibration", facts.lenses.get(view.name)
    unused = "Nothing moves by it: it only shows where a subtask's thing is. docs/how-to/cameras.md"
    if lens is None:
        yield Finding(what, "WARN", f"nothing on {view.camera_info_topic}", unused)
        return
    k = np.array(lens.k, float)
    pictures = facts.pictures.get(view.name, [])
    if k.size != 9 or not np.isfinite(k).all() or k[0] <= 0 or k[4] <= 0:
        yield Finding(what, "WARN", f"{view.camera_info_topic} has no matrix", f"Calibrate the camera. {unused}")
    elif pictures and pictures[-1].width and (lens.width, lens.height) != (pictures[-1].width, pictures[-1].height):
        size = f"{pictures[-1].width} x {pictures[-1].height}"
        yield Finding(
            what,
            "WARN",
            f"it is for {lens.width} x {lens.height}, pictures are {size}",
            f"Calibrate at the resolution in use. {unused}",
        )
    elif lens.fault:
        yield Finding(what, "WARN", f"{view.camera_info_topic}: {lens.fault}", f"Calibrate the camera. {unused}")
    elif facts.frames and view.optical_frame not in facts.frames:
        yield Finding(what, "WARN", f"tf has no {view.optical_frame}", f"Publish its place on /tf_static. {unused}")
    else:
        yield Finding(what, "OK", f"focal length {k[0]:.0f} px" + ("" if facts.frames else "; nothing in tf"))


def _skew(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    """How far the pictures of one observation are apart."""
    stamps = [np.array([one.stamp for one in facts.pictures.get(view.name, [])]) for view in profile.views]
    if len(stamps) < 2 or any(not (np.isfinite(times).all() and len(times) > 1) for times in stamps):
        return
    first, *others = stamps
    # Those before all others have begun, or after they have ended, have no partners to be compared with.
    first = first[(first >= max(times.min() for times in others)) & (first <= min(times.max() for times in others))]
    limit = profile.watchdog.view_skew
    if not len(first):
        yield Finding(
            "views together",
            "FAIL",
            "no two views are of the same time",
            "Are their clocks the same? Two computers: chrony or PTP",
        )
        return
    apart = np.max([np.abs(times[None] - first[:, None]).min(axis=1) for times in others], axis=0)
    said = f"{1000 * np.median(apart):.0f} ms apart, at most {1000 * apart.max():.0f}"
    share = float((apart > limit).mean())
    if share > 0.5:
        yield Finding(
            "views together",
            "FAIL",
            f"{said}; {limit:g} s are permitted",
            "Synchronise the cameras and their clocks, or raise watchdog.view_skew",
        )
    elif share > 0.05:
        yield Finding(
            "views together",
            "WARN",
            f"{said}: {100 * share:.0f} % of observations lack a view",
            "Raise the cameras' rates, or synchronise them",
        )
    else:
        yield Finding("views together", "OK", said)
