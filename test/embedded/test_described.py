# SPDX-License-Identifier: Apache-2.0
"""Types that are described ahead are not described again when a node is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from domains import reserve

from wall_oss_ros.embedded import auto

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import os
from wall_oss_ros.nodes import shared
{ahead}
threads = len(os.listdir("/proc/self/task"))

from cyclonedds.idl._xt_builder import XTBuilder
described, usual = [], XTBuilder.process_type
XTBuilder.process_type = lambda kind: (described.append(kind.__name__), usual(kind))[1]

import rclpy
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
rclpy.init(args=[])
node = WallOSSNode("described")
print(threads, *described)
node.close(), node.destroy_node(), rclpy.shutdown()
"""
pytestmark = pytest.mark.skipif(not auto.IN_USE, reason="ROS 2 is installed")


def describes(ahead: str) -> tuple[int, list[str]]:
    """How many threads there are when a node is made, and the types that it then describes."""
    own = {"ROS_DOMAIN_ID": str(reserve()), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    code = CODE.format(ahead=ahead)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | own, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    threads, *described = done.stdout.split()
    return int(threads), described


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells the threads of a process")
def test_a_node_describes_nothing_that_was_described_ahead():
    assert describes("shared.prepare()") == (1, [])
    assert "Log_" in describes("")[1], "otherwise it does"
