# SPDX-License-Identifier: Apache-2.0
"""Services and their clients."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from cyclonedds.core import DDSException

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.entities import GraphEntity
from wall_oss_ros.embedded.naming import service_to_dds
from wall_oss_ros.embedded.qos import QoSProfile, qos_profile_services_default
from wall_oss_ros.embedded.service_introspection import Introspection
from wall_oss_ros.embedded.task import Future

_MATCH_TIMEOUT = 0.2  # s; a client's reader of replies is discovered at about the time of its first request


def _endpoints(
    participant: dds.Participant, srv_type: type, name: str, role: str, profile: QoSProfile
) -> tuple[Any, Any]:
    """The two DDS endpoints of a ``client`` or a ``service``: that of requests and that of replies."""
    # User data that ties the two together, as rmw_cyclonedds writes it.
    identity = f"{role}id={'.'.join(f'{byte:02x}' for byte in os.urandom(16))};"

    def open_endpoint(kind: type, topic: str, cls: type) -> Any:
        struct = wire.struct_type(cls._key, service=True)
        return kind(participant, topic, struct, profile, identity + wire.user_data(cls))

    of_requests, of_replies = (dds.Writer, dds.Reader) if role == "client" else (dds.Reader, dds.Writer)
    request_topic, reply_topic = service_to_dds(name)
    reply = open_endpoint(of_replies, reply_topic, srv_type.Response)  # first, so that it is there when requests are
    return open_endpoint(of_requests, request_topic, srv_type.Request), reply


def _value_of(user_data: bytes, key: str) -> str | None:
    for part in user_data.decode("ascii", "replace").split(";"):
        name, _, value = part.partition("=")
        if name == key:
            return value
    return None


class Service(Introspection, GraphEntity):
    """Answers requests with a callback; made by Node.create_service."""

    def __init__(
        self, node: Any, srv_type: type, name: str, callback: Callable, callback_group: Any,
        qos_profile: QoSProfile = qos_profile_services_default,
    ):  # fmt: skip
        self.srv_type, self.callback, self.qos_profile = srv_type, callback, qos_profile
        self.srv_name = self.service_name = name
        self._reader, self._writer = _endpoints(node.context.participant, srv_type, name, "service", qos_profile)
        self._ready_clients: set[int] = set()  # handles of their writers of requests
        super().__init__(node, callback_group, (self._reader,), (self._writer,))

    def next_call(self) -> Callable | None:
        """The callback with the oldest waiting request, and the sending of its response."""
        taken = None if self._closed else self._reader.take_sample()
        if taken is None:
            return None
        data, info = taken

        async def answer() -> None:
            try:
                request = wire.deserialize(data, self.srv_type.Request, wire.SERVICE_HEADER.size)
            except ValueError as error:
                self._node.get_logger().warning(f"{self.srv_name}: {error}", throttle_duration_sec=5.0)
                return
            header = wire.SERVICE_HEADER.unpack_from(data, 4)
            self._tell("REQUEST_RECEIVED", *header, request=request)
            await self._handle(request, (*header, info.publication_handle))

        return answer

    async def _handle(self, request: Any, header: tuple[int, int, int]) -> None:
        response = self.callback(request, self.srv_type.Response())
        if inspect.isawaitable(response):
            response = await response
        self.send_response(response, header)

    def send_response(self, response: Any, header: tuple[int, int, int]) -> None:
        """Sends an answer.

        Args:
            response: of the service's Response class.
            header: client guid, sequence number and request writer of the request.

        Raises:
            TypeError: the response is of another class.
        """
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(
                f"The callback of service {self.srv_name} returned {type(response).__name__}, "
                f"expected {self.srv_type.Response.__name__}"
            )
        if self._closed:
            return
        data = wire.serialize(response, wire.SERVICE_HEADER.pack(*header[:2]))
        try:
            self._wait_for_client(header[2])
            self._writer.write(data)
        except DDSException:
            if self._closed:  # by another thread meanwhile, as when its node is shut down
                return
            raise
        self._tell("RESPONSE_SENT", *header[:2], response=response)

    def _wait_for_client(self, request_writer: int) -> None:
        """Waits until the client that wrote a request can hear the reply, but not for long: it may have left.

        Args:
            request_writer: the handle of its writer, from the request's sample information.
        """
        if request_writer in self._ready_clients:
            return
        asker = self._reader.matched_user_data(request_writer)
        client = None if asker is None else _value_of(asker, "clientid")
        deadline = time.monotonic() + _MATCH_TIMEOUT
        while client is not None and time.monotonic() < deadline:
            if client in (_value_of(data, "clientid") for data in self._writer.all_matched_user_data()):
                break
            time.sleep(0.002)
        self._ready_clients.add(request_writer)


class DeferredService(Service):
    """A service whose callback takes the request and its header, and calls `send_response` when it likes."""

    async def _handle(self, request: Any, header: tuple[int, int, int]) -> None:
        result = self.callback(request, header)
        if inspect.isawaitable(result):
            await result


class Client(Introspection, GraphEntity):
    """Calls a service; made by Node.create_client."""

    def __init__(
        self, node: Any, srv_type: type, name: str, callback_group: Any,
        qos_profile: QoSProfile = qos_profile_services_default,
    ):  # fmt: skip
        self.context, self.srv_type, self.qos_profile = node.context, srv_type, qos_profile
        self.srv_name = self.service_name = name
        self._writer, self._reader = _endpoints(node.context.participant, srv_type, name, "client", qos_profile)
        self._guid = self._writer.handle & (2**64 - 1)
        self._lock = threading.Lock()
        self._sequence = 0
        self._pending: dict[int, Future] = {}
        super().__init__(node, callback_group, (self._reader,), (self._writer,))

    def service_is_ready(self) -> bool:
        """Whether a server is there that hears requests and whose replies are heard."""
        return bool(self._writer.matched()) and bool(self._reader.matched())

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Waits until a server is there; False after `timeout_sec` or at shutdown."""
        return self.context.poll(self.service_is_ready, timeout_sec)

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
        future._add_immediate_callback(self.remove_pending_request)
        self._writer.write(wire.serialize(request, wire.SERVICE_HEADER.pack(self._guid, sequence)))
        self._tell("REQUEST_SENT", self._guid, sequence, request=request)
        return future

    def call(self, request: Any, timeout_sec: float | None = None) -> Any:
        """Sends a request and waits for the response; another thread must spin the node.

        Raises:
            TimeoutError: no response within `timeout_sec`.
        """
        future = self.call_async(request)
        if not future._wait(timeout_sec):
            self.remove_pending_request(future)
            raise TimeoutError(f"{self.srv_name} did not respond within {timeout_sec} s")
        return future.result()

    def remove_pending_request(self, future: Future) -> None:
        """Stops waiting for a response."""
        with self._lock:
            self._pending.pop(future._sequence, None)

    def next_call(self) -> Callable | None:
        """Hands the oldest waiting response to its future."""
        while not self._closed:
            taken = self._reader.take_sample()
            if taken is None:
                return None
            data = taken[0]
            guid, sequence = wire.SERVICE_HEADER.unpack_from(data, 4)
            with self._lock:
                future = self._pending.get(sequence) if guid == self._guid else None
            if future is not None:  # all clients of a service hear all its replies
                return lambda: self._finish(future, data, sequence)
        return None

    def _finish(self, future: Future, data: bytes, sequence: int) -> None:
        try:
            response = wire.deserialize(data, self.srv_type.Response, wire.SERVICE_HEADER.size)
        except ValueError as error:
            future.set_exception(error)
        else:
            self._tell("RESPONSE_RECEIVED", self._guid, sequence, response=response)
            future.set_result(response)
