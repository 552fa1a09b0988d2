# SPDX-License-Identifier: Apache-2.0
"""Processes end with their parent, and are ended by it."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from wall_oss_ros.commands.processes import Processes


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder of modules that python -m finds."""
    sources = {
        "sleeper": "import time; print('up', flush=True); time.sleep(300)",
        "stubborn": "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; "
        "print('up', flush=True); time.sleep(300)",
        "failing": "import sys; print('some log'); sys.exit('error: The wheel came off. Put it back.')",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_up(folder, name):
    log = folder / f"{name}.log"
    return log.exists() and "up" in log.read_text()


def test_leaving_ends_all_even_the_stubborn(modules, monkeypatch):
    monkeypatch.setattr(
        "wall_oss_ros.commands.processes._PATIENCE",
        ((signal.SIGINT, 0.5), (signal.SIGTERM, 0.2), (signal.SIGKILL, 60.0)),  # as long as a busy machine needs
    )
    others = psutil.Process().children()  # such as the tracker that multiprocessing leaves behind
    with Processes(modules) as processes:
        processes.start("sleeper", "sleeper")
        processes.start("stubborn", "stubborn")
        wait_for(lambda: is_up(modules, "sleeper") and is_up(modules, "stubborn"))
        children = [child for child in psutil.Process().children() if child not in others]
        assert len(children) == 2
        assert processes.ended() is None
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_the_one_that_died_is_named_with_its_reason(modules):
    with Processes(modules) as processes:
        processes.start("sleeper", "sleeper")
        processes.start("failing", "failing")
        wait_for(lambda: processes.ended() is not None)
        assert processes.ended() == ("failing", 1)
        assert processes.complaint("failing") == "The wheel came off. Put it back."


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")
def test_killing_the_parent_leaves_nobody(modules):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""
                import time
                from pathlib import Path
                from wall_oss_ros.commands.processes import Processes
                processes = Processes(Path({str(modules)!r}))
                processes.start("stubborn", "stubborn")
                time.sleep(300)
            """),
        ],
        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    )
    try:
        wait_for(lambda: is_up(modules, "stubborn"))
        (child,) = psutil.Process(parent.pid).children()
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
