# SPDX-License-Identifier: Apache-2.0
"""The page of a record. It has no part of ROS: whatever is on the network, a replay can command nothing.

Its time is that of the record: what was silent then is silent here, at any speed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from wall_oss_ros.data.bags.bag import Bag
from wall_oss_ros.data.bags.events import Event
from wall_oss_ros.data.bags.record import Record, picture_topic
from wall_oss_ros.data.bags.sources import OURS, PLAN, STATUS
from wall_oss_ros.data.bags.summary import TOPICS, history_of
from wall_oss_ros.page.display import UNREADABLE, Display
from wall_oss_ros.page.panel import Panel
from wall_oss_ros.page.requests import Request
from wall_oss_ros.page.robot_scene import RobotScene
from wall_oss_ros.page.server import PageServer, PageSettings
from wall_oss_ros.page.status_text import printable
from wall_oss_ros.robots.profile import RobotProfile

CHUNK, TRUTH = f"{OURS}/action_chunk", "/simulation/ground_truth"
POINTING, EMERGENCY, DIAGNOSTICS = f"{OURS}/pointed_at", f"{OURS}/emergency_stop", "/diagnostics"
MOST_REPORTS = 60  # messages that may be taken in at once: some seconds of all nodes
SCENE_PERIOD, PANEL_PERIOD = 0.06, 0.25  # s between updates of the scene, and of pictures and figures
LINES = 6  # of what happened, that are shown
MOMENTS = 500  # that can be gone to
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


class Replay:
    """A record as it is shown at a time of it.

    Args:
        bag: opened; it stays so.
        profile: the robot's.
        prefix: the namespace of its topics, with the slash.

    Attributes:
        time: where it stands, s after its beginning.
        seconds: how long it is.
        notes: what is unusual about it.
    """

    def __init__(self, bag: Bag, profile: RobotProfile, prefix: str = ""):
        from wall_oss_ros.embedded.cv_bridge import CvBridge  # converts pictures; it needs no ROS

        self.profile, self._bridge = profile, CvBridge()
        self._joints = {prefix + topic: put for topic, put in profile.joint_sources.items()}
        self._views = {view.name: picture_topic(bag, prefix + view.image_topic) for view in profile.views}
        self._encodings = {view.name: view.encoding for view in profile.views}
        self._plan, self._status = prefix + PLAN, prefix + STATUS
        self._chunk, self._truth = prefix + CHUNK, prefix + TRUTH
        self._pointing, self._emergency = prefix + POINTING, prefix + EMERGENCY
        self._forces = {
            prefix + one.arm.force.topic: number for number, one in enumerate(profile.arms) if one.arm.force
        }
        told = [prefix + topic for topic in TOPICS]
        looked_at = [
            *told, *self._joints, *self._forces, self._chunk, self._truth, self._pointing, self._emergency, DIAGNOSTICS
        ]  # fmt: skip
        pictures = [topic for topic in self._views.values() if topic]
        self.record = Record(bag, looked_at, pictures, thinned=[*self._joints, *self._forces, self._truth])
        self.seconds, self.name = self.record.seconds, bag.path.name
        self.events = history_of(self.record, prefix).events
        self.notes = [
            *self.record.notes,
            *(f"there are no pictures of {name}" for name, topic in self._views.items() if topic is None),
            *(f"there are no joint states on {topic}" for topic in self._joints if topic not in self.record),
        ]
        self.time = 0.0
        self._heard_at = 0.0  # what the display takes for the present
        self._places: dict[str, int] = {}
        self._ahead = 0.0  # s by which stamps are ahead of the record's time
        self.display: Display | None = None

    def show_on(self, scene: RobotScene, panel: Panel) -> None:
        """From now on it is shown there."""
        self.display = Display(scene, panel, lambda: self._heard_at, lambda: self._heard_at + self._ahead)
        self.seek(self.time)

    def seek(self, to: float) -> None:
        """Goes to a time, as if nothing after it had been."""
        self.time = min(max(to, 0.0), self.seconds)
        self._places = {}
        if self.display is not None:
            self.display.forget()
            self._hear()

    def advance(self, seconds: float) -> bool:
        """Goes on; False at its end."""
        self.time = min(self.time + seconds, self.seconds)
        if self.display is not None:
            self._hear()
        return self.time < self.seconds

    def _hear(self) -> None:
        """Hands on the newest of each topic, as of the time when it was heard, the oldest first."""
        record, display = self.record, self.display
        new: list[tuple[float, Callable[[], None]]] = []

        def take(topic: str, hear: Callable[[Any], None]) -> None:
            place = record.place(topic, self.time)
            if place < 0 or self._places.get(topic) == place:
                return
            self._places[topic] = place
            if (message := record.message(topic, place)) is not None:
                new.append((record.time(topic, place), lambda: hear(message)))

        take(self._status, self._hear_status)
        take(self._plan, display.hear_plan)
        take(self._chunk, display.hear_chunk)
        take(self._truth, lambda text: display.hear_truth(json.loads(text.data)))
        take(self._pointing, display.hear_pointing)
        take(self._emergency, display.hear_emergency)
        for topic, number in self._forces.items():
            take(topic, lambda message, number=number: display.hear_wrench(number, message))
        new += self._reports()
        for topic, put in self._joints.items():
            take(topic, lambda message, put=put: display.hear_joints(_renamed(message, put)))
        if (seen := self._seen()) is not None:
            new.append(seen)
        for when, hear in sorted(new, key=lambda one: one[0]):
            self._heard_at = when
            try:
                hear()
            except UNREADABLE as error:
                if (note := f"something of the record cannot be shown: {error}") not in self.notes:
                    self.notes.append(note)
        self._heard_at = self.time

    def _reports(self) -> list[tuple[float, Callable[[], None]]]:
        """What nodes said of themselves since: each says its own, so that the newest message would not do."""
        place = self.record.place(DIAGNOSTICS, self.time)
        first = max(self._places.get(DIAGNOSTICS, -1), place - MOST_REPORTS) + 1
        self._places[DIAGNOSTICS] = place
        return [
            (self.record.time(DIAGNOSTICS, at), lambda at=at: self._hear_report(at)) for at in range(first, place + 1)
        ]

    def _hear_report(self, place: int) -> None:
        if (message := self.record.message(DIAGNOSTICS, place)) is not None:
            self.display.hear_diagnostics(message)

    def _hear_status(self, message: Any) -> None:
        stamp = message.header.stamp
        self._ahead = stamp.sec + stamp.nanosec * 1e-9 - self._heard_at
        self.display.hear_status(message)

    def _seen(self) -> tuple[float, Callable[[], None]] | None:
        """The views, where one of them is another picture by now."""
        places = {name: self.record.place(topic, self.time) for name, topic in self._views.items() if topic is not None}
        places = {name: place for name, place in places.items() if place >= 0}
        if not places or self._places.get("views") == hash(tuple(places.items())):
            return None
        self._places["views"] = hash(tuple(places.items()))
        when = max(self.record.time(self._views[name], place) for name, place in places.items())

        def hear() -> None:
            for name, place in places.items():
                pixels = self.record.picture(self._views[name], place, self._encodings[name], self._bridge)
                if pixels is not None:
                    self.display.hear_camera(name, lambda pixels=pixels: pixels)

        return when, hear


class ReplayPage:
    """The page with the controls: pause, where it stands, speed, and what happened when.

    Args:
        replay: what is shown.
        port: of the page, on loopback alone.
        speed: at first.
        paused: whether it stands still at first.

    Raises:
        WallOSSError: the port is taken.
    """

    def __init__(self, replay: Replay, port: int, speed: float = 1.0, paused: bool = False):
        self._replay, self._lock = replay, threading.Lock()
        self.panel = Panel(f"REPLAY · {replay.profile.name} · {replay.name}", steered=False)
        self.panel.show(
            "reality", {"word": "REPLAY", "tone": "busy", "why": f"a record of the past, {printable(replay.name)}; "
                        "nothing here reaches a robot"}
        )  # fmt: skip
        self._server = PageServer(PageSettings(port=port), self.panel, replay=self.do)
        replay.show_on(RobotScene(self._server.scene, replay.profile), self.panel)
        self.playing, self.speed = not paused, speed
        self._speeds = sorted({*SPEEDS, speed})
        self._show()
        self._server.start()

    def do(self, request: Request) -> None:
        """What a person asks for with the controls; called by the server's thread."""
        if request.what == "play":
            self.toggle()
        elif request.what == "seek":
            self.seek(request.values["time"])
        elif request.values["speed"] in self._speeds:
            self.speed = request.values["speed"]

    def toggle(self) -> None:
        """Pauses, or goes on; at the end it begins anew."""
        with self._lock:
            if not self.playing and self._replay.time >= self._replay.seconds:
                self._replay.seek(0.0)
            self.playing = not self.playing

    def seek(self, to: float) -> None:
        """Goes to a time of the record, s."""
        with self._lock:
            self._replay.seek(to)

    def run(self) -> None:
        """Shows it, until it is interrupted."""
        before, shown = time.monotonic(), -1.0
        while True:
            time.sleep(SCENE_PERIOD)
            now = time.monotonic()
            self.step(now - before, panel=now - shown >= PANEL_PERIOD)
            if now - shown >= PANEL_PERIOD:
                shown = now
            before = now

    def step(self, seconds: float, panel: bool = True) -> None:
        """Goes on by that much of the clock on the wall, s, and brings the page up to date."""
        with self._lock:
            if self.playing and not self._replay.advance(seconds * self.speed):
                self.playing = False
            with self._server.scene.atomic():
                self._replay.display.update_scene()
            if panel:
                self._replay.display.update_panel()
                self._show()

    def _show(self) -> None:
        replay = self._replay
        moments = [{"time": round(one.time, 1), "line": printable(one.line, 90)} for one in replay.events[:MOMENTS]]
        self.panel.show(
            "replay",
            {
                "playing": self.playing, "time": round(replay.time, 1), "seconds": round(replay.seconds, 1),
                "speed": self.speed, "speeds": self._speeds, "moments": moments,
                "happened": told(replay.events, replay.time),
            },
        )  # fmt: skip

    def close(self) -> None:
        """Ends the page."""
        self._server.stop()


def told(events: Sequence[Event], time: float) -> list[dict[str, Any]]:
    """The last events up to a time, newest first; what a person corrected stands out."""
    last = [one for one in events if one.time <= time][: -LINES - 1 : -1]
    return [
        {"at": f"{one.time:.1f} s", "line": printable(one.line, 160), "corrects": bool(one.corrects)} for one in last
    ]


def _renamed(message: Any, prefix: str) -> Any:
    """A joint state with the names of the profile and the URDF."""
    names = [prefix + name for name in message.name]
    return SimpleNamespace(header=message.header, name=names, position=message.position)
