# SPDX-License-Identifier: Apache-2.0
"""Nodes that end: what they have going comes to rest first, and a signal does not keep them from saying so."""

import signal
import subprocess
import sys
import textwrap

import pytest
from domains import own_domain
from nodes_support import LIMIT, ROOT, a_bench

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros.nodes.command_publishers import Cycle, come_to_rest
from wall_oss_ros.nodes.qos import LATCHED

from std_msgs.msg import String

pytestmark = pytest.mark.real_time

bench = pytest.fixture(a_bench)
NODE = """
    import sys
    import wall_oss_ros.nodes
    from std_msgs.msg import String
    from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
    from wall_oss_ros.nodes.qos import LATCHED
    from wall_oss_ros.nodes.running import run

    class Node(WallOSSNode):
        def setup(self):
            self.out = self.publish_to(String, "said", LATCHED)

        def start(self):
            self.every(0.02, lambda: self.out.publish(String(data="going")))

        def stop(self):
            for n in range(5):
                self.out.publish(String(data=f"stopping {n}"))

    sys.exit(run(lambda: Node("talker"), last_words=True))
"""


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, duration: float) -> None:
        self.now += duration


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("wall_oss_ros.nodes.command_publishers.time.sleep", made.sleep)
    return made


def test_each_goes_on_at_its_own_pace_until_it_rests(clock):
    begin, times = clock(), {"fast": [], "slow": []}

    def step(name, count):
        times[name].append(clock() - begin)
        return len(times[name]) < count

    cycles = [Cycle(0.02, begin, lambda: step("fast", 6)), Cycle(0.05, begin - 0.01, lambda: step("slow", 2))]
    come_to_rest(cycles, clock)
    assert [len(steps) for steps in times.values()] == [6, 2]
    assert times["fast"][0] >= 0.02 - 1e-9 and times["slow"][0] >= 0.04 - 1e-9, "no sooner than a cycle after the last"
    assert all(b - a >= 0.019 for a, b in zip(times["fast"], times["fast"][1:]))


def test_what_never_rests_is_given_up(clock):
    begin = clock()
    come_to_rest([Cycle(0.02, begin, lambda: True)], clock)
    assert 0.3 < clock() - begin < 2.0
    come_to_rest([], clock)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_with_last_words_is_heard_after_the_signal(bench, number):
    heard = bench.listen(String, "said", LATCHED)
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(NODE)], cwd=ROOT)
    try:
        bench.until(lambda: heard)
        process.send_signal(number)
        process.send_signal(number)  # a terminal and what started the node may both ask
        bench.until(lambda: heard[-1].data == "stopping 4")
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()


SLOW_TO_END = """
    import sys
    import wall_oss_ros.nodes
    from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
    from wall_oss_ros.nodes.running import run

    class Node(WallOSSNode):
        def start(self):
            self.every(0.05, lambda: print("working", flush=True))

        def stop(self):
            print("stopping", flush=True)
            sys.stdin.readline()  # until the second signal has been sent
            print("stopped", flush=True)

    sys.exit(run(lambda: Node("slow")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_cut_the_end_short(monkeypatch, number):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    command = [sys.executable, "-c", textwrap.dedent(SLOW_TO_END)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        for line in ("working", "stopping"):
            while (said := process.stdout.readline()).strip() != line:
                assert said, "it ended early"
            process.send_signal(number)
        out, errors = process.communicate("\n", timeout=LIMIT)
    finally:
        process.kill()
    assert "stopped" in out and process.returncode == 0 and "Traceback" not in errors
