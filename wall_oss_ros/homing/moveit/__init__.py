# SPDX-License-Identifier: Apache-2.0
"""MoveIt, where moveit_py is installed: in a process of its own, with a description made from the robot's profile."""
