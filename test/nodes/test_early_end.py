# SPDX-License-Identifier: Apache-2.0
"""A node that is told to end while it is still being imported does so without a word, and with status 0."""

import os
import signal
import subprocess
import sys

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives rclpy
from wall_oss_ros import starting

pytestmark = pytest.mark.real_time

NODE = "import sys; sys.argv = ['-m']; import wall_oss_ros.nodes; print('here', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_imports_ends_a_node_quietly(number):
    words = [sys.executable, "-c", NODE]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()


def test_other_programs_keep_their_signals():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert not starting.runs_as_module()
    starting.as_usual()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_signals_are_given_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # other tests' nodes may have left theirs
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        starting.end_quietly()
        starting.as_usual()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before):
            signal.signal(number, handler)
