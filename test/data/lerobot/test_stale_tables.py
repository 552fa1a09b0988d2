# SPDX-License-Identifier: Apache-2.0
"""v3.0 datasets after edits and merges: tables that are stale or scrambled, rows out of order, several tables.

The data say whose a row is, and a warning says that the tables do not.
"""

import logging
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lerobot_support import LENGTHS, VIEW, layout, whose, write_parquet

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError

EPISODES = "meta/episodes/chunk-000/file-000.parquet"


def check(dataset, view=True) -> None:
    for episode, length in zip(dataset.episodes, LENGTHS):
        state = dataset.columns(episode.index)["observation.state"]
        assert (state[:, 0] == episode.index).all() and (state[:, 1] == np.arange(length)).all()
        if view:
            found = [whose(pixels) for pixels in dataset.pictures(VIEW, episode.index)]
            assert found == [(episode.index, row) for row in range(length)]


@pytest.mark.parametrize("view", ["image", "video"])
def test_offsets_into_the_data_are_not_relied_on(tmp_path, view, caplog):
    def stale(key, value, episode):
        return {"data/file_index": 1 - value if value in (0, 1) else value, "dataset_from_index": 7}.get(key, value)

    layout(tmp_path, view=view, offsets=stale)
    with caplog.at_level(logging.WARNING):
        check(open_dataset(tmp_path))
    assert "Episode 0 is not where the table of episodes says" in caplog.text


def test_a_table_that_names_files_that_are_gone(tmp_path):
    layout(tmp_path, offsets=lambda key, value, episode: 99 if key == "data/file_index" else value)
    check(open_dataset(tmp_path))
    (tmp_path / "data/chunk-000/file-001.parquet").unlink()
    dataset = open_dataset(tmp_path)
    dataset.columns(1)
    with pytest.raises(WallOSSError, match="file-099.parquet is missing"):
        dataset.columns(2)


@pytest.mark.parametrize("key", ["from_timestamp", "to_timestamp"])
def test_times_of_videos_that_are_stale(tmp_path, key, caplog):
    def stale(column, value, episode):
        return 0.0 if column == f"videos/{VIEW}/{key}" else value

    layout(tmp_path, view="video", offsets=stale)
    with caplog.at_level(logging.WARNING):
        check(open_dataset(tmp_path))
    assert ("from_timestamp in meta/episodes is stale" in caplog.text) == (key == "from_timestamp")


def test_times_of_videos_that_nothing_can_mend(tmp_path):
    def stale(column, value, episode):
        return 0.0 if column == f"videos/{VIEW}/from_timestamp" else value

    layout(tmp_path / "other", view="video", lengths=(12, 3))
    layout(tmp_path / "set", view="video", offsets=stale)
    name = f"videos/{VIEW}/chunk-000/file-000.mp4"
    shutil.copy(tmp_path / "other" / name, tmp_path / "set" / name)
    with pytest.raises(WallOSSError, match="leaves no room for its 12 frames"):
        open_dataset(tmp_path / "set").pictures(VIEW, 1, [0])


def test_videos_with_more_frames_than_the_episodes_have(tmp_path):
    """As a writer leaves them that was stopped between video and table."""
    layout(tmp_path / "longer", view="video", per_file=4)
    layout(tmp_path / "set", view="video", lengths=LENGTHS[:2], per_file=4)
    name = f"videos/{VIEW}/chunk-000/file-000.mp4"
    shutil.copy(tmp_path / "longer" / name, tmp_path / "set" / name)
    check(open_dataset(tmp_path / "set"))


@pytest.mark.parametrize("group", [1, 7, 1000])
def test_rows_in_any_order_and_row_groups_of_any_size(tmp_path, group):
    layout(tmp_path, per_file=4)
    path = tmp_path / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    order = np.random.default_rng(0).permutation(len(table))
    write_parquet(path, table.take(order), row_group_size=group)
    check(open_dataset(tmp_path))


def test_an_episode_in_two_files_and_a_table_in_several(tmp_path):
    layout(tmp_path, per_file=4)
    path = tmp_path / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    write_parquet(path, table.slice(0, 20))
    write_parquet(tmp_path / "data/chunk-001/file-003.parquet", table.slice(20))
    episodes = pq.read_table(tmp_path / EPISODES)
    write_parquet(tmp_path / EPISODES, episodes.slice(2))
    write_parquet(tmp_path / "meta/episodes/chunk-001/file-000.parquet", episodes.slice(0, 2))
    check(open_dataset(tmp_path))


def test_episodes_of_which_some_were_removed_keep_their_numbers(tmp_path):
    layout(tmp_path, "v2.1", view="video")
    lines = (tmp_path / "meta/episodes.jsonl").read_text().splitlines()
    (tmp_path / "meta/episodes.jsonl").write_text("\n".join([lines[3], "", lines[1]]))
    (tmp_path / "data/chunk-000/episode_000000.parquet").unlink()
    dataset = open_dataset(tmp_path)
    assert [episode.index for episode in dataset.episodes] == [1, 3]
    assert whose(dataset.pictures(VIEW, 3, [14])[0]) == (3, 14)
    with pytest.raises(WallOSSError, match="no episode 0; it has 2: 1 to 3"):
        dataset.columns(0)


def test_a_file_whose_rows_are_of_another_episode(tmp_path):
    """Of v2.1, names of files say which episode they hold; the column counts."""
    layout(tmp_path, "v2.1")
    one, two = (tmp_path / f"data/chunk-000/episode_{index:06d}.parquet" for index in (1, 3))
    one.rename(tmp_path / "swap")
    two.rename(one)
    (tmp_path / "swap").rename(two)
    check(open_dataset(tmp_path))


def test_extra_columns_and_texts_of_pandas_tables(tmp_path):
    layout(tmp_path, view=None)
    table = pq.read_table(tmp_path / EPISODES)
    table = table.append_column("success", pa.array([True, False, None, True]))
    table = table.append_column("stats/action/mean", pa.array([[0.0, float(i)] for i in range(4)]))
    write_parquet(tmp_path / EPISODES, table)
    write_parquet(tmp_path / "meta/tasks.parquet", {"task": ["close", "wipe"], "task_index": [1, 0]})
    dataset = open_dataset(tmp_path)
    assert [dict(episode.extra) for episode in dataset.episodes] == [{"success": s} for s in (True, False, None, True)]
    assert dataset.tasks == {1: "close", 0: "wipe"}
    assert dataset.episode_statistics[2]["action"]["mean"].tolist() == [0.0, 2.0]
