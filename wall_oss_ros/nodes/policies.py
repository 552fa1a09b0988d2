# SPDX-License-Identifier: Apache-2.0
"""How planner and control come by the policy, and the parameters that say which."""

from __future__ import annotations

from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.robots.profile import RobotProfile

POLICY_PARAMETERS = (
    Parameter(
        "model", "", "A checkpoint: its folder, or owner/name on the hub; empty is the one that ships for the robot."
    ),
    Parameter("device", "cpu", "Torch device the model runs on, such as cpu or cuda:0."),
    Parameter("threads", 1, "Torch threads of the process; 0 leaves it to torch.", 0, 256),
)


def load_policy(model: str, device: str, threads: int, profile: RobotProfile):
    """Loads the checkpoint's ``Policy`` for a robot. torch is imported here, not before: it takes seconds.

    Raises:
        WallOSSError: there is no such checkpoint, it cannot be used, or it is not for this robot.
    """
    from wall_oss_ros.policy.checkpoints import model_directory
    from wall_oss_ros.policy.policy import Policy

    folder = model_directory(model or None, profile)
    return Policy.from_pretrained(folder, device=device, threads=threads or None, profile=profile)
