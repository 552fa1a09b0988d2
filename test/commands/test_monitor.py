# SPDX-License-Identifier: Apache-2.0
"""`wall-oss run` gives its instruction when the planner can hear it, whoever else listens."""

import pytest
from domains import own_domain

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.commands.monitor import Monitor
from wall_oss_ros.nodes.qos import EVENTS

import rclpy
from std_msgs.msg import String

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


def test_another_listener_is_not_taken_for_the_planner(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    with Monitor() as monitor:
        nodes = []

        def listen(name):
            nodes.append(rclpy.create_node(name, namespace="wall_oss"))
            nodes[-1].create_subscription(String, "instruction", lambda _: None, EVENTS)

        def planner_is_missing_for(seconds):
            for _ in range(int(seconds / 0.1)):
                monitor.spin(0.1)
                if "planner" not in monitor.waiting_for():
                    return False
            return True

        listen("somebody")
        assert planner_is_missing_for(1.5) and monitor._instructions.get_subscription_count() == 1
        listen("planner")
        assert not planner_is_missing_for(20)
        for node in nodes:
            node.destroy_node()
