# SPDX-License-Identifier: Apache-2.0
"""Action clients."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from wall_oss_ros.embedded.action.goal import GoalStatus, refuse_unknown, service_qos, uuid_key
from wall_oss_ros.embedded.interfaces import check_type, get_interface
from wall_oss_ros.embedded.qos import qos_profile_action_status_default, qos_profile_default
from wall_oss_ros.embedded.task import Future

_KEPT_ENDED = 16  # goals whose feedback is still handed on after their result


class ClientGoalHandle:
    """A goal that was sent, and ways to its end.

    Attributes:
        goal_id: unique_identifier_msgs/UUID.
        accepted: whether the server took it.
        stamp: builtin_interfaces/Time of the server's answer.
        status: the latest heard, numbered as in action_msgs/GoalStatus.
    """

    def __init__(self, client: ActionClient, goal_id: Any, response: Any):
        self._client, self.goal_id = client, goal_id
        self.accepted, self.stamp = response.accepted, response.stamp
        self.status: int = GoalStatus.STATUS_UNKNOWN

    def cancel_goal_async(self) -> Future:
        """Asks to cancel it; the future has the action_msgs/CancelGoal response."""
        request = self._client._cancel_client.srv_type.Request()
        request.goal_info.goal_id = self.goal_id
        return self._client._cancel_client.call_async(request)

    def cancel_goal(self) -> Any:
        """Asks to cancel it and waits; another thread must spin the node."""
        return _wait(self.cancel_goal_async())

    def get_result_async(self) -> Future:
        """The future has a response with ``status`` and ``result`` once the goal has ended."""
        return self._client._get_result(self)

    def get_result(self) -> Any:
        """Waits for the end; another thread must spin the node."""
        return _wait(self.get_result_async())


class ActionClient:
    """Sends goals to an action server, whose name may be relative to the node's namespace."""

    def __init__(
        self, node: Any, action_type: type, action_name: str, *, callback_group: Any = None, **qos_profiles: Any
    ):
        check_type(action_type, "action")
        self._node, self._action_type = node, action_type
        self._lock = threading.Lock()
        self._feedback_callbacks: dict[bytes, Callable] = {}
        self._handles: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._ended: deque[bytes] = deque()
        self._latest: dict[bytes, int] = {}  # statuses may arrive before the answer to the goal
        parts, group = action_type.Impl, {"callback_group": callback_group}
        base = f"{action_name}/_action"
        self._goal_client = node.create_client(
            parts.SendGoalService, f"{base}/send_goal", **group, **service_qos("goal", qos_profiles)
        )
        self._result_client = node.create_client(
            parts.GetResultService, f"{base}/get_result", **group, **service_qos("result", qos_profiles)
        )
        self._cancel_client = node.create_client(
            parts.CancelGoalService, f"{base}/cancel_goal", **group, **service_qos("cancel", qos_profiles)
        )
        feedback_qos = qos_profiles.pop("feedback_sub_qos_profile", qos_profile_default)
        status_qos = qos_profiles.pop("status_sub_qos_profile", qos_profile_action_status_default)
        self._feedback = node.create_subscription(
            parts.FeedbackMessage, f"{base}/feedback", self._on_feedback, feedback_qos, **group
        )
        self._status = node.create_subscription(
            parts.GoalStatusMessage, f"{base}/status", self._on_status, status_qos, **group
        )
        refuse_unknown(qos_profiles)

    def server_is_ready(self) -> bool:
        """Whether every part of the server is there."""
        clients = (self._goal_client, self._result_client, self._cancel_client)
        topics = (self._feedback, self._status)
        return all(c.service_is_ready() for c in clients) and all(t.get_publisher_count() for t in topics)

    def wait_for_server(self, timeout_sec: float | None = None) -> bool:
        """Waits until it is; False after `timeout_sec` or at shutdown."""
        return self._node.context.poll(self.server_is_ready, timeout_sec)

    def send_goal_async(self, goal: Any, feedback_callback: Callable | None = None, goal_uuid: Any = None) -> Future:
        """Sends a goal; the future has its `ClientGoalHandle`.

        Args:
            goal: of the action's Goal class.
            feedback_callback: called with each feedback message (``.feedback`` is the action's Feedback).
            goal_uuid: unique_identifier_msgs/UUID; made up if not given.

        Raises:
            TypeError: the goal is of another class.
        """
        if not isinstance(goal, self._action_type.Goal):
            raise TypeError(f"Expected {self._action_type.Goal}, got {type(goal)}")
        if goal_uuid is None:
            goal_uuid = get_interface("unique_identifier_msgs", "msg", "UUID")(
                uuid=np.frombuffer(uuid.uuid4().bytes, np.uint8)
            )
        key = uuid_key(goal_uuid)
        if feedback_callback is not None:
            self._feedback_callbacks[key] = feedback_callback
        request = self._goal_client.srv_type.Request(goal_id=goal_uuid, goal=goal)
        answer, future = self._goal_client.call_async(request), Future()

        def on_answer(done: Future) -> None:
            if done.cancelled() or done.exception() is not None:
                self._feedback_callbacks.pop(key, None)
                future.set_exception(done.exception() or RuntimeError("the goal's request was cancelled"))
                return
            handle = ClientGoalHandle(self, goal_uuid, done.result())
            if handle.accepted:
                with self._lock:
                    self._handles[key] = handle
                    handle.status = self._latest.get(key, GoalStatus.STATUS_ACCEPTED)
            else:
                self._feedback_callbacks.pop(key, None)
            future.set_result(handle)

        answer.add_done_callback(on_answer)
        return future

    def send_goal(self, goal: Any, feedback_callback: Callable | None = None, goal_uuid: Any = None) -> Any:
        """Sends a goal and waits for its result (None if it was rejected); another thread must spin the node."""
        handle = _wait(self.send_goal_async(goal, feedback_callback, goal_uuid))
        return handle.get_result() if handle.accepted else None

    def _get_result(self, handle: ClientGoalHandle) -> Future:
        future = self._result_client.call_async(self._result_client.srv_type.Request(goal_id=handle.goal_id))

        def on_result(done: Future) -> None:
            if not done.cancelled() and done.exception() is None:
                handle.status = done.result().status
            self._ended.append(uuid_key(handle.goal_id))  # its last feedback may still be on its way
            while len(self._ended) > _KEPT_ENDED:
                self._feedback_callbacks.pop(self._ended.popleft(), None)

        future.add_done_callback(on_result)
        return future

    def _on_feedback(self, message: Any) -> Any:
        callback = self._feedback_callbacks.get(uuid_key(message.goal_id))
        return callback(message) if callback is not None else None

    def _on_status(self, message: Any) -> None:
        with self._lock:
            self._latest = {uuid_key(each.goal_info.goal_id): each.status for each in message.status_list}
            for key, status in self._latest.items():
                handle = self._handles.get(key)
                if handle is not None:
                    handle.status = status

    def destroy(self) -> None:
        """Takes it out of the graph."""
        for part in (self._goal_client, self._result_client, self._cancel_client, self._feedback, self._status):
            part.destroy()


def _wait(future: Future) -> Any:
    future._wait()
    return future.result()
