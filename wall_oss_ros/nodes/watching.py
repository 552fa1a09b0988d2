# SPDX-License-Identifier: Apache-2.0
"""The failure monitor in the planner node: chunks, observations and plans in; failed subtasks to the plan."""

from __future__ import annotations

import threading
from collections.abc import Callable

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import answer_from
from wall_oss_ros.nodes.lifecycle_node import WallOSSNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.uni_cot.plan import Plan
from wall_oss_ros.uni_cot.watching.chunks import AgreementLimits, ConvergenceLimits
from wall_oss_ros.uni_cot.watching.grip import GripLimits
from wall_oss_ros.uni_cot.watching.monitor import WATCHES, FailureMonitor, Problem, WatchSettings
from wall_oss_ros.uni_cot.watching.progress import ProgressLimits
from wall_oss_ros.uni_cot.watching.repetition import Place, RepetitionLimits

from wall_oss_msgs.msg import ActionChunk

_A, _C, _P, _G, _R = AgreementLimits(), ConvergenceLimits(), ProgressLimits(), GripLimits(), RepetitionLimits()
WATCH_PARAMETERS = (
    Parameter("watch_agreement", True, "Whether a subtask fails whose chunks keep taking back what the one before had"
              " said."),
    Parameter("agreement_times", _A.times, "A chunk takes back what was said when it is so many times as far from it as"
              " usual.", 1.0, 100.0),
    Parameter("agreement_m", _A.metres, "And at least so far, m.", 0.0, 10.0),
    Parameter("agreement_rad", _A.radians, "Or so far, rad.", 0.0, 7.0),
    Parameter("agreement_share", _A.share, "Or by so much of a gripper's opening, 0 to 1.", 0.0, 1.0),
    Parameter("agreement_chunks", _A.chunks, "A subtask fails when so many chunks take back what was said", 1, 100),
    Parameter("agreement_of", _A.of, "among so many in a row.", 1, 100),
    Parameter("watch_convergence", True, "Whether a subtask fails whose chunks ask for no motion any more."),
    Parameter("convergence_s", _C.seconds, "For how long they ask for none, s.", 0.5, 600.0),
    Parameter("convergence_m", _C.metres, "What within a chunk counts as no motion, m.", 0.0, 1.0),
    Parameter("convergence_rad", _C.radians, "The same, rad.", 0.0, 7.0),
    Parameter("convergence_share", _C.share, "The same, of a gripper's opening, 0 to 1.", 0.0, 1.0),
    Parameter("watch_progress", True, "Whether a subtask fails in which nothing new is seen; off for work that goes to"
              " and fro, or waits."),
    Parameter("progress_s", _P.seconds, "For how long nothing new is seen, s.", 1.0, 600.0),
    Parameter("progress_m", _P.metres, "A hand so far from wherever it was in the subtask is somewhere new, m.", 0.001,
              10.0),
    Parameter("progress_rad", _P.radians, "The same, rad.", 0.01, 7.0),
    Parameter("progress_share", _P.share, "The same, of a gripper's opening, 0 to 1.", 0.01, 1.0),
    Parameter("progress_picture", _P.picture, "Where the hand is at a place again, a colour in a 14th by a 14th of a"
              " view that differs by more than this is new, 0 to 1.", 0.0, 1.0),
    Parameter("progress_hand", _P.hand, "And more by this for each metre from the hand to that place, 1/m.", 0.0, 1e3),
    Parameter("watch_grip", True, "Whether a subtask fails in which fingers close on nothing, or lose what they held;"
              " off for work with closed fingers."),
    Parameter("grip_least", _G.least, "Share of the opening below which there is nothing between the fingers.", 0.0,
              0.5),
    Parameter("grip_told", _G.told, "Fingers that are told to open less than this share are told to close.", 0.0, 1.0),
    Parameter("grip_s", _G.seconds, "For how long fingers that were told to close are at their end, s.", 0.0, 60.0),
    Parameter("watch_repetition", True, "Whether a subtask fails that the plan goes back to again and again."),
    Parameter("repetition_returns", _R.returns, "A subtask fails when the plan has gone back to it so often and"
              " got no farther in between.", 1, 100),
)  # fmt: skip


def watch_settings(node: WallOSSNode) -> WatchSettings:
    """As the node's parameters have them."""

    def limits(kind: type, name: str, **fields: str):
        return kind(**{field: node.value(f"{name}_{parameter}") for field, parameter in fields.items()})

    far = {"metres": "m", "radians": "rad", "share": "share"}
    return WatchSettings(
        watches=tuple(one for one in WATCHES if node.value(f"watch_{one}")),
        agreement=limits(AgreementLimits, "agreement", times="times", chunks="chunks", of="of", **far),
        convergence=limits(ConvergenceLimits, "convergence", seconds="s", **far),
        progress=limits(ProgressLimits, "progress", seconds="s", picture="picture", hand="hand", **far),
        grip=limits(GripLimits, "grip", least="least", told="told", seconds="s"),
        repetition=limits(RepetitionLimits, "repetition", returns="returns"),
    )


class SubtaskWatch:
    """Watches the active subtask of the planner's plan. Its methods may be called from several threads.

    Args:
        layout: the robot's.
        planner: this run of the planner, as in ``SubtaskPlan.planner``.
        fail: told of a problem: the watch, why, and plan_id, active and active_revision of what was watched.
    """

    def __init__(self, layout: Layout, planner: str, settings: WatchSettings, fail: Callable[..., object]):
        self._planner, self._fail = planner, fail
        self._monitor, self._lock = FailureMonitor(layout, settings), threading.Lock()
        self._about: tuple[int, int, int] | None = None
        self._judged: float | None = None  # stamp of the newest judgement

    def plan(self, plan: Plan) -> None:
        """How the plan stands now."""
        with self._lock:
            active = plan.running and plan.active >= 0
            self._about = (plan.id, plan.active, plan.active_revision) if active else None
            self._monitor.begin(self._about, Place.of(plan))
            if active and plan.judgement.stamp != self._judged:
                self._judged = plan.judgement.stamp
                self._monitor.judged(plan.judgement.words)

    def observation(self, observation: Observation, holding: str) -> None:
        """A new observation; ``holding`` is why the robot does not work on the plan, empty while it does."""
        with self._lock:
            self._monitor.working(not holding)
            problem = self._monitor.observe(observation)
        self._tell(problem)

    def chunk(self, message: ActionChunk) -> None:
        """The action expert has answered control."""
        about = message.plan_id, message.active, message.active_revision
        if message.error or message.planner != self._planner:
            return
        try:
            chunk = answer_from(message).chunk
        except WallOSSError:  # control refuses it, and says so
            return
        with self._lock:
            problem = self._monitor.chunk(chunk, message.expert) if about == self._about else None
        self._tell(problem)

    def _tell(self, problem: Problem | None) -> None:
        if problem is not None:  # without the lock: this may come back as a plan
            self._fail(problem.watch, problem.why, *problem.about)
