# SPDX-License-Identifier: Apache-2.0
"""Message types of Mobile ALOHA's drivers, which come from a workspace that few have."""

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives them where there is no ROS 2

try:
    from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand
except ImportError:
    JointGroupCommand = JointSingleCommand = None

NEEDS_INTERBOTIX = pytest.mark.skipif(JointGroupCommand is None, reason="interbotix_xs_msgs is not installed")
