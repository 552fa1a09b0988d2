# SPDX-License-Identifier: Apache-2.0
"""Helpers for the tests of the embedded library: a context in a private domain, spinning, and second processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from domains import own_domain

from wall_oss_ros.embedded.context import Context
from wall_oss_ros.embedded.executors import SingleThreadedExecutor
from wall_oss_ros.embedded.node import Node

DOMAIN = own_domain()
PATIENCE = 30.0  # s; a busy machine may be slow, a failing test may not hang
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def context():
    """A running context in this process's private domain."""
    made = Context()
    made.init([], domain_id=DOMAIN)
    yield made
    for node in list(made.nodes):
        node.destroy_node()
    made._leave()


@pytest.fixture
def executor(context):
    made = SingleThreadedExecutor(context=context)
    yield made
    made.shutdown()


@pytest.fixture
def make_node(context, executor):
    """Makes nodes that the executor spins."""

    def make(name: str, cls: type = Node, **options):
        node = cls(name, context=context, use_global_arguments=False, **options)
        executor.add_node(node)
        return node

    return make


def spin_until(executor, condition, timeout: float = PATIENCE) -> bool:
    """Spins until a condition holds; returns whether it did."""
    deadline = time.monotonic() + timeout
    while not condition():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        executor.spin_once(timeout_sec=min(remaining, 0.2))
    return True


def result_of(executor, future):
    """Spins until a future is done and returns its result."""
    executor.spin_until_future_complete(future, timeout_sec=PATIENCE)
    assert future.done(), "the future was not done in time"
    return future.result()


def act_when(condition, action) -> threading.Thread:
    """Starts a thread that does something as soon as a condition holds."""

    def run():
        deadline = time.monotonic() + PATIENCE
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.001)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def act_when_waiting(executor, action) -> threading.Thread:
    """Starts a thread that does something once an executor waits."""
    waiter, waits = executor._get_waiter(), threading.Event()
    wait = waiter.wait
    waiter.wait = lambda *given: (waits.set(), wait(*given))[1]
    return act_when(waits.is_set, action)


class Child:
    """A second Python process in the same domain, whose standard output is read line by line."""

    def __init__(self, code: str, **environment: str):
        env = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "PYTHONPATH": str(ROOT), **environment}
        env.pop("AMENT_PREFIX_PATH", None)
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", textwrap.dedent(code)],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def line(self) -> str:
        return self.process.stdout.readline().rstrip("\n")

    def finish(self) -> tuple[int, str, str]:
        """Exit status and what was still to be read of its output and errors."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
