# SPDX-License-Identifier: Apache-2.0
"""Whether it is a real robot that moves, as far as can be told from outside."""

from __future__ import annotations

from collections.abc import Sequence

from wall_oss_ros.page.status_text import printable

_MOCK = ("mock_components", "fake_components", "loopback", "mock", "fake")
_SIMULATORS = ("gazebo", "gz_ros2_control", "ign_ros2_control", "mujoco", "isaac", "webots", "simulat", "topic_based")


def reality(
    moves: Sequence[str], simulators: Sequence[str], clocks: Sequence[str], hardware: Sequence[str] | None
) -> tuple[str, str, str]:
    """A word for the head of the page, its tone, and what it rests on.

    What cannot be told is called unknown: the one mistake that hurts is taking a real robot for a simulated one, so
    nothing is called simulated unless whoever says how the robot stands is a simulator.

    Args:
        moves: the full names of the nodes that publish the robot's joint states.
        simulators: of those that publish /simulation/ground_truth.
        clocks: of those that publish /clock.
        hardware: the plugins of the controller manager's hardware; None if there is none to ask.
    """
    who = printable(", ".join(sorted(set(moves))))
    if not moves:
        return "UNKNOWN", "bad", "nobody says how the robot's joints stand"
    if set(moves) <= set(simulators):
        return "SIMULATED", "good", f"the robot's joint states come from the simulator {who}"
    if set(moves) & set(simulators):
        return "UNKNOWN", "bad", f"a simulator and others say how the joints stand: {who}; take it for real"
    plugins = [one.lower() for one in hardware or ()]
    named = printable(", ".join(hardware or ()))
    if plugins and all(any(word in one for word in _MOCK) for one in plugins):
        return "MOCK", "good", f"the controllers' hardware is {named}: nothing moves but numbers"
    if plugins and all(any(word in one for word in (*_MOCK, *_SIMULATORS)) for one in plugins):
        return "SIMULATED", "good", f"the controllers' hardware is {named}"
    if plugins and not any(any(word in one for word in (*_MOCK, *_SIMULATORS)) for one in plugins):
        if clocks:
            return "UNKNOWN", "bad", f"the hardware is {named}, but time is simulated (/clock); take it for real"
        return "REAL", "bad", f"the controllers' hardware is {named}"
    if plugins:
        return "UNKNOWN", "bad", f"some of the hardware is real, or may be: {named}; take it for real"
    asked = "no controller manager says what hardware it has"
    return "UNKNOWN", "bad", f"joint states come from {who}, and {asked}; take it for real"
