# SPDX-License-Identifier: Apache-2.0
"""Stands in for moveit_py, which is not installed where the tests run: the same names, arguments and return values.

Written from moveit_py's bindings of MoveIt 2 (moveit_py/src/moveit, branches jazzy and main, 2026). Only what this
project calls is here, and what bindings refuse is refused: unknown keywords, missing arguments, wrong types. Its robot
is the URDF it is given, as joint names. What is in the way is read from the file that WALL_OSS_STAND_IN names: JSON
with ``blocked``, a list of [joint, low, high] in which everything touches, ``detour``, postures to go through, and
``exit``.
"""
