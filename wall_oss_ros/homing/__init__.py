# SPDX-License-Identifier: Apache-2.0
"""The way home: planned, checked in small steps before anything moves, and then followed by control's own means."""

PLANNERS = ("auto", "builtin", "moveit")  # who may plan it
