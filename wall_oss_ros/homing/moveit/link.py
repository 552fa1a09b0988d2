# SPDX-License-Identifier: Apache-2.0
"""Control's side of the link to MoveIt: a process that is started, asked, and never waited for in a control cycle."""

from __future__ import annotations

import importlib.util
import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

from wall_oss_ros.errors import WallOSSError

INSTALL = "sudo apt install ros-$ROS_DISTRO-moveit ros-$ROS_DISTRO-moveit-py"
_AGAIN = 5.0  # s after its start that a process which has ended is started again
_ENDS = 2.0  # s that it is given to end by itself
_OPEN = 8  # requests without an answer: more would fill the pipe, and asking would wait


def installed() -> bool:
    """Whether moveit_py is; nothing of it is imported."""
    spec = importlib.util.find_spec("moveit")
    places = [] if spec is None else spec.submodule_search_locations or []
    return any(path.suffix in (".py", ".so") for place in places for path in Path(place).glob("planning*"))


def require() -> None:
    """Raises WallOSSError where moveit_py is not installed."""
    if not installed():
        raise WallOSSError(
            "MoveIt was asked for, and the Python package moveit (of moveit_py) is not installed.",
            f"{INSTALL}, then source ROS 2 again; or set home_planner to builtin, and check_targets to false.",
        )


class MoveItLink:
    """A MoveIt process for one robot.

    Args:
        robot: a profile's name or path.
        joint_states: the topic with the robot's joints.
        sim_time: whether its clock is a simulation's.

    Raises:
        WallOSSError: moveit_py is not installed.
    """

    def __init__(self, robot: str, joint_states: str, sim_time: bool = False):
        require()
        self._command = [sys.executable, "-m", "wall_oss_ros.homing.moveit.child", "--robot", robot]
        self._command += ["--joint-states", joint_states, *(["--sim-time"] if sim_time else [])]
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue] = {}
        self.reason = ""
        self._start()

    def _start(self) -> None:
        self.reason, self._started = "MoveIt is starting", time.monotonic()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), name="moveit", daemon=True)
        self._listener.start()

    def look(self) -> str:
        """Why MoveIt cannot be asked now; empty when it can. Starts a process that has ended again; call it often."""
        if not self._listener.is_alive() and time.monotonic() - self._started > _AGAIN:
            self._start()
        return self.reason

    def ask(self, request: dict) -> queue.SimpleQueue:
        """Sends a request, without its number; where its answer will be, once. Never waits.

        The answer is what :mod:`wall_oss_ros.homing.moveit.child` says, with ``reason`` also where there is no process.
        """
        answer: queue.SimpleQueue = queue.SimpleQueue()
        with self._lock:
            reason = self.reason or ("MoveIt does not answer" if len(self._waiting) >= _OPEN else "")
            if reason:
                answer.put({"reason": reason})
                return answer
            number = next(self._numbers)
            self._waiting[number] = answer
            try:
                self._process.stdin.write(json.dumps({"id": number, **request}) + "\n")
            except OSError:
                pass  # it has just ended, which the listener tells
        return answer

    def close(self) -> None:
        """Ends the process."""
        try:
            self._process.stdin.close()
            self._process.wait(_ENDS)
        except (OSError, subprocess.TimeoutExpired):  # it may be planning
            self._process.kill()
            self._process.wait()
        self._listener.join()

    def _listen(self, process: subprocess.Popen) -> None:
        """Hands out one process' answers until it ends."""
        failed = ""
        for line in process.stdout:
            answer = json.loads(line)
            if answer["id"] == 0:
                failed = answer.get("reason", "")
                self.reason = f"MoveIt did not start: {failed}" if failed else ""
                continue
            with self._lock:
                waiting = self._waiting.pop(answer["id"], None)
            if waiting is not None:
                waiting.put(answer)
        status = process.wait()
        with self._lock:
            self.reason = self.reason if failed else f"MoveIt's process ended with status {status}"
            left, self._waiting = self._waiting, {}
        for waiting in left.values():
            waiting.put({"reason": self.reason})
