# SPDX-License-Identifier: Apache-2.0
"""What is asked of the kernel goes for all threads of the process, and no farther; a refusal is told, not raised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nodes_support import ROOT

CODE = """
import json, os, sys, threading
import wall_oss_ros.nodes
from wall_oss_ros.nodes.priority import take_priority
ended = threading.Event()
threading.Thread(target=ended.wait).start()
if sys.argv[2] == "nobody" and os.geteuid() == 0:
    os.setuid(65534)
said = take_priority(int(sys.argv[1]))
threads = [os.getpriority(os.PRIO_PROCESS, int(t)) for t in os.listdir("/proc/self/task")]
group = "/proc/self/autogroup"
print(json.dumps([said, threads, open(group).read() if os.path.exists(group) else ""]))
ended.set()
"""
pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells the threads of a process"),
    pytest.mark.real_time,
]


def outcome(niceness: int, who: str = "me", own_session: bool = True) -> list:
    code = [sys.executable, "-c", CODE, str(niceness), who]
    ran = subprocess.run(code, cwd=ROOT, start_new_session=own_session, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def test_all_threads_and_the_session_that_it_leads():
    said, threads, group = outcome(5)
    assert said == "" and len(threads) >= 2 and set(threads) == {5}
    assert not group or group.split()[-1] == "5"


def test_a_session_of_others_stays_as_it_is():
    mine = outcome(0, own_session=False)[2]
    assert outcome(5, own_session=False)[1:] == [[5] * len(outcome(0)[1]), mine]


def test_what_is_not_permitted_is_told():
    said, threads, _ = outcome(-7, "nobody")
    assert "niceness -7" in said and -7 not in threads
