# SPDX-License-Identifier: Apache-2.0
"""Types of messages that bags need not define: ROS 2's, ours, and what a workspace has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path


def own_definitions() -> dict[str, str]:
    """The definitions of wall_oss_msgs, by name."""
    folder = data_path("msg", package="wall_oss_msgs")
    return {f"wall_oss_msgs/msg/{path.stem}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.msg"))}


def known_types(definitions: Mapping[str, str]) -> Typestore:
    """Types of ROS 2 Jazzy, of wall_oss_msgs, and of ``definitions`` by name."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in {**definitions, **own_definitions()}.items():
        try:
            parsed = get_types_from_msg(text, name)
            for known in parsed:
                store.fielddefs.pop(known, None)
                store.types.pop(known, None)
            store.register(parsed)
        except (TypesysError, ValueError, KeyError, SyntaxError) as error:
            raise WallOSSError(f"The definition of {name} cannot be used: {one_line(error)}.", "Correct it.") from error
    return store


def fallback(definitions: Mapping[str, str]) -> Typestore:
    """As ``known_types``, and kept for the next bag."""
    return _kept(tuple(sorted(definitions.items())))


@lru_cache(maxsize=1)
def _kept(definitions: tuple[tuple[str, str], ...]) -> Typestore:
    return known_types(dict(definitions))


def one_line(error: BaseException) -> str:
    """What an error says, or else what it is."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
