# SPDX-License-Identifier: Apache-2.0
"""Whether simulated time has one source: with two, such as two launches in one domain, it leaps to and fro."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

CLOCK_TOPIC = "/clock"


class ClockSources:
    """Looks who publishes a node's time. Call ``look`` about once a second.

    Attributes:
        fault: what is wrong with simulated time, in words for people; empty while nothing is, or it is not in use.
    """

    def __init__(self, node):
        self._node = node
        self.fault = ""

    def look(self) -> None:
        """Asks the graph, and logs what has changed."""
        node, before = self._node, self.fault
        self.fault = ""
        if node.get_parameter("use_sim_time").value:
            self.fault = several_clocks(node.publishers_of(CLOCK_TOPIC))
        if self.fault and self.fault != before:
            node.get_logger().error(f"{self.fault[0].upper()}{self.fault[1:]}.")
        elif before and not self.fault:
            node.get_logger().info(f"{CLOCK_TOPIC} has one publisher again.")


def several_clocks(publishers: Iterable[str]) -> str:
    """What to say of these publishers of /clock, by their nodes' full names; empty for fewer than two."""
    names = Counter(publishers)
    if names.total() < 2:
        return ""
    listed = ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in sorted(names.items()))
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    return (
        f"simulated time has {names.total()} sources on {CLOCK_TOPIC}: {listed}; stop all but one, or give each "
        f"launch a ROS_DOMAIN_ID of its own (this is {domain})"
    )
