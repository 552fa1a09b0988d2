# SPDX-License-Identifier: Apache-2.0
"""A real robot's driver, or its mock hardware: the driver's own launch file, with our controller where it has none.

What differs between robots is data: ``config/drivers``. Cameras are started apart; a robot's profile has their topics.
"""

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare
from wall_oss_ros.bringup.launch_driver import check, start
from wall_oss_ros.bringup.launch_nodes import end_at_sigterm


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "namespace", "controller", "driver", "driver_file", "driver_arguments"),
            *declare("robot_ip", "use_mock_hardware", "mock_gripper", "camera_frames"),
            *declare("autostart", "respawn", "params_file", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=check),
            OpaqueFunction(function=start),
        ]
    )
