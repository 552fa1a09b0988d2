# SPDX-License-Identifier: Apache-2.0
"""Clients of services."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.naming import service_to_dds
from wall_oss_ros.embedded.service import SERVICE_QOS, endpoint_id
from wall_oss_ros.embedded.task import Future

_POLL = 0.01  # s between looks for a service, as rclpy does too (it takes 0.25 s)


class Client:
    """Calls a service; made by Node.create_client."""

    is_timer = False

    def __init__(self, node: Any, srv_type: type, name: str, callback_group: Any):
        self._node = node
        self.context = node.context
        self.srv_type, self.srv_name, self.callback_group = srv_type, name, callback_group
        request_topic, reply_topic = service_to_dds(name)
        identity, request, response = endpoint_id("clientid"), srv_type.Request, srv_type.Response
        participant = node.context.participant
        self._reader = dds.Reader(
            participant, reply_topic, wire.struct_type(response._key, service=True), SERVICE_QOS,
            identity + wire.user_data(response),
        )  # fmt: skip
        self._writer = dds.Writer(
            participant, request_topic, wire.struct_type(request._key, service=True), SERVICE_QOS,
            identity + wire.user_data(request),
        )  # fmt: skip
        self._guid = self._writer.handle & (2**64 - 1)
        self.condition = self._reader.condition
        self._lock = threading.Lock()
        self._sequence = 0
        self._pending: dict[int, Future] = {}
        self._closed = False
        callback_group.add_entity(self)

    @property
    def service_name(self) -> str:
        return self.srv_name

    def service_is_ready(self) -> bool:
        """Whether a server is there that hears requests and whose replies are heard."""
        return bool(self._writer.matched()) and bool(self._reader.matched())

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Waits until a server is there; False after `timeout_sec` or at shutdown."""
        deadline = None if timeout_sec is None else time.monotonic() + timeout_sec
        while self.context.ok() and not self.service_is_ready():
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return self.service_is_ready()

    def call_async(self, request: Any) -> Future:
        """Sends a request; the future has the response once the node has been spun.

        Raises:
            TypeError: the request is not of the service's Request class.
        """
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f"Expected {self.srv_type.Request}, got {type(request)}")
        future = Future()
        with self._lock:
            self._sequence += 1
            sequence = self._sequence
            self._pending[sequence] = future
        future._sequence = sequence
        future._add_immediate_callback(self._forget)
        self._writer.write(wire.serialize(request, dds.pack_service_header(self._guid, sequence)))
        return future

    def call(self, request: Any, timeout_sec: float | None = None) -> Any:
        """Sends a request and waits for the response; another thread must spin the node.

        Raises:
            TimeoutError: no response within `timeout_sec`.
        """
        future, arrived = self.call_async(request), threading.Event()
        future._add_immediate_callback(lambda _: arrived.set())
        if not arrived.wait(timeout_sec):
            self.remove_pending_request(future)
            raise TimeoutError(f"{self.srv_name} did not respond within {timeout_sec} s")
        return future.result()

    def remove_pending_request(self, future: Future) -> None:
        """Stops waiting for a response."""
        self._forget(future)

    def _forget(self, future: Future) -> None:
        with self._lock:
            self._pending.pop(future._sequence, None)

    def take(self) -> Callable | None:
        """For the executor: hands the oldest waiting response to its future."""
        while not self._closed:
            taken = self._reader.take()
            if taken is None:
                return None
            data = taken[0]
            guid, sequence = dds.unpack_service_header(data)
            with self._lock:
                future = self._pending.get(sequence) if guid == self._guid else None
            if future is not None:  # all clients of a service hear all its replies
                return lambda: self._finish(future, data)
        return None

    def _finish(self, future: Future, data: bytes) -> None:
        try:
            response = wire.deserialize(data, self.srv_type.Response, wire.SERVICE_HEADER_SIZE)
        except ValueError as error:
            future.set_exception(error)
        else:
            future.set_result(response)

    def destroy(self) -> None:
        self._node.destroy_client(self)

    def _close(self) -> None:
        self._closed = True
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()
