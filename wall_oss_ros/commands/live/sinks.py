# SPDX-License-Identifier: Apache-2.0
"""Judges where commands go: who listens, who else speaks there, which controllers are active, and the grippers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wall_oss_ros.commands.live.facts import Facts, Finding, names
from wall_oss_ros.robots.components import Command
from wall_oss_ros.robots.profile import RobotProfile

STATUS, PLAN, MODEL, CHUNKS = "status", "plan", "model", "action_chunk"  # in our namespace: whose nodes are which
_TYPES = {
    "trajectory": "trajectory_msgs/msg/JointTrajectory",
    "positions": "std_msgs/msg/Float64MultiArray",
    "joint_group": "interbotix_xs_msgs/msg/JointGroupCommand",
}
_COMMAND, _PARALLEL = "control_msgs/action/GripperCommand", "control_msgs/action/ParallelGripperCommand"
GRIPPERS = {  # by gripper.action_type
    "auto": (_COMMAND, _PARALLEL),
    "gripper_command": (_COMMAND,),
    "parallel_gripper_command": (_PARALLEL,),
}
_UNKNOWN = "_NODE_NAME_UNKNOWN_"
LIST = "controller_manager_msgs/srv/ListControllers"


def masters(profile: RobotProfile, facts: Facts, ours: str) -> Iterator[Finding]:
    """Whether one of each runs. ``ours``: the namespace of our nodes, such as ``/wall_oss``."""
    for what, topic in (("control", STATUS), ("planner", PLAN), ("action expert", MODEL)):
        ends = facts.publishers.get(f"{ours}/{topic}", ())
        said = f": {facts.controls[min(facts.controls)]}" if what == "control" and len(facts.controls) == 1 else ""
        if len(ends) > 1 or (what == "control" and len(facts.controls) > 1):
            yield Finding(
                what,
                "FAIL",
                f"{max(len(ends), len(facts.controls))} run: {names(ends)}",
                "End all but one, or give the other robot another namespace or ROS_DOMAIN_ID",
            )
        elif ends:
            yield Finding(what, "OK", f"runs: {names(ends)}{said}")
        else:
            yield Finding(what, "OK", "does not run")


def command_topics(profile: RobotProfile, facts: Facts, ours: str) -> Iterator[Finding]:
    controls = {end.node for end in facts.publishers.get(f"{ours}/{STATUS}", ())}
    # Home is driven by control itself; the driver's own action servers subscribe and do not publish here.
    for name, command in _commands(profile):
        yield from _sink(
            facts,
            f"commands, {name}",
            command.topic,
            (_TYPES[command.sink],),
            controls,
            f"Start the controller {command.controller}" if command.controller else "Start the driver",
        )
    if profile.base is not None:
        kind = "TwistStamped" if profile.base.stamped else "Twist"
        yield from _sink(
            facts,
            "commands, base",
            profile.base.topic,
            (f"geometry_msgs/msg/{kind}",),
            controls,
            "Start the base's driver; base_topic:= and twists:= name another topic or kind",
        )
    for one in profile.arms:
        if one.gripper.topic or one.gripper.joint_single:
            topic = one.gripper.topic or one.gripper.joint_single
            kind = _TYPES["trajectory"] if one.gripper.topic else "interbotix_xs_msgs/msg/JointSingleCommand"
            yield from _sink(
                facts,
                f"commands, gripper of the {one.arm.name}",
                topic,
                (kind,),
                controls,
                "Start the gripper's controller",
            )


def _commands(profile: RobotProfile) -> Iterator[tuple[str, Command]]:
    for one in profile.arms:
        yield one.arm.name, one.command
    for part in profile.parts:
        yield part.name, part.command


def _sink(
    facts: Facts, what: str, topic: str, kinds: tuple[str, ...], controls: set[str], start: str
) -> Iterator[Finding]:
    listeners, speakers = facts.subscriptions.get(topic, ()), facts.publishers.get(topic, ())
    foreign = [end for end in speakers if end.node not in controls]
    named = [end for end in foreign if _UNKNOWN not in end.node]
    takers = [end for end in listeners if end.type in kinds]
    if named:
        yield Finding(
            what,
            "FAIL",
            f"{names(named)} publishes on {topic}, too",
            "End it: two masters make an arm jump. Leader devices, joysticks, rqt, MoveIt Servo?",
        )
    elif foreign:
        yield Finding(what, "WARN", f"a nameless node publishes on {topic}", "Find it with ros2 topic info -v " + topic)
    if not listeners:
        yield Finding(what, "FAIL", f"nobody listens to {topic}", start)
    elif not takers:
        yield Finding(
            what,
            "FAIL",
            f"{names(listeners)} wants {listeners[0].type} on {topic}, {kinds[0]} is sent",
            "Correct command.sink in the profile",
        )
    elif any(end.latched for end in takers):
        yield Finding(
            what,
            "FAIL",
            f"{names(takers)} wants latched messages on {topic}, which commands are not",
            "Have it subscribe with durability volatile",
        )
    elif len(takers) > 1:
        yield Finding(
            what,
            "WARN",
            f"{len(takers)} listen to {topic}: {names(takers)}",
            "Only the robot's controller should, besides recorders",
        )
    elif not foreign:
        yield Finding(what, "OK", f"{names(takers)} listens to {topic}, nobody else speaks there")


def controllers(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    """Whether the profile's controllers are active, and no other has their joints."""
    for manager, why in sorted(facts.unasked.items()):
        yield Finding("controllers", "-", f"not checked at {manager}: {why}")
    known = [one for group in facts.controllers.values() for one in group]
    if not known:
        if not facts.unasked:
            yield Finding("controllers", "-", "not checked: there is no controller_manager")
        return
    states = {one.name: one.state for one in known}
    doubled = [name for name, count in Counter(one.name for one in known if one.state == "active").items() if count > 1]
    wanted = {command.controller: name for name, command in _commands(profile) if command.controller}
    joints = {
        joint: (command.controller, name)
        for (name, command), members in zip(
            _commands(profile), [one.arm.joints for one in profile.arms] + [part.joints for part in profile.parts]
        )
        for joint in members
    }
    for controller, name in wanted.items():
        what = f"controller, {name}"
        state = states.get(controller)
        if state == "active":
            yield Finding(what, "OK", f"{controller} is active")
        elif state is None:
            there = ", ".join(sorted(states)) or "none"
            yield Finding(
                what,
                "FAIL",
                f"{controller} is not loaded; there are {there}",
                "Launch with controller:=, or spawn it: ros2 run controller_manager spawner " + controller,
            )
        else:
            yield Finding(
                what, "FAIL", f"{controller} is {state}", f"ros2 control set_controller_state {controller} active"
            )
    for one in known:
        mine = {claim.split("/")[0].removeprefix(profile.joint_prefix) for claim in one.claimed}
        taken = sorted(
            {
                name
                for joint, (controller, name) in joints.items()
                if joint.removeprefix(profile.joint_prefix) in mine and controller and controller != one.name
            }
        )
        if one.state == "active" and taken:
            yield Finding(
                "controllers",
                "FAIL",
                f"{one.name} has the joints of {', '.join(taken)}",
                f"ros2 control set_controller_state {one.name} inactive",
            )
    if doubled:
        yield Finding(
            "controllers",
            "WARN",
            f"{', '.join(sorted(doubled))} active in two controller managers",
            "Put one of them into a namespace",
        )
    broadcasters = [one for one in known if one.type.endswith("/JointStateBroadcaster")]
    if any(one.type for one in known) and not any(one.state == "active" for one in broadcasters):
        yield Finding(
            "controllers",
            "FAIL",
            "no joint_state_broadcaster is active",
            "ros2 run controller_manager spawner joint_state_broadcaster",
        )


def grippers(profile: RobotProfile, facts: Facts) -> Iterator[Finding]:
    """Whether each gripper's action has a server, and of which type."""
    for one in profile.arms:
        action = one.gripper.action
        if action is None:
            continue
        what = "gripper" if len(profile.arms) == 1 else f"gripper, {one.arm.name}"
        kinds = [kind.removesuffix("_SendGoal") for kind in facts.services.get(f"{action}/_action/send_goal", ())]
        wanted = GRIPPERS[one.gripper.action_type]
        if not kinds:
            others = sorted(
                n.removesuffix("/_action/send_goal")
                for n, types in facts.services.items()
                if any("Gripper" in t and t.endswith("_SendGoal") for t in types)
            )
            also = f"; there is {', '.join(others)}" if others else ""
            yield Finding(
                what,
                "FAIL",
                f"nothing serves {action}{also}",
                "Start the gripper's driver, or name its action in the profile: docs/how-to/first_hour.md",
            )
        elif not set(kinds) & set(wanted):
            yield Finding(
                what,
                "FAIL",
                f"{action} is {', '.join(kinds)}, not {' or '.join(wanted)}",
                "Correct action or action_type in the profile's gripper section",
            )
        else:
            yield Finding(what, "OK", f"{action} is served, {kinds[0].rsplit('/', 1)[-1]}")
