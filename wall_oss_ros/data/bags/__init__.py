# SPDX-License-Identifier: Apache-2.0
"""Recordings as ROS 2 bags: written by episodes, and converted into LeRobot datasets without ROS.

``files`` reads bags of any kind, whole or cut off, ``spec`` is what a profile does not say of them, ``samples`` and
``told`` are numbers over time and commands as controllers follow them, ``listeners`` and ``reading`` gather them from a
bag, ``episodes`` lays frames over them, ``convert`` writes the dataset, and ``recorder`` writes bags.
"""
