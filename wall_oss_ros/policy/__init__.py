# SPDX-License-Identifier: Apache-2.0
"""From an observation and words to subtasks, answers and action chunks.

All are imported only when asked for: ``Policy`` and ``WallOSSProcessor`` bring torch in, ``Observation`` NumPy.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wall_oss_ros.policy.observation import Observation

__all__ = ["Observation", "Policy", "WallOSSProcessor"]


def __getattr__(name: str):
    if name == "Observation":
        from wall_oss_ros.policy.observation import Observation

        return Observation
    if name == "Policy":
        from wall_oss_ros.policy.policy import Policy

        return Policy
    if name == "WallOSSProcessor":
        from wall_oss_ros.policy.processor import WallOSSProcessor

        return WallOSSProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
