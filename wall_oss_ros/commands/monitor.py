# SPDX-License-Identifier: Apache-2.0
"""What a running system says of itself, gathered from its topics by one small node."""

from __future__ import annotations

import json
import time
from collections import deque

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.bringup.system import NAMESPACE
from wall_oss_ros.commands.topic_values import spin
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST

import rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, SubtaskPlan

TRUTH_TOPIC = "/simulation/ground_truth"


class Rate:
    """Events per second of wall time over the last seconds."""

    def __init__(self, window: float = 3.0):
        self._window = window
        self._times: deque[float] = deque()
        self.total = 0

    def count(self) -> None:
        self.total += 1
        self._times.append(time.monotonic())

    def hz(self) -> float:
        """0 when there have been fewer than two events."""
        now = time.monotonic()
        while self._times and now - self._times[0] > self._window:
            self._times.popleft()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])


class Monitor:
    """Newest plan, status, ground truth and rates; sends instructions. Use as a context manager.

    Attributes:
        plan: the newest SubtaskPlan, or None.
        status: the newest ControlStatus, or None.
        truth: the newest ground truth of the simulator, or None.
        observations, chunks: their rates.
    """

    def __init__(self, name: str = "wall_oss_run"):
        self.plan: SubtaskPlan | None = None
        self.status: ControlStatus | None = None
        self.truth: dict | None = None
        self.observations = Rate()
        self.chunks = Rate()
        self.first_chunk: float | None = None  # time.monotonic() of the first action chunk
        # The command itself decides what a signal means.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(name, namespace=NAMESPACE)
        self._instructions = self._node.create_publisher(String, "instruction", EVENTS)
        listen = self._node.create_subscription
        listen(SubtaskPlan, "plan", lambda plan: setattr(self, "plan", plan), LATCHED)
        listen(ControlStatus, "status", lambda status: setattr(self, "status", status), LATCHED)
        listen(Observation, "observation", lambda _: self.observations.count(), NEWEST)
        listen(ActionChunk, "action_chunk", self._on_chunk, EVENTS)
        listen(String, TRUTH_TOPIC, self._on_truth, NEWEST)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_exception) -> None:
        self._node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()

    def spin(self, seconds: float) -> None:
        """Takes in what arrives during that time."""
        spin(self._node, seconds)

    def waiting_for(self) -> list[str]:
        """The nodes that do not work yet."""
        works = {
            "simulated_robot": self.truth is not None,
            "perception": self.observations.total > 0,
            "planner": self._planner_listens(),
            "control": self.status is not None,
        }
        return [name for name, working in works.items() if not working]

    def _planner_listens(self) -> bool:
        """Whether an instruction would reach the planner; others may listen too, and be there before it."""
        listeners = self._node.get_subscriptions_info_by_topic(self._instructions.topic_name)
        matched = self._instructions.get_subscription_count() >= len(listeners)
        return matched and any(listener.node_name == "planner" for listener in listeners)

    def simulators(self) -> int:
        """How many simulated robots share this domain."""
        return self._node.count_publishers(TRUTH_TOPIC)

    def instruct(self, instruction: str) -> None:
        """Publishes an instruction, as anybody may."""
        self._instructions.publish(String(data=instruction))

    @property
    def simulated_time(self) -> float:
        """Seconds on the simulator's clock; 0 before its first word."""
        return 0.0 if self.truth is None else self.truth["time"]

    def silence(self) -> float:
        """Seconds of wall time since the simulator's last word; 0 before its first."""
        return 0.0 if self.truth is None else time.monotonic() - self._truth_at

    def _on_truth(self, text: String) -> None:
        self.truth, self._truth_at = json.loads(text.data), time.monotonic()

    def _on_chunk(self, _chunk: ActionChunk) -> None:
        if self.first_chunk is None:
            self.first_chunk = time.monotonic()
        self.chunks.count()
