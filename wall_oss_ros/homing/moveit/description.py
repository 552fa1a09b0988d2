# SPDX-License-Identifier: Apache-2.0
"""What MoveIt is told about a robot, made from its profile and URDF: no MoveIt configuration package is needed.

Names of parameters are those that MoveItCpp and its planning pipelines read (MoveIt 2, branches jazzy to main).
"""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

from wall_oss_ros.control.self_collision import SelfCollision
from wall_oss_ros.robots import urdf_file
from wall_oss_ros.robots.profile import RobotProfile

GROUP = "arms"  # all arms' joints, planned for together
_PLANNING_TIME = 5.0  # s
_LONGEST = 0.005  # share of the joint space's extent between two states that OMPL looks at on a way
# rclcpp declares these when it subscribes to /clock, which may be after MoveIt's TrajectoryExecutionManager has begun
# to refuse all parameters but its own; that would end the process. Given from the start, they are declared already.
_SIMULATED_CLOCK = {
    "/clock": {
        "subscription": {"depth": 1, "durability": "volatile", "history": "keep_last", "reliability": "best_effort"}
    }
}


def semantic_description(profile: RobotProfile) -> str:
    """An SRDF: one group of all arms' joints, and the links that may touch, which are the same as for control."""
    robot = urdf_file.parse(profile.urdf_path, profile.name)
    semantic = ElementTree.Element("robot", name=robot.get("name"))
    group = ElementTree.SubElement(semantic, "group", name=GROUP)
    for one in profile.arms:
        for joint in one.arm.joints:
            ElementTree.SubElement(group, "joint", name=joint)
    watched = {frozenset(pair) for pair in SelfCollision(profile).pairs}
    solid = [link.get("name") for link in robot.iter("link") if link.find("collision") is not None]
    for link, other in combinations(solid, 2):
        if frozenset((link, other)) not in watched:
            ElementTree.SubElement(semantic, "disable_collisions", link1=link, link2=other, reason="User")
    ElementTree.indent(semantic)
    return ElementTree.tostring(semantic, encoding="unicode")


def parameters(profile: RobotProfile, sim_time: bool = False) -> dict:
    """Parameters of MoveItPy's node: the robot, its limits, and one planner, RRT-Connect, which is OMPL's default."""
    limits = {}
    for one in profile.arms:
        for joint, velocity, acceleration in zip(one.arm.joints, one.arm.limits.velocity, one.arm.limits.acceleration):
            limits[joint] = {
                "has_velocity_limits": True, "max_velocity": float(velocity),
                "has_acceleration_limits": True, "max_acceleration": float(acceleration),
            }  # fmt: skip
    return {
        **({"use_sim_time": True, "qos_overrides": _SIMULATED_CLOCK} if sim_time else {}),
        "robot_description": profile.urdf_path.read_text(encoding="utf-8"),
        "robot_description_semantic": semantic_description(profile),
        "robot_description_planning": {"joint_limits": limits},
        # Nothing is executed by MoveIt. Left out, it would look for a controller manager and call its absence fatal;
        # empty, it would crash.
        "moveit_controller_manager": "moveit_simple_controller_manager/MoveItSimpleControllerManager",
        "planning_pipelines": {"pipeline_names": ["ompl"]},
        "plan_request_params": {
            "planning_pipeline": "ompl",
            "planner_id": "",  # its default
            "planning_attempts": 1,
            "planning_time": _PLANNING_TIME,
            "max_velocity_scaling_factor": 1.0,
            "max_acceleration_scaling_factor": 1.0,
        },
        "ompl": {
            "planning_plugins": ["ompl_interface/OMPLPlanner"],
            "request_adapters": [
                "default_planning_request_adapters/ResolveConstraintFrames",
                "default_planning_request_adapters/ValidateWorkspaceBounds",
                "default_planning_request_adapters/CheckStartStateBounds",
                "default_planning_request_adapters/CheckStartStateCollision",
            ],
            "response_adapters": [
                "default_planning_response_adapters/AddTimeOptimalParameterization",
                "default_planning_response_adapters/ValidateSolution",
            ],
            GROUP: {"longest_valid_segment_fraction": _LONGEST},
        },
    }
