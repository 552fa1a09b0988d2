# SPDX-License-Identifier: Apache-2.0
"""The page in the browser: the robot in 3-D, its cameras, the plan, and a field to instruct it. A node like the others."""
