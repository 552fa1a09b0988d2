# SPDX-License-Identifier: Apache-2.0
"""Node plan_markers: shows the plan, its target, the paths ahead and the workspaces in rviz."""

from __future__ import annotations

import sys

from wall_oss_ros.nodes.base import OK, WallOSSNode
from wall_oss_ros.nodes.markers import marker_array, path_markers, plan_markers, workspace_marker
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS, LATCHED
from wall_oss_ros.nodes.running import run
from wall_oss_ros.robots.profile import load_profile

from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray
from wall_oss_msgs.msg import ActionChunk, SubtaskPlan


class PlanMarkersNode(WallOSSNode):
    """Topics: ``plan`` and ``action_chunk`` in, ``plan_markers`` (MarkerArray, latched) out."""

    PARAMETERS = (
        Parameter("text_x", 0.5, "Where the plan's first line stands in the base frame, m.", -10.0, 10.0, live=True),
        Parameter("text_y", 0.0, "Where the plan's first line stands in the base frame, m.", -10.0, 10.0, live=True),
        Parameter("text_z", 0.85, "Where the plan's first line stands in the base frame, m.", -10.0, 10.0, live=True),
        Parameter("text_height", 0.04, "Height of a letter, m.", 0.005, 1.0, live=True),
        Parameter("rate_hz", 5.0, "Most often that the markers are published, Hz.", 0.1, 60.0),
    )

    def __init__(self, **options):
        super().__init__("plan_markers", **options)
        self._plan: SubtaskPlan | None = None
        self._chunk: ActionChunk | None = None
        self._changed = True  # the workspace is to be seen before there is a plan

    def setup(self) -> None:
        arms = [one.arm for one in load_profile(self.value("robot")).arms]
        self._workspaces = [workspace_marker(Header(frame_id=a.base_frame), a.workspace, i) for i, a in enumerate(arms)]

    def start(self) -> None:
        self._markers = self.publish_to(MarkerArray, "plan_markers", LATCHED)
        self.listen(SubtaskPlan, "plan", self._on_plan, LATCHED)
        self.listen(ActionChunk, "action_chunk", self._on_chunk, EVENTS)
        self.every(1.0 / self.value("rate_hz"), self._publish)

    def diagnose(self):
        shown = "no plan yet" if self._plan is None else f"showing plan {self._plan.plan_id}"
        return OK, shown, {}

    def _on_plan(self, plan: SubtaskPlan) -> None:
        if self._plan is None or self._plan.header.stamp != plan.header.stamp:  # the planner also repeats itself
            self._plan, self._changed = plan, True
        if plan.status != SubtaskPlan.RUNNING:
            self._chunk = None  # no motion ahead

    def _on_chunk(self, chunk: ActionChunk) -> None:
        self._chunk, self._changed = chunk, True

    def _publish(self) -> None:
        if not self._changed:
            return
        self._changed = False
        shown = []
        if self._plan is not None:
            place = (self.value("text_x"), self.value("text_y"), self.value("text_z"))
            shown += plan_markers(self._plan, place, self.value("text_height"))
        if self._chunk is not None:
            shown += path_markers(self._chunk)
        self._markers.publish(marker_array([*shown, *self._workspaces]))


def main() -> int:
    return run(PlanMarkersNode)


if __name__ == "__main__":
    sys.exit(main())
