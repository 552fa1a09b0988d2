# SPDX-License-Identifier: Apache-2.0
"""Node action_expert: observations and control's requests in, action chunks out. The model's side of moving."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import answer_message, request_from
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode, run_identity
from wall_oss_ros.nodes.observation_messages import observation_from
from wall_oss_ros.nodes.parameters import POLICY_PARAMETERS, Parameter, load_policy
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, REQUEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.policy.action_expert import ActionExpert
from wall_oss_ros.policy.chunk import ChunkAnswer
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

from wall_oss_msgs.msg import ActionChunk, ActionRequest, ModelInfo, Observation

_REPEAT = 1.0  # s: what it runs is said again, so that others know that it lives


class ActionExpertNode(WallOSSNode):
    """Topics ``observation`` and ``action_request`` in; ``action_chunk`` and ``model`` (latched) out.

    Args:
        policy_loader: gives the policy for the values of ``POLICY_PARAMETERS`` and the robot's profile.
    """

    PARAMETERS = (
        *POLICY_PARAMETERS,
        Parameter("denoising_steps", 0, "Euler steps of the flow; 0 is the checkpoint's number.", 0, 100, live=True),
    )

    def __init__(self, policy_loader: Callable = load_policy, **options):
        super().__init__("action_expert", **options)
        self._load_policy = policy_loader

    def setup(self) -> None:
        self._profile = load_profile(self.value("robot"))
        self._layout, self._robot = Layout(self._profile), robot_identity(self._profile)
        self._policy = self._load_policy(
            *(self.value(parameter.name) for parameter in POLICY_PARAMETERS), self._profile
        )
        self._policy.warm_up()
        self._identity = run_identity(self)
        self._chunk_out = self.publish_to(ActionChunk, "action_chunk", EVENTS)
        self._model_out = self.publish_to(ModelInfo, "model", LATCHED)

    def start(self) -> None:
        self._answers, self._seconds, self._problem = 0, 0.0, ""
        self._observed: float | None = None  # when the last observation came, s of steady time
        self._expert = ActionExpert(
            self._policy,
            self._layout,
            self._robot,
            self.now,
            self._on_answer,
            oldest=self._profile.watchdog.observation_age,
            steps=lambda: self.value("denoising_steps") or None,
        )
        self.listen(Observation, "observation", self._on_observation, NEWEST)
        self.listen(ActionRequest, "action_request", self._on_request, REQUEST)
        self.every(_REPEAT, self._say_what_runs)
        self._say_what_runs()

    def stop(self) -> None:
        self._expert.close()

    def diagnose(self):
        values = {"checkpoint": self._policy.checkpoint, "chunks": self._answers, "inference_s": f"{self._seconds:.3f}"}
        if self._problem:
            return ERROR, self._problem, values
        if self._observed is None or (age := self.steady() - self._observed) > self._profile.watchdog.observation_age:
            return WARN, "no observations yet" if self._observed is None else f"no observations for {age:.1f} s", values
        return OK, f"{self._policy.checkpoint} answers control", values

    def _on_observation(self, message: Observation) -> None:
        try:
            self._expert.observe(message.robot, observation_from(message))
        except WallOSSError as error:
            self._complain(str(error))
        else:
            self._observed = self.steady()

    def _on_request(self, message: ActionRequest) -> None:
        try:
            self._expert.ask(request_from(message))
        except WallOSSError as error:
            self._complain(str(error))

    def _on_answer(self, answer: ChunkAnswer) -> None:
        """Publishes an answer; called in the expert's thread."""
        if answer.error:
            self._complain(answer.error)
        else:
            self._problem, self._seconds = "", answer.seconds
            self._answers += 1
            answer = replace(answer, moves=self._policy.dof_mask)
        answer = replace(answer, expert=self._identity, checkpoint=self._policy.checkpoint)
        self.send(self._chunk_out, answer_message(answer, self._layout))

    def _say_what_runs(self) -> None:
        policy, message = self._policy, ModelInfo(expert=self._identity, robot=self._robot)
        message.header.stamp = self.get_clock().now().to_msg()
        message.checkpoint, message.view_names = policy.checkpoint, list(policy.views)
        message.image_size, message.horizon = policy.image_size or 0, policy.horizon
        message.rate_hz, message.dof_mask = float(policy.rate_hz), policy.dof_mask.tolist()
        self._model_out.publish(message)

    def _complain(self, why: str) -> None:
        self._problem = why
        self.get_logger().error(f"{why}.", throttle_duration_sec=5.0)


def main() -> int:
    return run(ActionExpertNode)


if __name__ == "__main__":
    sys.exit(main())
