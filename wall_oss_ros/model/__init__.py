# SPDX-License-Identifier: Apache-2.0
"""The network: configuration, vision tower, decoder with routed experts, flow head, checkpoints."""

from wall_oss_ros.model.attention import KVCache
from wall_oss_ros.model.config import ExpertConfig, NoiseConfig, VisionConfig, WallOSSConfig
from wall_oss_ros.model.wall_oss import WallOSS, WallOSSOutput

__all__ = ["ExpertConfig", "KVCache", "NoiseConfig", "VisionConfig", "WallOSS", "WallOSSConfig", "WallOSSOutput"]
