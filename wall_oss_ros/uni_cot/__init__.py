# SPDX-License-Identifier: Apache-2.0
"""Uni-CoT: one model decomposes an instruction into subtasks, judges progress, and replans. No torch, no ROS."""
