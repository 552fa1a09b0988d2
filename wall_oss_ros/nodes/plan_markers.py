# SPDX-License-Identifier: Apache-2.0
"""Node plan_markers: rviz's plan, thought, control, force, paths, workspaces, pointings and scene, and the menu."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np

from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.nodes.lifecycle_node import OK, WARN, WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.plan_menu import SHOWN_FOR, PlanMenu
from wall_oss_ros.nodes.pointing import Pointing
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, SENSOR
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.scene_points import SCENE_PARAMETERS, ScenePoints
from wall_oss_ros.nodes.situation_text import Line, broken, control_lines, force_lines, thought_lines
from wall_oss_ros.perception.ages import CHUNK_FRESH, PLAN_FRESH, STATUS_FRESH, VIEWS_FRESH, LastHeard
from wall_oss_ros.robots.components import Workspace
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.uni_cot.plan import PlanStatus

from geometry_msgs.msg import Point, WrenchStamped
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray
from wall_oss_msgs.msg import ActionChunk, ControlStatus, Observation, Subtask, SubtaskPlan

_WHITE = (0.95, 0.95, 0.95)
_SUBTASK_STYLES = {  # mark and colour
    Subtask.PENDING: ("o", (0.75, 0.75, 0.75)),
    Subtask.ACTIVE: (">", (1.0, 0.8, 0.1)),
    Subtask.DONE: ("+", (0.3, 0.85, 0.35)),
    Subtask.FAILED: ("x", (0.95, 0.25, 0.2)),
    Subtask.CANCELLED: ("-", (0.55, 0.45, 0.45)),
    Subtask.SKIPPED: ("-", (0.55, 0.55, 0.55)),
}
_UNKNOWN_STYLE = ("?", _WHITE)
_PLAN_LABELS = {status.value: status.label for status in PlanStatus}
_STALE, _SILENT = (0.45, 0.45, 0.45), (0.95, 0.55, 0.2)
_SPACE = 0.6  # width of a space as a share of a letter's height; left to itself, rviz2 takes it from letters of 1 m
_PATH = (0.15, 0.6, 1.0)
_TARGET = (1.0, 0.3, 0.8)
_WORKSPACE = (0.45, 0.75, 0.55)


class PlanMarkersNode(WallOSSNode):
    """Topics: ``plan``, ``action_chunk``, ``status`` and ``observation_state`` in, ``plan_markers`` (MarkerArray,
    latched) out; besides, the arms' forces, and what ``Pointing``, ``ScenePoints`` and ``PlanMenu`` have. What has not
    been heard of late is grey, and a line says for how long."""

    PARAMETERS = (
        Parameter("text_x", 0.5, "Position of the plan's first line in the base frame, x, m.", -10.0, 10.0, live=True),
        Parameter("text_y", 0.0, "Position of the plan's first line in the base frame, y, m.", -10.0, 10.0, live=True),
        Parameter("text_z", 0.85, "Position of the plan's first line in the base frame, z, m.", -10.0, 10.0, live=True),
        Parameter("text_height", 0.04, "Height of a letter, m.", 0.005, 1.0, live=True),
        Parameter("rate_hz", 5.0, "Highest rate at which the markers are published, Hz.", 0.1, 60.0),
        *SCENE_PARAMETERS,
    )

    def __init__(self, **options):
        super().__init__("plan_markers", **options)
        self._plan: SubtaskPlan | None = None
        self._chunk: ActionChunk | None = None
        self._changed = True  # the workspace is shown before there is a plan
        self._aged: tuple = ()  # of what was published last: what was said of ages, and whether a thing was pointed at

    def setup(self) -> None:
        arms = [one.arm for one in load_profile(self.value("robot")).arms]
        self._frame = arms[0].base_frame
        self._measured = [(arm.name, arm.force) for arm in arms if arm.force]
        self._workspaces = [workspace_marker(Header(frame_id=a.base_frame), a.workspace, i) for i, a in enumerate(arms)]

    def start(self) -> None:
        self._plan_heard, self._chunk_heard = LastHeard(PLAN_FRESH), LastHeard(CHUNK_FRESH)
        self._status_heard, self._observation_heard = LastHeard(STATUS_FRESH), LastHeard(VIEWS_FRESH)
        self._force_heard = [LastHeard(STATUS_FRESH) for _ in self._measured]
        self._forces = [0.0] * len(self._measured)  # N, the largest since the last look
        self._looked = [True] * len(self._measured)  # at that
        self._status: ControlStatus | None = None
        self._said, self._said_at = "", -SHOWN_FOR
        self._markers = self.publish_to(MarkerArray, "plan_markers", LATCHED)
        self.listen(SubtaskPlan, "plan", self._on_plan, LATCHED)
        self.listen(ActionChunk, "action_chunk", self._on_chunk, EVENTS)
        self.listen(ControlStatus, "status", self._on_status, LATCHED)
        self.listen(Observation, "observation_state", self._on_observation, NEWEST)
        self._pointing = Pointing(self, self._show_pointing)
        ScenePoints(self)
        for number, (_, force) in enumerate(self._measured):
            self.listen(WrenchStamped, force.topic, partial(self._on_wrench, number), SENSOR)
        self._menu = PlanMenu(self, self._frame, self._on_said)
        self.every(1.0 / self.value("rate_hz"), self._publish)

    def diagnose(self):
        shown = "no plan yet" if self._plan is None else f"showing plan {self._plan.plan_id}"
        silent = self._silences()
        return (WARN, f"{shown}; {', '.join(silent)}", {}) if silent else (OK, shown, {})

    def _silences(self) -> list[str]:
        """Who has not been heard of late, and for how long."""
        heard = {"planner": self._plan_heard, "control": self._status_heard, "perception": self._observation_heard}
        return [f"{name} {silence}" for name, one in heard.items() if (silence := one.silence(self.steady()))]

    def _on_status(self, status: ControlStatus) -> None:
        self._status_heard.hear(self.steady())
        self._status = status

    def _on_wrench(self, number: int, message: WrenchStamped) -> None:
        force = message.wrench.force
        self._force_heard[number].hear(self.steady())
        newtons = float(np.linalg.norm((force.x, force.y, force.z)))
        self._forces[number] = newtons if self._looked[number] else float(np.fmax(self._forces[number], newtons))
        self._looked[number] = False

    def _on_said(self, words: str) -> None:
        self._said, self._said_at = words, self.steady()

    def _on_observation(self, observation: Observation) -> None:
        self._observation_heard.hear(self.steady(), mark=seconds(observation.header.stamp))

    def _on_plan(self, plan: SubtaskPlan) -> None:
        self._plan_heard.hear(self.steady())
        if plan != self._plan:  # the planner repeats itself
            self._plan, self._changed = plan, True
        if plan.status != SubtaskPlan.RUNNING:
            self._chunk = None  # no motion ahead

    def _show_pointing(self) -> None:
        self._changed = True

    def _on_chunk(self, chunk: ActionChunk) -> None:
        self._chunk_heard.hear(self.steady())
        self._chunk, self._changed = chunk, True

    def _publish(self) -> None:
        if self._chunk is not None and self._chunk_heard.stale(self.steady()):
            self._chunk, self._changed = None, True  # it is no longer ahead
        pointed = self._pointing.markers()
        aged = self._plan_heard.stale(self.steady()), *self._silences()
        place, height = (self.value("text_x"), self.value("text_y"), self.value("text_z")), self.value("text_height")
        self._menu.look()
        self._menu.show(None if aged[0] else self._plan, (place[0], place[1], place[2] + 3 * height))
        more = self._situation(stale=aged[0])
        if not self._changed and (aged, bool(pointed), more) == self._aged:
            return
        self._changed, self._aged = False, (aged, bool(pointed), more)
        shown = []
        if self._plan is not None:
            shown += plan_markers(self._plan, place, height, aged[0], aged[1:], more)
        if self._chunk is not None:
            shown += path_markers(self._chunk)
        self._markers.publish(marker_array([*shown, *pointed, *self._workspaces]))

    def _situation(self, stale: bool) -> list[Line]:
        """Thought, control, forces, and the answer to a choice in the menu, as far as they are the present."""
        now = self.steady()
        lines = thought_lines(self._plan) if self._plan is not None and not stale else []
        if self._status is not None and not self._status_heard.stale(now):
            lines += control_lines(self._status)
        heard = [None if one.stale(now) else newtons for one, newtons in zip(self._force_heard, self._forces)]
        names = [name if len(self._measured) > 1 else "" for name, _ in self._measured]
        lines += force_lines([(n, newtons, f.max_force) for n, newtons, (_, f) in zip(names, heard, self._measured)])
        self._looked = [True] * len(self._measured)
        if now - self._said_at < SHOWN_FOR:
            lines.append((self._said, _WHITE))
        return lines


def plan_markers(
    plan: SubtaskPlan,
    position: tuple[float, float, float],
    height: float,
    stale: bool = False,
    silences: Sequence[str] = (),
    more: Sequence[Line] = (),
) -> list[Marker]:
    """The plan as lines of text, coloured by status, and the active subtask's target.

    Args:
        plan: what to show.
        position: of the first line in the plan's frame, m; the others are below it.
        height: of a letter, m.
        stale: whether it may be the present no more: then all of it is grey, and no state is claimed.
        silences: who has not been heard of late, and for how long; a line each.
        more: further lines below the plan, each with its colour.
    """
    heading = "waiting for an instruction"
    if plan.plan_id:
        state = "not up to date" if stale else _PLAN_LABELS.get(plan.status, "?")
        heading = f"{plan.instruction or 'no instruction'}  [{state}]"
    lines = broken(heading, _WHITE)
    for subtask in plan.subtasks:
        mark, colour = _SUBTASK_STYLES.get(subtask.status, _UNKNOWN_STYLE)
        lines.append((f"{mark} {subtask.text}", colour))
    if plan.message:
        lines += broken(plan.message, _WHITE)
    if stale:
        lines = [(text, _STALE) for text, _ in lines]
    lines += [*more, *((silence, _SILENT) for silence in silences)]
    markers = []
    for number, (text, colour) in enumerate(lines):
        marker = _marker(plan.header, "plan", number, Marker.TEXT_VIEW_FACING, colour)
        marker.text = text
        marker.scale.z, marker.scale.x = height, _SPACE * height
        x, y, z = (float(value) for value in position)
        marker.pose.position = Point(x=x, y=y, z=z - 1.5 * height * number)
        markers.append(marker)
    active = plan.subtasks[plan.active] if 0 <= plan.active < len(plan.subtasks) else None
    if active is not None and active.has_target and not stale:
        marker = _marker(plan.header, "target", 0, Marker.SPHERE, _TARGET, alpha=0.6)
        marker.scale.x = marker.scale.y = marker.scale.z = 0.05
        marker.pose.position = active.target
        markers.append(marker)
    return markers


def path_markers(chunk: ActionChunk) -> list[Marker]:
    """The path that a chunk foresees for each arm's end effector: a line, and a ball where it ends."""
    markers = []
    for path in (chunk.path, *chunk.more_paths):
        points = [pose.position for pose in path.poses]
        if len(points) < 2:
            continue
        line = _marker(path.header, "path", len(markers), Marker.LINE_STRIP, _PATH)
        line.scale.x = 0.006
        line.points = points
        end = _marker(path.header, "path", len(markers) + 1, Marker.SPHERE, _PATH)
        end.scale.x = end.scale.y = end.scale.z = 0.015
        end.pose.position = points[-1]
        markers += [line, end]
    return markers


def workspace_marker(header, workspace: Workspace, number: int = 0) -> Marker:
    """The edges of the box that an arm's tool stays in; ``number`` is the arm's."""
    marker = _marker(header, "workspace", number, Marker.LINE_LIST, _WORKSPACE, alpha=0.5)
    marker.scale.x = 0.003
    corners = list(itertools.product(*zip(workspace.min, workspace.max)))
    for a, b in itertools.combinations(corners, 2):
        if sum(x != y for x, y in zip(a, b)) == 1:  # neighbours
            marker.points += [Point(**dict(zip("xyz", map(float, corner)))) for corner in (a, b)]
    return marker


def marker_array(markers: list[Marker]) -> MarkerArray:
    """The markers, after one that removes whatever was shown before."""
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL), *markers])


def _marker(header, namespace: str, number: int, kind: int, colour, alpha: float = 1.0) -> Marker:
    marker = Marker(ns=namespace, id=number, type=kind, action=Marker.ADD)
    # With a zero stamp, rviz uses the newest transform; the plan's own time may be long past.
    marker.header.frame_id = header.frame_id
    marker.pose.orientation.w = 1.0
    red, green, blue = colour
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=alpha)
    return marker


def main() -> int:
    return run(PlanMarkersNode)


if __name__ == "__main__":
    sys.exit(main())
