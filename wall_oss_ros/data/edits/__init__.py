# SPDX-License-Identifier: Apache-2.0
"""Edits of LeRobot datasets. A source is only read: what comes of it is written beside, verified, and then named."""
