"""The simulated robot, with a real driver's face: cameras, joint states, controllers, /clock, and its URDF in tf."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration

from wall_oss_ros.ros_launch import arguments_of, namespace, nodes, optional_node, remappings, robot_profile


def robot_state_publisher(context):
    description = robot_profile(context).urdf_path.read_text(encoding="utf-8")
    return optional_node(
        "robot_state_publisher",
        "robot_state_publisher",
        purpose="tf of the robot's links, and no robot model in rviz",
        namespace=namespace(context),
        parameters=[{"robot_description": description, "use_sim_time": True}],
        remappings=[("/tf", "tf"), ("/tf_static", "tf_static"), *remappings(context)],
    )


def generate_launch_description():
    simulated = IfCondition(LaunchConfiguration("sim"))
    return LaunchDescription(
        [
            *arguments_of("simulated_robot"),
            nodes("simulated_robot"),
            OpaqueFunction(function=robot_state_publisher, condition=simulated),
        ]
    )
