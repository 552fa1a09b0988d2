# SPDX-License-Identifier: Apache-2.0
"""Whatever is fed in, in whatever order: no command breaks a limit, and arms rest within 0.2 s of any reason to."""

import numpy as np
import pytest
from control_support import Bench, follow_actions, robot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.chunk_queue import JOININGS
from wall_oss_ros.control.robot_motion import RobotMotion
from wall_oss_ros.control.stopping_check import HOLD

FRANKA = robot("franka")
PROFILE, (ARM,), LAYOUT, SHAPES, DT = FRANKA.profile, FRANKA.arms, FRANKA.layout, FRANKA.apart, FRANKA.dt
STATE = FRANKA.state(ARM.home)
FOLDED = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785])  # the fingers in the arm's own shoulder


chunks = st.tuples(
    st.just("take"), st.integers(0, 999), st.sampled_from([0.002, 0.02, 0.2, 2.0]), st.sampled_from([0, 0, 0, 1, 5]),
    st.sampled_from([0.0, 0.05, 0.3, 0.7, 3.0, -0.3, -9.0, np.nan, np.inf, -np.inf]), st.sampled_from([0.0, 0.1, 2.0]),
)  # fmt: skip
cycles = st.tuples(st.just("run"), st.integers(1, 20), st.booleans(), st.booleans())
others = st.sampled_from([("drop",), ("rest",), ("ahead", 5.0), ("ahead", -5.0)])


def play(bench: Bench, calls) -> None:
    for name, *arguments in [*calls, ("rest",)]:
        if name == "drop":
            bench.motion.drop()
        elif name == "ahead":
            bench.now += arguments[0]  # the clock leaps
        else:
            getattr(bench, name)(*arguments)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(joining=st.sampled_from(JOININGS), calls=st.lists(chunks | cycles | others, min_size=4, max_size=12))
def test_no_order_of_calls_breaks_a_limit(joining, calls):
    play(Bench("franka", joining), calls)


CROSSED = [(0.40, 0.10, -0.25), (0.40, -0.10, -0.25)]  # the right tool and the left, each beyond the other, m
# Places for two tools, each on its own side or beyond the middle: (right, left), m.
places = st.tuples(
    *(st.tuples(st.floats(0.25, 0.5), st.floats(-0.1, 0.2), st.floats(-0.4, -0.1)) for _ in range(2))
).map(lambda two: [(two[0][0], -two[0][1], two[0][2]), two[1]])
meet = st.tuples(st.just("go"), places)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(blind=True, calls=[("go", CROSSED), ("run", 60, True, True), ("go", CROSSED), ("run", 60, True, True)])
@given(blind=st.booleans(), calls=st.lists(meet | chunks | cycles | others, min_size=4, max_size=12))
def test_nor_with_two_arms_and_they_never_touch(blind, calls):
    bench = Bench("dual_arm", "blend")
    if blind:  # the last look at each command alone: that at a chunk's targets is taken away
        bench.motion._postures.all_touching = lambda postures=None: ""
    play(bench, calls)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls=st.lists(chunks | cycles | others, min_size=4, max_size=10))
def test_nor_with_arms_of_six_joints(calls):
    play(Bench("dual_arm:mobile_aloha"), calls)


@pytest.mark.parametrize("name, runs", [("franka", 12), ("dual_arm", 4), ("dual_arm:mobile_aloha", 4)])
def test_from_full_motion_it_rests_in_time(name, runs):
    """Chunks to far places, as fast as the arms may, cut off at some moment."""
    fastest = 0.0
    for seed in range(runs):
        rng, bench = np.random.default_rng(seed), Bench(name, JOININGS[seed % len(JOININGS)])
        boxes = [one.arm.workspace for one in bench.robot.profile.arms]
        for n in range(int(rng.integers(12, 40))):
            if n % 10 == 0:
                bench.go([rng.uniform(box.min, box.max) for box in boxes])
            bench.run(1)
        fastest = max(fastest, float(np.abs(bench.history[-1]).max()))
        bench.rest()
    assert fastest > 0.5, "else there was little to stop"


@pytest.mark.parametrize("name", ["franka", "dual_arm"])
@pytest.mark.parametrize(
    "strange, words", [(np.nan, "not a finite"), (np.inf, "not a finite"), (0.5, "jumped"), (-3.0, "jumped")]
)
def test_a_strange_reading_of_the_joints_brings_the_arms_to_rest(name, strange, words):
    bench = Bench(name)
    bench.take(0, 0.02, 0, 0.0, 0.0)
    bench.run(10)
    measured = bench.q.copy()
    measured[-1] += strange  # of the last arm
    bench.send(bench.motion.step(bench.now, True, measured))
    assert words in bench.motion.fault
    for n in range(round(HOLD / DT)):
        bench.send(bench.motion.step(bench.now + (n + 1) * DT, False, None))
    assert not bench.motion.moving


@pytest.mark.parametrize("now", [np.nan, np.inf, -np.inf])
def test_a_time_that_is_no_number_brings_the_arm_to_rest(now):
    bench = Bench("franka")
    bench.take(0, 0.02, 0, 0.0, 0.0)
    bench.run(10)
    for _ in range(round(HOLD / DT) + 1):
        bench.send(bench.motion.step(now, True, bench.q))
    assert not bench.motion.moving and "not a finite number" in bench.motion.fault


def folding() -> tuple[RobotMotion, np.ndarray]:
    """An arm with room around it, and a chunk that ends with the fingers in its own shoulder."""
    room = PROFILE.arm.workspace.model_copy(update={"min": (-1.0, -1.0, -1.0), "max": (1.0, 1.0, 1.5)})
    profile = PROFILE.model_copy(update={"arm": PROFILE.arm.model_copy(update={"workspace": room})})
    way = [ARM.home + s * (FOLDED - ARM.home) for s in np.linspace(0.05, 1.0, 40)]
    assert SHAPES.touching(way[-1]) and not SHAPES.touching(way[20])
    targets = np.array([LAYOUT.pack(*ARM.fk(q), 0.08)[0] for q in way], float)
    return RobotMotion(profile, [ARM]), LAYOUT.relative(targets, STATE)


def test_a_chunk_that_would_fold_the_arm_into_itself_is_refused():
    body, actions = folding()
    follow_actions(body, 0.0, 0.0, STATE, actions, ARM.home)
    assert body.fault.startswith("fr3_") and "would touch on the way" in body.fault
    assert body.queue.target(0.0) is None


def test_between_two_targets_too_the_arm_stops_before_it_touches_itself(monkeypatch):
    """The last look at each command alone: that at the chunk's targets is taken away."""
    body, actions = folding()
    monkeypatch.setattr(body._postures, "all_touching", lambda postures: "")
    follow_actions(body, 0.0, 0.0, STATE, actions, ARM.home)
    assert body.fault == ""
    monkeypatch.undo()
    q, reasons = ARM.home, set()
    for n in range(250):
        (setpoints,) = body.step(n * DT, not body.fault, q)
        q = q if setpoints is None else setpoints[0].position
        reasons.add(body.fault)
        assert SHAPES.touching(q) == ""
    assert not body.moving and any("would touch" in reason for reason in reasons)
