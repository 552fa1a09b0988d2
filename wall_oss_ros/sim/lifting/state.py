# SPDX-License-Identifier: Apache-2.0
"""What the scripted expert for two hands looks at, and how it goes on without physics.

Trays are taken by their side walls, the bar near its ends: each hand has a place of its own on each, where it grips.
Arms are in the profile's order. Positions in m in the arms' base frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.sim.lifting.frame import ARMS, LEFT, RIGHT, TRAYS
from wall_oss_ros.sim.lifting.scene import BAR_SIZE, GRIP, TABLE, THICKNESS
from wall_oss_ros.sim.lifting.simulator import LiftingSimulator

BAR = TRAYS
"""Index of the bar, behind the trays, where there is one."""
GRIPPER_SPEED = 0.15  # m/s of the opening
WIDTHS = (THICKNESS, THICKNESS, BAR_SIZE[1])  # m, of what is between the fingers
RESTS = (TABLE + GRIP, TABLE + GRIP, TABLE + BAR_SIZE[2] / 2)
"""Height of the place that is gripped, while the thing stands on the table."""
REST = RESTS[0]
_HELD = 0.006  # m, by which the opening may be wider than what it holds


@dataclass
class LiftState:
    """All that the expert looks at.

    Attributes:
        tcps: of each arm (3,), tool centre points.
        rotations: of each arm (3,), as the robot's state has them: Euler angles from straight down, rad.
        openings: of each arm.
        walls: for each tray, and the bar where there is one, and each arm (3,), where that arm should grip it.
        gripped: for each of them and each arm, whether its fingers hold it.
        colours: of the trays.
    """

    tcps: list[tuple[float, float, float]]
    rotations: list[tuple[float, float, float]]
    openings: list[float]
    walls: list[list[tuple[float, float, float]]]
    gripped: list[list[bool]]
    colours: tuple[str, ...]

    @classmethod
    def of(cls, simulator: LiftingSimulator, layout: Layout) -> LiftState:
        """The state of the simulator now; ``layout``: the profile's."""
        both, trays = range(ARMS), range(len(simulator.spec.trays))
        walls = [[tuple(simulator.wall(tray, arm).tolist()) for arm in both] for tray in trays]
        gripped = [[simulator.gripped(tray, arm) for arm in both] for tray in trays]
        if simulator.spec.bar is not None:
            walls.append([tuple(simulator.bar_hold(arm).tolist()) for arm in both])
            gripped.append([simulator.bar_gripped(arm) for arm in both])
        return cls(
            tcps=[tuple(arm.tcp[0].tolist()) for arm in simulator.arms],
            rotations=[tuple(own.state_rotation(arm.tcp[1]).tolist()) for own, arm in zip(layout.arms, simulator.arms)],
            openings=[arm.gripper_width for arm in simulator.arms],
            walls=walls,
            gripped=gripped,
            colours=simulator.spec.colours,
        )

    def copy(self) -> LiftState:
        """One that can be changed alone."""
        walls, gripped = ([list(row) for row in rows] for rows in (self.walls, self.gripped))
        return replace(self, tcps=list(self.tcps), openings=list(self.openings), walls=walls, gripped=gripped)

    @property
    def has_bar(self) -> bool:
        return len(self.walls) > BAR

    def raised(self, thing: int) -> float:
        """How far the middle of a tray, or of the bar, is above its rest, m."""
        return (self.walls[thing][RIGHT][2] + self.walls[thing][LEFT][2]) / 2 - RESTS[thing]

    def tilt(self, tray: int) -> float:
        """Of a tray from level, about the axis that points away from the robot, rad."""
        right, left = self.walls[tray]
        return math.asin(min(1.0, abs(right[2] - left[2]) / max(math.dist(right, left), 1e-9)))

    def held_by(self, arm: int) -> int | None:
        """What that hand holds; None for nothing."""
        return next((thing for thing, gripped in enumerate(self.gripped) if gripped[arm]), None)

    def advance(self, velocities, openings, dt: float) -> None:
        """Moves hands, fingers and what they hold by one step, in place; ``velocities``: of each arm (3,), m/s."""
        moved: dict[int, list] = {}  # what is held, and the steps of the hands that hold it
        for arm in range(ARMS):
            step = [v * dt for v in velocities[arm]]
            self.tcps[arm] = tuple(p + s for p, s in zip(self.tcps[arm], step))
            if (thing := self.held_by(arm)) is not None:
                moved.setdefault(thing, []).append((arm, step))
        for thing, steps in moved.items():
            for arm in range(ARMS):
                own = [step for hand, step in steps if hand == arm or thing == BAR]  # the bar is stiff, and stays level
                if own:
                    mean = [sum(parts) / len(own) for parts in zip(*own)]
                    self.walls[thing][arm] = tuple(p + s for p, s in zip(self.walls[thing][arm], mean))
        for arm in range(ARMS):
            self._close(arm, openings[arm], dt)

    def _close(self, arm: int, opening: float, dt: float) -> None:
        """Moves a hand's fingers, which may let go or take hold."""
        change = max(-GRIPPER_SPEED * dt, min(GRIPPER_SPEED * dt, opening - self.openings[arm]))
        before, now = self.openings[arm], self.openings[arm] + change
        self.openings[arm] = now
        thing = self.held_by(arm)
        if thing is not None:
            if now > WIDTHS[thing] + _HELD:
                self.gripped[thing][arm] = False
                self._drop(thing, arm)
            else:
                self.openings[arm] = max(now, WIDTHS[thing])
            return
        for thing, width in enumerate(WIDTHS[: len(self.walls)]):
            if change < 0 and before >= width >= now - 1e-9:
                x, y, z = self.walls[thing][arm]
                tcp = self.tcps[arm]
                if abs(x - tcp[0]) < 0.05 and abs(y - tcp[1]) < 0.02 and abs(z - tcp[2]) < 0.02:
                    self.gripped[thing][arm], self.openings[arm] = True, width
                    self.walls[thing][arm] = (x, tcp[1], z)  # the fingers centre it along y
                    return

    def _drop(self, thing: int, arm: int) -> None:
        """What a hand has let go of falls onto the table, on its side; the bar when no hand has it any more."""
        if thing != BAR:
            self.walls[thing][arm] = (*self.walls[thing][arm][:2], RESTS[thing])
        elif not any(self.gripped[BAR]):
            self.walls[BAR] = [(x, y, RESTS[BAR]) for x, y, _ in self.walls[BAR]]
