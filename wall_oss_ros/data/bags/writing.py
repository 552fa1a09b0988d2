# SPDX-License-Identifier: Apache-2.0
"""Writes a bag as rosbag2 and Foxglove read it: mcap of the profile ros2, with every schema, split where that is asked.

Metadata are of version 8, the last that ROS 2 Humble reads; later distributions read it as well
(rosbag2_storage, yaml.hpp: from version 9 on, the offered QoS is a list, and no longer a text).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat, Qos
from rosbags.rosbag2 import CompressionMode
from rosbags.rosbag2.metadata import dump_qos_v8
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys.store import Typestore

from wall_oss_ros.errors import WallOSSError

_VERSION = 8


@dataclass(frozen=True)
class Limits:
    """When a bag goes on in a further file.

    Attributes:
        size: of a file, bytes; None: without end.
        seconds: that a file holds; None: without end.
        keep: files that stay, the newest; None: all.
    """

    size: int | None = None
    seconds: float | None = None
    keep: int | None = None

    @property
    def split(self) -> bool:
        return self.size is not None or self.seconds is not None


@dataclass
class _File:
    """One file of a bag, and what is in it."""

    path: Path
    storage: McapWriter
    begun: float  # s of a steady clock
    first: int = 2**63 - 1  # ns
    last: int = 0
    counts: dict[int, int] = field(default_factory=dict)  # messages, by connection
    kinds: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Bytes, with what is still in memory."""
        return self.storage.bio.tell() + self.storage.chunk.bio.tell()

    @property
    def count(self) -> int:
        return sum(self.counts.values())


class BagWriter:
    """A bag that is being written.

    Args:
        path: of a folder that gets the files and metadata.yaml, or of one file, NAME.mcap. It is not there yet.
        types: of all messages.
        limits: when it goes on in a further file; a file alone knows none.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, types: Typestore, limits: Limits = Limits()):
        self.path, self._types, self._limits = path, types, limits
        self._alone = path.suffix == ".mcap"
        if self._alone and limits.split:
            raise WallOSSError(f"{path} is one file, which cannot be split.", "Name a folder.")
        if path.exists():
            raise FileExistsError(17, "it is there already", str(path))
        self._connections: dict[str, Connection] = {}
        self._offered: dict[int, str] = {}  # quality of service, by connection
        self._done: list[_File] = []
        self._opened = 0
        (path.parent if self._alone else path).mkdir(parents=True, exist_ok=True)
        self._file = self._open()

    @property
    def full(self) -> bool:
        """Whether the present file has reached its limit."""
        size, seconds = self._limits.size, self._limits.seconds
        return (size is not None and self._file.size >= size) or (
            seconds is not None and time.monotonic() - self._file.begun >= seconds
        )

    def split(self) -> list[Path]:
        """Goes on in a further file; gives the files that were removed for it."""
        self._complete()
        self._file = self._open()
        keep, gone = self._limits.keep, []
        while keep is not None and len(self._done) >= keep:
            old = self._done.pop(0)
            old.path.unlink(missing_ok=True)
            gone.append(old.path)
        return gone

    def write(self, topic: str, kind: str, stamp: int, data: bytes, offered: Sequence[Qos] = ()) -> None:
        """A message of ``kind``, such as std_msgs/msg/String, received at ``stamp`` ns.

        Args:
            offered: the quality of service of its publishers; the first message's counts.

        Raises:
            KeyError, TypesysError: nothing is known of its type.
        """
        one = self._connections.get(topic)
        if one is None:
            one = self._connections[topic] = self._connect(topic, kind, offered)
        file = self._file
        if one.id not in file.counts:
            if one.msgtype not in file.kinds:
                file.storage.add_msgtype(one)
                file.kinds.add(one.msgtype)
            file.storage.add_connection(one, self._offered[one.id])
            file.counts[one.id] = 0
        file.storage.write(one, stamp, data)
        file.counts[one.id] += 1
        file.first, file.last = min(file.first, stamp), max(file.last, stamp)

    def flush(self) -> None:
        """Hands what has come to the system, so that it outlasts this process."""
        storage = self._file.storage
        if storage.chunk.msgs:
            storage.close_chunk()
        storage.bio.flush()

    def close(self) -> None:
        """Completes it."""
        self._complete()
        if not self._alone:
            metadata = {"rosbag2_bagfile_information": self._metadata(self._done)}
            (self.path / "metadata.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False), encoding="utf-8")

    def abort(self) -> None:
        """Closes the file as it is."""
        self._file.storage.abort()

    def _open(self) -> _File:
        name = f"{self.path.name}_{self._opened}.mcap" if self._limits.split else f"{self.path.name}.mcap"
        path = self.path if self._alone else self.path / name
        self._opened += 1
        file = _File(path, McapWriter(_Place(path), CompressionMode.NONE), time.monotonic())  # type: ignore[arg-type]
        file.storage.bio.flush()  # a file is one from the beginning
        return file

    def _complete(self) -> None:
        file = self._file
        file.storage.close(_VERSION, yaml.safe_dump(self._metadata([file]), sort_keys=False))
        self._done.append(file)

    def _connect(self, topic: str, kind: str, offered: Sequence[Qos]) -> Connection:
        text, _ = self._types.generate_msgdef(kind, ros_version=2)
        number = len(self._connections) + 1
        self._offered[number] = dump_qos_v8(list(offered))
        return Connection(
            id=number,
            topic=topic,
            msgtype=kind,
            msgdef=MessageDefinition(MessageDefinitionFormat.MSG, text),
            digest=self._types.hash_rihs01(kind),
            msgcount=0,
            ext=ConnectionExtRosbag2("cdr", list(offered)),
            owner=self,
        )

    def _metadata(self, files: Sequence[_File]) -> dict[str, Any]:
        """What rosbag2 wants to know of files (bag_metadata.hpp)."""
        told = [file for file in files if file.counts]
        first, last = min((file.first for file in told), default=0), max((file.last for file in told), default=0)
        counts = {one.id: sum(file.counts.get(one.id, 0) for file in files) for one in self._connections.values()}
        return {
            "version": _VERSION,
            "storage_identifier": "mcap",
            "duration": {"nanoseconds": last - first},
            "starting_time": {"nanoseconds_since_epoch": first},
            "message_count": sum(counts.values()),
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": one.topic,
                        "type": one.msgtype,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": self._offered[one.id],
                        "type_description_hash": one.digest,
                    },
                    "message_count": counts[one.id],
                }
                for one in self._connections.values()
                if any(one.id in file.counts for file in files)
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file.path.name for file in files],
            "files": [
                {
                    "path": file.path.name,
                    "starting_time": {"nanoseconds_since_epoch": file.first if file.counts else 0},
                    "duration": {"nanoseconds": max(file.last - file.first, 0) if file.counts else 0},
                    "message_count": file.count,
                }
                for file in files
            ],
            "custom_data": {},
            "ros_distro": "",
        }


class _Place:
    """What rosbags' writer takes for a folder, in which it would name the file itself."""

    name = ""

    def __init__(self, file: Path):
        self._file = file

    def __truediv__(self, _name: str) -> Path:
        return self._file
