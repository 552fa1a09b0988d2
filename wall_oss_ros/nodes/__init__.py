# SPDX-License-Identifier: Apache-2.0
"""The ROS nodes: perception, planner, control, plan markers and the simulated robot.

Plain rclpy source (Humble to Lyrical). Where there is no ROS 2, the line below lets the embedded client library take
rclpy's name; where there is, it does nothing. What a node decides lives in ``nodes/logic``, which knows nothing of ROS.
"""

from wall_oss_ros.embedded import auto  # noqa: F401
