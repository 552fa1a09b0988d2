# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven by its DevTools protocol over a websocket: no driver needs to be installed."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--remote-debugging-port=0",
    "--no-proxy-server",
)  # fmt: skip


class Browser:
    """One tab; a context manager.

    Args:
        width, height: of its window, pixels.
        mobile: whether it is a phone's.
    """

    def __init__(self, width: int = 1400, height: int = 900, mobile: bool = False):
        self._size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Browser:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = [*_OPTIONS, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen([CHROMIUM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        told = Path(self._folder.name) / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (told.exists() and "\n" in told.read_text()):
            assert time.monotonic() < deadline and self._process.poll() is None, "Chromium did not start"
            time.sleep(0.1)
        port = told.read_text().splitlines()[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/json/list", timeout=60) as answer:
            (page,) = [one for one in json.load(answer) if one["type"] == "page"]
        self._socket = connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None)
        self.send("Emulation.setDeviceMetricsOverride", **self._size)
        return self

    def __exit__(self, *_exception) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def send(self, method: str, timeout: float = 120.0, **parameters):
        """The result of one command of the protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, address: str) -> None:
        """Goes there; what is shown may still be on its way."""
        self.send("Page.enable")
        self.send("Page.navigate", url=address)
        self.heard("Page.loadEventFired")  # of the empty page that was there, perhaps
        deadline = time.monotonic() + 240.0
        while True:
            try:
                if self.value("location.href !== 'about:blank' && document.readyState === 'complete'"):
                    return
            except AssertionError:  # the page changed under the question
                assert time.monotonic() < deadline, f"{address} did not open"
            time.sleep(0.1)

    def heard(self, event: str, timeout: float = 240.0) -> None:
        """Returns when that event has come."""
        while json.loads(self._socket.recv(timeout)).get("method") != event:
            pass

    def value(self, expression: str):
        """The value of an expression in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str, seconds: float = 240.0) -> None:
        """Returns when an expression in the page is true."""
        deadline = time.monotonic() + seconds
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"not true in the page: {expression}\n{self.text()}"
            time.sleep(0.1)

    def text(self, of: str = "body") -> str:
        """What a person reads there."""
        return self.value(f"document.querySelector({json.dumps(of)})?.innerText ?? ''")

    def click(self, selector: str) -> None:
        """Clicks an element that is there, shown, and not disabled."""
        found = json.dumps(selector)
        self.until(f"(one => one && !one.disabled && one.offsetParent !== null)(document.querySelector({found}))")
        self.value(f"document.querySelector({found}).click()")

    def fill(self, selector: str, text: str) -> None:
        self.value(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    def press_space(self) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" ", windowsVirtualKeyCode=32)

    def screenshot(self, path: Path | str) -> None:
        Path(path).write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
