# SPDX-License-Identifier: Apache-2.0
"""The server that browsers fetch the page from, in a thread of its own: no callback of a node makes it wait."""

from __future__ import annotations

import asyncio
import gzip
import http
import json
import logging
import struct
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import viser
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.page.answers import Answers
from wall_oss_ros.page.http_side import HttpSide, answer, is_upgrade
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.requests import LARGEST, OF_A_REPLAY, Request, read
from wall_oss_ros.page.wheel import Wheel
from wall_oss_ros.serving.access import is_loopback

PERIOD = 0.15  # s between two looks at what is new for a browser
BROWSERS = 24  # that are served at a time
_SLOW = 60.0  # s that a browser may take over what it is told
_SCENE_POLICY = "frame-ancestors 'self'"  # viser's page is one file with all that it needs
_SCENE = ("/scene", "/scene/")

Command = Callable[[Request, str, Callable[[str, str], None]], None]
"""Has a request done for somebody of that name; then, from any thread, told a tone of the answer and its words."""


@dataclass(frozen=True)
class PageSettings:
    """Attributes:
    host, port: to listen on.
    token: that browsers must show; None for none.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None


class PageServer:
    """Serves the panel, and the 3-D scene inside it, which viser makes; to be started, and stopped once.

    viser listens on loopback alone, at a port that nobody needs to know, and is reached through this server: so one
    token and one check of origins stand before all of it.

    Args:
        panel: what is shown.
        command: has requests done; None where there is nothing to be commanded, as of a record.
        replay: does what is asked of a record that is shown; None if it is none.
    """

    def __init__(
        self,
        settings: PageSettings,
        panel: Panel,
        command: Command | None = None,
        replay: Callable[[Request], None] | None = None,
    ):
        self._settings, self._panel, self._command, self._replay = settings, panel, command, replay
        self.scene = viser.ViserServer(host="127.0.0.1", port=0, label="WALL-OSS", verbose=False)
        self.scene.gui.configure_theme(show_logo=False, show_share_button=False)
        self.scene.gui.main_panel.minimize()
        self._http = HttpSide(settings.token, is_loopback(settings.host))
        self._wheel = Wheel(time.monotonic)
        self._answers = Answers(time.monotonic, lambda: time.strftime("%H:%M:%S"))
        self._loop = asyncio.new_event_loop()
        self._stopped: asyncio.Event | None = None
        self._scene_page = b""
        self.browsers = 0
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._ready, self._error = threading.Event(), None

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return self._http.port

    def start(self) -> None:
        """Serves from now on.

        Raises:
            WallOSSError: the port is taken or may not be used.
        """
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            self.scene.stop()
            raise self._error

    def stop(self) -> None:
        """Ends it."""
        if self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(5.0)
        self.scene.stop()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        host, port = self._settings.host, self._settings.port
        try:
            server = await serve(
                self._attend, host, port, process_request=self._on_request, compression=None, max_size=4 * 2**20,
                select_subprotocol=_viser_protocol, server_header=None, logger=_quiet(), close_timeout=1.0,
            )  # fmt: skip
        except (OSError, OverflowError) as error:
            self._error = WallOSSError(
                f"Port {port} of {host} cannot be used for the page: {getattr(error, 'strerror', None) or error}.",
                "Choose another with the parameter or option port.",
            )
            return
        self._http.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        watch = asyncio.ensure_future(self._watch())
        await self._stopped.wait()
        watch.cancel()
        server.close()
        with suppress(asyncio.TimeoutError, TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2.0)

    async def _on_request(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        if (refused := self._http.refusal(request)) is not None:
            return refused
        path = urlsplit(request.path).path
        if is_upgrade(request):
            known = path in (*_SCENE, "/live")
            full = self.browsers >= BROWSERS
            if known and not full:
                return None
            status = http.HTTPStatus.SERVICE_UNAVAILABLE if full else http.HTTPStatus.NOT_FOUND
            return answer(b"", "text/plain", "default-src 'none'", status)
        if path in _SCENE:
            if not self._scene_page:
                self._scene_page = await asyncio.to_thread(self._fetch_scene)
            return answer(self._scene_page, "text/html", _SCENE_POLICY, coding="gzip")
        return self._http.file(request)

    def _fetch_scene(self) -> bytes:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://127.0.0.1:{self.scene.get_port()}/", timeout=10
        ) as page:
            return gzip.compress(page.read())

    async def _attend(self, connection: ServerConnection) -> None:
        if urlsplit(connection.request.path).path in _SCENE:
            await self._relay(connection)
        else:
            await self._live(connection)

    async def _relay(self, browser: ServerConnection) -> None:
        """Hands on what viser and its page in the browser have to say to each other."""
        spoken = [Subprotocol(browser.subprotocol)] if browser.subprotocol else None
        address = f"ws://127.0.0.1:{self.scene.get_port()}"
        with suppress(ConnectionClosed, OSError, WebSocketException, asyncio.TimeoutError, TimeoutError):
            async with connect(address, subprotocols=spoken, compression=None, max_size=None, proxy=None) as scene:
                await _first(_hand_on(browser, scene), _hand_on(scene, browser))

    async def _live(self, browser: ServerConnection) -> None:
        """What is new goes to the browser, and what somebody asks for comes from it."""
        self.browsers += 1
        session: list[str] = [""]
        seen = asyncio.Event()
        try:
            with suppress(ConnectionClosed, asyncio.TimeoutError, TimeoutError):
                await _first(self._tell(browser, session, seen), self._hear(browser, session, seen))
        finally:
            self.browsers -= 1
            self._wheel.seen(session[0], there=False)
            browser.transport.abort()

    async def _tell(self, browser: ServerConnection, session: list[str], seen: asyncio.Event) -> None:
        """Says what is new, and no more before the browser has shown it: a slow one gets less, and nothing late."""
        sent: dict[str, str] = {}
        pictures: dict[int, int] = {}
        while True:
            sections = self._panel.sections()
            sections["wheel"] = json.dumps({"name": self._wheel.name, "mine": self._wheel.drives(session[0])})
            sections["answers"] = json.dumps(self._answers.shown())
            news = {name: content for name, content in sections.items() if sent.get(name) != content}
            newer = [index for index, number in self._panel.newest().items() if pictures.get(index) != number]
            if news:
                body = ",".join(f"{json.dumps(name)}:{content}" for name, content in news.items())
                await asyncio.wait_for(browser.send(f"{{{body}}}"), _SLOW)
                sent |= news
            for index in newer:
                made = await asyncio.to_thread(self._panel.picture, index)
                pictures[index] = made.number
                if made.jpeg:
                    head = struct.pack("<BHH", index, min(made.width, 65535), min(made.height, 65535))
                    await asyncio.wait_for(browser.send(head + made.jpeg), _SLOW)
            if news or newer:
                await asyncio.wait_for(browser.send('{"end": true}'), _SLOW)
                await asyncio.wait_for(seen.wait(), _SLOW)
                seen.clear()
            await asyncio.sleep(PERIOD)

    async def _hear(self, browser: ServerConnection, session: list[str], seen: asyncio.Event) -> None:
        async for message in browser:
            if len(message) > LARGEST:
                return
            try:
                request = read(message)
                if request.what == "seen":
                    seen.set()
                    continue
                refused = self._take(request, session)
            except WallOSSError as error:
                refused = str(error)
            if refused:
                await asyncio.wait_for(browser.send(json.dumps({"refused": refused})), _SLOW)

    def _take(self, request: Request, session: list[str]) -> str:
        """Has a request done. Returns why not, if so."""
        wheel, values = self._wheel, request.values
        if request.what == "hello":
            session[0] = values["session"]
            wheel.seen(session[0], there=True)
            return ""
        if request.what in OF_A_REPLAY and self._replay is not None:
            self._replay(request)
            return ""
        if self._command is None or request.what in OF_A_REPLAY:
            return "There is nothing here to be commanded."
        if not session[0]:
            return "Reload the page: it has not said who it is."
        if request.what == "take":
            return wheel.take(session[0], values["name"][:40], values["from_other"])
        if request.what == "leave":
            wheel.leave(session[0])
            return ""
        if request.what != "stop" and not wheel.drives(session[0]):
            return f"{wheel.name} drives." if wheel.name else "Take the wheel first."
        who = wheel.name if wheel.drives(session[0]) else "a person at the page"
        if (number := self._answers.ask(request, who)) is None:
            return "Too much is under way: wait for an answer."
        self._command(request, who, lambda tone, words: self._answers.answer(number, tone, words))
        return ""

    async def _watch(self) -> None:
        while True:
            self._answers.look()
            await asyncio.sleep(0.05)


async def _hand_on(source: Any, sink: Any) -> None:
    async for message in source:
        await asyncio.wait_for(sink.send(message), _SLOW)


async def _first(*tasks: Any) -> None:
    """Runs tasks until the first of them ends, or fails, with which this fails as well."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _viser_protocol(_connection: ServerConnection, offered: Any) -> Subprotocol | None:
    return next((one for one in offered if one.startswith("viser-v")), None)


def _quiet() -> logging.Logger:
    """A logger without what strangers do to an open port: handshakes that fail, with their tracebacks."""
    logger = logging.getLogger(f"{__name__}.websockets")
    logger.setLevel(logging.CRITICAL)
    return logger
