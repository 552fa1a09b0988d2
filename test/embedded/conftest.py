# SPDX-License-Identifier: Apache-2.0
"""A node by rclpy's public names alone, for tests that also hold on a real ROS 2."""

import pytest
from domains import own_domain

import rclpy
from rclpy.executors import SingleThreadedExecutor


@pytest.fixture
def spun_node(monkeypatch):
    """A node in this process's domain, and the executor to spin it with."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node, executor = rclpy.create_node("spun", context=context), SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node, executor
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
