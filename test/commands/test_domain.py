# SPDX-License-Identifier: Apache-2.0
"""The ROS domain of a command, and who may simulate on it."""

import os
import subprocess
import sys

import pytest

from wall_oss_ros.commands.domain import ClaimedDomain, set_domain
from wall_oss_ros.errors import WallOSSError


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    return tmp_path


def test_a_domain_is_claimed_once_and_given_back(own_folder, monkeypatch):
    claim = ClaimedDomain()
    with pytest.raises(WallOSSError, match="Another simulated robot runs on ROS domain 7"):
        ClaimedDomain()
    monkeypatch.setenv("ROS_DOMAIN_ID", "8")
    ClaimedDomain().release()
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    claim.release()
    ClaimedDomain().release()


def test_a_process_that_is_killed_holds_nothing(own_folder):
    code = "from wall_oss_ros.commands.domain import ClaimedDomain; c = ClaimedDomain(); print(1, flush=True); input()"
    environment = {**os.environ, "TMPDIR": str(own_folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"1\n"
    with pytest.raises(WallOSSError):
        ClaimedDomain()
    holder.kill()
    holder.communicate()
    ClaimedDomain().release()


def test_a_second_run_refuses_before_it_starts_or_writes_anything(own_folder, monkeypatch):
    from wall_oss_ros.commands import processes
    from wall_oss_ros.commands.main import main

    monkeypatch.chdir(own_folder)
    monkeypatch.setattr(processes.Processes, "start", lambda *_: pytest.fail("a node was started"))
    claim, before = ClaimedDomain(), set(own_folder.iterdir())
    assert main(["run", "--headless"]) == 2
    assert set(own_folder.iterdir()) == before
    claim.release()


def test_where_no_lock_can_be_made_the_nodes_find_out(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    ClaimedDomain().release()


@pytest.mark.parametrize("text", ["233", "-1", "x", "1.0"])
def test_what_is_no_domain_is_refused(monkeypatch, text):
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(WallOSSError, match="no ROS domain"):
        set_domain(None)
