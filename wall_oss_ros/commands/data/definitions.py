# SPDX-License-Identifier: Apache-2.0
"""Definitions of messages that bags may lack: what the embedded library knows, and the folders of the user."""

from __future__ import annotations


def message_definitions() -> dict[str, str]:
    """By name, such as control_msgs/msg/JointJog; those of WALL_OSS_INTERFACES go before ours.

    Raises:
        WallOSSError: a folder or a file cannot be read.
    """
    from wall_oss_ros.embedded.definitions import MESSAGES
    from wall_oss_ros.embedded.interface_folders import in_folders, read

    found = {name.replace("/", "/msg/"): text for name, text in MESSAGES.items()}
    for package, interfaces in in_folders().items():
        for (kind, name), path in interfaces.items():
            if kind == "msg":
                found[f"{package}/msg/{name}"] = read(path)
    return found
