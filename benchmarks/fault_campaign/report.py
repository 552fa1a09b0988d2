# SPDX-License-Identifier: Apache-2.0
"""Figures of a campaign, by kind of fault and robot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fault_campaign.judge import TOLERANCE
from fault_campaign.kinds import KINDS
from fault_campaign.trial import Outcome

HEADINGS = ("robot", "fault", "tried", "worst share of a limit", "longest to rest, s", "went on", "lost plans",
            "wrong resumes", "unsafe", "seeds")  # fmt: skip


def rows(outcomes: Iterable[Outcome]) -> list[tuple]:
    """One row for each robot and kind, in the order in which they were tried."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.robot, outcome.kind), []).append(outcome)
    found = []
    for (robot, kind), group in groups.items():
        tried = [one for one in group if one.injected]
        rests = [one.rest for one in tried if one.rest is not None]
        bad = [one.seed for one in group if one.unsafe or one.lost or one.resumed or one.missed]
        found.append(
            (
                robot, kind, f"{len(tried)} of {len(group)}", worst(tried), f"{max(rests):.2f}" if rests else "-",
                sum(one.missed for one in tried), sum(one.lost for one in tried), sum(one.resumed for one in tried),
                sum(len(one.unsafe) for one in tried), " ".join(map(str, bad or [one.seed for one in group][:1])),
            )
        )  # fmt: skip
    return found


def worst(outcomes: Sequence[Outcome]) -> str:
    """The limit that was gone closest to, or furthest beyond."""
    shares: dict[str, float] = {}
    for outcome in outcomes:
        for what, share in outcome.worst.items():
            shares[what] = max(shares.get(what, 0.0), share)
    judged = {what: share / TOLERANCE.get(what, 1.3) for what, share in shares.items()}
    what = max(judged, key=judged.get, default="")
    return f"{what} {shares[what]:.2f}" if what else "-"


def table(headings: Sequence[str], lines: Sequence[Sequence]) -> str:
    """Columns under headings, one below the other."""
    text = [headings, *([str(cell) for cell in line] for line in lines)]
    widths = [max(len(line[i]) for line in text) for i in range(len(headings))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in text)


def total(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Sums over all that was tried."""
    tried = [one for one in outcomes if one.injected]
    return {
        "tried": len(tried),
        "not tried": len(outcomes) - len(tried),
        "kills": sum(len(KINDS[one.kind].kills) for one in tried),
        "commands unsafe": sum(len(one.unsafe) for one in tried),
        "went on": sum(one.missed for one in tried),
        "lost plans": sum(one.lost for one in tried),
        "wrong resumes": sum(one.resumed for one in tried),
        "systems broken": sum(one.broken for one in outcomes),
    }
