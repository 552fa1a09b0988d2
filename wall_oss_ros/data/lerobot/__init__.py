# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets, read and written with pyarrow and PyAV."""

from wall_oss_ros.data.lerobot.episodes import Episode
from wall_oss_ros.data.lerobot.language import Entry, Language
from wall_oss_ros.data.lerobot.layout import Feature
from wall_oss_ros.data.lerobot.reader import LeRobotDataset, open_dataset

__all__ = ["Entry", "Episode", "Feature", "Language", "LeRobotDataset", "open_dataset"]
