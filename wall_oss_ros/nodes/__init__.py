# SPDX-License-Identifier: Apache-2.0
"""The ROS nodes: perception, planner, control, plan markers, the simulated robot and the mock gripper.

Plain rclpy source (Humble to Lyrical). Where there is no ROS 2, the last line lets the embedded client library take
rclpy's name; where there is, it does nothing. What a node decides lives in the rooms above, which know nothing of ROS.
"""

from wall_oss_ros import starting

if starting.runs_as_module():  # before anything that takes its time to import
    starting.end_quietly()

from wall_oss_ros.embedded import auto  # noqa: F401
