# SPDX-License-Identifier: Apache-2.0
"""Services: the answering side."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded import dds, wire
from wall_oss_ros.embedded.naming import service_to_dds
from wall_oss_ros.embedded.qos import HistoryPolicy, QoSProfile

# As ROS 2 has it: reliable, and nothing is dropped.
SERVICE_QOS = QoSProfile(history=HistoryPolicy.KEEP_ALL)
_MATCH_TIMEOUT = 0.2  # s; a client's reader of replies is discovered at about the time of its first request


def endpoint_id(kind: str) -> str:
    """User data that ties the two endpoints of a client or of a service together, as rmw_cyclonedds writes it."""
    return f"{kind}={'.'.join(f'{byte:02x}' for byte in os.urandom(16))};"


def _value_of(user_data: bytes, key: str) -> str | None:
    for part in user_data.decode("ascii", "replace").split(";"):
        name, _, value = part.partition("=")
        if name == key:
            return value
    return None


class ServerEndpoint:
    """The two DDS endpoints of a service: takes requests, sends replies to the client that asked."""

    def __init__(self, participant: dds.Participant, srv_type: type, name: str):
        request_topic, reply_topic = service_to_dds(name)
        identity, request, response = endpoint_id("serviceid"), srv_type.Request, srv_type.Response
        self.reply_writer = dds.Writer(
            participant, reply_topic, wire.struct_type(response._key, service=True), SERVICE_QOS,
            identity + wire.user_data(response),
        )  # fmt: skip
        self.request_reader = dds.Reader(
            participant, request_topic, wire.struct_type(request._key, service=True), SERVICE_QOS,
            identity + wire.user_data(request),
        )  # fmt: skip
        self._ready_clients: set[int] = set()

    def wait_for_client(self, request_writer: int) -> None:
        """Waits until the client that wrote a request can hear the reply, briefly: it may have gone.

        Args:
            request_writer: the handle of its writer, from the request's sample information.
        """
        if request_writer in self._ready_clients:
            return
        asker = self.request_reader.matched_user_data(request_writer)
        client = None if asker is None else _value_of(asker, "clientid")
        deadline = time.monotonic() + _MATCH_TIMEOUT
        while client is not None and time.monotonic() < deadline:
            if client in (_value_of(data, "clientid") for data in self.reply_writer.all_matched_user_data()):
                break
            time.sleep(0.002)
        self._ready_clients.add(request_writer)

    def close(self) -> None:
        self.request_reader.close()
        self.reply_writer.close()


class Service:
    """Answers requests with a callback; made by Node.create_service."""

    is_timer = False

    def __init__(self, node: Any, srv_type: type, name: str, callback: Callable, callback_group: Any):
        self._node = node
        self.srv_type, self.srv_name, self.callback = srv_type, name, callback
        self.callback_group = callback_group
        self._endpoint = ServerEndpoint(node.context.participant, srv_type, name)
        self.condition = self._endpoint.request_reader.condition
        self._closed = False
        callback_group.add_entity(self)

    @property
    def service_name(self) -> str:
        return self.srv_name

    def take(self) -> Callable | None:
        """For the executor: the work that the oldest waiting request asks for."""
        taken = None if self._closed else self._endpoint.request_reader.take()
        if taken is None:
            return None
        data, info = taken

        async def answer() -> None:
            try:
                request = wire.deserialize(data, self.srv_type.Request, wire.SERVICE_HEADER_SIZE)
            except ValueError as error:
                self._node.get_logger().warning(f"{self.srv_name}: {error}", throttle_duration_sec=5.0)
                return
            await self._handle(request, (*dds.unpack_service_header(data), info.publication_handle))

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
        self._endpoint.wait_for_client(header[2])
        self._endpoint.reply_writer.write(wire.serialize(response, dds.pack_service_header(header[0], header[1])))

    def destroy(self) -> None:
        self._node.destroy_service(self)

    def _close(self) -> None:
        self._closed = True
        self._endpoint.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()


class DeferredService(Service):
    """A service whose callback takes the request and its header, and calls `send_response` when it likes."""

    async def _handle(self, request: Any, header: tuple[int, int, int]) -> None:
        result = self.callback(request, header)
        if inspect.isawaitable(result):
            await result
