# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets of each version: columns, pictures and tables, right at every border."""

import json
from fractions import Fraction

import numpy as np
import pytest
from lerobot_support import LENGTHS, TASKS, VIEW, layout, whose

from wall_oss_ros.commands.main import main
from wall_oss_ros.data.lerobot import LeRobotWriter, open_dataset
from wall_oss_ros.errors import WallOSSError

VERSIONS = ("v2.0", "v2.1", "v3.0")


def check_frames(dataset, seed=0) -> None:
    """Every frame of every episode is its own, asked for in any order."""
    rng = np.random.default_rng(seed)
    asked = [(episode.index, row) for episode in dataset.episodes for row in range(episode.length)]
    for episode, row in rng.permutation(asked).tolist():
        assert whose(dataset.pictures(VIEW, episode, [row])[0]) == (episode, row)
    for episode in dataset.episodes:
        order = rng.permutation(episode.length)
        found = [whose(one) for one in dataset.pictures(VIEW, episode.index, order)]
        assert found == [(episode.index, row) for row in order]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("view", ["image", "video", None])
def test_a_dataset_is_read_whole(tmp_path, version, view):
    dataset = open_dataset(layout(tmp_path, version, view=view))
    assert (dataset.version, dataset.fps, dataset.robot_type) == (version, 15.0, "panda")
    assert [(e.index, e.length, e.tasks) for e in dataset.episodes] == [
        (index, length, (TASKS[index % 2],)) for index, length in enumerate(LENGTHS)
    ]
    assert dataset.tasks == dict(enumerate(TASKS)) and dataset.subtasks == {} and len(dataset) == sum(LENGTHS)
    assert dataset.features["action"].names == ("a", "gripper")
    for episode in dataset.episodes:
        columns = dataset.columns(episode.index)
        assert columns["observation.state"].shape == (episode.length, 3)
        assert columns["observation.state"].dtype == columns["timestamp"].dtype == np.float32
        assert (columns["observation.state"][:, 0] == episode.index).all()
        assert (columns["observation.state"][:, 1] == np.arange(episode.length)).all()
        assert columns["timestamp"].shape == columns["episode_index"].shape == (episode.length,)
        last = dataset.columns(episode.index, ["action"], slice(-2, None))["action"]
        assert last.shape == (min(2, episode.length), 2) and (last.astype(int)[:, 0] == episode.index).all()
    if view:
        check_frames(dataset)
        assert dataset.pictures(VIEW, 1).shape == (20, 48, 64, 3)
        assert dataset.pictures(VIEW, 1, []).shape == (0, 48, 64, 3)
    dataset.verify()


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    "video",
    [
        {"codec": "libx264", "options": {"bf": "3", "g": "10"}},
        {"codec": "libx264", "options": {"bf": "2", "g": "250"}, "start": 0.5},
        {"codec": "libsvtav1", "options": {"g": "2", "crf": "30", "preset": "12"}},
        {"codec": "libx264", "options": {"bf": "0", "g": "4"}, "start": 2 / 15, "base": Fraction(1, 90000)},
    ],
    ids=["b-frames", "b-frames-later", "av1", "later"],
)
def test_every_frame_of_a_video_is_found(tmp_path, version, video):
    check_frames(open_dataset(layout(tmp_path, version, view="video", video=video)))


def test_rates_that_are_no_whole_numbers(tmp_path):
    folder = layout(tmp_path, fps=29.97, view="video")
    dataset = open_dataset(folder)
    assert dataset.fps == 29.97
    check_frames(dataset)
    info = json.loads((folder / "meta/info.json").read_text())
    (folder / "meta/info.json").write_text(json.dumps({**info, "fps": 29}))  # as some tools leave it
    check_frames(open_dataset(folder))


@pytest.mark.parametrize("view", ["image", "video"])
@pytest.mark.parametrize("mark", [{"info": {"is_depth_map": True}}, {"video_info": {"video.is_depth_map": True}}])
def test_distances_are_no_colours(tmp_path, view, mark):
    """As lerobot 0.6 marks them, and earlier ones; what it makes of them is judged in test_peers_language.py."""
    folder = layout(tmp_path / "set", view=view)
    about = json.loads((folder / "meta/info.json").read_text())
    about["features"][VIEW] |= mark
    (folder / "meta/info.json").write_text(json.dumps(about))
    dataset = open_dataset(folder)
    assert dataset.views == () and dataset.features[VIEW].depth
    dataset.verify()
    with pytest.raises(WallOSSError, match="picture of distances"):
        dataset.pictures(VIEW, 0)
    assert main(["data", "filter", str(folder), "--episodes", "0-1", "--output", str(tmp_path / "two")]) == 0
    assert open_dataset(tmp_path / "two").features[VIEW].depth
    with pytest.raises(WallOSSError, match="distances .* not written here"):
        LeRobotWriter(folder, append=True)


def test_paths_that_were_written_on_windows(tmp_path):
    folder = layout(tmp_path, view=None)
    info = json.loads((folder / "meta/info.json").read_text())
    path = "data\\chunk-{chunk_index:03d}\\file-{file_index:03d}.parquet"
    (folder / "meta/info.json").write_text(json.dumps({**info, "data_path": path}))
    open_dataset(folder).verify()
    (folder / "meta/info.json").write_text(json.dumps({**info, "data_path": f"C:\\{path}"}))
    with pytest.raises(WallOSSError, match="leads out of the dataset's folder"):
        open_dataset(folder)


@pytest.mark.parametrize("names", [{"left": ["a"], "right": {"hand": ["b"]}}, [["a", "b"]], {"motors": ["a", "b"]}])
def test_names_may_be_nested(tmp_path, names):
    folder = layout(tmp_path, view=None, features={"action": {"dtype": "float32", "shape": [2], "names": names}})
    assert open_dataset(folder).features["action"].names == ("a", "b")
