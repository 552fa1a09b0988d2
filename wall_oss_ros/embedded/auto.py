# SPDX-License-Identifier: Apache-2.0
"""Importing this module puts the embedded library in rclpy's place where the real rclpy cannot be imported."""

from wall_oss_ros.embedded.importer import install

IN_USE: bool = install()
