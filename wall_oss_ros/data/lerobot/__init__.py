# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets, read and written with pyarrow and PyAV."""

from wall_oss_ros.data.lerobot.branches import Branches, branch_features
from wall_oss_ros.data.lerobot.episode_data import EpisodeData
from wall_oss_ros.data.lerobot.episodes import Episode
from wall_oss_ros.data.lerobot.language import Entry, Language
from wall_oss_ros.data.lerobot.layout import Feature
from wall_oss_ros.data.lerobot.reader import LeRobotDataset, open_dataset
from wall_oss_ros.data.lerobot.writer import LeRobotWriter

__all__ = [
    "Branches",
    "Entry",
    "Episode",
    "EpisodeData",
    "Feature",
    "Language",
    "LeRobotDataset",
    "LeRobotWriter",
    "branch_features",
    "open_dataset",
]
