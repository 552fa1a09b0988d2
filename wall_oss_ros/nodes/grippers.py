# SPDX-License-Identifier: Apache-2.0
"""Grippers that are commanded apart from their arm, and only when something changes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from functools import partial

import numpy as np

from wall_oss_ros.control.gripper_goals import Answer, Goal, GripperGoals
from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.nodes.conversions import seconds, to_stamp, trajectory_message
from wall_oss_ros.nodes.gripper_actions import ACTIONS, GripperAction, offered
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.robots.components import Gripper

from rclpy.action import ActionClient
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

_LEAST = 0.1  # s: no motion is asked for in less
_FRESH = 0.5  # s that the fingers' joint states count
_ENDINGS = {4: Answer.SUCCEEDED, 5: Answer.CANCELED, 6: Answer.ABORTED}  # action_msgs/GoalStatus


class GripperClient(ABC):
    """Tells a gripper its opening, sees to it that it is told, and says what is wrong where it cannot be.

    Args:
        name: of what must be there for it to move, an action or a topic.
        profile: the gripper of the robot's profile.
        goals: decide what is sent when.

    Attributes:
        name: the same.
        ready: whether it was there at the last ``look``.
    """

    def __init__(self, name: str, profile: Gripper, goals: GripperGoals):
        self.name, self.ready = name, False
        self._profile, self._goals = profile, goals
        self._fingers: tuple[float, float, float] | None = None  # stamp and time of arrival, s; opening, m

    @property
    def fault(self) -> str:
        """What is wrong, for a person to read; empty when nothing is."""
        return self._goals.fault

    @property
    def words(self) -> str:
        """How the last goal stands, for diagnostics."""
        return self._goals.words

    @property
    def unsure(self) -> bool:
        """Whether the arm had better wait: a goal is tried again that was not accepted before."""
        return self._goals.unsure

    def look(self) -> None:
        """Checks whether anything is there to be commanded; what has come anew is told the opening again."""
        self.ready = self._is_there()
        self._goals.server(self.ready)

    def hear(self, message: JointState, now: float) -> None:
        """Joint states have come, with the profile's names, at ``now`` (s)."""
        at = dict(zip(message.name, message.position))
        if not all(math.isfinite(at.get(joint, math.nan)) for joint in self._profile.joints):
            return
        stamp = seconds(message.header.stamp)
        if self._fingers is None or not self._fingers[0] - 1.0 < stamp <= self._fingers[0]:  # not the same again
            self._fingers = stamp, now, self._profile.opening([at[joint] for joint in self._profile.joints])

    def command(self, opening: float | None, step: float, now: float) -> None:
        """Sends the fingers to an opening (m), if it is time: see :class:`GripperGoals`. None sends nothing.

        Args:
            opening: m.
            step: smallest change that is sent at once, m.
            now: s.
        """
        heard = self._fingers is not None and 0 <= now - self._fingers[1] <= _FRESH
        before = self._goals.last
        goal = self._goals.step(now, opening, step, self._fingers[2] if heard else None)
        if goal is not None:
            self._send(goal, before)

    def destroy(self) -> None:
        """Lets go of what the node does not destroy itself."""

    @abstractmethod
    def _is_there(self) -> bool: ...

    @abstractmethod
    def _send(self, goal: Goal, before: float | None) -> None:
        """Sends a goal after the opening before (m); None when that is not known."""


class ActionGripper(GripperClient):
    """A client of the gripper's action, whose type the profile names, or the server that is there.

    Goals of an action cannot be overheard: what is asked for goes to the topic ``gripper_commands`` as well.

    Args:
        node: whose client it is.
        profile: the gripper of the robot's profile.
        joints: what the driver calls its joints.
    """

    def __init__(self, node: WallOSSNode, profile: Gripper, joints: Sequence[str]):
        super().__init__(profile.action, profile, GripperGoals(profile.action, widest=profile.open))
        self._node, self._joints = node, list(joints)
        self._client: ActionClient | None = None
        self._action: GripperAction | None = None
        self._foreign = ""  # a type that is offered in place of ours
        self._told = node.publish_to(JointState, "gripper_commands", LATCHED)
        self._answers: deque[tuple] = deque()  # as for GripperGoals.answer, without the time; from any thread
        if profile.action_type != "auto":
            self._take(ACTIONS[profile.action_type])

    @property
    def fault(self) -> str:
        return self._foreign or super().fault

    def command(self, opening: float | None, step: float, now: float) -> None:
        while self._answers:
            self._goals.answer(now, *self._answers.popleft())
        super().command(opening, step, now)

    def destroy(self) -> None:
        if self._client is not None:
            self._client.destroy()
            self._client = None

    def _take(self, action: GripperAction) -> None:
        self.destroy()
        self._action, self._client = action, ActionClient(self._node, action.type, self.name)

    def _is_there(self) -> bool:
        if self._client is not None and self._client.server_is_ready():
            self._foreign = ""
            return True
        # Asked only now, since it takes the graph's time.
        there = offered(self._node, self.name)
        if self._profile.action_type == "auto":
            known = [action for action in ACTIONS.values() if action.name in there]
            if known and self._action not in known:
                self._take(known[0])
            wanted = [action.name for action in ACTIONS.values()]
        else:
            wanted = [self._action.name]
        strange = sorted(there) if there and not there & set(wanted) else []
        self._foreign = (
            f"the server at {self.name} is of {', '.join(strange)}, {' or '.join(wanted)} expected" if strange else ""
        )
        return self._client is not None and self._client.server_is_ready()

    def _send(self, goal: Goal, before: float | None) -> None:
        action = self._action
        try:
            sent = self._client.send_goal_async(action.goal(self._profile, self._joints, goal.opening))
        except Exception:
            if self._node.context.ok():  # otherwise the process ends
                raise
            return
        sent.add_done_callback(partial(self._on_answer, action, goal.number))
        told = JointState(name=list(self._profile.joints))
        told.position = [self._profile.joint_position(goal.opening)] * len(told.name)
        told.header.stamp = to_stamp(self._node.now())
        self._node.send(self._told, told)

    def _on_answer(self, action: GripperAction, number: int, sent) -> None:
        try:
            handle = sent.result()
            if not handle.accepted:
                self._answers.append((number, Answer.REFUSED))
                return
            self._answers.append((number, Answer.ACCEPTED))
            handle.get_result_async().add_done_callback(partial(self._on_end, action, number))
        except Exception:  # the client or its server is gone
            self._answers.append((number, Answer.LOST))

    def _on_end(self, action: GripperAction, number: int, ended) -> None:
        try:
            response = ended.result()
            stalled, position = action.outcome(response.result)
            opening = None if position is None else self._profile.action_opening(position)
            self._answers.append((number, _ENDINGS.get(int(response.status), Answer.LOST), stalled, opening))
        except Exception:
            self._answers.append((number, Answer.LOST))


class TrajectoryGripper(GripperClient):
    """Sends a joint trajectory controller of the gripper's own a trajectory of one point.

    The fingers take as long as the profile's ``speed`` needs from the last opening; from any, when none was sent.

    Args:
        node: whose publisher it is.
        profile: the gripper of the robot's profile, with a topic.
        joints: what the driver calls its joints.
    """

    def __init__(self, node: WallOSSNode, profile: Gripper, joints: Sequence[str]):
        super().__init__(profile.topic, profile, GripperGoals(profile.topic, answered=False, widest=profile.open))
        self._node, self._joints = node, list(joints)
        self._out = node.publish_to(JointTrajectory, profile.topic, EVENTS)

    def _is_there(self) -> bool:
        return self._out.get_subscription_count() > 0

    def _send(self, goal: Goal, before: float | None) -> None:
        travel = self._profile.open - self._profile.closed if before is None else abs(goal.opening - before)
        position = np.full(len(self._joints), self._profile.joint_position(goal.opening))
        setpoint = Setpoint(max(_LEAST, travel / self._profile.speed), position, np.zeros(len(self._joints)))
        self._node.send(self._out, trajectory_message(self._joints, [setpoint], None))
