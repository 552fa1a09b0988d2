"""Whatever is fed in, in whatever order: no command breaks a limit, and the arm rests within 0.2 s of any reason to."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wall_oss_ros.control.body import Body
from wall_oss_ros.control.chunk_queue import JOININGS
from wall_oss_ros.control.guard import HOLD
from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

PROFILE = load_profile("franka")
ARM, LAYOUT, SHAPES = Arm(PROFILE), Layout(PROFILE), SelfCollision(PROFILE)
STATE = LAYOUT.pack(*ARM.fk(ARM.home), 0.08)[0].astype(float)
DT, LIMITS = 1.0 / PROFILE.command.rate_hz, PROFILE.arm.limits
EDGE = 0.03  # m: the follower's own allowance outside the workspace, and the way between two points
FOLDED = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.785])  # the fingers in the arm's own shoulder
STRANGE = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300])


class Bench:
    """A motion, the arm that follows it, and a check of every command."""

    def __init__(self, joining: str):
        self.motion, self.now, self.q = Body(PROFILE, [ARM], joining=joining), 0.0, ARM.home.copy()
        self.history = [np.zeros(7)] * 2  # velocities sent
        self.moved = 0.0

    def take(self, seed: int, size: float, strange: int, late: float, turn: float) -> None:
        """A chunk that wanders by ``size`` m, with that many strange numbers, from ``late`` s ago."""
        rng = np.random.default_rng(seed)
        rows = np.zeros((PROFILE.horizon, LAYOUT.size))
        rows[:, LAYOUT.position] = np.cumsum(rng.normal(0, size, (PROFILE.horizon, 3)), axis=0)
        rows[:, LAYOUT.rotation] = np.cumsum(rng.normal(0, turn, (PROFILE.horizon, 3)), axis=0)
        rows[:, LAYOUT.gripper] = rng.uniform(-1, 1)
        state = LAYOUT.pack(*ARM.fk(self.q), 0.08)[0].astype(float)
        for _ in range(strange):
            row = rows[rng.integers(len(rows))] if rng.random() < 0.8 else state
            row[rng.integers(LAYOUT.position.start, LAYOUT.gripper + 1)] = rng.choice(STRANGE)
        self.motion.take(self.now, self.now - late, state, rows, self.q)
        (opening,) = self.motion.openings(self.now)
        assert opening is None or 0.0 <= opening <= PROFILE.gripper.open

    def run(self, cycles: int, running: bool = True, sees: bool = True) -> None:
        for _ in range(cycles):
            self.send(*self.motion.step(self.now, running and not self.motion.fault, self.q if sees else None))
            self.now += DT

    def send(self, setpoints) -> None:
        if setpoints is None:
            assert not np.any(np.abs(self.history[-1]) > 1e-3), "it falls silent only at rest"
            self.history = [self.history[-1], np.zeros(7)]
            return
        q, qd = setpoints[0].position, setpoints[0].velocity
        for point in setpoints:
            assert np.isfinite(point.position).all() and np.isfinite(point.velocity).all()
            assert (point.position >= ARM.lower - 1e-9).all() and (point.position <= ARM.upper + 1e-9).all()
            assert (np.abs(point.velocity) <= ARM.velocity + 1e-6).all()
        assert not np.any(setpoints[-1].velocity), "what is sent ends at rest"
        assert (np.abs(q - self.q) <= ARM.velocity * DT + 1e-6).all(), "no leap"
        a = [(new - old) / DT for old, new in zip([*self.history[-2:]], [self.history[-1], qd])]
        assert (np.abs(a[1]) <= np.array(LIMITS.acceleration) + 1e-4).all()
        assert (np.abs(a[1] - a[0]) / DT <= np.array(LIMITS.jerk) + 0.5).all()
        tool, box = ARM.fk(q)[0], PROFILE.arm.workspace
        assert (tool >= np.array(box.min) - EDGE).all() and (tool <= np.array(box.max) + EDGE).all()
        self.moved += float(np.abs(q - self.q).max())
        self.history, self.q = [self.history[-1], qd], q

    def rest(self) -> None:
        """Something is wrong: it stops in time, where nothing touches."""
        self.run(round(HOLD / DT), running=False)
        assert not self.motion.moving
        assert SHAPES.touching(self.q) == ""


chunks = st.tuples(
    st.just("take"), st.integers(0, 999), st.sampled_from([0.002, 0.02, 0.2, 2.0]), st.sampled_from([0, 0, 0, 1, 5]),
    st.sampled_from([0.0, 0.05, 0.3, 0.7, 3.0, -0.3, -9.0, np.nan, np.inf, -np.inf]), st.sampled_from([0.0, 0.1, 2.0]),
)  # fmt: skip
cycles = st.tuples(st.just("run"), st.integers(1, 20), st.booleans(), st.booleans())
others = st.sampled_from([("drop",), ("rest",), ("ahead", 5.0), ("ahead", -5.0)])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(joining=st.sampled_from(JOININGS), calls=st.lists(chunks | cycles | others, min_size=4, max_size=12))
def test_no_order_of_calls_breaks_a_limit(joining, calls):
    bench = Bench(joining)
    for name, *arguments in [*calls, ("rest",)]:
        if name == "drop":
            bench.motion.drop()
        elif name == "ahead":
            bench.now += arguments[0]  # the clock leaps
        else:
            getattr(bench, name)(*arguments)


def test_from_full_motion_it_rests_in_time():
    """Chunks to far places, as fast as the arm may, cut off at some moment."""
    fastest = 0.0
    for seed in range(12):
        rng, bench = np.random.default_rng(seed), Bench(JOININGS[seed % len(JOININGS)])
        for n in range(int(rng.integers(12, 40))):
            if n % 10 == 0:
                goal = rng.uniform(PROFILE.arm.workspace.min, PROFILE.arm.workspace.max)
                state = LAYOUT.pack(*ARM.fk(bench.q), 0.08)[0].astype(float)
                rows = np.zeros((PROFILE.horizon, LAYOUT.size))
                rows[:, LAYOUT.position] = goal - state[LAYOUT.position]
                bench.motion.take(bench.now, bench.now, state, rows, bench.q)
            bench.run(1)
        fastest = max(fastest, float(np.abs(bench.history[-1]).max()))
        bench.rest()
    assert fastest > 0.6, "else there was little to stop"


@pytest.mark.parametrize("measured", [np.full(7, np.nan), np.full(7, np.inf), ARM.home + 0.5, ARM.home - 3.0])
def test_a_strange_reading_of_the_joints_brings_the_arm_to_rest(measured):
    bench = Bench("blend")
    bench.take(0, 0.02, 0, 0.0, 0.0)
    bench.run(10)
    (setpoints,) = bench.motion.step(bench.now, True, measured)
    assert "away from its command" in bench.motion.fault
    assert all(np.isfinite(point.position).all() for point in setpoints) and not np.any(setpoints[-1].velocity)
    for n in range(round(HOLD / DT)):
        bench.motion.step(bench.now + (n + 1) * DT, False, None)
    assert not bench.motion.moving


@pytest.mark.parametrize("now", [np.nan, np.inf, -np.inf])
def test_a_time_that_is_no_number_brings_the_arm_to_rest(now):
    bench = Bench("blend")
    bench.take(0, 0.02, 0, 0.0, 0.0)
    bench.run(10)
    for _ in range(round(HOLD / DT) + 1):
        bench.send(*bench.motion.step(now, True, bench.q))
    assert not bench.motion.moving and "not a finite number" in bench.motion.fault


def folding() -> tuple[Body, np.ndarray]:
    """An arm with room around it, and a chunk that ends with the fingers in its own shoulder."""
    room = PROFILE.arm.workspace.model_copy(update={"min": (-1.0, -1.0, -1.0), "max": (1.0, 1.0, 1.5)})
    profile = PROFILE.model_copy(update={"arm": PROFILE.arm.model_copy(update={"workspace": room})})
    way = [ARM.home + s * (FOLDED - ARM.home) for s in np.linspace(0.05, 1.0, 40)]
    assert SHAPES.touching(way[-1]) and not SHAPES.touching(way[20])
    targets = np.array([LAYOUT.pack(*ARM.fk(q), 0.08)[0] for q in way], float)
    return Body(profile, [ARM]), LAYOUT.relative(targets, STATE)


def test_a_chunk_that_would_fold_the_arm_into_itself_is_refused():
    body, actions = folding()
    body.take(0.0, 0.0, STATE, actions, ARM.home)
    assert body.fault.startswith("fr3_") and "would touch on the way" in body.fault
    assert body.queue.target(0.0) is None


def test_between_two_targets_too_the_arm_stops_before_it_touches_itself(monkeypatch):
    """The last look at each command alone: that at the chunk's targets is taken away."""
    body, actions = folding()
    monkeypatch.setattr(body._postures, "all_touching", lambda postures: "")
    body.take(0.0, 0.0, STATE, actions, ARM.home)
    assert body.fault == ""
    monkeypatch.undo()
    q, reasons = ARM.home, set()
    for n in range(250):
        (setpoints,) = body.step(n * DT, not body.fault, q)
        q = q if setpoints is None else setpoints[0].position
        reasons.add(body.fault)
        assert SHAPES.touching(q) == ""
    assert not body.moving and any("would touch" in reason for reason in reasons)
