# SPDX-License-Identifier: Apache-2.0
"""Looks a LeRobot dataset over: what in it is broken, or looks wrong, with episode and frame."""
