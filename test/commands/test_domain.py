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
    with ClaimedDomain():
        with pytest.raises(WallOSSError, match="Another simulated robot runs on ROS domain 7"), ClaimedDomain():
            pass
        monkeypatch.setenv("ROS_DOMAIN_ID", "8")
        with ClaimedDomain():
            pass
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    with ClaimedDomain():
        pass


def test_a_process_that_is_killed_holds_nothing(own_folder):
    code = (
        "from wall_oss_ros.commands.domain import ClaimedDomain\n"
        "with ClaimedDomain():\n"
        "    print(1, flush=True); input()"
    )
    environment = {**os.environ, "TMPDIR": str(own_folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"1\n"
    with pytest.raises(WallOSSError), ClaimedDomain():
        pass
    holder.kill()
    holder.communicate()
    with ClaimedDomain():
        pass


def test_a_second_run_refuses_before_it_starts_or_writes_anything(own_folder, monkeypatch):
    from wall_oss_ros.commands import processes
    from wall_oss_ros.commands.main import main

    monkeypatch.chdir(own_folder)
    monkeypatch.setattr(processes.Processes, "start", lambda *_: pytest.fail("a node was started"))
    with ClaimedDomain():
        before = set(own_folder.iterdir())
        assert main(["run", "--headless"]) == 2
        assert set(own_folder.iterdir()) == before


def test_where_no_lock_can_be_made_the_nodes_find_out(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with ClaimedDomain():
        pass


@pytest.mark.parametrize("text", ["233", "-1", "x", "1.0"])
def test_what_is_no_domain_is_refused(monkeypatch, text):
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(WallOSSError, match="no ROS domain"):
        set_domain(None)
