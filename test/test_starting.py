# SPDX-License-Identifier: Apache-2.0
"""The nodes' programs, while they import and when they go on. Needs no ROS."""

import gc
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wall_oss_ros import starting

ROOT = Path(__file__).resolve().parents[1]
SLOW = """
import sys, time
from wall_oss_ros import starting
def forever(module):
    print(module, flush=True)
    time.sleep(100)
starting.import_module = forever
sys.exit(starting.planner())
"""
SETUP = """
import runpy, setuptools
setuptools.setup = lambda **given: print(*given["entry_points"]["console_scripts"], sep="\\n")
runpy.run_path("setup.py")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_told_to_end_while_it_is_imported_ends_without_a_word(number):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SLOW], cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "wall_oss_ros.nodes.planner\n"
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_the_node_itself_begins_with_the_handlers_that_were_there(monkeypatch):
    def main() -> int:
        return 7 if signal.getsignal(signal.SIGTERM) is handler else 0

    handler = signal.getsignal(signal.SIGTERM)
    module = type("module", (), {"main": staticmethod(main)})
    monkeypatch.setattr(starting, "import_module", {"wall_oss_ros.nodes.perception": module}.get)
    assert starting.perception() == 7


def test_there_is_a_program_for_each_node_and_none_besides():
    said = subprocess.run([sys.executable, "-c", SETUP], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    programs = dict(line.split(" = ") for line in said.splitlines())
    ours = {name: place for name, place in programs.items() if place.startswith("wall_oss_ros.starting:")}
    assert ours == {name: f"wall_oss_ros.starting:{name}" for name in starting.NODES}
    for name in starting.NODES:
        assert callable(getattr(starting, name))
        place = "page/node" if name == "page" else f"nodes/{name}"
        assert (ROOT / f"wall_oss_ros/{place}.py").is_file()
    with pytest.raises(AttributeError):
        _ = starting.running


def test_where_nothing_new_is_imported_garbage_is_not_kept():
    """A process that loads policies again and again must not keep what belonged to those before."""
    gc.collect()
    kept = gc.get_freeze_count()
    with starting.imports():
        import json  # noqa: F401  which is there already
    assert gc.get_freeze_count() == kept and gc.isenabled()
