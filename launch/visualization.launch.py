"""What a person sees: the plan and the path ahead as markers, and rviz with the robot's configuration."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.ros_launch import arguments, arguments_of, nodes, optional_node, robot_profile, switch


def rviz(context):
    try:
        options = ["-d", str(data_path(f"config/rviz/{robot_profile(context).name}.rviz"))]
    except WallOSSError:  # a robot of the user's own: rviz with its defaults
        options = []
    return optional_node(
        "rviz2", "rviz2", purpose="rviz", arguments=options, parameters=[{"use_sim_time": switch(context, "sim")}]
    )


def generate_launch_description():
    return LaunchDescription(
        [
            *arguments_of("plan_markers"),
            *arguments("rviz"),
            nodes("plan_markers"),
            OpaqueFunction(function=rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )
