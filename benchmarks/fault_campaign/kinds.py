# SPDX-License-Identifier: Apache-2.0
"""The kinds of fault: what begins and ends each, and what is expected of the robot."""

from __future__ import annotations

import copy
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from fault_campaign import messages
from fault_campaign.stage import Stage
from wall_oss_ros.nodes.conversions import to_stamp
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from wall_oss_msgs.msg import SubtaskPlan

Act = Callable[[Stage, np.random.Generator], Iterator[None]]


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        name: such as "joints: frozen".
        act: begins it, yields while it lasts, and ends it.
        lasts: s, from and to.
        holds: whether the robot must come to rest while it lasts.
        waits: whether nothing may move afterwards until a person resumes or instructs anew.
        needs: the relay that must be in use; empty where none need be.
        kills: nodes that are killed.
    """

    name: str
    act: Act
    lasts: tuple[float, float] = (1.0, 2.0)
    holds: bool = True
    waits: bool = False
    needs: str = ""
    kills: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {}


def _add(name: str, act: Act, **what) -> None:
    KINDS[name] = Kind(name, contextmanager(act), **what)


# Nothing, to know what the machine does by itself.


def _nothing(_stage: Stage, _rng):
    yield


_add("nothing", _nothing, holds=False)

# Processes.


def _killed(*names: str, first: Callable[[Stage], object] | None = None) -> Act:
    def act(stage: Stage, _rng):
        chosen = [name for wanted in names for name in (stage.model_side if wanted == "model" else [wanted])]
        chosen = [name for name in chosen if name in stage.specs]
        if first is not None:
            first(stage)
        for name in chosen:
            stage.crew.kill(name)
        yield
        for name in chosen:
            stage.start(name)
        stage.ready()

    return act


def _stalled(name: str) -> Act:
    def act(stage: Stage, _rng):
        chosen = stage.model_side if name == "model" else [name]
        for one in chosen:
            stage.crew.signal(one, signal.SIGSTOP)
        yield
        for one in chosen:
            stage.crew.signal(one, signal.SIGCONT)

    return act


def _again(name: str, **parameters) -> Act:
    """The same node once more, in a process of its own."""

    def act(stage: Stage, _rng):
        other = stage.also(name, "again", **parameters)
        yield
        if stage.crew.alive(other):
            stage.crew.kill(other)
        stage.crew.forget(other)

    return act


_add("kill: perception", _killed("perception"), kills=("perception",), lasts=(2.0, 4.0))
_add("kill: model", _killed("model"), kills=("model",), lasts=(4.0, 6.0))
_add("kill: control", _killed("control"), kills=("control",), lasts=(0.5, 1.0), waits=True)
_add("kill: simulated robot", _killed("simulated_robot"), kills=("simulated_robot",))
_add("kill: perception and model", _killed("perception", "model"), kills=("perception", "model"), lasts=(4.0, 6.0))
_add("kill: control and model", _killed("control", "model"), kills=("control", "model"), waits=True)
for _name, _long in (("perception", 3.0), ("model", 5.0), ("control", 1.0), ("simulated_robot", 1.0)):
    _add(f"stall: {_name}, short", _stalled(_name), lasts=(0.1, 0.4), holds=False)
    _add(f"stall: {_name}, long", _stalled(_name), lasts=(_long, _long + 2.0), holds=_name != "simulated_robot")
_add("second: control", _again("control"), lasts=(8.0, 12.0))
_add("second: perception", _again("perception"), lasts=(6.0, 8.0), holds=False)

# Stops that must outlast whatever dies.

_add("stop", _killed(first=lambda stage: stage.call("stop")), waits=True)
_add("emergency stop", _killed(first=lambda stage: stage.emergency(True)), waits=True)
for _names in (("control",), ("model", "perception"), ("control", "model")):
    _words = " and ".join(_names)
    _add(
        f"stop, then kill: {_words}", _killed(*_names, first=lambda stage: stage.call("stop")), kills=_names, waits=True
    )
_pressed = _killed("control", first=lambda stage: (stage.emergency(True), stage.wait(0.3)))
_add("emergency stop, then kill: control", _pressed, kills=("control",), waits=True)

# Joint states.


def _relayed(relay: str, make: Callable[[Stage, np.random.Generator], object]) -> Act:
    def act(stage: Stage, rng):
        stage.relays[relay].fault = make(stage, rng)
        yield
        stage.relays[relay].fault = None

    return act


def _joint(stage: Stage, rng) -> str:
    """One of the arms' joints."""
    return str(rng.choice([joint for one in stage.profile.arms for joint in one.arm.joints]))


def _off(stage: Stage, rng, by: float) -> Callable:
    return messages.one_off(_joint(stage, rng), by * float(rng.choice([-1, 1])))


def _joints(name: str, make: Callable, **what) -> None:
    _add(f"joints: {name}", _relayed("joint_states", make), **what)


_joints("none", lambda *_: lambda _m: [])
_joints("frozen, stamp and all", lambda *_: messages.first_kept())
_joints("values frozen", lambda *_: messages.changed(messages.values_kept()))
_joints("stamp frozen", lambda *_: messages.changed(messages.stamp_kept()))
_joints("2 s old", lambda *_: messages.changed(messages.stamped(-2.0)))
_joints("2 s ahead", lambda *_: messages.changed(messages.stamped(2.0)))
_joints("without a stamp", lambda *_: messages.changed(messages.unstamped))
_joints("zeros once", lambda *_: messages.changed(messages.zeros, 1), holds=False)
_joints("zeros", lambda *_: messages.changed(messages.zeros))
_joints("1 rad off once", lambda s, r: messages.changed(_off(s, r, 1.0), 1), holds=False)
_joints("1 rad off", lambda s, r: messages.changed(_off(s, r, 1.0)))
_joints("0.25 rad off", lambda s, r: messages.changed(_off(s, r, 0.25)))
_joints("NaN once", lambda s, r: messages.changed(_off(s, r, math.nan), 1), holds=False)
_joints("NaN", lambda s, r: messages.changed(_off(s, r, math.nan)))
_joints("no velocities", lambda *_: messages.changed(messages.no_velocities), holds=False)
_joints("0.1 s late", lambda _s, r: messages.late(0.1, 0.0, r), holds=False)
_joints("0.5 s late", lambda _s, r: messages.late(0.5, 0.0, r))
_joints("out of order", lambda _s, r: messages.late(0.0, 0.1, r), holds=False)
_joints("twice", lambda *_: messages.twice, holds=False)
_joints("half of them lost", lambda _s, r: messages.lost(0.5, r), holds=False)
_joints("one missing", lambda s, r: messages.changed(messages.without(_joint(s, r))))
_joints("one named twice", lambda s, r: messages.changed(messages.named_twice(_joint(s, r))))
_joints("of another robot", lambda *_: messages.changed(messages.of_another_robot))


def _second_joint_states(stage: Stage, _rng):
    """As a stray joint_state_publisher says: zeros, ten times a second."""
    out, names = stage.publisher(JointState, stage.profile.joint_states, EVENTS), list(stage.recorder.joints)
    with _every(stage, 0.1, lambda: out.publish(_zeros(stage, names))):
        yield


def _zeros(stage: Stage, names: list[str]) -> JointState:
    message = JointState(name=names, position=[0.0] * len(names), velocity=[0.0] * len(names))
    message.header.stamp = stage.relays["joint_states"].newest.header.stamp
    return message


@contextmanager
def _every(stage: Stage, period: float, function: Callable[[], None]):
    timer = stage.every(period, function)
    try:
        yield
    finally:
        stage.node.destroy_timer(timer)


_add("joints: from a second publisher", _second_joint_states)

# Observations: what perception says.


def _observed(name: str, make: Callable, **what) -> None:
    def act(stage: Stage, rng):
        both = stage.relays["observation"], stage.relays["observation_state"]
        for relay in both:
            relay.fault = make(stage, rng)
        yield
        for relay in both:
            relay.fault = None

    _add(f"observations: {name}", act, **what)


def _renamed(message) -> None:
    message.robot = f"{message.robot}_other" if "@" not in message.robot else message.robot[:-4] + "0000"


def _state(change: Callable[[np.ndarray], np.ndarray]) -> Callable:
    def apply(message) -> None:
        state = change(np.array(message.state, float))
        message.state = [float(x) for x in state]

    return apply


_observed("none", lambda *_: lambda _m: [], lasts=(2.5, 3.5))
_observed("of another variant", lambda *_: messages.changed(_renamed), lasts=(2.5, 3.5))
_observed("2 s old", lambda *_: messages.changed(messages.stamped(-2.0)), lasts=(2.5, 3.5))
_observed("2 s ahead", lambda *_: messages.changed(messages.stamped(2.0)), lasts=(2.5, 3.5))
_aside = _state(lambda state: state + np.where(np.isin(np.arange(20), (8, 9)), 0.2, 0.0))
_observed("0.2 m beside", lambda *_: messages.changed(_aside), holds=False)
_observed("NaN", lambda *_: messages.changed(_state(lambda x: x * math.nan)), lasts=(2.5, 3.5))
_observed("frozen, stamp and all", lambda *_: messages.first_kept(), lasts=(2.5, 3.5))
_observed("out of order", lambda _s, r: messages.late(0.0, 0.5, r), holds=False)

# Chunks: what the action expert answers.


def _chunks(name: str, make: Callable, **what) -> None:
    _add(f"chunks: {name}", _relayed("action_chunk", make), needs="action_chunk", **what)


def _chunk(name: str, change: Callable, times: int | None = None, **what) -> None:
    _chunks(name, lambda *_: messages.changed(change, times), **what)


def _actions(change: Callable[[np.ndarray], np.ndarray]) -> Callable:
    def apply(message) -> None:
        rows = np.array(message.actions, float).reshape(-1, message.dof)
        message.actions = [float(x) for x in change(rows).ravel()]

    return apply


def _told(**fields) -> Callable:
    def apply(message) -> None:
        for name, value in fields.items():
            setattr(message, name, value(getattr(message, name)))

    return apply


_ARMS = np.isin(np.arange(20), (0, 1, 2, 7, 8, 9))
_chunk("5 m away", _actions(lambda rows: rows + np.where(_ARMS, 5.0, 0.0)), lasts=(2.5, 3.5))
_chunk("0.2 m aside", _actions(lambda rows: rows + np.where(_ARMS, 0.2, 0.0)), holds=False)
_shaken = _actions(lambda rows: rows + np.where(_ARMS, 0.15, 0.0) * (-1.0) ** np.arange(len(rows))[:, None])
_chunk("leaping to and fro", _shaken, holds=False)
_chunk("NaN", _actions(lambda rows: rows * math.nan), lasts=(2.5, 3.5))
_chunk("huge", _actions(lambda rows: rows * 1e30), lasts=(2.5, 3.5))
_chunk("too few numbers", _told(actions=lambda x: list(x)[:-3]), lasts=(2.5, 3.5))
_chunk("for another robot", _told(robot=lambda x: x[:-4] + "0000"), lasts=(2.5, 3.5))
_chunk("for another plan", _told(plan_id=lambda x: x + 7), lasts=(2.5, 3.5))
_chunk("for another request", _told(request_id=lambda x: x + 1000), lasts=(2.5, 3.5))
_chunk("for another control", _told(control=lambda x: x + "x"), lasts=(2.5, 3.5))
_chunk("3 s old", messages.stamped(-3.0), lasts=(2.5, 3.5))
_chunk("3 s ahead", messages.stamped(3.0), lasts=(2.5, 3.5))
_chunk("with an error", _told(error=lambda _x: "out of memory"), lasts=(2.5, 3.5))
_chunks("3 s late", lambda _s, r: messages.late(3.0, 0.0, r), lasts=(3.0, 4.0))
_chunks("out of order", lambda _s, r: messages.late(0.0, 0.6, r), holds=False)
_chunks("twice", lambda *_: messages.twice, holds=False)


def _second_expert(message):
    other = copy.deepcopy(message)
    other.expert = message.expert + "x"
    other.actions = [x + 0.1 for x in message.actions]
    return [(0.0, message), (0.01, other)]


_chunks("of a second expert", lambda *_: _second_expert, lasts=(2.5, 3.5))

# Plans.


def _plans(change: Callable[[SubtaskPlan], None], period: float, latched: bool = False) -> Act:
    """Somebody else publishes plans like the present one, but changed."""

    def act(stage: Stage, _rng):
        message = copy.deepcopy(stage.recorder.plan)
        change(message)
        out = stage.publisher(SubtaskPlan, "/wall_oss/plan", LATCHED)
        out.publish(message)
        with _every(stage, period, lambda: out.publish(message)):
            yield

    return act


def _of_another_planner(**fields) -> Callable[[SubtaskPlan], None]:
    def change(plan: SubtaskPlan) -> None:
        if hasattr(plan, "planner"):
            plan.planner = "0123456789abcdef"
        for name, value in fields.items():
            setattr(plan, name, value)

    return change


def _other_subtask(plan: SubtaskPlan) -> None:
    _of_another_planner()(plan)
    for step in plan.subtasks:
        step.text = "pick up the green cube"


_add("plans: of a second planner", _plans(_other_subtask, 0.4), lasts=(2.0, 3.0))
_none = _of_another_planner(plan_id=0, status=SubtaskPlan.NO_PLAN)
_add("plans: none, says a second planner", _plans(_none, 1.0), lasts=(2.0, 3.0))

# Commands and clocks of others.


def _foreign_commands(stage: Stage, _rng):
    """Somebody else sends the controller where the arm is now, ten times a second."""
    from fault_campaign.recorder import FOREIGN, sinks

    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    sink = sinks(stage.profile)[0]
    out = stage.publisher(JointTrajectory, sink.topic, EVENTS)

    def send() -> None:
        place = [stage.recorder.joints[name][0] for name in sink.names]
        message = JointTrajectory(joint_names=list(sink.joints))
        message.header.frame_id = FOREIGN
        message.points = [JointTrajectoryPoint(positions=place, velocities=[0.0] * len(place))]
        message.points[0].time_from_start.nanosec = 200_000_000
        out.publish(message)

    with _every(stage, 0.1, send):
        yield


_add("second: commands", _foreign_commands)


def _leap(offset: float) -> Act:
    """The clock leaps by ``offset`` s, and back when it is over."""

    def change(message: Clock) -> None:
        time = message.clock.sec + message.clock.nanosec * 1e-9
        message.clock = to_stamp(max(0.0, time + offset))

    return _relayed("clock", lambda *_: messages.changed(change))


_add("clock: 10 s ahead", _leap(10.0))
_add("clock: 10 s back", _leap(-10.0))
_add("clock: 0.3 s ahead", _leap(0.3), holds=False)
_add("clock: stands still", _relayed("clock", lambda *_: lambda _m: []))


def _second_clock(stage: Stage, _rng):
    out = stage.publisher(Clock, "/clock", NEWEST)
    with _every(stage, 0.01, lambda: out.publish(Clock(clock=to_stamp(5.0)))):
        yield


_add("clock: a second one", _second_clock)

# The network between the robot's side and the model's.

_LINKS = ("observation", "action_request", "status", "plan", "action_chunk", "model")


def _network(make: Callable[[np.random.Generator], object]) -> Act:
    def act(stage: Stage, rng):
        for name in _LINKS:
            stage.relays[name].fault = make(rng)
        yield
        for name in _LINKS:
            stage.relays[name].fault = None

    return act


def _cut(_rng):
    return lambda _message: []


for _seconds in (0.1, 1.0, 10.0):
    _add(f"network: cut for {_seconds:g} s", _network(_cut), lasts=(_seconds, _seconds), holds=_seconds > 5)
_add("network: half of all is lost", _network(lambda r: messages.lost(0.5, r)), lasts=(4.0, 5.0), holds=False)
_add("network: 0.3 s late", _network(lambda r: messages.late(0.3, 0.0, r)), lasts=(4.0, 5.0), holds=False)
_add("network: out of order", _network(lambda r: messages.late(0.0, 0.4, r)), lasts=(4.0, 5.0), holds=False)


def chosen(words: list[str] | None) -> list[Kind]:
    """The kinds whose names begin with one of the words; all without any."""
    found = [kind for kind in KINDS.values() if not words or any(kind.name.startswith(word) for word in words)]
    if not found:
        raise SystemExit(f"error: no kind of fault is called {', '.join(words)}; there are {'; '.join(KINDS)}")
    return found
