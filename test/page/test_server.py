# SPDX-License-Identifier: Apache-2.0
"""Whom the page's server lets in, and what it serves."""

import http.client
import json
import socket

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.server import PageServer, PageSettings

pytestmark = pytest.mark.slow
TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def page():
    """On loopback, without a token."""
    server = PageServer(PageSettings(port=0), Panel("test"), lambda request, who, reply: reply("good", "done"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def guarded():
    """On all addresses, with a token."""
    server = PageServer(PageSettings("0.0.0.0", 0, TOKEN), Panel("test"), lambda *_: None)
    server.start()
    yield server
    server.stop()


def get(server, path, **headers):
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def live(server, path="/live", **options):
    return connect(f"ws://127.0.0.1:{server.port}{path}", max_size=None, proxy=None, **options)


def test_a_taken_port_is_refused_rather_than_changed():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WallOSSError, match=f"Port {port} .*Choose another"):
            PageServer(PageSettings(port=port), Panel("test")).start()


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/plan.js", "/plots.js", "/dom.js", "/scene.js"])
def test_the_page_is_whole_and_runs_only_its_own_scripts(page, path):
    status, headers, body = get(page, path)
    assert status == 200 and len(body) == int(headers["Content-Length"])
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "img-src 'self' blob: data:;" in policy, "no picture is fetched from elsewhere, whatever a plan's words say"


@pytest.mark.parametrize("path", ["/nothing", "/../setup.py", "/..%2f..%2fsetup.py", "/config", "//page.js/.."])
def test_there_is_nothing_else(page, path):
    assert get(page, path)[0] == 404


def test_the_scene_comes_through_with_its_messages(page):
    status, headers, body = get(page, "/scene/")
    assert status == 200 and headers["Content-Encoding"] == "gzip" and len(body) > 100_000
    import viser

    with live(page, "/scene", subprotocols=[f"viser-v{viser.__version__}"]) as scene:
        assert isinstance(scene.recv(60), bytes)


def test_other_web_pages_may_not_command_the_robot(page):
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{page.port + 1}"):
        for path in ("/live", "/scene"):
            with pytest.raises(InvalidStatus, match="403"):
                live(page, path, origin=origin)
    with live(page, origin=f"http://127.0.0.1:{page.port}") as own:
        assert "page" in json.loads(own.recv(60))
    assert get(page, "/", Host="evil.example")[0] == 403, "a name that was pointed at this machine"
    assert get(page, "/", Host=f"localhost:{page.port}")[0] == 200


def test_without_the_token_there_is_a_form_for_it_and_nothing_more(guarded):
    status, _, body = get(guarded, "/")
    assert status == 401 and b"token" in body.lower()
    for path in ("/page.js", "/scene/", "/live"):
        assert get(guarded, path)[0] == 401
    for path in ("/live", "/scene"):
        with pytest.raises(InvalidStatus, match="401"):
            live(guarded, path)
        with pytest.raises(InvalidStatus, match="401"):
            live(guarded, path, additional_headers={"Authorization": "Bearer wrong"})
    assert get(guarded, "/login?token=wrong")[0] == 401
    assert get(guarded, f"/?token={TOKEN}&token={TOKEN}")[0] == 401


def test_the_token_is_exchanged_for_a_cookie(guarded):
    status, headers, _ = get(guarded, f"/?token={TOKEN}")
    assert status == 303 and headers["Location"] == "/"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    shown = {"Cookie": cookie.partition(";")[0]}
    assert get(guarded, "/", **shown)[0] == 200
    assert get(guarded, "/scene/", **shown)[0] == 200
    with live(guarded, additional_headers=shown) as browser:
        assert "page" in json.loads(browser.recv(60))
    assert get(guarded, "/", Authorization=f"Bearer {TOKEN}")[0] == 200, "programs show it as they do elsewhere"
    assert get(guarded, "/", Cookie='wall_oss_1="; other=\x80')[0] == 401


def test_messages_that_are_too_long_or_no_requests_end_nothing(page):
    with live(page) as browser:
        for nonsense in ("{", "x" * 1000, b"\x00\x01"):
            browser.send(nonsense)
        found = {}
        while "refused" not in found:
            message = browser.recv(60)
            found |= json.loads(message) if isinstance(message, str) else {}
        browser.send(json.dumps({"do": "hello", "session": "session9"}))
        browser.send(json.dumps({"do": "stop"}))
        browser.send(json.dumps({"do": "seen"}))
        while not found.get("answers"):
            found |= json.loads(browser.recv(60))
        assert found["answers"][0]["words"] == "done"
