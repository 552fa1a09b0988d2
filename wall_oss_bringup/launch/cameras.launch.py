# SPDX-License-Identifier: Apache-2.0
"""The cameras of a robot's views, by a driver that config/drivers/cameras knows, or that the user describes.

ros2 launch wall_oss_bringup cameras.launch.py robot:=ur cameras:=usb_cam \\
    camera_devices:='face_view=/dev/video0 right_wrist_view=/dev/video2'
"""

from launch import LaunchDescription
from launch.actions import OpaqueFunction

from wall_oss_ros.bringup import use_virtual_environment

use_virtual_environment()
from wall_oss_ros.bringup.launch_arguments import declare
from wall_oss_ros.bringup.launch_cameras import start
from wall_oss_ros.bringup.launch_nodes import end_at_sigterm


def generate_launch_description():
    return LaunchDescription(
        [
            *declare("robot", "ur_type", "namespace", "cameras", "camera_devices", "respawn", "log_level"),
            OpaqueFunction(function=end_at_sigterm),
            OpaqueFunction(function=start),
        ]
    )
