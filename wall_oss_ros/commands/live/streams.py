# SPDX-License-Identifier: Apache-2.0
"""Judges what comes over time: is it there, of the right type, from one source, often enough, and stamped when?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wall_oss_ros.commands.live.facts import Endpoint, Facts, Finding, Stream, names
from wall_oss_ros.robots.profile import RobotProfile

AHEAD = 0.5  # s: stamps this far in the future are refused by control
_REPEATED = 0.05  # share of stamps that may repeat before it is more than a mishap
_NOTICED = 0.05  # s: less may be the way from one process to another, or a simulation's tick
_CLOCKS = "Synchronise the clocks of both computers (chrony, PTP): docs/how-to/first_hour.md"
JOINTS = "sensor_msgs/msg/JointState"


def source(
    facts: Facts, what: str, topic: str, kinds: tuple[str, ...], start: str, one: bool = True
) -> Iterator[Finding]:
    """Whether a topic has a publisher, of the right type; with ``one``, exactly one."""
    ends = facts.publishers.get(topic, ())
    if not ends:
        yield Finding(what, "FAIL", f"nobody publishes {topic}", start)
        return
    if strange := [end for end in ends if end.type not in kinds]:
        words = " or ".join(kinds)
        yield Finding(
            what,
            "FAIL",
            f"{topic} is {strange[0].type} of {names(strange)}, {words} is expected",
            "Name the right topic in the profile, or remap the driver's",
        )
    elif one and len(ends) > 1:
        yield Finding(what, "FAIL", f"{topic} has {len(ends)} publishers: {names(ends)}", "End all but one of them")


def timing(
    what: str, topic: str, stream: Stream | None, limit: float, least: float, simulated: bool = False
) -> Finding:
    """Rate and age of what comes on a topic.

    Args:
        limit: s, the age and the gap from which on the robot holds.
        least: Hz, below which it is too slow for its use.
        simulated: whether ages are measured by a clock that comes as messages, some late or out of turn.
    """
    if stream is None or not stream.arrivals:
        do = "Is its driver running, and its QoS one that anybody may read? ros2 topic info -v "
        return Finding(what, "FAIL", f"nothing came on {topic}", do + topic)
    stamps, ages = np.array(stream.stamps, float), np.array(stream.ages, float)
    if not np.isfinite(stamps).all() or (stamps <= 0).any():
        return Finding(what, "FAIL", f"{topic} is not stamped", "Have its driver fill header.stamp: ages count by it")
    if len(stamps) > 2 and np.ptp(stamps) == 0:
        found = f"{topic}: {len(stamps)} messages, all with the same stamp: it is frozen"
        return Finding(what, "FAIL", found, "Restart its driver; look whether the robot is connected")
    said = f"{stream.rate:.1f} Hz, {_ages(ages)} old"
    repeated = int((np.diff(stamps) <= 0).sum())
    mend = "End a second publisher, or mend the driver: such readings are not counted"
    beyond = f"the robot holds beyond {limit:g} s"
    longest = float(np.diff(stamps).max()) if len(stamps) > 1 else 0.0
    if repeated > _REPEATED * len(stamps):
        return Finding(what, "FAIL", f"{said}; {repeated} of {len(stamps)} stamps repeat or go back", mend)
    if ages.min() < -AHEAD:
        return Finding(what, "FAIL", f"{said}: dated in the future, which makes the robot hold", _CLOCKS)
    if ages.min() > limit:
        return Finding(what, "FAIL", f"{said}; {beyond}", _CLOCKS)
    if ages.max() > limit:
        do = "Is the network or this computer overloaded? Watch for longer: --seconds 20"
        return Finding(what, "FAIL", f"{said}; {beyond}", do)
    if longest > limit:
        do = "Look for a wireless network, a USB bus or a computer that is overloaded"
        return Finding(what, "FAIL", f"{said}; once nothing for {longest:.2f} s, and {beyond}", do)
    if repeated:
        return Finding(what, "WARN", f"{said}; {repeated} of {len(stamps)} stamps repeat or go back", mend)
    if ages.min() < -_NOTICED and not simulated:
        return Finding(what, "WARN", f"{said}: dated in the future", _CLOCKS)
    if np.median(ages) > limit / 2:
        return Finding(what, "WARN", f"{said}; {beyond}", _CLOCKS)
    if 0 < stream.rate < least or len(stamps) < 2:
        return Finding(what, "WARN", f"{said}; at least {least:g} Hz are wanted", "Raise the rate in its driver")
    return Finding(what, "OK", said)


def _ages(ages: np.ndarray) -> str:
    low, middle, high = (f"{1000 * float(age):.0f}" for age in (ages.min(), np.median(ages), ages.max()))
    return f"{low} / {middle} / {high} ms (least, median, most)"


def clock(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    ends = facts.publishers.get("/clock", ())
    if len(ends) > 1:
        yield Finding(
            "clock",
            "FAIL",
            f"/clock has {len(ends)} publishers: {names(ends)}",
            "End one of the simulations, or give it another ROS_DOMAIN_ID",
        )
    elif ends:
        yield Finding("clock", "OK", f"simulated time, of {names(ends)}")
    else:
        yield Finding("clock", "OK", "this computer's time")


def joint_states(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    """Of each topic: who publishes, when, and which joints."""
    for topic in profile.joint_sources:
        what = "joint states" if len(profile.joint_sources) == 1 else f"joint states, {topic}"
        start = "Start the robot's driver, and its joint_state_broadcaster"
        yield from source(facts, what, topic, (JOINTS,), start, one=False)
        if not facts.publishers.get(topic):
            continue
        yield timing(
            what, topic, facts.streams.get(topic), profile.watchdog.joint_state_age, _wanted(profile), facts.simulated
        )
        yield from _joints(profile, facts, topic, what)


def _wanted(profile: RobotProfile) -> float:
    """Hz of joint states: as often as commands are sent, nearly."""
    return 0.8 * min(profile.command.rate_hz, 50.0)


def _joints(profile: RobotProfile, facts: Facts, topic: str, what: str) -> Iterator[Finding]:
    readings = facts.joints.get(topic, [])
    if not readings:
        return
    needed = [
        name for one in profile.arms if one.joint_states == topic for name in (*one.arm.joints, *one.gripper.joints)
    ]
    if topic == profile.joint_states:
        needed += [name for part in profile.parts for name in part.joints]
    wanted, what = set(needed), f"{what}: joints"
    bad: list[tuple[str, str]] = []
    said = {name for reading in readings for name in reading.names}
    if missing := [name for name in needed if name not in said]:
        also = f"; there are {', '.join(sorted(said - wanted)[:8])}" if said - wanted else ""
        bad.append(
            (
                f"{', '.join(missing)} missing{also}",
                "Correct the names in the profile (joints, joint_prefix), or start what publishes them",
            )
        )
    twice = sorted({name for one in readings for name in one.names if one.names.count(name) > 1} & wanted)
    if twice:
        bad.append((f"{', '.join(twice)} twice in one message", "Mend the publisher: such messages are refused"))
    if any(len(one.positions) != len(one.names) for one in readings):
        bad.append(("messages with other numbers of names and positions", "Mend the publisher"))
    whole = [one for one in readings if len(one.positions) == len(one.names)]
    strange = sorted(
        {n for one in whole for n, q in zip(one.names, one.positions) if n in wanted and not np.isfinite(q)}
    )
    if strange:
        bad.append((f"positions of {', '.join(strange)} are no numbers", "Is the robot switched on and referenced?"))
    for one in profile.arms:
        if one.joint_states == topic and any(
            (q := reading.of(one.arm.joints)) is not None and not q.any() for reading in whole
        ):
            bad.append(
                (
                    f"all joints of the {one.arm.name} at 0 in a message",
                    "Something other than the driver publishes, such as a joint_state_publisher: end it",
                )
            )
    if (leap := _leap(profile, whole, topic)) is not None:
        bad.append((leap, "Two publishers, or a sensor that is not well: look with ros2 topic info -v " + topic))
    if words := _shared(facts.publishers.get(topic, ()), readings, wanted):
        bad.append((words, "End one of them: each joint may have one source"))
    for found, do in bad:
        yield Finding(what, "FAIL", found, do)
    if not bad:
        still = not any(np.isfinite(np.array(one.velocities, float)).any() for one in whole)
        yield Finding(what, "OK", f"all {len(wanted)}" + (", without velocities" if still else ""))


def _leap(profile: RobotProfile, readings, topic: str) -> str | None:
    """The greatest leap between two readings that no arm can make, in words."""
    for one in profile.arms:
        if one.joint_states != topic:
            continue
        last = None
        for reading in readings:
            q = reading.of(one.arm.joints)
            if q is None or not np.isfinite(q).all():
                continue
            if last is not None and (gap := reading.stamp - last[0]) >= 0:
                step = np.abs(q - last[1])
                most = 2 * np.array(one.arm.limits.velocity) * gap + 0.05  # rad: what rounding and stamps may hide
                if (step > most).any():
                    i = int(np.argmax(step - most))
                    return f"{one.arm.joints[i]} leaps by {step[i]:.2f} in {gap:.3f} s"
            last = (reading.stamp, q)
    return None


def _shared(ends: tuple[Endpoint, ...], readings, wanted: set[str]) -> str:
    """Whether two publishers say the same joints, as far as messages tell it, in words."""
    if len(ends) < 2:
        return ""
    kinds = {frozenset(wanted & set(one.names)) for one in readings} - {frozenset()}
    count: dict[str, int] = {}
    for kind in kinds:
        for name in kind:
            count[name] = count.get(name, 0) + 1
    if doubled := sorted(name for name, times in count.items() if times > 1):
        return f"{', '.join(doubled[:3])} come in messages of two kinds, of {names(ends)}"
    # Publishers of joints that are none of ours do no harm; fewer kinds of messages than publishers may.
    if len({frozenset(one.names) for one in readings}) < len(ends):
        return f"the same joints come from {names(ends)}"
    return ""


def program(profile: RobotProfile, facts: Facts, mock: bool = False) -> Iterator[Finding]:
    for topic in sorted({one.command.program_running_topic for one in profile.arms} - {None}):
        start = "Start the program External Control on the pendant, or headless_mode:=true: docs/how-to/first_hour.md"
        if mock:
            yield Finding("program", "-", "mock hardware does not say whether it runs")
        elif topic not in facts.programs:
            yield Finding("program", "FAIL", f"nothing on {topic} says that the robot's program runs", start)
        elif not facts.programs[topic]:
            yield Finding("program", "FAIL", "the robot's program does not run: the arm takes no commands", start)
        else:
            yield Finding("program", "OK", "the robot's program runs")


def force(profile: RobotProfile, facts: Facts, mock: bool = False) -> Iterator[Finding]:
    for one in profile.arms:
        limit = one.arm.force
        if limit is None:
            continue
        what = "force" if len(profile.arms) == 1 else f"force, {one.arm.name}"
        if mock:
            yield Finding(what, "-", "mock hardware measures none")
            continue
        yield from source(
            facts,
            what,
            limit.topic,
            ("geometry_msgs/msg/WrenchStamped",),
            "Activate the driver's force-torque broadcaster",
        )
        if not facts.publishers.get(limit.topic):
            continue
        yield timing(
            what, limit.topic, facts.streams.get(limit.topic), profile.watchdog.joint_state_age, 20.0, facts.simulated
        )
        if limit.topic not in facts.forces:
            continue
        push, turn = facts.forces[limit.topic]
        said = f"at most {push:.0f} of {limit.max_force:g} N, {turn:.1f} of {limit.max_torque:g} N m"
        share = max(push / limit.max_force, turn / limit.max_torque)
        do = "Tell the robot its payload, zero the sensor, and look what it touches"
        if not np.isfinite(share):
            yield Finding(what, "FAIL", f"{limit.topic} says what is no number", do)
        else:
            level = "FAIL" if share > 1 else "WARN" if share > 0.3 else "OK"
            yield Finding(what, level, said, "" if level == "OK" else do)


def odometry(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    if profile.base is None:
        return
    topic = profile.base.odometry
    yield from source(facts, "odometry", topic, ("nav_msgs/msg/Odometry",), "Start the base's driver")
    if facts.publishers.get(topic):
        yield timing(
            "odometry", topic, facts.streams.get(topic), profile.watchdog.joint_state_age, 10.0, facts.simulated
        )
