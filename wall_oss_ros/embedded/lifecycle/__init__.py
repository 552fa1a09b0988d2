# SPDX-License-Identifier: Apache-2.0
"""Managed nodes, with rclpy.lifecycle's names."""

from wall_oss_ros.embedded.lifecycle.machine import LifecycleState, TransitionCallbackReturn
from wall_oss_ros.embedded.lifecycle.managed_entity import ManagedEntity, SimpleManagedEntity
from wall_oss_ros.embedded.lifecycle.node import LifecycleNode, LifecycleNodeMixin
from wall_oss_ros.embedded.lifecycle.publisher import LifecyclePublisher

Node, NodeMixin, Publisher, State = LifecycleNode, LifecycleNodeMixin, LifecyclePublisher, LifecycleState

__all__ = [
    "LifecycleNode", "LifecycleNodeMixin", "LifecyclePublisher", "LifecycleState", "ManagedEntity", "Node", "NodeMixin",
    "Publisher", "SimpleManagedEntity", "State", "TransitionCallbackReturn",
]  # fmt: skip
