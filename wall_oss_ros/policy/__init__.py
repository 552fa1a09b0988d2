"""From an observation and words to subtasks, answers and action chunks.

``Observation`` is light; ``Policy`` brings torch in, and is imported only when asked for.
"""

from wall_oss_ros.policy.observation import Observation

__all__ = ["Observation", "Policy"]


def __getattr__(name: str):
    if name == "Policy":
        from wall_oss_ros.policy.policy import Policy

        return Policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
