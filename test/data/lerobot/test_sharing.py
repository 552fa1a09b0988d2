# SPDX-License-Identifier: Apache-2.0
"""One dataset in many hands: threads, processes that are spawned, bounded memory, the hub."""

import multiprocessing
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import huggingface_hub
import pytest
from huggingface_hub import errors
from lerobot_support import LENGTHS, VIEW, layout, read_all

from wall_oss_ros.data.lerobot import open_dataset
from wall_oss_ros.data.lerobot.cache import ByteCache, Pool
from wall_oss_ros.errors import WallOSSError


@pytest.mark.parametrize("view", ["image", "video"])
def test_threads(tmp_path, view):
    dataset = open_dataset(layout(tmp_path, view=view))
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda seed: read_all(dataset, seed), range(6)))
    assert len(dataset._videos._decoders) <= 8


@pytest.mark.parametrize("view", ["image", "video"])
def test_processes(tmp_path, view):
    """Begun anew, while another thread reads; a fork would take over locks of Arrow's and FFmpeg's threads."""
    dataset = open_dataset(layout(tmp_path, view=view))
    read_all(dataset, 0)
    over = threading.Event()

    def meanwhile():
        while not over.is_set():
            dataset.pictures(VIEW, 0, [3])

    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            assert pool.starmap_async(read_all, [(dataset, seed) for seed in range(4)]).get(60) == [True] * 4
    finally:
        over.set()
        thread.join()
    read_all(dataset, 1)


def test_pickled(tmp_path):
    dataset = open_dataset(layout(tmp_path, view="video"))
    read_all(dataset, 0)
    read_all(pickle.loads(pickle.dumps(dataset)), 1)


def test_what_is_kept_is_bounded():
    cache = ByteCache(100)
    for key in range(50):
        cache.put(key, str(key), 30)
    assert len(cache) == 3 and cache.get(49) == "49" and cache.get(0) is None
    cache.put("large", "x", 101)
    assert cache.get("large") is None
    cache.put(49, "again", 90)
    assert cache.get(49) == "again" and len(cache) == 1
    opened, closed = [], []
    pool = Pool(3, lambda key: opened.append(key) or [key], closed.append)
    for key in range(10):
        with pool.borrow(key) as one:
            assert one == [key]
    assert len(opened) == 10 and len(closed) == 7
    with pool.borrow(9) as one, pool.borrow(9) as other:
        assert one is not other
    with pytest.raises(KeyError), pool.borrow(8):
        raise KeyError
    assert [8] in closed
    pool.clear()
    assert len(closed) == len(opened) == 11


def test_what_is_read_cannot_be_spoilt_by_who_asked(tmp_path):
    dataset = open_dataset(layout(tmp_path))
    dataset.columns(0)["action"][:] = 99
    dataset.pictures(VIEW, 0)[:] = 0
    assert dataset.columns(0)["action"].max() < 2 and dataset.pictures(VIEW, 0).max() > 0


def test_rows_by_time(tmp_path):
    dataset = open_dataset(layout(tmp_path))
    rows, known = dataset.rows_at(1, [-1.0, 0.0, 0.034, 0.066, 19 / 15, 99.0])
    assert rows.tolist() == [0, 0, 1, 1, 19, 19] and known.tolist() == [False, True, True, True, True, False]
    rows, known = dataset.rows_at(1, [0.03], tolerance=0.001)
    assert rows.tolist() == [0] and not known.any()
    assert dataset.rows_at(2, [0.0, 5.0])[0].tolist() == [0, 0]


def response(status: int):
    import httpx  # what huggingface_hub answers with

    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    "error, said",
    [
        (lambda: errors.RepositoryNotFoundError("404", response=response(404)), "no dataset of that name"),
        (lambda: errors.GatedRepoError("403", response=response(403)), "gated"),
        (lambda: errors.RevisionNotFoundError("404", response=response(404)), "no revision v9"),
        (lambda: errors.LocalEntryNotFoundError("offline"), "cannot be reached"),
        (lambda: errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        (lambda: errors.HFValidationError("name"), "allows"),
        (lambda: OSError("disk full"), r"cannot be reached .*\(OSError\)"),
    ],
)
def test_what_the_hub_does_not_give(monkeypatch, tmp_path, error, said):
    def refuse(*_, **__):
        raise error()

    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(WallOSSError, match=said):
        open_dataset("somebody/set", revision="v9")


def test_from_the_hub_or_from_where_lerobot_records(monkeypatch, tmp_path):
    asked = []

    def give(name, **options):
        asked.append((name, options["repo_type"], options["revision"]))
        return str(layout(tmp_path / "cache"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    monkeypatch.setenv("HF_LEROBOT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert open_dataset("somebody/set").folder == tmp_path / "cache"
    assert asked == [("somebody/set", "dataset", None)]
    layout(tmp_path / "home/somebody/set")
    assert open_dataset("somebody/set").folder == tmp_path / "home/somebody/set"
    assert len(asked) == 1 and sum(LENGTHS) == len(open_dataset("somebody/set"))
    for name in ("one/two/three", "/nowhere/set", "./set", "set"):
        with pytest.raises(WallOSSError, match="There is no folder"):
            open_dataset(name)


def test_a_folder_that_is_a_link_and_files_that_are(tmp_path):
    """As the hub's cache lays them out."""
    layout(tmp_path / "set", view="video")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in (tmp_path / "set").rglob("*") if path.is_file())):
        path.rename(blobs / str(number))
        path.symlink_to(blobs / str(number))
    (tmp_path / "link").symlink_to(tmp_path / "set")
    dataset = open_dataset(tmp_path / "link")
    read_all(dataset, 0)
