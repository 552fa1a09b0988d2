# SPDX-License-Identifier: Apache-2.0
"""Action servers."""

from __future__ import annotations

import inspect
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.action.goal import (
    CancelResponse,
    GoalResponse,
    GoalStatus,
    ServerGoalHandle,
    refuse_unknown,
    service_qos,
    uuid_key,
)
from wall_oss_ros.embedded.interfaces import check_type, get_interface
from wall_oss_ros.embedded.qos import qos_profile_action_status_default, qos_profile_default
from wall_oss_ros.embedded.services import DeferredService
from wall_oss_ros.embedded.task import Future


def default_handle_accepted_callback(goal_handle: ServerGoalHandle) -> None:
    """Executes it at once."""
    goal_handle.execute()


def default_goal_callback(goal_request: Any) -> GoalResponse:
    """Accepts every goal."""
    return GoalResponse.ACCEPT


def default_cancel_callback(cancel_request: Any) -> CancelResponse:
    """Rejects every request to cancel, as in rclpy."""
    return CancelResponse.REJECT


async def _outcome(callback: Callable, *args: Any) -> Any:
    """What a callback returns, which may be a coroutine function."""
    result = callback(*args)
    return await result if inspect.isawaitable(result) else result


class ActionServer:
    """Serves an action.

    Args:
        node: the node that offers it.
        action_type: such as wall_oss_msgs.action.ExecuteInstruction.
        action_name: its name, relative to the node's namespace.
        execute_callback: function or coroutine; given a `ServerGoalHandle`, ends it with succeed, abort or canceled and
            returns the Result. It runs as a task of the executor: in a single-threaded one a function that
            blocks keeps everything else waiting.
        callback_group: of the callbacks that follow.
        goal_callback: given the Goal, accepts or rejects it.
        handle_accepted_callback: given the goal handle; may delay its ``execute``.
        cancel_callback: given the goal handle, accepts or rejects a request to cancel.
        result_timeout: for how many seconds a result can be asked for.
    """

    def __init__(
        self,
        node: Any,
        action_type: type,
        action_name: str,
        execute_callback: Callable,
        *,
        callback_group: Any = None,
        goal_callback: Callable = default_goal_callback,
        handle_accepted_callback: Callable = default_handle_accepted_callback,
        cancel_callback: Callable = default_cancel_callback,
        result_timeout: float = 10.0,
        **qos_profiles: Any,
    ):
        check_type(action_type, "action")
        if not callable(execute_callback):
            raise TypeError("execute_callback must be callable")
        self._node, self._action_type, self.action_name = node, action_type, action_name
        self._execute_callback = execute_callback
        self.register_goal_callback(goal_callback)
        self.register_handle_accepted_callback(handle_accepted_callback)
        self.register_cancel_callback(cancel_callback)
        self._result_timeout = result_timeout
        self._goals: dict[bytes, ServerGoalHandle] = {}
        self._results: dict[bytes, Future] = {}
        self._lock = threading.RLock()
        parts, group = action_type.Impl, {"callback_group": callback_group}
        base = f"{action_name}/_action"
        status_qos = qos_profiles.pop("status_pub_qos_profile", qos_profile_action_status_default)
        feedback_qos = qos_profiles.pop("feedback_pub_qos_profile", qos_profile_default)
        self._status = node.create_publisher(parts.GoalStatusMessage, f"{base}/status", status_qos)
        self._feedback = node.create_publisher(parts.FeedbackMessage, f"{base}/feedback", feedback_qos)
        deferred = {"service_class": DeferredService, **group}
        self._goal_service = node.create_service(
            parts.SendGoalService, f"{base}/send_goal", self._on_goal, **deferred, **service_qos("goal", qos_profiles)
        )
        self._result_service = node.create_service(
            parts.GetResultService,
            f"{base}/get_result",
            self._on_result,
            **deferred,
            **service_qos("result", qos_profiles),
        )
        self._cancel_service = node.create_service(
            parts.CancelGoalService,
            f"{base}/cancel_goal",
            self._on_cancel,
            **group,
            **service_qos("cancel", qos_profiles),
        )
        refuse_unknown(qos_profiles)

    def register_goal_callback(self, callback: Callable | None) -> None:
        self._goal_callback = callback or default_goal_callback

    def register_handle_accepted_callback(self, callback: Callable | None) -> None:
        self._accepted_callback = callback or default_handle_accepted_callback

    def register_cancel_callback(self, callback: Callable | None) -> None:
        self._cancel_callback = callback or default_cancel_callback

    def register_execute_callback(self, callback: Callable) -> None:
        self._execute_callback = callback

    # Requests

    async def _on_goal(self, request: Any, header: tuple) -> None:
        key = uuid_key(request.goal_id)
        stamp = self._node.get_clock().now().to_msg()
        self._forget_old()
        accepted = False
        if key in self._goals:
            self._node.get_logger().error(f"{self.action_name}: there is already a goal with the ID {key.hex()}")
        else:
            answer = await _outcome(self._goal_callback, request.goal)
            if not isinstance(answer, GoalResponse):
                self._node.get_logger().warning(
                    f"{self.action_name}: the goal callback returned no GoalResponse; rejected"
                )
            accepted = answer is GoalResponse.ACCEPT
        handle = ServerGoalHandle(self, request.goal_id, request.goal, stamp)
        if accepted:
            with self._lock:
                self._goals[key], self._results[key] = handle, Future()
        response = self._goal_service.srv_type.Response(accepted=accepted, stamp=stamp)
        self._goal_service.send_response(response, header)
        if accepted:
            self._status_changed()
            await _outcome(self._accepted_callback, handle)

    def _on_result(self, request: Any, header: tuple) -> None:
        self._forget_old()
        future = self._results.get(uuid_key(request.goal_id))
        if future is None:
            unknown = self._result_service.srv_type.Response(status=int(GoalStatus.STATUS_UNKNOWN))
            self._result_service.send_response(unknown, header)
        else:
            future._add_immediate_callback(lambda done: self._result_service.send_response(done.result(), header))

    async def _on_cancel(self, request: Any, response: Any) -> Any:
        key, stamp = uuid_key(request.goal_info.goal_id), request.goal_info.stamp
        no_id, time_limit = not any(key), (stamp.sec, stamp.nanosec)
        goals = list(self._goals.items())
        asked = [
            handle
            for own, handle in goals
            if own == key
            or (no_id and time_limit == (0, 0))
            or (time_limit != (0, 0) and (handle.stamp.sec, handle.stamp.nanosec) <= time_limit)
        ]
        for handle in asked:
            if not handle.is_active or handle.is_cancel_requested:
                continue
            answer = await _outcome(self._cancel_callback, handle)
            if answer is CancelResponse.ACCEPT and handle.is_active:
                handle._update("cancel")
                info = get_interface("action_msgs", "msg", "GoalInfo")(goal_id=handle.goal_id, stamp=handle.stamp)
                response.goals_canceling.append(info)
        if response.goals_canceling:
            response.return_code = response.ERROR_NONE
        elif not asked and not no_id:
            response.return_code = response.ERROR_UNKNOWN_GOAL_ID
        elif not no_id and not any(handle.is_active for handle in asked):
            response.return_code = response.ERROR_GOAL_TERMINATED
        else:
            response.return_code = response.ERROR_REJECTED
        return response

    # Execution, for goal handles

    def _start(self, handle: ServerGoalHandle, callback: Callable | None) -> None:
        executor = self._node.executor
        if executor is None:
            raise RuntimeError(f"{self.action_name}: the node must be in an executor for a goal to be executed")
        executor.create_task(self._execute, handle, callback or self._execute_callback)

    async def _execute(self, handle: ServerGoalHandle, callback: Callable) -> None:
        try:
            result = await _outcome(callback, handle)
        except Exception:  # the goal is aborted, and the server goes on
            self._node.get_logger().error(f"Error raised in execute callback:\n{traceback.format_exc().rstrip()}")
            result = None
        if handle.is_active:
            goal_id = uuid_key(handle.goal_id).hex()
            self._node.get_logger().warning(f"Goal state not set, assuming aborted. Goal ID: {goal_id}")
            handle.abort()
        result = result if result is not None else handle._result
        if not isinstance(result, self._action_type.Result):
            if result is not None:
                self._node.get_logger().error(
                    f"{self.action_name}: the execute callback returned {type(result).__name__}"
                )
            result = self._action_type.Result()
        handle.finished_at = time.monotonic()
        response = self._result_service.srv_type.Response(status=int(handle.status), result=result)
        self._results[uuid_key(handle.goal_id)].set_result(response)

    def _publish_feedback(self, handle: ServerGoalHandle, feedback: Any) -> None:
        if not isinstance(feedback, self._action_type.Feedback):
            raise TypeError(f"Expected {self._action_type.Feedback}, got {type(feedback)}")
        self._feedback.publish(self._feedback.msg_type(goal_id=handle.goal_id, feedback=feedback))

    def _status_changed(self) -> None:
        status, info = (get_interface("action_msgs", "msg", name) for name in ("GoalStatus", "GoalInfo"))
        with self._lock:
            goals = list(self._goals.values())
        self._status.publish(
            self._status.msg_type(
                status_list=[
                    status(goal_info=info(goal_id=goal.goal_id, stamp=goal.stamp), status=int(goal.status))
                    for goal in goals
                ]
            )
        )

    def _forget_old(self) -> None:
        """Drops goals whose result has been there for `result_timeout`."""
        limit = time.monotonic() - self._result_timeout
        with self._lock:
            for key, handle in list(self._goals.items()):
                if handle.finished_at is not None and handle.finished_at < limit:
                    del self._goals[key], self._results[key]

    def destroy(self) -> None:
        """Takes it out of the graph."""
        for part in (self._goal_service, self._result_service, self._cancel_service, self._status, self._feedback):
            part.destroy()
