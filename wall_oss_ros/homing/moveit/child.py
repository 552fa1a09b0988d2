# SPDX-License-Identifier: Apache-2.0
"""MoveIt's side of the link, a process of its own: ``python -m wall_oss_ros.homing.moveit.child --robot franka``.

It must be one: moveit_py's ``PlanningComponent.plan`` keeps Python's interpreter lock for as long as it plans, which
would stop the control cycle. Requests come as lines of JSON on standard input, answers leave on standard output:

``{"id": 1, "do": "plan", "start": [...], "goal": [...]}`` is answered by ``{"id": 1, "knots": [[...], ...]}``,
``{"id": 2, "do": "check", "start": [...], "targets": [[...], ...]}`` by ``{"id": 2, "collides": 3}`` or null; either by
``{"id": 1, "reason": "..."}`` where it cannot be done. Joints are rad, all arms' in one list; targets are vectors of
the robot's layout. The first line says ``{"id": 0}`` once all is ready, with a reason if it never will be.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys

import numpy as np

from wall_oss_ros.homing.moveit.description import GROUP, parameters
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.profile import load_profile

NODE = "wall_oss_moveit"
# moveit_msgs/MoveItErrorCodes; others are told by their number.
_ERRORS = {
    -1: "no way was found", -2: "the way found is not valid", -5: "it was preempted", -6: "it took too long",
    -10: "something touches where the arms are", -12: "something touches at home", -15: "the group is not known",
    99999: "the planner failed",
}  # fmt: skip


class Side:
    """What MoveIt is asked. Its node is in no namespace, so that the parameters made for it are found.

    Args:
        robot: a profile's name or path.
        joint_states: the topic with the robot's joints.
        sim_time: whether its clock is a simulation's.
    """

    def __init__(self, robot: str, joint_states: str, sim_time: bool):
        from moveit.planning import MoveItPy

        profile = load_profile(robot)
        self._layout, self._arms = Layout(profile), [Arm(one) for one in profile.arms]
        self._joints = [joint for one in profile.arms for joint in one.arm.joints]
        self._moveit = MoveItPy(
            node_name=NODE,
            config_dict=parameters(profile, sim_time),
            remappings={"joint_states": joint_states},
        )
        self._component = self._moveit.get_planning_component(GROUP)
        self._monitor = self._moveit.get_planning_scene_monitor()

    def answer(self, request: dict) -> dict:
        """Does what is asked; the answer without its number."""
        if request["do"] == "plan":
            return self._plan(request["start"], request["goal"])
        return self._check(request["start"], request["targets"])

    def _plan(self, start: list[float], goal: list[float]) -> dict:
        self._component.set_start_state(robot_state=self._state(start))
        self._component.set_goal_state(robot_state=self._state(goal))
        response = self._component.plan()
        if not response:
            code = response.error_code.val
            return {"reason": _ERRORS.get(code, f"error code {code}")}
        way = response.trajectory  # iterating over it would give pairs with durations
        states = (way[k].joint_positions for k in range(len(way)))
        return {"knots": [[state[joint] for joint in self._joints] for state in states]}

    def _check(self, start: list[float], targets: list[list[float]]) -> dict:
        """The number of the first target at which something touches in the planning scene; None when nothing does."""
        before = np.split(np.array(start), np.cumsum([len(arm.home) for arm in self._arms])[:-1])
        for number, target in enumerate(targets):
            before = [self._posture(*at, np.array(target)) for at in zip(self._layout.arms, self._arms, before)]
            state = self._state(np.concatenate(before).tolist())
            with self._monitor.read_only() as scene:
                if scene.is_state_colliding(robot_state=state, joint_model_group_name=GROUP):
                    return {"collides": number}
        return {"collides": None}

    @staticmethod
    def _posture(layout: Layout, arm: Arm, before: np.ndarray, target: np.ndarray) -> np.ndarray:
        """One arm's joints (n,) rad at a target, from those before it."""
        if layout.joints is not None:
            return target[layout.joints]
        position, rotation, _ = layout.unpack(target)
        return arm.ik(position, rotation, before).q

    def _state(self, q: list[float]):
        """The scene's state of all joints, with the arms at q."""
        with self._monitor.read_only() as scene:
            state = copy.copy(scene.current_state)
        state.joint_positions = dict(zip(self._joints, q))
        state.update()
        return state


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m wall_oss_ros.homing.moveit.child", description="MoveIt for control."
    )
    parser.add_argument("--robot", required=True)
    parser.add_argument("--joint-states", required=True)
    parser.add_argument("--sim-time", action="store_true")
    given = parser.parse_args(arguments)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what MoveIt's libraries print must not get between the answers
    try:
        side = Side(given.robot, given.joint_states, given.sim_time)
    except Exception as error:
        print(json.dumps({"id": 0, "reason": f"{type(error).__name__}: {error}"}), file=answers)
        return 1
    print(json.dumps({"id": 0}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = side.answer(request)
        except Exception as error:  # of MoveIt, whatever it is: the next request may fare better
            answer = {"reason": f"{type(error).__name__}: {error}"}
        print(json.dumps({"id": request["id"], **answer}), file=answers)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # MoveItPy's spinning thread would not let the interpreter end
