# SPDX-License-Identifier: Apache-2.0
"""Output that nobody takes, that has no room, or cannot be written in its encoding: never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wall_oss_ros.commands.list import _WHAT
from wall_oss_ros.commands.main import main

COMMAND = (sys.executable, "-m", "wall_oss_ros.commands.main")


def said(*words, **options):
    """Exit status, and what stands on the standard error."""
    done = subprocess.run([*COMMAND, *words], stderr=subprocess.PIPE, text=True, timeout=300, **options)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [("--help",), ("list", "mappings")])
def test_a_pipe_that_nobody_reads_ends_the_command_quietly(words):
    """As that of `| head -1` may be; Python would write again at its end, and complain."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        assert said(*words, stdout=writes) == (0, "")
    finally:
        os.close(writes)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_is_said_in_one_line():
    with open("/dev/full", "w") as full:
        status, words = said("list", "mappings", stdout=full)
    assert (
        status == 2 and words.startswith("error: The output cannot be written: No space left") and "Trace" not in words
    )


def test_streams_that_are_closed_are_none(monkeypatch):
    """As after `<&- >&-`, or in a service."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["list", "mappings"]) == 0
    assert main(["record", "--robot", "nobody"]) == 2
    assert not sys.stdin.isatty(), "as recording asks"


def test_signs_that_the_output_cannot_write_are_left_out(monkeypatch, tmp_path):
    with open(tmp_path / "out", "w", encoding="ascii") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setitem(_WHAT, "mappings", lambda: [{"name": "✓ \udcff", "file": "ü"}])
        assert main(["list", "mappings"]) == 0
    assert (tmp_path / "out").read_text() == "name  file\n? ?   ?\n"
