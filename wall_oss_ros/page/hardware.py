# SPDX-License-Identifier: Apache-2.0
"""Asks around whether the robot is real: who says how it stands, and what hardware the controllers have."""

from __future__ import annotations

from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.page.reality import reality
from wall_oss_ros.robots.profile import RobotProfile

try:
    from controller_manager_msgs.srv import ListHardwareComponents
except ImportError:  # not installed: then nobody can be asked
    ListHardwareComponents = None

_MANAGER = "/controller_manager/list_hardware_components"
_AGAIN = 10.0  # s after which the controller manager is asked anew


class Hardware:
    """What is known of it; to be looked at every second or so, in the node's thread.

    Args:
        node: that asks.
        profile: the robot's.
    """

    def __init__(self, node: WallOSSNode, profile: RobotProfile):
        self._node, self._profile = node, profile
        self._plugins: list[str] | None = None
        self._asked, self._heard = float("-inf"), float("-inf")
        self._client = None if ListHardwareComponents is None else node.create_client(ListHardwareComponents, _MANAGER)
        if self._client is not None:
            node.keep(self._client, node.destroy_client)

    def verdict(self) -> tuple[str, str, str]:
        """As ``reality`` gives it."""
        now = self._node.steady()
        if self._client is not None and now - self._asked > _AGAIN and self._client.service_is_ready():
            self._asked = now
            self._client.call_async(ListHardwareComponents.Request()).add_done_callback(self._on_answer)
        if now - self._heard > 3 * _AGAIN:
            self._plugins = None  # what was true then need not be now
        own = self._node.get_fully_qualified_name()
        moves = [name for topic in self._profile.joint_sources for name in self._node.publishers_of(topic)]
        simulators = self._node.publishers_of("/simulation/ground_truth")
        clocks = self._node.publishers_of("/clock")
        return reality([name for name in moves if name != own], simulators, clocks, self._plugins)

    def _on_answer(self, done) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        # Humble calls the plugin's class "class_type", later distributions "plugin_name".
        named = [getattr(one, "plugin_name", "") or getattr(one, "class_type", "") for one in done.result().component]
        self._plugins, self._heard = [name for name in named if name] or None, self._node.steady()
