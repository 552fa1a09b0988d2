# SPDX-License-Identifier: Apache-2.0
"""A Robotiq 2F-85 beside an arm's driver, with the action and joint states that the robot's profile names.

ros2 launch wall_oss_bringup robotiq.launch.py robot:=ur com_port:=/tmp/ttyUR

The vendor's own launch file starts a controller manager, a joint_state_broadcaster and a robot_state_publisher of the
names that the arm's driver has already. Here they are in the namespace robotiq, where they meet nothing of the arm's.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare, namespace, robot_profile, value
from wall_oss_ros.bringup.launch_nodes import end_at_sigterm, is_installed
from wall_oss_ros.bringup.remappings import ACTION_PARTS, remapped
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

CONTROLLER = "robotiq_gripper_controller"
OLD, NEW = "position_controllers/GripperActionController", "parallel_gripper_action_controller/GripperActionController"


def start(context):
    profile, outside = robot_profile(context), namespace(context)
    where = namespace(context, "robotiq")
    if profile.gripper.action is None:
        raise WallOSSError(f"The gripper of {profile.name} is not commanded by an action.", "Choose another robot.")
    for package in ("robotiq_driver", "robotiq_description", "robotiq_controllers"):
        if not is_installed(package):
            raise WallOSSError(
                f"The package {package} is not installed.",
                "In the workspace: git clone https://github.com/PickNikRobotics/ros2_robotiq_gripper "
                "src/ros2_robotiq_gripper && vcs import src --skip-existing --input "
                "src/ros2_robotiq_gripper/ros2_robotiq_gripper.repos; rosdep install --from-paths src -y; "
                "colcon build.",
            )
    file = str(data_path("config/controllers/robotiq.yaml"))
    kind = OLD if os.environ.get("ROS_DISTRO") == "humble" else NEW
    action = remapped(profile.gripper.action, profile, outside)
    own = f"/{where}/{CONTROLLER}/gripper_cmd"
    parts = [(f"{own}/_action/{part}", f"{action}/_action/{part}") for part in ACTION_PARTS]
    states = ("joint_states", remapped(profile.joint_states, profile, outside))

    def node(package, executable, **options):
        return Node(package=package, executable=executable, namespace=where, output="screen", **options)

    return [
        # Its frames stay in the namespace: where the gripper is, the arm's description says.
        node("robot_state_publisher", "robot_state_publisher", parameters=[{"robot_description": urdf(context)}],
             remappings=[("/tf", "tf"), ("/tf_static", "tf_static")]),
        node("controller_manager", "ros2_control_node",
             parameters=[file, {f"{CONTROLLER}.type": kind}],
             remappings=[("~/robot_description", f"/{where}/robot_description"), states, *parts]),
        node("controller_manager", "spawner",
             arguments=["joint_state_broadcaster", CONTROLLER, "robotiq_activation_controller", "--param-file", file]),
    ]  # fmt: skip


def urdf(context):
    import xacro
    from ament_index_python.packages import get_package_share_directory

    mock = value(context, "use_mock_hardware")
    path = f"{get_package_share_directory('robotiq_description')}/urdf/robotiq_2f_85_gripper.urdf.xacro"
    # The argument is about to be renamed there; xacro passes over one that is not known.
    arguments = {"com_port": value(context, "com_port"), "use_fake_hardware": mock, "use_mock_hardware": mock}
    return xacro.process_file(path, mappings=arguments).toxml()


def generate_launch_description():
    port = DeclareLaunchArgument("com_port", default_value="/dev/ttyUSB0", description="The gripper's serial port.")
    mock = DeclareLaunchArgument("use_mock_hardware", default_value="false", description="No gripper.")
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "namespace"),
            port,
            mock,
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=start),
        ]
    )
