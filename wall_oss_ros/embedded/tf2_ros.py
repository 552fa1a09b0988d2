# SPDX-License-Identifier: Apache-2.0
"""Coordinate frames over topics, with tf2_ros's names and rules: a buffer, its listener, and broadcasters.

Not offered: velocities, and the buffer's server and client.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.callback_groups import ReentrantCallbackGroup
from wall_oss_ros.embedded.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.logging import get_logger
from wall_oss_ros.embedded.qos import DurabilityPolicy, QoSProfile
from wall_oss_ros.embedded.task import Future
from wall_oss_ros.embedded.tf2_buffer_interface import (
    BufferInterface,
    ConvertRegistration,
    NotImplementedException,
    Stamped,
    TransformRegistration,
    TypeException,
    convert,
)
from wall_oss_ros.embedded.tf2_py import (
    BufferCore,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TimeoutException,
    TransformException,
    TransformStamped,
)
from wall_oss_ros.embedded.time import Duration
from wall_oss_ros.embedded.time_jumps import JumpThreshold, TimeJump

__all__ = [
    "Buffer", "BufferCore", "BufferInterface", "ConnectivityException", "ConvertRegistration", "ExtrapolationException",
    "InvalidArgumentException", "LookupException", "NotImplementedException", "Stamped", "StaticTransformBroadcaster",
    "TimeoutException", "TransformBroadcaster", "TransformException", "TransformListener", "TransformRegistration",
    "TypeException", "convert",
]  # fmt: skip
_LATCHED = DurabilityPolicy.TRANSIENT_LOCAL
TFMessage = get_interface("tf2_msgs", "msg", "TFMessage")


class Buffer(BufferCore, BufferInterface):
    """Keeps transforms and answers where one frame is in another, at once or when it is known.

    Args:
        cache_time: how long transforms are kept; 10 s if not given.
        node: whose clock's jumps back clear the buffer, and which offers the service ``tf2_frames``.
    """

    def __init__(self, cache_time: Duration | None = None, node: Any = None):
        BufferCore.__init__(self, *([] if cache_time is None else [cache_time]))
        BufferInterface.__init__(self)
        self._changed = threading.Condition(self._lock)
        self._waiting: list[Callable[[], None]] = []
        if node is not None:
            back = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1))
            self.jump_handle = node.get_clock().create_jump_callback(back, post_callback=self.time_jump_callback)
            frames = get_interface("tf2_msgs", "srv", "FrameGraph")
            self.srv = node.create_service(frames, "tf2_frames", self._tell_frames)

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        """Forgets what was known before the time jumped back."""
        get_logger("tf2_buffer").warning("Detected jump back in time. Clearing tf buffer.")
        self.clear()

    def _tell_frames(self, request: Any, response: Any) -> Any:
        response.frame_yaml = self.all_frames_as_yaml()
        return response

    def _set(self, *given: Any) -> None:
        super()._set(*given)
        with self._changed:
            self._changed.notify_all()
            waiting = list(self._waiting)
        for look in waiting:
            look()

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Duration = Duration()
    ) -> TransformStamped:
        """As `lookup_transform_core`, after waiting for it up to `timeout` while another thread feeds the buffer."""
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def lookup_transform_full(
        self, target_frame: str, target_time: Any, source_frame: str, source_time: Any, fixed_frame: str,
        timeout: Duration = Duration(),
    ) -> TransformStamped:  # fmt: skip
        """As `lookup_transform_full_core`, after waiting for it up to `timeout`."""
        self.can_transform_full(target_frame, target_time, source_frame, source_time, fixed_frame, timeout)
        return self.lookup_transform_full_core(target_frame, target_time, source_frame, source_time, fixed_frame)

    def can_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Duration = Duration(),
        return_debug_tuple: bool = False,
    ) -> Any:  # fmt: skip
        """Whether `lookup_transform` would answer, after waiting for it; with the reason if `return_debug_tuple`."""
        answer = self._wait(lambda: self.can_transform_core(target_frame, source_frame, time), timeout)
        return answer if return_debug_tuple else answer[0]

    def can_transform_full(
        self, target_frame: str, target_time: Any, source_frame: str, source_time: Any, fixed_frame: str,
        timeout: Duration = Duration(), return_debug_tuple: bool = False,
    ) -> Any:  # fmt: skip
        """Whether `lookup_transform_full` would answer."""
        asked = target_frame, target_time, source_frame, source_time, fixed_frame
        answer = self._wait(lambda: self.can_transform_full_core(*asked), timeout)
        return answer if return_debug_tuple else answer[0]

    def _wait(self, ask: Callable[[], tuple[bool, str]], timeout: Duration) -> tuple[bool, str]:
        with self._changed:
            self._changed.wait_for(lambda: ask()[0], timeout.nanoseconds / 1e9)
            return ask()

    def wait_for_transform_async(self, target_frame: str, source_frame: str, time: Any) -> Future:
        """A future that has the transform once it is there."""
        asked = target_frame, source_frame, time
        return self._once(lambda: self.can_transform_core(*asked), lambda: self.lookup_transform_core(*asked))

    def wait_for_transform_full_async(
        self, target_frame: str, target_time: Any, source_frame: str, source_time: Any, fixed_frame: str
    ) -> Future:
        """A future that has what `lookup_transform_full` would answer, once it is there."""
        asked = target_frame, target_time, source_frame, source_time, fixed_frame
        return self._once(lambda: self.can_transform_full_core(*asked), lambda: self.lookup_transform_full_core(*asked))

    def _once(self, ask: Callable[[], tuple[bool, str]], look_up: Callable[[], TransformStamped]) -> Future:
        future = Future()

        def look() -> None:
            if not future.done() and ask()[0]:
                future.set_result(look_up())

        with self._changed:
            self._waiting.append(look)
        future.add_done_callback(lambda _: self._waiting.remove(look))
        look()
        return future

    async def lookup_transform_async(self, target_frame: str, source_frame: str, time: Any) -> TransformStamped:
        """As `lookup_transform`, for a coroutine that awaits it."""
        return await self.wait_for_transform_async(target_frame, source_frame, time)

    async def lookup_transform_full_async(
        self, target_frame: str, target_time: Any, source_frame: str, source_time: Any, fixed_frame: str
    ) -> TransformStamped:
        """As `lookup_transform_full`, for a coroutine that awaits it."""
        return await self.wait_for_transform_full_async(
            target_frame, target_time, source_frame, source_time, fixed_frame
        )


class TransformListener:
    """Feeds a buffer from /tf and /tf_static.

    Args:
        buffer: what it feeds.
        node: has the subscriptions.
        spin_thread: spin the node in a thread of its own.
        qos, static_qos: profiles or depths of the two subscriptions.
    """

    def __init__(
        self, buffer: Buffer, node: Any, *, spin_thread: bool = False, qos: Any = None, static_qos: Any = None
    ):
        self.buffer, self.node = buffer, node
        self.group = ReentrantCallbackGroup()  # so that a callback may wait for a transform
        static_qos = QoSProfile(depth=100, durability=_LATCHED) if static_qos is None else static_qos
        self.tf_sub = node.create_subscription(
            TFMessage, "/tf", self.callback, 100 if qos is None else qos, callback_group=self.group
        )
        self.tf_static_sub = node.create_subscription(
            TFMessage, "/tf_static", self.static_callback, static_qos, callback_group=self.group
        )
        if spin_thread:
            self.executor = SingleThreadedExecutor(context=node.context)
            self.executor.add_node(node)
            self.dedicated_listener_thread = threading.Thread(target=self._spin, daemon=True)
            self.dedicated_listener_thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except (ExternalShutdownException, ShutdownException):
            pass

    def unregister(self) -> None:
        """Stops listening."""
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)

    def callback(self, data: Any) -> None:
        for transform in data.transforms:
            self.buffer.set_transform(transform, "default_authority")

    def static_callback(self, data: Any) -> None:
        for transform in data.transforms:
            self.buffer.set_transform_static(transform, "default_authority")


class TransformBroadcaster:
    """Publishes transforms on /tf; `qos` is a profile or a depth."""

    def __init__(self, node: Any, qos: Any = None):
        self.pub_tf = node.create_publisher(TFMessage, "/tf", 100 if qos is None else qos)

    def sendTransform(self, transform: Any) -> None:
        """Sends one geometry_msgs/TransformStamped or several."""
        self.pub_tf.publish(TFMessage(transforms=_as_list(transform)))


class StaticTransformBroadcaster:
    """Publishes static transforms on /tf_static: all that were sent, of each child the first, as tf2_ros does."""

    def __init__(self, node: Any, qos: Any = None):
        profile = QoSProfile(depth=1, durability=_LATCHED) if qos is None else qos
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", profile)
        self.net_message = TFMessage()

    def sendTransform(self, transform: Any) -> None:
        """Sends one geometry_msgs/TransformStamped or several."""
        for each in _as_list(transform):
            if all(each.child_frame_id != sent.child_frame_id for sent in self.net_message.transforms):
                self.net_message.transforms.append(each)
        self.pub_tf.publish(self.net_message)


def _as_list(transform: Any) -> list[Any]:
    return list(transform) if hasattr(transform, "__iter__") else [transform]
