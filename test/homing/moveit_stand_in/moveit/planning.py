# SPDX-License-Identifier: Apache-2.0
"""As moveit_py/src/moveit/planning.cpp: MoveItPy, PlanningComponent, PlanningSceneMonitor."""

import json
import os
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

from moveit.core.robot_state import RobotState

_SUCCESS, _START_STATE_IN_COLLISION, _GOAL_IN_COLLISION = 1, -10, -12


def _script() -> dict:
    with open(os.environ["WALL_OSS_STAND_IN"], encoding="utf-8") as file:
        return json.load(file)


class MoveItPy:
    def __init__(
        self, node_name="moveit_py", name_space="", launch_params_filepaths=(), config_dict=None,
        provide_planning_service=True, remappings=None,
    ):  # fmt: skip
        print("[INFO] [moveit_py]: Initialize node parameters")  # its libraries write to the standard output
        if "fails" in _script():
            raise RuntimeError(_script()["fails"])
        for key, value in (remappings or {}).items():
            if not (isinstance(key, str) and isinstance(value, str)):
                raise TypeError("incompatible constructor arguments")
        semantic = ElementTree.fromstring(config_dict["robot_description_semantic"])
        joints = [j.get("name") for j in ElementTree.fromstring(config_dict["robot_description"]).iter("joint")]
        groups = {g.get("name"): [j.get("name") for j in g.iter("joint")] for g in semantic.iter("group")}
        if not config_dict["planning_pipelines"]["pipeline_names"]:
            raise RuntimeError("Failed to load planning pipelines from parameter server")
        self._pipeline = config_dict["plan_request_params"]["planning_pipeline"]
        self._pipelines = config_dict["planning_pipelines"]["pipeline_names"]
        self._model = SimpleNamespace(_joints=joints, _groups=groups)
        self._monitor = PlanningSceneMonitor(self._model)
        if os.environ.get("WALL_OSS_STAND_IN_SAYS"):
            with open(os.environ["WALL_OSS_STAND_IN_SAYS"], "w", encoding="utf-8") as file:
                json.dump({"node_name": node_name, "name_space": name_space, "remappings": remappings}, file)

    def get_planning_component(self, planning_component_name):
        if planning_component_name not in self._model._groups:
            raise RuntimeError(f"Could not find joint model group '{planning_component_name}'.")
        return PlanningComponent(planning_component_name, self)

    def get_planning_scene_monitor(self):
        return self._monitor

    def get_robot_model(self):
        return self._model


class PlanningComponent:
    def __init__(self, joint_model_group_name, moveit_py_instance):
        self._group, self._moveit = joint_model_group_name, moveit_py_instance
        self._start = self._goal = None

    def set_start_state(self, configuration_name=None, robot_state=None):
        _one_of(configuration_name, robot_state)
        self._start = _state(robot_state)
        return True

    def set_goal_state(
        self, configuration_name=None, robot_state=None, pose_stamped_msg=None, pose_link=None,
        motion_plan_constraints=None,
    ):  # fmt: skip
        _one_of(configuration_name, robot_state, pose_stamped_msg, motion_plan_constraints)
        self._goal = _state(robot_state)
        return True

    def plan(
        self, single_plan_parameters=None, multi_plan_parameters=None, planning_scene=None,
        solution_selection_function=None, stopping_criterion_callback=None,
    ):  # fmt: skip
        script = _script()
        if "exit" in script:
            os._exit(script["exit"])
        if "gate" in script:  # a pipe, on which it waits until the test writes
            with open(script["gate"], encoding="utf-8") as gate:
                gate.read()
        if self._moveit._pipeline not in self._moveit._pipelines:
            return MotionPlanResponse(99999, None)
        for state, code in ((self._start, _START_STATE_IN_COLLISION), (self._goal, _GOAL_IN_COLLISION)):
            if _touches(state):
                return MotionPlanResponse(code, None)
        if "error" in script:
            return MotionPlanResponse(script["error"], None)
        joints = self._moveit._model._groups[self._group]
        ends = [[state._positions[joint] for joint in joints] for state in (self._start, self._goal)]
        states = []
        for posture in [ends[0], *script.get("detour", []), ends[1]]:
            state = self._start.__copy__()
            state._positions.update(zip(joints, posture))
            states.append(state)
        return MotionPlanResponse(_SUCCESS, RobotTrajectory(states))


class MotionPlanResponse:
    def __init__(self, code, trajectory):
        self.error_code, self.trajectory = SimpleNamespace(val=code), trajectory

    def __bool__(self):
        return self.error_code.val == _SUCCESS


class RobotTrajectory:
    def __init__(self, states):
        self._states = states

    def __len__(self):
        return len(self._states)

    def __getitem__(self, idx):
        return self._states[idx]

    def __iter__(self):
        return ((state, 0.1) for state in self._states)


class PlanningSceneMonitor:
    def __init__(self, model):
        self._scene = PlanningScene(model)

    def read_only(self):
        return LockedPlanningSceneContextManagerRO(self._scene)


class LockedPlanningSceneContextManagerRO:
    def __init__(self, scene):
        self._scene = scene

    def __enter__(self):
        return self._scene

    def __exit__(self, type, value, traceback):
        return None


class PlanningScene:
    def __init__(self, model):
        self._model, self.current_state = model, RobotState(model)

    def is_state_colliding(self, robot_state=None, joint_model_group_name=None, verbose=False):
        if not isinstance(robot_state, RobotState) or not isinstance(joint_model_group_name, str):
            raise TypeError("is_state_colliding(): incompatible function arguments")
        if robot_state.dirty:
            print("collision checking of a state that was not updated", file=sys.stderr)
            return False
        return _touches(robot_state)


def _one_of(*arguments):
    given = [argument for argument in arguments if argument is not None]
    if len(given) != 1:
        raise ValueError("Must specify at least one argument" if not given else "Cannot specify both")


def _state(state):
    if not isinstance(state, RobotState):
        raise TypeError("incompatible function arguments")
    return state.__copy__()


def _touches(state):
    return any(low < state._positions[joint] < high for joint, low, high in _script().get("blocked", []))
