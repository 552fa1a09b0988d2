# SPDX-License-Identifier: Apache-2.0
"""The steps of time in which the simulated robot is moved, shown and judged."""

DT, HORIZON = 0.1, 10  # s between the steps of a chunk, and how many it has
CONTROL_DT = 0.02  # s, between joint targets
