# SPDX-License-Identifier: Apache-2.0
"""The storages of ROS 2 bags, sqlite3 and mcap, where they are damaged or cut off, too.

rosbags reads them; what is done here is what its readers refuse: files whose writer was killed, topics that are none of
ROS 2's beside those that are, and summaries that leave things out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from rosbags.rosbag2.errors import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader, Schema, zstd
from rosbags.rosbag2.storage_sqlite3 import apsw

_MAGIC = b"\x89MCAP0\r\n"
BROKEN = (
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
_OF_ROS = ("ros2msg", "ros2idl", "omgidl", "")  # encodings of schemas that rosbags knows
_TORN = 8  # records at the end of a file that may be torn


class _Schemas(dict[int, Schema]):
    """Without what is no definition of ROS 2's, such as JSON schemas of other programs, at which rosbags would stop."""

    def __setitem__(self, key: int, schema: Schema) -> None:
        known = schema.encoding in _OF_ROS
        super().__setitem__(key, schema if known else schema._replace(encoding="", data=""))


class Mcap(McapReader):
    """rosbags' reader, which also reads what a killed writer left: whole records up to the first that is not.

    Attributes:
        cut: whether the file has no proper end.
    """

    cut = False

    def __init__(self, path):
        super().__init__(path)
        self.schemas = _Schemas()

    def _open(self) -> None:
        try:
            super()._open()
            # A summary need not repeat the channels, and chunks need no index of their messages.
            if not self.connections or any(not chunk.message_index_offsets for chunk in self.chunks):
                self._scan()
        except BROKEN:
            self._salvage()

    def _scan(self) -> None:
        """Looks through all records, whatever the summary says."""
        for table in (self.schemas, self.channels, self.chunks, self.connections):
            table.clear()
        self.statistics = None
        self.meta_scan()
        counts: Mapping[int, int] = getattr(self.statistics, "channel_message_counts", {})
        self.connections = [one._replace(msgcount=counts.get(one.id, 0)) for one in self.connections]

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
        bio.seek(-len(_MAGIC), 2)
        self.cut = bio.read() != _MAGIC
        for last in reversed(ends[-_TORN:]):
            self.data_start, self.data_end = ends[0], last
            try:
                self._scan()
                break
            except BROKEN:  # the last records have their length, and not their content
                continue
        else:
            raise ReaderError("nothing in it is whole")

    def messages(self, connections, start=None, stop=None):
        if self.chunks:
            yield from super().messages(connections, start, stop)
        else:  # in the order of the file, which need not be that of time
            yield from self.messages_scan(connections, start, stop)
