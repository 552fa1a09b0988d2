# SPDX-License-Identifier: Apache-2.0
"""WALL-OSS, an open vision-language-action model, on robots that speak ROS 2."""
