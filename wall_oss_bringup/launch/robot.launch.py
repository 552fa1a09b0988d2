"""Everything that makes a robot follow instructions: its driver or a simulation, the model's nodes, rviz.

    ros2 launch wall_oss_bringup robot.launch.py robot:=franka sim:=true
    ros2 launch wall_oss_bringup robot.launch.py robot:=franka sim:=false robot_ip:=172.16.0.3
    ros2 launch wall_oss_bringup robot.launch.py --show-args
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.conditions import IfCondition, UnlessCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.ros_launch import arguments, arguments_of, robot_profile, specs, switch, value

# Robots whose driver can be started from here: the package it is in, where that comes from, and the launch file beside
# this one that starts it.
DRIVERS = {"franka": ("franka_bringup", "https://github.com/frankarobotics/franka_ros2", "franka_driver.launch.py")}


def check(context):
    """Refuses what cannot work before anything is started."""
    specs(context)
    if switch(context, "sim") or not switch(context, "driver"):
        return []
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    robot = robot_profile(context).name
    if robot not in DRIVERS:
        raise WallOSSError(
            f"This launch file cannot start a driver of {robot}; it can for {', '.join(DRIVERS)}.",
            "Start the driver yourself, then launch with driver:=false.",
        )
    package, source, _ = DRIVERS[robot]
    if not value(context, "robot_ip") and not switch(context, "fake_hardware"):
        raise WallOSSError(f"The address of {robot} is not known.", "Give robot_ip:=<address>, or fake_hardware:=true.")
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        raise WallOSSError(
            f"The driver of {robot}, package {package}, is not installed.",
            f"In the workspace: git clone {source} src/franka_ros2 && vcs import --recursive src < src/franka_ros2/dependency.repos"
            " && rosdep install --from-paths src --ignore-src -y && colcon build;"
            " or start a driver yourself and launch with driver:=false.",
        ) from None
    return []


def driver(context):
    if not switch(context, "driver"):
        return []
    return [include("wall_oss_bringup", DRIVERS[robot_profile(context).name][2])]


def include(package, file, **options):
    path = PathJoinSubstitution([FindPackageShare(package), "launch", file])
    return IncludeLaunchDescription(PythonLaunchDescriptionSource(path), **options)


def generate_launch_description():
    sim = LaunchConfiguration("sim")
    switches = ["true", "false"]
    return LaunchDescription(
        [
            *arguments_of("simulated_robot", "perception", "planner", "control", "plan_markers"),
            *arguments("rviz"),
            DeclareLaunchArgument(
                "driver", default_value="true", choices=switches,
                description="With sim:=false: whether the robot's driver is started; false expects it to run.",
            ),
            DeclareLaunchArgument("robot_ip", default_value="", description="With sim:=false: the robot's address."),
            DeclareLaunchArgument(
                "fake_hardware", default_value="false", choices=switches,
                description="With sim:=false: the driver without a robot; its joints follow every command, and it has"
                " neither cameras nor a gripper's action.",
            ),
            OpaqueFunction(function=check),
            include("wall_oss_ros", "simulation.launch.py", condition=IfCondition(sim)),
            OpaqueFunction(function=driver, condition=UnlessCondition(sim)),
            include("wall_oss_ros", "perception.launch.py"),
            include("wall_oss_ros", "planner.launch.py"),
            include("wall_oss_ros", "control.launch.py"),
            include("wall_oss_ros", "visualization.launch.py"),
        ]
    )  # fmt: skip
