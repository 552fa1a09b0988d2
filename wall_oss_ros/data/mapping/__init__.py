# SPDX-License-Identifier: Apache-2.0
"""Mappings: which column of recordings is which view and degree of freedom of a robot, and what becomes of it.

``spec`` is the file, ``columns`` finds its columns in a dataset, ``tracks`` and ``arms`` bring their numbers into a
robot's units and frames, ``motion`` puts states and chunks together, ``language`` the words, and ``recorded`` makes of
it all a dataset that training reads.
"""
