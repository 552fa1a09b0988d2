# SPDX-License-Identifier: Apache-2.0
"""Videos that are sound and look odd: cut by an edit list, frames that come a little early or late."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from wall_oss_ros.data.checks.run import check
from wall_oss_ros.data.checks.survey_tables import open_survey
from wall_oss_ros.data.checks.videos import probe
from wall_oss_ros.data.edits.compose import compose
from wall_oss_ros.data.edits.picks import whole
from wall_oss_ros.data.lerobot import LeRobotDataset
from wall_oss_ros.data.lerobot.video import Decoder

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from data_check.sets import VIEWS, sound, write

TICKS = 90000
CONTENT = sound(np.random.default_rng(3), 2, shortest=30)


def encode(path: Path, frames: np.ndarray, times: np.ndarray, keyframes: int = 2) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"g": str(keyframes), "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        for pixels, time in zip(frames, times):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cut(path: Path, target: Path, first: int) -> None:
    """As ffmpeg does with -ss and -c copy: frames before are kept, since others need them, and never shown."""
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream, opaque=True)
        copy.time_base = stream.time_base
        for packet in (packet for packet in source.demux(stream) if packet.dts is not None):
            packet.pts -= round(first / 30 / stream.time_base)
            packet.dts -= round(first / 30 / stream.time_base)
            packet.stream = copy
            out.mux(packet)


@pytest.fixture
def odd(tmp_path):
    """A dataset v2.1, and its videos with their frames."""
    folder = write(CONTENT, tmp_path / "set", "v2.1")
    return folder, {
        folder / f"videos/chunk-000/{view}/episode_{index:06d}.mp4": episode.pictures[view]
        for index, episode in enumerate(CONTENT.episodes)
        for view in VIEWS
    }


def test_frames_that_an_edit_list_leaves_out_are_none(odd, tmp_path):
    folder, videos = odd
    for path, frames in videos.items():
        before = np.concatenate([np.full((7, *frames.shape[1:]), 200, np.uint8), frames])
        encode(tmp_path / "whole.mp4", before, np.arange(len(before)) / 30, 250)
        cut(tmp_path / "whole.mp4", path, 7)
        assert len(probe(path).times) == len(frames)
        decoder = Decoder(path)
        assert len(decoder.times()) == len(frames)
        decoder.close()
    assert [f for f in check(folder, 2).findings if f.level == "error"] == []
    compose([whole(open_survey(folder))], tmp_path / "new")
    for index in range(2):
        np.testing.assert_array_equal(
            LeRobotDataset(tmp_path / "new").pictures(VIEWS[0], index, [0, 9]),
            LeRobotDataset(folder).pictures(VIEWS[0], index, [0, 9]),
        )


def test_frames_a_little_off_are_not_another_rate(odd):
    folder, videos = odd
    for path, frames in videos.items():
        encode(path, frames, np.arange(len(frames)) / 30 + 0.004 * (np.arange(len(frames)) % 3))
    assert [f for f in check(folder, 0).findings if f.check == "rate"] == []
