# SPDX-License-Identifier: Apache-2.0
"""Watches whether a subtask is failing, by what the model asks for and what the robot does. No second model, no ROS."""
