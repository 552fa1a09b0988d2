# SPDX-License-Identifier: Apache-2.0
"""ROS 2 without a ROS 2 installation: rclpy's interface on Eclipse Cyclone DDS.

``import wall_oss_ros.embedded.auto`` puts this library in the place of rclpy, cv_bridge and the message packages
where the real rclpy cannot be imported. The modules here carry the names of rclpy's own (``node``, ``executors``,
``qos``, ...), so that ``rclpy.node`` is ``wall_oss_ros.embedded.node``. See docs/embedded.md.
"""
