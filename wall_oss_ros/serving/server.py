# SPDX-License-Identifier: Apache-2.0
"""The policy server: websockets, a message from the server first, then an answer to each request.

The protocol is openpi's (github.com/Physical-Intelligence/openpi, ``serving/websocket_policy_server.py``): messages are
msgpack (:mod:`wall_oss_ros.serving.codec`), the first one says what the server serves, ``/healthz`` answers over HTTP,
and what cannot be answered is told as a text, after which the connection is closed with status 1011. wall-x's server
does the same with requests of another form (:mod:`wall_oss_ros.serving.wall_x`); each request says by its keys which it
is in.
"""

from __future__ import annotations

import asyncio
import http
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.serving import codec
from wall_oss_ros.serving.access import bearer, same
from wall_oss_ros.serving.actions import ActionForm
from wall_oss_ros.serving.keys import Keys
from wall_oss_ros.serving.model_queue import ModelQueue
from wall_oss_ros.serving.request import MODES, Request, RequestReader
from wall_oss_ros.serving.session import Answer, Session
from wall_oss_ros.serving.wall_x import WallX, is_wall_x

_log = logging.getLogger(__name__)

_FAILED = 1011  # RFC 6455, 7.4.1: something that keeps the server from answering
_REASON = 120  # bytes of a close frame's reason, 123 at most
_SLOW = 60.0  # s that a client may take to read an answer
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}


@dataclass(frozen=True)
class ServerSettings:
    """Attributes:
    host, ports: to listen on; port 0 takes a free one.
    token: that clients must show; None for none.
    clients: that may be connected at a time.
    largest: bytes of a request.
    mode, instruction: for requests that name none; an empty instruction demands one.
    steps: Euler steps of the flow; None is the checkpoint's number.
    seed: of each episode's first noise; None takes new ones.
    """

    host: str = "127.0.0.1"
    ports: tuple[int, ...] = (8000,)
    token: str | None = None
    clients: int = 16
    largest: int = 32 * 2**20
    mode: str = "act"
    instruction: str = ""
    steps: int | None = None
    seed: int | None = None


class PolicyServer:
    """Serves one policy on one robot.

    Args:
        policy: :class:`~wall_oss_ros.policy.policy.Policy`, loaded for that robot.
        profile: the robot's.
        keys: how clients name things.
    """

    def __init__(self, policy, profile: RobotProfile, keys: Keys, settings: ServerSettings = ServerSettings()):
        self._policy, self._profile, self._settings = policy, profile, settings
        self._layout = Layout(profile)
        self._form = ActionForm(self._layout, keys)
        self._reader = RequestReader(
            self._layout, policy.views, policy.image_size, keys, self._form, settings.instruction, settings.mode
        )
        self._wall_x = WallX(self._layout, self._reader)
        self._queue = ModelQueue()
        self._connected = 0
        self._servers: list[Server] = []

    @property
    def metadata(self) -> dict[str, Any]:
        """What clients are told first."""
        policy, profile = self._policy, self._profile
        return {
            "server": "wall-oss",
            "model": "wall-oss",
            "checkpoint": policy.checkpoint,
            "robot": profile.full_name,
            "statistics": policy.robot,
            "views": {name: list(keys) for name, keys in self._reader.views.items()},
            "image_size": policy.image_size,
            "state": self._reader.state,
            "actions": {
                "mode": self._form.mode,
                "columns": self._form.describe(),
                "horizon": policy.horizon,
                "rate_hz": float(profile.rate_hz),
                "decided": [dof for dof, slot in self._layout.slots.items() if policy.dof_mask[slot].any()],
            },
            "modes": list(MODES),
            "mode": self._settings.mode,
            "real_time_chunking": policy.fast is None,
            "wall_x": self._wall_x.problem or "served",
            "batch_enabled": False,  # wall-x's clients ask for it
        }

    async def run(self, ready: Callable[[list[int]], None], stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set.

        Args:
            ready: called with the ports once clients may connect.

        Raises:
            WallOSSError: a port cannot be used.
        """
        try:
            for port in self._settings.ports:
                self._servers.append(await self._listen(port))
            ready([server.sockets[0].getsockname()[1] for server in self._servers])
            await stop.wait()
        finally:
            for server in self._servers:
                server.close()
            await asyncio.gather(*(server.wait_closed() for server in self._servers))

    def close(self, patience: float = 5.0) -> bool:
        """Ends the model's thread; False if it is still busy after ``patience`` s."""
        return self._queue.close(patience)

    async def _listen(self, port: int) -> Server:
        settings = self._settings
        try:
            return await serve(
                self._serve_client,
                settings.host,
                port,
                process_request=self._admit,
                origins=[None],  # programs send no Origin, browsers do: no web page gets at a server on loopback
                compression=None,
                max_size=settings.largest,
                max_queue=1,  # a client has one request under way; more wait at its end
                ping_interval=None,  # a robot that computes for a minute is not gone; see _keep_alive
                close_timeout=2.0,
                server_header=None,
                logger=_quiet(),
            )
        except (OSError, OverflowError) as error:
            raise WallOSSError(
                f"{settings.host} port {port} cannot be used: {getattr(error, 'strerror', None) or error}.",
                "Choose others: --host, --port.",
            ) from None

    def _admit(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        """Refuses before the handshake whom there is no place or no permission for."""
        if request.path.split("?")[0] == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        if self._settings.token is not None and not _shows(request.headers, self._settings.token):
            response = connection.respond(
                http.HTTPStatus.UNAUTHORIZED, "A token is needed: the header Authorization: Bearer TOKEN.\n"
            )
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        if self._connected >= self._settings.clients:
            words = f"{self._connected} clients are connected, which is all that are served at a time.\n"
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, words)
        return None

    async def _serve_client(self, connection: ServerConnection) -> None:
        self._connected += 1
        _keep_alive(connection.transport.get_extra_info("socket"))
        gone = asyncio.ensure_future(connection.wait_closed())
        session = Session(self._policy, self._layout, self._settings.steps, self._settings.seed)
        try:
            await self._send(connection, codec.pack(self.metadata))
            before = None
            async for message in connection:
                begun = time.perf_counter()
                try:
                    reply = await self._reply(session, message, gone, before)
                except WallOSSError as error:
                    _log.info("refused a request of %s: %s", connection.remote_address, error)
                    return await self._refuse(connection, str(error))
                except Exception as error:
                    _log.exception("a request of %s failed", connection.remote_address)
                    return await self._refuse(connection, f"The server failed: {type(error).__name__}: {error}"[:2000])
                if reply is None:
                    return None
                await self._send(connection, reply)
                before = 1e3 * (time.perf_counter() - begun)
        except (ConnectionClosed, TimeoutError, asyncio.TimeoutError):
            connection.transport.abort()
        finally:
            self._connected -= 1
            gone.cancel()

    async def _reply(
        self, session: Session, message: str | bytes, gone: asyncio.Future, before: float | None
    ) -> bytes | None:
        """The answer to a message; None if the client is gone before it is there."""
        if isinstance(message, str):
            raise WallOSSError("The request is a text; a binary message was expected.", "Pack it with msgpack.")
        request, wall_x, openpi = await asyncio.to_thread(self._read, message)
        asked = time.perf_counter()
        work = asyncio.ensure_future(self._queue.do(partial(session.answer, request)))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            return None
        answer, seconds = work.result()
        timing = {"infer_ms": 1e3 * seconds, "queue_ms": 1e3 * (time.perf_counter() - asked - seconds)}
        if before is not None:
            timing["prev_total_ms"] = before
        found = self._written(answer, wall_x)
        return codec.pack({**found, **answer.words, "server_timing": timing}, openpi)

    def _read(self, message: bytes) -> tuple[Request, bool, bool]:
        """The request, whether it is in wall-x's form, and whether arrays are in openpi's."""
        found, openpi = codec.unpack(message)
        wall_x = is_wall_x(found)
        return (self._wall_x if wall_x else self._reader).read(found), wall_x, openpi

    def _written(self, answer: Answer, wall_x: bool) -> dict[str, Any]:
        if answer.targets is None:
            return {}
        state = np.asarray(answer.state, float)
        if wall_x:
            return self._wall_x.answer(answer.targets, state)
        # The only array: openpi's ActionChunkBroker takes a row of every array that it is sent.
        return {"actions": self._form.actions(answer.targets, state)}

    async def _send(self, connection: ServerConnection, message: bytes | str) -> None:
        await asyncio.wait_for(connection.send(message), _SLOW)

    async def _refuse(self, connection: ServerConnection, words: str) -> None:
        words = words.encode("utf-8", "replace").decode()
        await self._send(connection, words)
        reason = words.encode()[:_REASON].decode(errors="ignore")
        await connection.close(_FAILED, reason)


def _shows(headers: Headers, token: str) -> bool:
    """Whether a request shows the token: as Bearer, or as Api-Key, which openpi's client sends."""
    return same(bearer(headers.get_all("Authorization"), ("bearer", "api-key")), token)


def _keep_alive(connection: socket.socket) -> None:
    """Has the system find out when a client's machine has vanished. A ping would do as well, and would part with a
    client that is busy, or stopped in a debugger, too."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _quiet() -> logging.Logger:
    """A logger without what strangers do to an open port: handshakes that fail, with their tracebacks."""
    logger = logging.getLogger(f"{__name__}.websockets")
    logger.setLevel(logging.CRITICAL)
    return logger
