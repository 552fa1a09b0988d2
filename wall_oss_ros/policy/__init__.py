# SPDX-License-Identifier: Apache-2.0
"""From an observation and words to subtasks, answers and action chunks.

``Observation`` is light; ``Policy`` and ``WallOSSProcessor`` bring torch in, and are imported only when asked for.
"""

from wall_oss_ros.policy.observation import Observation

__all__ = ["Observation", "Policy", "WallOSSProcessor"]


def __getattr__(name: str):
    if name == "Policy":
        from wall_oss_ros.policy.policy import Policy

        return Policy
    if name == "WallOSSProcessor":
        from wall_oss_ros.policy.processor import WallOSSProcessor

        return WallOSSProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
