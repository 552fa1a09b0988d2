# SPDX-License-Identifier: Apache-2.0
"""The page in the browser, a node: the robot in 3-D, its cameras, the plan, and a field for instructions."""
