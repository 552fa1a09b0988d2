# SPDX-License-Identifier: Apache-2.0
"""What a running system says of itself, gathered from its topics by one small node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import wall_oss_ros.nodes  # noqa: F401  the embedded library takes rclpy's name where there is no ROS 2
from wall_oss_ros.bringup.system import NAMESPACE
from wall_oss_ros.commands.topic_values import spin
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.perception.ages import PLAN_FRESH, STATUS_FRESH, VIEWS_FRESH, LastHeard
from wall_oss_ros.perception.rates import RateMeter

import rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from wall_oss_msgs.msg import ActionChunk, ControlStatus, ModelInfo, Observation, SubtaskPlan

_WINDOW = 3.0  # s over which rates are taken
_CHUNKS = 10.0  # s, for chunks: they are few where simulated time goes slowly
TRUTH_TOPIC = "/simulation/ground_truth"


class Monitor:
    """Newest plan, status, ground truth and rates; sends instructions. Use as a context manager.

    Args:
        name: of its node.
        recorder: whether one is to hear the marks.

    Attributes:
        plan: the newest SubtaskPlan, or None.
        status: the newest ControlStatus, or None.
        model: the newest ModelInfo, or None.
        truth: the newest ground truth of the simulator, or None.
        observations, chunks: their rates.
        plan_heard, status_heard, observation_heard: when each came last, in ``time.monotonic``.
    """

    def __init__(self, name: str = "wall_oss_run", recorder: bool = False):
        self.plan: SubtaskPlan | None = None
        self.status: ControlStatus | None = None
        self.truth: dict | None = None
        self.observations, self.chunks = RateMeter(_WINDOW), RateMeter(_CHUNKS)
        self.plan_heard, self.status_heard = LastHeard(PLAN_FRESH), LastHeard(STATUS_FRESH)
        self.observation_heard = LastHeard(VIEWS_FRESH)
        self.model: ModelInfo | None = None
        self.first_chunk: float | None = None  # time.monotonic() of the first action chunk
        # The command itself decides what a signal means.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(name, namespace=NAMESPACE)
        self._instructions = self._node.create_publisher(String, "instruction", EVENTS)
        self._marks = self._node.create_publisher(String, "record", EVENTS) if recorder else None
        listen = self._node.create_subscription
        listen(SubtaskPlan, "plan", self._on_plan, LATCHED)
        listen(ControlStatus, "status", self._on_status, LATCHED)
        listen(ModelInfo, "model", lambda model: setattr(self, "model", model), LATCHED)
        listen(Observation, "observation_state", self._on_observation, NEWEST)
        listen(ActionChunk, "action_chunk", self._on_chunk, EVENTS)
        listen(String, TRUTH_TOPIC, self._on_truth, NEWEST)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_exception) -> None:
        self._node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()

    def spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Takes in what arrives during that time, or until something has."""
        spin(self._node, seconds, until)

    def waiting_for(self) -> list[str]:
        """The nodes that do not work yet."""
        works = {
            "simulated_robot": self.truth is not None,
            "perception": self.observations.total > 0,
            "planner": self._planner_listens(),
            "action_expert": self.model is not None,
            "control": self.status is not None,
        }
        if self._marks is not None:
            works["record"] = self._recorder_listens()
        return [name for name, working in works.items() if not working]

    def _recorder_listens(self) -> bool:
        """Whether a recorder would hear the first instruction and what is said of it."""
        listeners = self._node.get_subscriptions_info_by_topic(self._instructions.topic_name)
        hears = any(listener.node_name.startswith("wall_oss_record") for listener in listeners)
        return hears and self._marks.get_subscription_count() > 0

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

    def mark(self, word: str) -> None:
        """Tells the recorder, if there is one, what becomes of the attempt: begin, success or failure."""
        if self._marks is not None:
            self._marks.publish(String(data=word))

    @property
    def simulated_time(self) -> float:
        """Seconds on the simulator's clock; 0 before its first word."""
        return 0.0 if self.truth is None else self.truth["time"]

    def silence(self) -> float:
        """Seconds of wall time since the simulator's last word; 0 before its first."""
        return 0.0 if self.truth is None else time.monotonic() - self._truth_at

    def _on_truth(self, text: String) -> None:
        try:
            truth = json.loads(text.data)
            truth["time"] + 0.0
        except (ValueError, TypeError, LookupError):  # somebody else's: nothing is judged by it
            return
        self.truth, self._truth_at = truth, time.monotonic()

    def _on_plan(self, plan: SubtaskPlan) -> None:
        self.plan = plan
        self.plan_heard.hear(time.monotonic())

    def _on_status(self, status: ControlStatus) -> None:
        self.status = status
        self.status_heard.hear(time.monotonic())

    def _on_observation(self, observation: Observation) -> None:
        self.observations.tick(time.monotonic())
        self.observation_heard.hear(time.monotonic(), mark=seconds(observation.header.stamp))

    def _on_chunk(self, _chunk: ActionChunk) -> None:
        if self.first_chunk is None:
            self.first_chunk = time.monotonic()
        self.chunks.tick(time.monotonic())
