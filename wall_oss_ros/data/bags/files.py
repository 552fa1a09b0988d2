# SPDX-License-Identifier: Apache-2.0
"""ROS 2 bags as they lie on disk: sqlite3 and mcap, split, compressed, without their metadata, or cut off by a crash.

The storages are read by rosbags; what is done here is what its reader refuses: files whose writer was killed, folders
without metadata.yaml, and one split file after the other, so that never more than one is unpacked.
"""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from rosbags.interfaces import Connection, MessageDefinitionFormat, Nodetype
from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader, zstd
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader, apsw
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path

_KINDS = (".mcap", ".db3")
_ZSTD = b"\x28\xb5\x2f\xfd"  # what compressed messages begin with; others begin with 0
_MAGIC = b"\x89MCAP0\r\n"
_BROKEN = (
    ReaderError,
    apsw.Error,
    zstd.ZstdError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    OverflowError,
    MemoryError,
    AssertionError,
    struct.error,
    LookupError,
    TypeError,
)  # fmt: skip  what rosbags and the libraries below it raise for broken files
_TORN = 8  # records at the end of a file that may be torn
_DELIMITER = "=" * 80 + "\n"


class BadMessage(ValueError):
    """A message whose bytes are not what its type says."""


class Message(NamedTuple):
    """A message as it was recorded: when it was received (s), and its bytes."""

    topic: str
    type: str
    received: float
    data: bytes


def find_bags(paths: Collection[str | Path]) -> list[Path]:
    """The bags that are meant: files and folders of bags, and those in folders that hold nothing but bags.

    Raises:
        WallOSSError: a path is no bag, or is there twice.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir() and not _is_bag(path):
            inner = sorted((each for each in path.iterdir() if each.is_dir() and _is_bag(each)), key=_natural)
            if not inner:
                raise WallOSSError(
                    f"{path} is no bag and holds none: there is neither metadata.yaml nor a file .mcap or .db3.",
                    "Name the folder that ros2 bag or wall-oss record made.",
                )
            found += inner
        else:
            found.append(path)
    whole = [path.resolve() for path in found]
    if twice := [path for path, real in zip(found, whole) if whole.count(real) > 1]:
        raise WallOSSError(f"The bag {twice[0]} is named twice.", "Name each once.")
    return found


def storage_files(path: Path) -> tuple[list[Path], list[str]]:
    """The files of a bag in their order, and notes on what is unusual about it.

    Raises:
        WallOSSError: there is no such bag, or files that its metadata name are missing.
    """
    if not path.exists():
        raise WallOSSError(f"There is no bag {path}.", "Check the path.")
    if path.is_file():
        if _kind(path) is None:
            hint = "Name a folder of a ROS 2 bag, or a file .mcap or .db3."
            if path.suffix == ".bag":
                hint = "It is of ROS 1: convert it with rosbags-convert --src FILE.bag --dst FOLDER first."
            raise WallOSSError(f"{path} is no ROS 2 bag.", hint)
        return [path], []
    there = sorted((file for file in path.iterdir() if file.is_file() and _kind(file)), key=_natural)
    metadata = path / "metadata.yaml"
    if not metadata.exists():
        if not there:
            raise WallOSSError(f"{path} is no bag: it has neither metadata.yaml nor a file .mcap or .db3.", "Check it.")
        return there, [f"metadata.yaml is missing: its {len(there)} files are read in the order of their names"]
    try:
        content = strict_yaml.read(metadata, "The metadata")
        names = [PurePath(name).name for name in content["rosbag2_bagfile_information"]["relative_file_paths"]]
    except (WallOSSError, TypeError, KeyError) as error:
        if not there:
            raise WallOSSError(f"{metadata} cannot be used ({error}), and there are no files beside it.", "") from None
        return there, ["metadata.yaml cannot be used: files are read in the order of their names"]
    if missing := [name for name in names if not (path / name).is_file()]:
        raise WallOSSError(
            f"{path} is incomplete: {', '.join(missing)} of its metadata.yaml is missing.",
            "Copy the whole folder; or remove metadata.yaml to read the files that are there.",
        )
    return [path / name for name in names], []


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
        self._known = _fallback(definitions or {})
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

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        """The messages of some topics, file by file, in the order in which they were received or written.

        Raises:
            WallOSSError: a file is damaged.
        """
        for file in self.files:
            with self._open(file) as storage:
                wanted = [one for one in storage.connections if one.topic in topics]
                if not wanted:
                    continue
                source = storage.messages(wanted)
                while True:
                    try:
                        connection, time, data = next(source)
                        if bytes(data[:4]) == _ZSTD:
                            data = zstd.decompress(data)
                    except StopIteration:
                        break
                    except _BROKEN as error:
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
            raise WallOSSError(
                f"{self.path}: {one.topic} is there with two types, {known} and {one.msgtype}.",
                "Record it anew with one publisher.",
            )
        if (form := getattr(one.ext, "serialization_format", "")) != "cdr":
            raise WallOSSError(
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
                self.notes.append(f"the definition of {name} cannot be used ({_line(error)})")

    def _need(self, name: str, topic: str) -> None:
        """Makes sure that a type can be decoded; what the bag does not define is taken from what is known here."""
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
            storage = (_Mcap if _kind(file) == ".mcap" else Sqlite3Reader)(plain)
            storage.open()
        except _BROKEN as error:
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
        return WallOSSError(f"{file} cannot be read as a bag: {_line(error)}.", "Copy it again, or leave it out.")


class _Mcap(McapReader):
    """rosbags' reader, which also reads what a killed writer left: whole records up to the first that is not.

    Attributes:
        cut: whether the file has no proper end.
    """

    cut = False

    def _open(self) -> None:
        try:
            super()._open()
        except _BROKEN:
            self._salvage()

    def _salvage(self) -> None:
        bio = self.bio
        bio.seek(0, 2)
        size = bio.tell()
        bio.seek(0)
        magic = bio.read(8)
        if not size:
            raise ReaderError("it is empty")
        if magic != _MAGIC:
            raise ReaderError("it does not begin as an mcap file does")
        end, ends = 8, []
        while True:
            head = bio.read(9)
            if len(head) < 9 or head[0] == 0:
                break
            length = int.from_bytes(head[1:], "little")
            if end + 9 + length > size or head[0] in (0x02, 0x0F):  # the end of the data, or what never was written
                break
            end += 9 + length
            ends.append(end)
            bio.seek(end)
        self.cut = True
        for last in reversed(ends[-_TORN:]):
            for table in (self.schemas, self.channels, self.chunks, self.connections):
                table.clear()
            self.statistics, self.data_start, self.data_end = None, ends[0], last
            try:
                self.meta_scan()
                break
            except _BROKEN:  # the last records have their length, and not their content
                continue
        else:
            raise ReaderError("nothing in it is whole")
        counts: Mapping[int, int] = getattr(self.statistics, "channel_message_counts", {})
        self.connections = [one._replace(msgcount=counts.get(one.id, 0)) for one in self.connections]

    def messages(self, connections, start=None, stop=None):
        if self.chunks:
            yield from super().messages(connections, start, stop)
        else:  # in the order of the file, which need not be that of time
            yield from self.messages_scan(connections, start, stop)


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
            raise WallOSSError(f"The definition of {name} cannot be used: {_line(error)}.", "Correct it.") from error
    return store


_fallbacks: dict[tuple, Typestore] = {}


def _fallback(definitions: Mapping[str, str]) -> Typestore:
    key = tuple(sorted(definitions.items()))
    if key not in _fallbacks:
        _fallbacks.clear()
        _fallbacks[key] = known_types(definitions)
    return _fallbacks[key]


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


def _is_bag(folder: Path) -> bool:
    return (folder / "metadata.yaml").exists() or any(_kind(file) for file in folder.iterdir() if file.is_file())


def _kind(file: Path) -> str | None:
    """.mcap or .db3, packed or not; None for anything else."""
    suffix = Path(file.stem).suffix if file.suffix == ".zstd" else file.suffix
    return suffix if suffix in _KINDS else None


def _natural(path: Path) -> list:
    """bag_10 comes after bag_9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
