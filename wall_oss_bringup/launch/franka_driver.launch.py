"""A real Franka FR3, or the driver's fake hardware: franka_ros2's bringup and a joint trajectory controller.

franka_bringup starts no motion controller, and an effort controller does not move fake hardware. Therefore this file
brings its own controllers, an effort one for the arm and a position one for fake hardware, under the same name.
Cameras are started apart; their topics are in config/robots/franka.yaml.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from wall_oss_ros.ros_launch import robot_profile, switch


def driver(context):
    fake = switch(context, "fake_hardware")
    controllers = PathJoinSubstitution(
        [FindPackageShare("wall_oss_bringup"), "config", f"franka_{'fake' if fake else 'arm'}.yaml"]
    )
    franka = PathJoinSubstitution([FindPackageShare("franka_bringup"), "launch", "franka.launch.py"])
    options = {
        "robot_type": "fr3",
        "robot_ip": LaunchConfiguration("robot_ip"),
        "load_gripper": "true",
        "use_fake_hardware": LaunchConfiguration("fake_hardware"),
        "joint_state_rate": "100",
    }
    return [
        IncludeLaunchDescription(PythonLaunchDescriptionSource(franka), launch_arguments=options.items()),
        Node(
            package="controller_manager",
            executable="spawner",
            arguments=[robot_profile(context).command.controller, "--param-file", controllers],
            output="screen",
        ),
    ]


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("robot", default_value="franka", description="The profile that names the controller."),
            DeclareLaunchArgument("robot_ip", default_value="", description="The robot's address."),
            DeclareLaunchArgument(
                "fake_hardware", default_value="false", choices=["true", "false"],
                description="Joints that follow every command, instead of a robot.",
            ),
            OpaqueFunction(function=driver),
        ]
    )  # fmt: skip
