# SPDX-License-Identifier: Apache-2.0
"""The page's HTTP: its files, the token, and which web pages may talk to it."""

from __future__ import annotations

import http
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from wall_oss_ros.paths import data_path
from wall_oss_ros.serving.access import bearer, same

_SCRIPTS = ("page.js", "dom.js", "plan.js", "plots.js", "replay.js", "scene.js")
_FILES = {"/": ("index.html", "text/html"), "/page.css": ("page.css", "text/css")}
_FILES |= {f"/{name}": (name, "text/javascript") for name in _SCRIPTS}
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_LOGIN = "login.html"


class HttpSide:
    """Decides on every request before anything else does.

    Args:
        token: that must be shown; None for none.
        loopback: whether the server is on loopback: then only its own names are heeded. A name of somebody else's that
            was pointed at this machine would let that one's web page in.
    """

    def __init__(self, token: str | None, loopback: bool):
        self._token, self._loopback = token, loopback
        self.port = 0

    def refusal(self, request: Request) -> Response | None:
        """Why a request is not answered; None if it may be."""
        host = request.headers.get("Host", "")
        if self._loopback and urlsplit(f"//{host}").hostname not in _OWN_NAMES:
            return _plain(http.HTTPStatus.FORBIDDEN, "This page answers to 127.0.0.1 and localhost.\n")
        if is_upgrade(request):
            origin = request.headers.get("Origin")  # programs send none, browsers do
            if origin is not None and urlsplit(origin).netloc != host:
                return _plain(http.HTTPStatus.FORBIDDEN, "Another web page may not command this robot.\n")
        if self._token is not None and not self._shown(request.headers):
            return self._log_in(request)
        return None

    def file(self, request: Request) -> Response:
        """One of the page's own files."""
        path = urlsplit(request.path).path
        if path == "/login":  # somebody who has come in already follows an old link
            return _see("/")
        if path not in _FILES:
            return _plain(http.HTTPStatus.NOT_FOUND, "There is no such page.\n")
        name, kind = _FILES[path]
        return answer(data_path(f"config/page/{name}").read_bytes(), kind, _policy(request.headers.get("Host", "")))

    @property
    def _cookie(self) -> str:
        return f"wall_oss_{self.port}"  # cookies do not tell ports apart

    def _shown(self, headers: Headers) -> bool:
        if same(bearer(headers.get_all("Authorization")), self._token):
            return True
        for line in headers.get_all("Cookie"):
            try:
                cookie = SimpleCookie(line).get(self._cookie)
            except CookieError:
                continue
            if cookie is not None and same(cookie.value, self._token):
                return True
        return False

    def _log_in(self, request: Request) -> Response:
        split = urlsplit(request.path)
        given = parse_qs(split.query).get("token", [""])
        if split.path in ("/", "/login") and len(given) == 1 and same(given[0], self._token):
            response = _see("/")
            response.headers["Set-Cookie"] = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            return response
        if is_upgrade(request) or split.path not in ("/", "/login"):
            return _plain(http.HTTPStatus.UNAUTHORIZED, "A token is needed: open the page's first address.\n")
        page = data_path(f"config/page/{_LOGIN}").read_bytes()
        policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
        return answer(page, "text/html", policy, http.HTTPStatus.UNAUTHORIZED)


def is_upgrade(request: Request) -> bool:
    """Whether a request wants to become a websocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def answer(
    body: bytes, kind: str, policy: str, status: http.HTTPStatus = http.HTTPStatus.OK, coding: str = ""
) -> Response:
    """An answer with a body.

    Args:
        kind: its media type.
        policy: its content security policy.
        coding: how it is compressed.
    """
    headers = Headers(
        {
            "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body)), "Cache-Control": "no-store",
            "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Connection": "close",
        }
    )  # fmt: skip
    if coding:
        headers["Content-Encoding"] = coding
    return Response(status.value, status.phrase, headers, body)


def _policy(host: str) -> str:
    """Scripts, styles and connections of this server's own, and nothing of anybody else's: pictures in words, too."""
    live = f"ws://{host} wss://{host}" if host and not set(host) & set(" ;,'\"") else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; frame-src 'self'; "
        f"connect-src 'self' {live}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _plain(status: http.HTTPStatus, words: str) -> Response:
    return answer(words.encode(), "text/plain", "default-src 'none'", status)


def _see(path: str) -> Response:
    response = _plain(http.HTTPStatus.SEE_OTHER, "\n")
    response.headers["Location"] = path
    return response
