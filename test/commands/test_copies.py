# SPDX-License-Identifier: Apache-2.0
"""Processes that begin as copies of the one that starts them. Each test has a parent of its own: pytest has threads."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from wall_oss_ros.commands.copies import Copy, can_copy
from wall_oss_ros.commands.processes import Processes

pytestmark = pytest.mark.skipif(not can_copy(), reason="the system does not copy processes")

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    "told": "import sys\ndef main():\n    print(sys.argv, flush=True)\n    return 3",
    "shared": "import sys\ndef main():\n    print(sys.modules['json'].mark, flush=True)\n    return 0",
    "failing": "import sys\ndef main():\n    print('some log')\n"
    "    sys.exit('error: The wheel came off. Put it back.')",
    "raising": "def main():\n    raise ValueError('no such wheel')",
    "absent_names": "import nothing_of_that_name",
    "sleeper": "import time\ndef main():\n    print('up', flush=True)\n    time.sleep(300)",
    "working": "import time\nfrom wall_oss_ros import starting\ndef main():\n    print('up', flush=True)\n"
    "    starting.works()\n    time.sleep(300)",
    "stubborn": "import signal, time\ndef main():\n    [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]\n"
    "    print('up', flush=True)\n    time.sleep(300)",
    "farewell": "import atexit\ndef main():\n    atexit.register(print, 'goodbye')\n    return 0",
}
PARENT = """
import atexit, json, os, signal, sys, time
from pathlib import Path
from wall_oss_ros.commands import processes as module
from wall_oss_ros.commands.processes import Processes

folder = Path({folder!r})
json.mark = "imported once"

def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)

def up(*names):
    wait_for(lambda: all("up" in (folder / f"{{name}}.log").read_text() for name in names))

def end(name, *arguments):
    with Processes(folder, copies=True) as processes:
        processes.start(name, name, arguments)
        wait_for(lambda: processes.ended() is not None)
        return [*processes.ended(), processes.complaint(name)]

"""


@pytest.fixture
def parent(tmp_path):
    """Runs lines in a process that starts copies; gives what it printed."""
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)

    def run(lines: str, **options):
        code = PARENT.format(folder=str(tmp_path)) + textwrap.dedent(lines)
        path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, **pipes)
        if options.get("wait", True):
            out, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors
            return out
        return process

    return run


def test_a_copy_runs_main_with_its_arguments_and_what_is_there_already(parent):
    assert json.loads(parent("print(json.dumps(end('told', '-p', 'a b')))")) == ["told", 3, "['told', '-p', 'a b']"]
    assert json.loads(parent("print(json.dumps(end('shared')))")) == ["shared", 0, "imported once"]


@pytest.mark.parametrize(
    "name, status, complaint",
    [
        ("failing", 1, "The wheel came off. Put it back."),
        ("raising", 1, "ValueError: no such wheel"),
        ("absent_names", 1, "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("farewell", 0, "goodbye"),
    ],
)
def test_how_a_copy_ends_is_known_as_that_of_any_process(parent, name, status, complaint):
    assert json.loads(parent(f"print(json.dumps(end({name!r})))")) == [name, status, complaint]


def test_a_signal_ends_a_copy_and_nothing_of_its_parent(parent):
    """The parent's own handler, and what it wants to do at its end, are not the copy's."""
    out = parent("""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("the parent's handler"))
        with Processes(folder, copies=True) as processes:
            processes.start("sleeper", "sleeper")
            processes.start("failing", "failing")
            up("sleeper")
            wait_for(lambda: processes._running["failing"].poll() is not None)
            assert processes._running["sleeper"].poll() is None
            os.kill(processes.pid("sleeper"), signal.SIGTERM)
            wait_for(lambda: processes._running["sleeper"].poll() is not None)
            print(processes._running["sleeper"].returncode, flush=True)
        print("left once")
    """)
    assert out.splitlines() == [str(-signal.SIGTERM), "left once"]


def test_leaving_ends_all_even_the_stubborn(parent):
    out = parent("""
        module._PATIENCE = (signal.SIGINT, 0.5), (signal.SIGTERM, 0.2), (signal.SIGKILL, 60.0)
        with Processes(folder, copies=True) as processes:
            for name in ("sleeper", "stubborn"):
                processes.start(name, name)
            up("sleeper", "stubborn")
            print(*(processes.pid(name) for name in ("sleeper", "stubborn")))
            print(Path(f"/proc/{processes.pid('stubborn')}/comm").read_text(), end="")
    """)
    pids, name = out.splitlines()
    assert name == "stubborn", "as top shows it"
    assert not any(psutil.pid_exists(int(pid)) for pid in pids.split())


def test_a_copy_is_waited_for_until_it_works_or_ends(parent):
    """No time is set: that of a wait that nothing ends is longer than the test may take."""
    out = parent("""
        with Processes(folder, copies=True) as processes:
            for name in ("working", "failing"):
                processes.start(name, name)
                processes.wait(name, 1000.0)
                print((folder / f"{name}.log").read_text().splitlines()[0])
            processes.start("sleeper", "sleeper")
            processes.wait("sleeper", 0.1)  # says nothing
            print(processes._running["working"].poll(), processes._running["sleeper"].poll())
    """)
    assert out.splitlines() == ["up", "some log", "None None"]


def test_killing_the_parent_leaves_nobody(parent):
    process = parent(
        """
        processes = Processes(folder, copies=True)
        processes.start("stubborn", "stubborn")
        up("stubborn")
        print(processes.pid("stubborn"), flush=True)
        time.sleep(300)
        """,
        wait=False,
    )
    with process:
        copy = psutil.Process(int(process.stdout.readline()))
        process.kill()
    copy.wait(60)


def test_a_process_with_threads_is_not_copied(tmp_path):
    going = threading.Event()
    thread = threading.Thread(target=going.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="may hold a lock"), open(tmp_path / "log", "wb") as log:
            Copy("told", "told", (), log)
    finally:
        going.set()
        thread.join()


def test_what_run_copies_has_no_thread_and_nothing_that_only_one_node_needs(tmp_path):
    """What would start threads (OpenGL, MuJoCo's renderer, DDS) or only take time (torch, scipy) comes in the nodes."""
    code = """
        import os, sys, threading
        from wall_oss_ros.commands import main, processes

        def told(self, name, module, arguments=()):
            print(len(os.listdir("/proc/self/task")), name, *sys.modules, flush=True)
            os._exit(0)

        processes.Processes.start = told
        main.main(["run", "--headless", "--json", "--domain", "231", "put the red cube in the left tray"])
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=100)  # fmt: skip
    threads, first, *modules = done.stdout.split()
    assert threads == "1" and first == "model", done.stderr
    tops = {module.split(".")[0] for module in modules}
    assert {"numpy", "pinocchio", "pydantic", "rclpy"} <= tops
    assert not tops & {"torch", "transformers", "tokenizers", "mujoco", "OpenGL", "scipy", "viser", "rich", "PIL"}


@pytest.mark.parametrize("cores", [2, 64])
def test_on_few_cores_the_robots_side_starts_one_by_one_beside_the_model(tmp_path, cores):
    code = f"""
        import os
        from wall_oss_ros.commands import main, processes
        from wall_oss_ros.policy import machine

        def start(self, name, *_):
            print(name, flush=True)
            if name == "plan_markers":
                os._exit(0)

        machine.cores = lambda: {cores}
        processes.Processes.start, processes.Processes.wait = start, lambda self, name, _: print("up:", name)
        main.main(["run", "--headless", "--json", "--domain", "231", "put the red cube in the left tray"])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, text=True, capture_output=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=100)  # fmt: skip
    names = ["model", "control", "perception", "simulated_robot", "plan_markers"]
    waits = [line for name in names[1:4] for line in (name, f"up: {name}")]
    assert done.stdout.splitlines() == (names if cores == 64 else ["model", *waits, "plan_markers"]), done.stderr


def test_elsewhere_processes_are_started_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("wall_oss_ros.commands.processes.can_copy", lambda: False)
    with Processes(tmp_path, copies=True) as processes:
        processes.start("version", "this")
        assert isinstance(processes._running["version"], subprocess.Popen)
