# SPDX-License-Identifier: Apache-2.0
"""Datasets that are broken, lie or mean harm: one sentence that names file, episode and column; never a wrong frame."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lerobot_support import VIEW, layout, whose, write_json, write_lines, write_parquet

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.errors import WallOSSError

V3_DATA, V3_VIDEO = "data/chunk-000/file-000.parquet", f"videos/{VIEW}/chunk-000/file-000.mp4"
V3_EPISODES = "meta/episodes/chunk-000/file-000.parquet"
V2_DATA, V2_VIDEO = "data/chunk-000/episode_000001.parquet", f"videos/chunk-000/{VIEW}/episode_000001.mp4"


def refused(folder, said, use=lambda dataset: dataset.verify()) -> None:
    with pytest.raises(WallOSSError, match=said) as caught:
        use(open_dataset(folder))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1200, message


def change_info(folder: Path, **values) -> None:
    info = json.loads((folder / "meta/info.json").read_text())
    write_json(folder / "meta/info.json", {**info, **values})


def truncate(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.parametrize("version", ["v1.6", "v4.0", "v3.1", "3.0", 3.0, None, "", ["v3.0"], "v3.0\n"])
def test_versions_that_are_not_known(tmp_path, version):
    layout(tmp_path, view=None)
    change_info(tmp_path, codebase_version=version)
    refused(tmp_path, "codebase_version")


@pytest.mark.parametrize("fps", [0, -15, "15", None, float("inf"), float("nan"), True, [15], 10**400])
def test_rates_that_are_none(tmp_path, fps):
    layout(tmp_path, view=None)
    change_info(tmp_path, fps=fps)
    refused(tmp_path, "fps|JSON")


@pytest.mark.parametrize(
    "template",
    [
        "../../{chunk_index}/{file_index}.parquet",
        "/etc/{chunk_index}/{file_index}",
        "data/{nobody}.parquet",
        "data/{chunk_index.__class__}.parquet",
        "data/{chunk_index[0]}.parquet",
        "data/{chunk_index!r}.parquet",
        "data/{chunk_index:999999999d}.parquet",
        "data/{}.parquet",
        "data/{chunk_index",
        "data\\..\\{chunk_index}",
        "data/\0{chunk_index}",
        7,
    ],
)
@pytest.mark.parametrize("key", ["data_path", "video_path"])
def test_templates_are_no_programs_and_lead_nowhere_else(tmp_path, key, template):
    layout(tmp_path, view=None)
    change_info(tmp_path, **{key: template})
    refused(tmp_path, key)


@pytest.mark.parametrize("key", ["../../secret", "/etc/passwd", "a/../../b", "", "a\0b", "..", "..\\b"])
@pytest.mark.parametrize("dtype", ["video", "float32"])
def test_names_of_features_lead_nowhere_else(tmp_path, key, dtype):
    layout(tmp_path, view=None, features={key: {"dtype": dtype, "shape": [4, 4, 3], "names": None}})
    refused(tmp_path, "feature")


@pytest.mark.parametrize(
    "feature",
    [
        {"dtype": "object", "shape": [1]},
        {"dtype": "complex64", "shape": [1]},
        {"dtype": "float31", "shape": [1]},
        {"dtype": None, "shape": [1]},
        {"dtype": {"a": 1}, "shape": [1]},
        {"dtype": "float32", "shape": [10**9, 10**9]},
        {"dtype": "float32", "shape": [-1]},
        {"dtype": "float32", "shape": "8"},
        {"dtype": "float32", "shape": [1.5]},
        {"dtype": "float32"},
        {"dtype": "video", "shape": [4]},
        "float32",
        None,
    ],
)
def test_features_that_are_none(tmp_path, feature):
    layout(tmp_path, view=None, features={"other": feature})
    refused(tmp_path, "feature 'other'")


def test_folders_that_are_no_datasets(tmp_path):
    refused(tmp_path, "no LeRobot dataset")
    refused(tmp_path / "nowhere", "There is no folder")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "not a folder")
    refused("a\0b", "names no dataset")
    refused("", "There is no folder")
    (tmp_path / "meta").mkdir()
    for text in ("", "[]", "{", '{"codebase_version": "v3.0"}', "[" * 10**5, '{"fps": 1, "fps": 2}'):
        (tmp_path / "meta/info.json").write_text(text)
        refused(tmp_path, "info.json")
    (tmp_path / "meta/info.json").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path, "info.json")


def test_an_empty_dataset_is_one(tmp_path):
    layout(tmp_path / "v3", lengths=())
    shutil.rmtree(tmp_path / "v3/meta/episodes")
    layout(tmp_path / "v2", "v2.1", lengths=())
    for folder in tmp_path.iterdir():
        dataset = open_dataset(folder)
        assert dataset.episodes == () and len(dataset) == 0
        dataset.verify()
        with pytest.raises(WallOSSError, match="no episode 0"):
            dataset.columns(0)


@pytest.mark.parametrize("version, data, video", [("v3.0", V3_DATA, V3_VIDEO), ("v2.1", V2_DATA, V2_VIDEO)])
def test_files_that_are_missing_or_cut_off(tmp_path, version, data, video):
    base = layout(tmp_path / "base", version, view="video")
    for at, (name, said) in enumerate({data: Path(data).name, video: Path(video).name}.items()):
        for number, spoil in enumerate((Path.unlink, truncate, lambda path: path.write_bytes(b""),
                                        lambda path: (path.unlink(), path.symlink_to("nothing")),
                                        lambda path: (path.unlink(), path.symlink_to(path.name)),
                                        lambda path: (path.unlink(), path.mkdir()))):  # fmt: skip
            folder = tmp_path / f"{at}-{number}"
            shutil.copytree(base, folder)
            spoil(folder / name)
            refused(folder, said)


@pytest.mark.parametrize("name", [V3_EPISODES, "meta/tasks.parquet"])
def test_tables_that_are_cut_off(tmp_path, name):
    layout(tmp_path)
    truncate(tmp_path / name)
    refused(tmp_path, Path(name).name)


@pytest.mark.parametrize("line", ["{", "7", '{"episode_index": 0}', '{"length": 3}', "[" * 10**5, '"a"', "\0"])
def test_lines_that_are_no_episodes(tmp_path, line):
    layout(tmp_path, "v2.1", view=None)
    with (tmp_path / "meta/episodes.jsonl").open("a") as file:
        file.write(line + "\n")
    refused(tmp_path, "episodes.jsonl")


@pytest.mark.parametrize("value", [-1, 1.5, "0", None, 10**30, float("nan"), True, [0]])
@pytest.mark.parametrize("key", ["episode_index", "length"])
def test_numbers_of_episodes_that_are_none(tmp_path, key, value):
    layout(tmp_path, "v2.1", view=None)
    rows = [json.loads(line) for line in (tmp_path / "meta/episodes.jsonl").read_text().splitlines()]
    rows[1][key] = value
    write_lines(tmp_path / "meta/episodes.jsonl", rows)
    refused(tmp_path, key)


def test_an_episode_that_is_there_twice(tmp_path):
    layout(tmp_path, offsets=lambda key, value, episode: 0 if key == "episode_index" and episode == 1 else value)
    refused(tmp_path, "episode 0 is there twice")


def spoilt(name, change):
    """Changes a column of episode 1."""

    def of(episode, columns):
        return {**columns, name: change(list(columns[name]))} if episode == 1 else columns

    return of


def without(name):
    return lambda episode, columns: {key: value for key, value in columns.items() if key != name}


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    "change, said",
    [
        (without("action"), "column action is missing"),
        (without("timestamp"), "column timestamp is missing"),
        (without("episode_index"), "column episode_index is missing"),
        (without("frame_index"), "column frame_index is missing"),
        (spoilt("timestamp", lambda v: v[:3] + [float("nan")] + v[4:]), "episode 1, column timestamp, row 3: nan"),
        (spoilt("timestamp", lambda v: v[:3] + [float("inf")] + v[4:]), "episode 1, column timestamp, row 3: inf"),
        (spoilt("timestamp", lambda v: v[:3] + [v[2]] + v[4:]), "episode 1, column timestamp, row 3"),
        (spoilt("timestamp", lambda v: v[::-1]), "episode 1, column timestamp, row 1"),
        (spoilt("frame_index", lambda v: v[:3] + [v[2]] + v[4:]), "column frame_index: frame 2 is there twice"),
    ],
)
def test_columns_that_are_missing_or_no_times(tmp_path, version, change, said):
    layout(tmp_path, version, view=None, change=change)
    refused(tmp_path, said)


@pytest.mark.parametrize(
    "column, said",
    [
        (pa.array(["a"] * 20), "holds string"),
        (pa.array([[1.0]] * 20), "a row has 1 entries"),
        (pa.array([[1.0, 2.0]] * 19 + [[1.0]]), "from 1 to 2 entries"),
        (pa.array([[1.0, 2.0]] * 19 + [None]), "row 19 is empty"),
        (pa.array([[1e300, 2.0]] * 20), "row 0 holds 1e.300"),
        (pa.array([{"a": 1}] * 20), "holds struct"),
        (pa.array([b"ab"] * 20), "holds binary"),
    ],
)
def test_columns_of_other_types_and_shapes(tmp_path, column, said):
    layout(tmp_path, "v2.1", view=None)
    table = pq.read_table(tmp_path / V2_DATA)
    at = table.schema.get_field_index("action")
    write_parquet(tmp_path / V2_DATA, table.set_column(at, "action", column))
    refused(tmp_path, f"episode_000001.parquet, episode 1, column action.*{said}")


def test_numbers_of_another_width_are_read_if_none_changes(tmp_path):
    layout(tmp_path, "v2.1", view=None)
    table = pq.read_table(tmp_path / V2_DATA)
    for name, kind in (("action", pa.list_(pa.float64())), ("frame_index", pa.int32()), ("timestamp", pa.float64())):
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(kind))
    write_parquet(tmp_path / V2_DATA, table)
    found = open_dataset(tmp_path).columns(1)
    assert found["action"].dtype == np.float32 and found["frame_index"].dtype == np.int64
    wrong = table.set_column(table.schema.get_field_index("task_index"), "task_index", pa.array([0.5] * 20))
    write_parquet(tmp_path / V2_DATA, wrong)
    refused(tmp_path, "column task_index: row 0 holds 0.5, which is no int64")


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_lengths_that_disagree(tmp_path, version, by):
    layout(tmp_path, version, view=None)
    if version == "v3.0":
        table = pq.read_table(tmp_path / V3_EPISODES).to_pylist()
        table[1]["length"] += by
        write_parquet(tmp_path / V3_EPISODES, {key: [row[key] for row in table] for key in table[0]})
    else:
        rows = [json.loads(line) for line in (tmp_path / "meta/episodes.jsonl").read_text().splitlines()]
        rows[1]["length"] += by
        write_lines(tmp_path / "meta/episodes.jsonl", rows)
    refused(tmp_path, f"episode 1: .*length of {20 + by}, and the data hold 20 rows")


def test_a_video_that_is_shorter_than_its_episode(tmp_path):
    layout(tmp_path, "v2.1", view="video")
    shutil.copy(tmp_path / V2_VIDEO.replace("000001", "000000"), tmp_path / V2_VIDEO)
    refused(tmp_path, f"Episode 1, view {VIEW}.*no frame at")


def test_no_frame_of_the_next_episode(tmp_path):
    """The data of an episode go on where the table says that the next one begins."""
    layout(tmp_path, view="video", change=spoilt("timestamp", lambda v: [t + 0.4 for t in v]))
    layout(tmp_path, view="video", change=lambda episode, c: {**c, "timestamp": [t + 6 / 15 for t in c["timestamp"]]})
    dataset = open_dataset(tmp_path)
    assert whose(dataset.pictures(VIEW, 0, [5])[0]) == (0, 11)
    with pytest.raises(WallOSSError, match="episode 0.*row 6: its timestamp .* lies outside of the episode"):
        dataset.pictures(VIEW, 0, [6])


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"bytes": b"no picture", "path": None}, "is no picture"),
        ({"bytes": None, "path": None}, "is empty"),
        ({"bytes": None, "path": "../../etc/passwd"}, "leads out"),
        ({"bytes": None, "path": "/etc/passwd"}, "leads out"),
        ({"bytes": None, "path": "images/1.png"}, "is missing"),
    ],
)
def test_images_that_are_none(tmp_path, entry, said):
    layout(tmp_path, change=lambda episode, c: {**c, VIEW: [*c[VIEW][:-1], entry]} if episode == 1 else c)
    refused(tmp_path, f"episode 1, column {VIEW}, row 19.*{said}")


def test_views_of_another_size_than_promised(tmp_path):
    for view in ("image", "video"):
        folder = layout(tmp_path / view, view=view)
        info = json.loads((folder / "meta/info.json").read_text())
        info["features"][VIEW]["shape"] = [64, 48, 3]
        write_json(folder / "meta/info.json", info)
        refused(folder, "48 high and 64 wide, not 64 and 48")


def test_what_is_not_there_to_be_asked_for(tmp_path):
    folder = layout(tmp_path, view="video")
    refused(folder, "no view 'top'", lambda d: d.pictures("top", 0, [0]))
    refused(folder, "no view 'action'", lambda d: d.pictures("action", 0, [0]))
    refused(folder, "no column 'nothing'", lambda d: d.columns(0, ["nothing"]))
    refused(folder, "by pictures", lambda d: d.columns(0, [VIEW]))
    for episode in (4, -1, "0", None, 0.0):
        refused(folder, "no episode", lambda d, episode=episode: d.columns(episode))
        refused(folder, "no episode", lambda d, episode=episode: d.pictures(VIEW, episode, [0]))
    for rows in ([12], [-1], [0, 99]):
        refused(folder, "rows 0 to 11", lambda d, rows=rows: d.pictures(VIEW, 0, rows))


def test_statistics_that_are_none(tmp_path):
    layout(tmp_path, view=None)
    for text in ("[]", '{"action": 1}', '{"action": {"mean": "a"}}', '{"action": {"mean": [[1], [1, 2]]}}', "{"):
        (tmp_path / "meta/stats.json").write_text(text)
        refused(tmp_path, "stats.json", lambda d: d.statistics)


@pytest.mark.parametrize("seed", range(40))
def test_bytes_that_have_changed_never_end_in_a_traceback(tmp_path, seed):
    """Anything may be read or refused; a frame that comes is the right one or the codec's."""
    rng = np.random.default_rng(seed)
    layout(tmp_path, "v3.0" if seed % 2 else "v2.1", view="video" if seed % 4 < 2 else "image", lengths=(3, 2))
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    path = paths[rng.integers(len(paths))]
    data = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 6)):
        data[rng.integers(len(data))] = rng.integers(256)
    path.write_bytes(data)
    try:
        dataset = open_dataset(tmp_path)
        dataset.verify()
        dataset.statistics  # noqa: B018
    except WallOSSError as error:
        assert "\n" not in str(error)
