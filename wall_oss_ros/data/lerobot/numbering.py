# SPDX-License-Identifier: Apache-2.0
"""The numbers of v3.0's files, and when an episode gets a file of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

SMALLEST, LARGEST = 16 << 20, 100 << 20
"""Bytes that a file grows to: at least, and at most."""


class FileNumber(NamedTuple):
    """Chunk and file."""

    chunk: int
    file: int

    def next(self, chunks_size: int) -> FileNumber:
        """The one after this; a chunk has so many files."""
        return FileNumber(self.chunk, self.file + 1) if self.file + 1 < chunks_size else FileNumber(self.chunk + 1, 0)

    @classmethod
    def after(cls, folder: Path, template: str, values: Mapping[str, str], chunks_size: int = 1000) -> FileNumber:
        """The first number beyond all files of a template that there are."""
        pattern = re.escape(template)
        for field in ("chunk_index", "file_index"):
            pattern = re.sub(rf"\\{{{field}[^}}]*\\}}", rf"(?P<{field}>\\d+)", pattern, count=1)
            pattern = re.sub(rf"\\{{{field}[^}}]*\\}}", r"\\d+", pattern)
        for key, value in values.items():
            pattern = re.sub(rf"\\{{{key}[^}}]*\\}}", re.escape(value).replace("\\", r"\\"), pattern)
        found = []
        for path in folder.rglob("*"):
            match = re.fullmatch(pattern, path.relative_to(folder).as_posix())
            if match:
                numbers = match.groupdict()
                found.append(cls(int(numbers.get("chunk_index", 0)), int(numbers.get("file_index", 0))))
        return max(found).next(chunks_size) if found else cls(0, 0)


def worth_joining(path: Path, size: int) -> bool:
    """Whether an episode of ``size`` bytes joins the others in a file, which is copied for it: it stays within four
    times the episode's own bytes, or is small."""
    return path.is_file() and path.stat().st_size < max(SMALLEST, min(LARGEST, 4 * size))
