# SPDX-License-Identifier: Apache-2.0
"""What is launched, decided once in plain Python, and what ROS 2's launch makes of it."""
