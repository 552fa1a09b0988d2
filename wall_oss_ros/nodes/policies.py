"""How planner and control come by the policy, and the parameters that say which."""

from __future__ import annotations

from wall_oss_ros.nodes.parameters import Parameter

POLICY_PARAMETERS = (
    Parameter("model", "", "A checkpoint: its folder, or owner/name on the hub; empty is the one that ships."),
    Parameter("device", "cpu", "Torch device the model runs on, such as cpu or cuda:0."),
    Parameter("threads", 1, "Torch threads of the process; 0 leaves it to torch.", 0, 256),
)


def load_policy(model: str, device: str, threads: int):
    """Loads the checkpoint's ``Policy``. torch is imported here, not before: it takes seconds.

    Raises:
        WallOSSError: there is no such checkpoint, or it cannot be used.
    """
    from pathlib import Path

    from wall_oss_ros.launching import model_directory
    from wall_oss_ros.policy.policy import Policy

    if not model or Path(model).is_dir():
        model = model_directory(model or None)
    return Policy.from_pretrained(model, device=device, threads=threads or None)
