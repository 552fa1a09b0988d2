# SPDX-License-Identifier: Apache-2.0
"""ROS 2 bags as they lie on disk: sqlite3 and mcap, split, compressed, without their metadata, or cut off by a crash.

The storages are read by rosbags, one split file after the other, so that never more than one is unpacked.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import Connection, MessageDefinitionFormat, Nodetype
from rosbags.rosbag2.storage_mcap import zstd
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader, apsw
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

from wall_oss_ros.data.bags.files import kind_of, storage_files
from wall_oss_ros.data.bags.mcap import BROKEN, Mcap
from wall_oss_ros.data.bags.types import fallback, one_line
from wall_oss_ros.errors import WallOSSError

_ZSTD = b"\x28\xb5\x2f\xfd"  # what compressed messages begin with; others begin with 0
_DELIMITER = "=" * 80 + "\n"


class BadMessage(ValueError):
    """A message whose bytes are not what its type says."""


class Message(NamedTuple):
    """A message as it was recorded: when it was received (s), and its bytes."""

    topic: str
    type: str
    received: float
    data: bytes


class Bag:
    """A bag that is read, as often as wanted.

    Args:
        path: its folder, or one file.
        definitions: of message types that bags may lack, by name such as wall_oss_msgs/msg/SubtaskPlan.

    Attributes:
        topics: of the bag, and their types.
        counts: of messages, by topic.
        notes: what is unusual about it.

    Raises:
        WallOSSError: it cannot be read.
    """

    def __init__(self, path: str | Path, definitions: Mapping[str, str] | None = None):
        self.path = Path(path)
        self.files, self.notes = storage_files(self.path)
        self.topics: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self._unpacked: tuple[Path, Path, Any] | None = None  # a file, what became of it, and the folder of that
        self._store = get_typestore(Stores.EMPTY)
        self._ready: set[str] = set()  # types that can be decoded
        self._known = fallback(definitions or {})
        self._unusable: dict[str, WallOSSError] = {}  # topics that nobody may ask for
        found: dict[str, Connection] = {}
        for file in self.files:
            with self._open(file) as storage:
                if getattr(storage, "cut", False):
                    self.notes.append(f"{file.name} was cut off; what is whole in it is read")
                for one in storage.connections:
                    self._learn(one)
                    if one.msgdef.format != MessageDefinitionFormat.NONE:
                        found.setdefault(one.msgtype, one)
        self._register(found)

    def close(self) -> None:
        """Removes what was unpacked."""
        if self._unpacked is not None:
            self._unpacked[2].cleanup()
            self._unpacked = None

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def messages(
        self, topics: Collection[str], begin: float | None = None, end: float | None = None
    ) -> Iterator[Message]:
        """The messages of some topics, file by file, in the order in which they were received or written.

        Args:
            begin, end: only those received between, s of the system's clock; all where they are not given.

        Raises:
            WallOSSError: a file is damaged.
        """
        for file in self.files:
            with self._open(file) as storage:
                wanted = [one for one in storage.connections if one.topic in topics]
                if not wanted:
                    continue
                source = storage.messages(wanted, *(None if each is None else int(each * 1e9) for each in (begin, end)))
                while True:
                    try:
                        connection, time, data = next(source)
                        if bytes(data[:4]) == _ZSTD:
                            data = zstd.decompress(data)
                    except StopIteration:
                        break
                    except BROKEN as error:
                        raise self._damaged(file, error) from error
                    yield Message(connection.topic, connection.msgtype, time * 1e-9, data)

    def decode(self, message: Message) -> Any:
        """The message, its numbers as arrays.

        Raises:
            BadMessage: its bytes are not what its type says.
            WallOSSError: its type is not known.
        """
        self._need(message.type, message.topic)
        try:
            return self._store.deserialize_cdr(message.data, message.type)
        except (SerdeError, ValueError, IndexError, struct.error, MemoryError, OverflowError) as error:
            raise BadMessage(f"{' '.join(str(error).split())}") from error

    def fields(self, topic: str) -> list[str]:
        """The names of the fields of a topic's messages."""
        self._need(self.topics[topic], topic)
        return [name for name, _ in self._store.fielddefs[self.topics[topic]][1]]

    def begins_with(self, topic: str, kind: str) -> bool:
        """Whether the first field of a topic's messages is of a type, such as std_msgs/msg/Header."""
        self._need(self.topics[topic], topic)
        fields = self._store.fielddefs[self.topics[topic]][1]
        return bool(fields) and fields[0][1] == (Nodetype.NAME, kind)

    def _learn(self, one: Connection) -> None:
        known = self.topics.setdefault(one.topic, one.msgtype)
        if known != one.msgtype:
            self._unusable[one.topic] = WallOSSError(
                f"{self.path}: {one.topic} is there with two types, {known} and {one.msgtype}.",
                "Record it anew with one publisher.",
            )
        if (form := getattr(one.ext, "serialization_format", "")) != "cdr":
            self._unusable[one.topic] = WallOSSError(
                f"{self.path}: {one.topic} is serialised as {form or 'nothing known'}, cdr expected.",
                "Record it with ROS 2.",
            )
        self.counts[one.topic] = self.counts.get(one.topic, 0) + one.msgcount

    def _register(self, found: Mapping[str, Connection]) -> None:
        for name, one in found.items():
            try:
                if one.msgdef.format == MessageDefinitionFormat.MSG:
                    self._store.register(get_types_from_msg(one.msgdef.data, name))
                    continue
                for part in one.msgdef.data.split(_DELIMITER):
                    if part.startswith("IDL: "):
                        part = part.partition("\n")[2]
                    if part.strip():
                        self._store.register(get_types_from_idl(part))
            except (TypesysError, ValueError, KeyError, SyntaxError) as error:
                self.notes.append(f"the definition of {name} cannot be used ({one_line(error)})")

    def _need(self, name: str, topic: str) -> None:
        """Makes sure that a type can be decoded; what the bag does not define is taken from what is known here."""
        if topic in self._unusable:
            raise self._unusable[topic]
        if name in self._ready:
            return
        pending, seen = [name], set[str]()
        while pending:
            kind = pending.pop()
            if kind in seen:
                continue
            seen.add(kind)
            if kind not in self._store.fielddefs:
                if kind not in self._known.fielddefs:
                    of = "" if kind == name else f" of {name}"
                    raise WallOSSError(
                        f"{self.path} has no definition of {kind}{of} on {topic}, and none is known here.",
                        "Name the folder of its .msg files in WALL_OSS_INTERFACES.",
                    )
                self._store.fielddefs[kind] = self._known.fielddefs[kind]
                self._store.types[kind] = self._known.types[kind]
            pending += _used(self._store.fielddefs[kind][1])
        self._ready.add(name)

    @contextmanager
    def _open(self, file: Path) -> Iterator[Any]:
        try:
            plain = self._plain(file)
            storage = (Mcap if kind_of(file) == ".mcap" else Sqlite3Reader)(plain)
            storage.open()
        except BROKEN as error:
            raise self._damaged(file, error) from error
        try:
            yield storage
        finally:
            storage.close()

    def _plain(self, file: Path) -> Path:
        """The file as it can be read: unpacked, or a copy with the journal of a killed writer worked in.

        Only the last one is kept.
        """
        journals = [file.with_name(file.name + end) for end in ("-wal", "-journal")]
        journals = [journal for journal in journals if journal.is_file() and journal.stat().st_size]
        if file.suffix != ".zstd" and not journals:
            return file
        if self._unpacked is None or self._unpacked[0] != file:
            self.close()
            folder = tempfile.TemporaryDirectory(prefix="wall_oss_bag_")
            target = Path(folder.name, file.name.removesuffix(".zstd"))
            self._unpacked = file, target, folder
            if file.suffix == ".zstd":
                _unpack(file, target)
            else:
                for each in (file, *journals):
                    shutil.copyfile(each, target.with_name(each.name))
                database = apsw.Connection(str(target))
                database.execute("PRAGMA journal_mode=DELETE")
                database.close()
        return self._unpacked[1]

    def _damaged(self, file: Path, error: BaseException) -> WallOSSError:
        return WallOSSError(f"{file} cannot be read as a bag: {one_line(error)}.", "Copy it again, or leave it out.")


def _unpack(file: Path, target: Path) -> None:
    with file.open("rb") as packed, zstd.open(packed, "rb") as source, target.open("wb") as plain:
        try:
            shutil.copyfileobj(source, plain, 1 << 20)
        except EOFError:  # the writer was killed: what came through is read
            pass


def _used(fields: Collection[tuple]) -> list[str]:
    """The message types that fields have."""
    found = []
    for _, (kind, detail) in fields:
        if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            kind, detail = detail[0]
        if kind == Nodetype.NAME:
            found.append(detail)
    return found
