# SPDX-License-Identifier: Apache-2.0
"""Progress on the terminal: one picture that renews itself, or plain lines where the output is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from wall_oss_ros.commands.monitor import Monitor
from wall_oss_ros.nodes.conversions import seconds
from wall_oss_ros.page.status_text import (
    SUBTASK_MARKS,
    age_words,
    approval_words,
    control_words,
    judgement_words,
    plan_words,
    printable,
)

from wall_oss_msgs.msg import Subtask, SubtaskPlan  # isort: skip  known once the above has been imported

STYLES = {"good": "green", "busy": "yellow", "bad": "red", "quiet": "dim"}
PLAIN_PERIOD = 5.0  # s between the plain lines that only renew the figures


class Display:
    """Shows a monitor. Use as a context manager and call ``show`` often."""

    def __init__(self, console: Console, started: float, clock: Callable[[], float] = time.monotonic):
        self._console, self._clock = console, clock
        self._started = started
        self._live = None
        if console.is_terminal:
            self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._said = ""
        self._figures_at = 0.0

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_exception) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(line, style=style), soft_wrap=True)

    def starting(self, missing: list[str]) -> None:
        """What the start still waits for."""
        text = f"starting ({time.monotonic() - self._started:.0f} s): waiting for {', '.join(missing)}"
        if self._live is not None:
            self._live.update(Text(text, style="dim"))
        elif missing and (said := f"waiting for {', '.join(missing)}") != self._said:
            self._said = said
            print(said, file=sys.stderr)

    def show(self, monitor: Monitor) -> None:
        """The plan and the figures, now."""
        if self._live is not None:
            self._live.update(Group(*self._plan(monitor), self._figures(monitor)))
            return
        now = self._clock()
        silence = "silent" if monitor.plan_heard.stale(now) else ""  # for how long is no reason for another line
        said = " | ".join(line.plain.strip() for line in plan_lines(monitor.plan, silence, durations=False))
        if said and said != self._said:
            self.say(said)
        busy = monitor.plan is not None and monitor.plan.status == SubtaskPlan.RUNNING
        if said != self._said or (busy and now - self._figures_at > PLAIN_PERIOD):
            self._said, self._figures_at = said, now
            self._console.print(self._figures(monitor), soft_wrap=True)

    def finish(self, monitor: Monitor) -> None:
        """The plan and the figures at the end of an instruction, to stay."""
        if self._live is None:
            return
        for line in (*self._plan(monitor), self._figures(monitor)):
            self._console.print(line, soft_wrap=True)
        self._live.update(Text(""))

    def _plan(self, monitor: Monitor) -> list[Text]:
        return plan_lines(monitor.plan, monitor.plan_heard.silence(self._clock()))

    def _figures(self, monitor: Monitor) -> Text:
        """Figures of a control that speaks; of one that does not, how long ago it did, and what it said last."""
        now, text = self._clock(), Text("  ")
        if (status := monitor.status) is not None:
            silence = monitor.status_heard.silence(now)
            state, tone, reason = control_words(status.state, status.reason, silence)
            text.append(f"control {state}", style=STYLES[tone])
            text.append(f": {reason}\n " if reason else " ·", style="dim" if silence else "")
            if not silence:
                text.append(f" commands {status.command_rate_hz:.0f} Hz ±{1000 * status.command_jitter_s:.1f} ms")
                text.append(
                    f" · chunks {monitor.chunks.measure(now)[0]:.1f} Hz, {1000 * status.inference_s:.0f} ms each"
                )
                text.append(" ·")
            at_report = -1.0 if silence else status.observation_age_s
            seen = age_words(at_report, monitor.status_heard.age(now), monitor.observation_heard.age(now))
            text.append(f" observation {seen}", style="dim" if monitor.observation_heard.stale(now) else "")
            text.append(" · ")
        text.append(f"observations {monitor.observations.measure(now)[0]:.1f} Hz")
        text.append(f" · simulated {monitor.simulated_time:.1f} s, wall {now - self._started:.1f} s")
        return text


def plan_lines(plan: SubtaskPlan | None, silence: str = "", durations: bool = True) -> list[Text]:
    """The plan, one line for the instruction and one for each subtask; all dim where the planner is silent."""
    if plan is None or not plan.plan_id:
        return []
    words, tone = plan_words(plan.status, silence)
    lines = [Text.assemble((f'"{printable(plan.instruction)}"', "bold"), "  ", (words, STYLES[tone]))]
    for subtask in plan.subtasks:
        mark, tone = SUBTASK_MARKS.get(subtask.status, ("?", "quiet"))
        took = seconds(subtask.finished) - seconds(subtask.started)
        lines.append(Text(f"  {mark} {printable(subtask.text)}", style=STYLES["quiet" if silence else tone]))
        if durations and took > 0:
            lines[-1].append(f"  {took:.1f} s", style="dim")
        if durations and subtask.status == Subtask.ACTIVE and (judged := judgement_words(plan)):
            lines[-1].append(f"  {judged}", style="dim")
    if waits := approval_words(plan):
        lines.append(Text(f"  {waits}", style=STYLES["busy"]))
    if plan.message:
        lines.append(Text(f"  {printable(plan.message)}", style="dim"))
    return lines
