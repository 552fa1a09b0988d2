# SPDX-License-Identifier: Apache-2.0
"""Whatever is read, in whatever order: no command of any part leaves its limits against the command before it."""

import os

import numpy as np
import pytest
from adversary_support import GRADUAL, LIES, Cell, get_going, settle
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("WALL_OSS_EXAMPLES", "4"))
ROBOTS = ["franka", "ur", "dual_arm", "dual_arm:mobile_aloha"]

told = st.tuples(st.sampled_from(sorted(LIES)), st.integers(1, 60), st.floats(-1.5, 1.5))
steps = st.lists(
    st.one_of(
        told,
        st.tuples(st.just("aim"), st.integers(1, 30), st.sampled_from([0.2, 1.0, 4.0])),
        st.tuples(st.just("rest"), st.integers(1, 40), st.just(0.0)),
        st.tuples(st.just("odometry"), st.integers(1, 20), st.floats(-3.0, 3.0)),
    ),
    min_size=3,
    max_size=12,
)


def play(cell: Cell, calls) -> None:
    for kind, count, amount in calls:
        if kind in LIES:
            cell.lie(kind, count, amount)
        elif kind == "aim":
            cell.aim(amount * cell.pace)
        elif kind == "odometry" and cell.base is not None:
            cell.pose_lie = amount * np.ones(3)
        for _ in range(count):
            cell.cycle(wants=kind != "rest")
        if kind == "odometry" and cell.base is not None:
            cell.pose_lie = None


@pytest.mark.timeout(60 * EXAMPLES)
@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 99), calls=steps)
def test_no_reading_becomes_a_command(name, seed, calls):
    cell = Cell(name, seed)
    get_going(cell, 5)
    play(cell, calls)
    if not {kind for kind, *_ in calls} & GRADUAL:
        assert cell.anchored == [], "nobody has moved it"
    event(f"ends {'held' if cell.reason else 'free'}")


NAMED = {
    "zeros": "jumped",
    "offset": "jumped",
    "stray": "jumped",
    "stray behind": "out of order",
    "not a number": "not a finite number",
    "infinite": "not a finite number",
    "huge": "jumped",
    "future": "ahead of now",
    "older": "out of order",
    "unstamped": "no time stamp",
    "twice": "same time stamp",
    "named twice": "twice",
    "short": "positions for",
    "lacking": "lack",
    "another robot's": "another robot's",
    "reordered": "out of order",
    "frozen": "same time stamp",
    "frozen figures": "frozen",
}


FEW = ("offset", "stray", "lacking", "frozen figures")


@pytest.mark.parametrize("name, kind", [("franka", kind) for kind in NAMED] + [("dual_arm", kind) for kind in FEW])
def test_each_is_named_and_the_robot_rests_soon(name, kind):
    cell = Cell(name)
    get_going(cell)
    begun, noticed = cell.now, None
    cell.lie(kind, 10_000, 1.0)
    while cell.now < begun + 0.5:
        cell.cycle()
        if noticed is None and (cell.reason or cell.motion.fault):
            noticed = cell.now - begun
            assert NAMED[kind] in (cell.reason or cell.motion.fault)
    assert noticed <= 0.2 + 1e-9, "noticed within 0.2 s"
    assert not cell.moving, "and at rest 0.2 s later"
    for n in range(50):
        if n % 25 == 0:
            cell.aim(cell.pace)
        cell.cycle()
        assert not cell.moving, "it stays so"


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("kind", ["zeros", "not a number", "reordered"])
def test_a_glitch_is_over_by_itself(name, kind):
    cell = Cell(name)
    get_going(cell)
    cell.lie(kind, 1, 1.0)
    for _ in range(25):
        cell.cycle()
    assert cell.reason == ""
    cell.aim(cell.pace)
    for _ in range(5):
        cell.cycle()
    assert cell.moving and cell.motion.fault == "" and not cell.monitor.waits


@pytest.mark.parametrize("name", ROBOTS)
def test_what_has_jumped_for_good_waits_for_a_person_who_resumes(name):
    cell = Cell(name)
    get_going(cell)
    cell.lie("offset", 10_000, 0.2)
    for n in range(50):
        if n % 10 == 0:
            cell.aim(cell.pace)
        cell.cycle()
    assert cell.monitor.waits and "call the service resume" in cell.reason and not cell.moving
    assert cell.monitor.accept()
    settle(cell)
    assert not cell.monitor.waits and cell.reason == ""


@pytest.mark.parametrize("name", ROBOTS)
def test_frankas_zeros_before_its_first_message_are_no_place_to_start_from(name):
    cell = Cell(name)
    cell.lie("zeros", 60, 0.0)
    for n in range(30):
        if n % 10 == 0:
            cell.aim(cell.pace)
        cell.cycle()
    assert cell.motion.believed is None and not any(sink.count for sink in cell.sinks)
    settle(cell)
    assert cell.motion.believed == pytest.approx(cell.q, abs=1e-3)
    get_going(cell)
    assert cell.anchored == []
