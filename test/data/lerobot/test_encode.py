# SPDX-License-Identifier: Apache-2.0
"""Videos are the same wherever they are written."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from wall_oss_ros.data.lerobot.encode import VideoEncoder, encoder
from wall_oss_ros.errors import WallOSSError


def pixels(path) -> np.ndarray:
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="cannot take cores away"
)
@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_video_does_not_depend_on_how_many_cores_write_it(codec, tmp_path):
    try:
        encoder(codec)
    except WallOSSError as error:
        pytest.skip(str(error))
    pattern = np.kron(np.random.default_rng(0).integers(0, 255, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    cores, written = os.sched_getaffinity(0), []
    try:
        for some in (cores, {min(cores)}):
            os.sched_setaffinity(0, some)
            path = tmp_path / f"{len(some)}.mp4"
            with VideoEncoder(path, codec, (256, 256), Fraction(10)) as video:
                for index in range(60):
                    video.add(np.roll(pattern, 3 * index, 1), Fraction(index, 10))
            written.append(pixels(path))
    finally:
        os.sched_setaffinity(0, cores)
    assert written[0].shape == (60, 256, 256, 3) and (written[0] == written[1]).all()
