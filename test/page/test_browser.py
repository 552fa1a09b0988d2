# SPDX-License-Identifier: Apache-2.0
"""The page in a browser: what it shows of hostile words, and a robot led by it from an instruction to the end."""

import socket
import time

import pytest
from browser_support import Browser, needs_chromium
from domains import own_domain

from wall_oss_ros.bringup.system import system
from wall_oss_ros.commands.instruction import choose
from wall_oss_ros.commands.processes import Processes
from wall_oss_ros.commands.run import viewer_arguments
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.server import PageServer, PageSettings
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of

pytestmark = [pytest.mark.slow, pytest.mark.real_time, needs_chromium]
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script> ![x](http://evil.example/x.png)'


def text_of(selector: str) -> str:
    return f"document.querySelector({selector!r}).innerText"


@pytest.fixture
def served():
    """A page with words of a hostile plan on it, whose Stop nobody answers."""
    asked = []
    panel = Panel("WALL-OSS", HOSTILE)
    subtask = {"mark": "○", "tone": "quiet", "text": HOSTILE, "left": True, "next": True, "active": False}
    change = {"revision": 1, "at": "+0.0 s", "who": HOSTILE, "what": HOSTILE, "why": HOSTILE}
    judgement = {"words": HOSTILE, "confidence": 0.5, "about": HOSTILE, "age": "", "repeats": 1, "confirmations": 2}
    panel.show(
        "plan",
        {
            "id": 4, "revision": 9, "instruction": HOSTILE, "state": "awaiting approval", "tone": "busy",
            "stale": False, "alive": True, "awaits": True, "message": HOSTILE, "reasoning": HOSTILE,
            "thought": HOSTILE, "approval": "plan", "active": -1,
            "subtasks": [subtask | {"by_person": False, "attempts": 0}] * 2, "more": 0, "judgement": judgement,
            "history": [change],
        },
    )  # fmt: skip
    values = [[HOSTILE, HOSTILE]]
    panel.show("nodes", [{"name": HOSTILE, "level": "ok", "tone": "good", "message": HOSTILE, "values": values}])
    panel.show("cameras", {"views": [], "pointed": {"question": HOSTILE, "answer": HOSTILE, "age": "1 s ago"}})
    panel.show("reality", {"word": "UNKNOWN", "tone": "bad", "why": HOSTILE})
    server = PageServer(PageSettings(port=0), panel, lambda request, who, reply: asked.append((request, who)))
    server.start()
    yield server, asked
    server.stop()


def test_hostile_words_stay_words_and_the_space_bar_stops(served):
    server, asked = served
    with Browser(390, 844, mobile=True) as browser:
        browser.open(f"http://127.0.0.1:{server.port}/")
        browser.until("document.querySelectorAll('.subtask').length === 2")
        assert browser.value(text_of("#plan-body")).count("<script>") >= 4
        assert browser.value("document.querySelectorAll('main img, main script, header script').length") == 0
        assert browser.value("document.title") == "WALL-OSS"
        assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "a phone has no second axis"
        box = browser.value("(({top, bottom, width, height}) => [top, bottom, width, height])"
                            "(document.getElementById('stop').getBoundingClientRect())")  # fmt: skip
        assert box[0] > 600 and box[1] <= 844 and box[2] > 180 and box[3] > 50, "Stop is in sight, and large"
        assert browser.value("document.getElementById('approve').disabled"), "who does not drive only looks"

        browser.press_space()
        browser.until(f"{text_of('#stopped')}.toLowerCase().includes('nobody')", 10)
        assert [(request.what, who) for request, who in asked] == [("stop", "a person at the page")]

        browser.fill("#name", "anna")
        browser.click("#take")
        browser.until(f"{text_of('#driver')}.includes('you drive, as anna')")
        browser.value("document.getElementById('instruction').focus()")
        browser.press_space()
        browser.click("#approve")
        browser.until(f"{text_of('#answers')}.includes('approve')")
        request, who = asked[-1]
        assert (request.values["plan"], request.values["revision"], who) == (4, 9, "anna")
        assert [request.what for request, _ in asked] == ["stop", "approve"], "a space in a text is a space"


def test_what_is_long_leaves_the_rest_in_reach_and_what_is_old_is_said_to_be(served):
    server, _ = served
    plan = server._panel.section("plan")
    plan["subtasks"], plan["thought"] = [dict(plan["subtasks"][0], text=f"one {k}") for k in range(60)], HOSTILE * 20
    server._panel.show("plan", plan)
    server._panel.show("reality", {"word": "SIMULATED", "tone": "good", "why": "of a test"})
    with Browser(390, 844, mobile=True) as browser:
        browser.open(f"http://127.0.0.1:{server.port}/")
        browser.fill("#name", "anna")
        browser.click("#take")
        browser.until("document.querySelectorAll('button.subtask').length === 60")
        height = browser.value("document.getElementById('plan').getBoundingClientRect().height")
        assert height < 2 * 844, "sixty subtasks and a long thought do not push the approval out of reach"
        assert browser.text("#thought").startswith("The model sees: <img src=x")

        browser.value("document.querySelectorAll('.subtask')[50].focus()")
        browser.value("document.querySelector('.rows').scrollTop = 400")
        plan["judgement"]["age"] = "1 s ago"  # as it changes every second
        server._panel.show("plan", plan)
        browser.until(f"{text_of('#plan-body')}.includes('seen 1 s ago')")
        assert "one 50" in browser.value("document.activeElement.innerText"), "a click that has begun is not lost"
        plan["subtasks"][3]["text"] = "one more"
        server._panel.show("plan", plan)
        browser.until(f"{text_of('#plan-body')}.includes('one more')")
        assert "one 50" in browser.value("document.activeElement.innerText")
        assert browser.value("document.querySelector('.rows').scrollTop") == 400

        server._wheel.take("0" * 32, "W" * 40, True)
        browser.until(f"{text_of('#take')}.includes('WWW')")
        assert browser.value("document.documentElement.scrollWidth <= innerWidth && innerWidth === 390")

        figures = {
            "figures": [],
            "stale": False,
            "needs_resume": False,
            "reason": "",
            "state": "stopped",
            "tone": "bad",
        }
        server._panel.show("control", {"emergency": {"words": "pressed", "tone": "bad"}, **figures})
        browser.until(f"{text_of('#head')}.includes('EMERGENCY STOP pressed')")
        browser.until(f"{text_of('#reality')}.includes('not connected; take it for real. It was: SIMULATED')", 30)
        assert browser.value("document.getElementById('reality').className") == "quiet", "and nothing is heard any more"


@pytest.mark.timeout(1500)
def test_from_an_instruction_to_its_end_with_an_edit_and_an_approval_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    instruction, seed = choose(task_of(load_profile("franka")), "put the red cube in the left tray", None)
    parameters = {"planner": {"approval": "plan"}}
    specs = system("franka", seed=seed, speed=0.3, parameters=parameters, state=tmp_path)
    from wall_oss_ros.commands.monitor import Monitor

    with Processes(tmp_path) as processes:
        for spec in specs:
            processes.start(spec.name, spec.module, spec.arguments())
        processes.start("viewer", "wall_oss_ros.page", viewer_arguments(port, "franka", instruction))
        with Monitor() as monitor:
            begun = time.monotonic()
            while monitor.waiting_for() or not _listens(port):
                monitor.spin(0.1)
                assert time.monotonic() - begun < 300 and processes.ended() is None, processes.ended()
            with Browser(1400, 1000) as browser:
                _lead(browser, port)
            monitor.spin(1.0)
            assert monitor.truth["cubes"]["red"]["where"] == "gripper", "as the edit has it, not the instruction"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _lead(browser: Browser, port: int) -> None:
    """What a person does at the page."""
    browser.open(f"http://127.0.0.1:{port}/")
    browser.until(f"{text_of('#reality')}.includes('SIMULATED')")
    browser.until("document.querySelector('.view img')?.naturalWidth > 0")
    browser.fill("#name", "anna")
    browser.click("#take")
    browser.until(f"{text_of('#driver')}.includes('you drive')")
    browser.click("#instruct button")
    browser.until(f"{text_of('#plan-body')}.includes('awaiting approval')", 300)
    browser.until("document.querySelectorAll('.subtask').length === 2")
    browser.click(".subtask:nth-of-type(1)")
    browser.fill("#editor input", "pick up the red cube")
    browser.click("#editor .row button:nth-last-of-type(2)")  # replace all that is left
    browser.until("document.querySelectorAll('.subtask').length === 1")
    browser.until("document.getElementById('changes').textContent.includes('a person, anna')")
    browser.click("#approve")
    browser.until(f"{text_of('#plan-body')}.includes('the model says: done')", 900)
    browser.press_space()
    browser.until(f"{text_of('#stopped')}.includes('comes to rest')")
    browser.until(f"{text_of('#control-body')}.includes('stopped')")
