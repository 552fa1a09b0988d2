# SPDX-License-Identifier: Apache-2.0
"""A policy for other people's programs, over websockets; neither ROS nor a simulator comes in."""
