"""Streams by name, of which a part can be had without the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from .regions import pieces

_PIECE = 1 << 24  # bytes that are copied at a time


class NamedStreams(Protocol):
    """What gives streams, and parts of them."""

    def __getitem__(self, name: str) -> bytes: ...

    def __contains__(self, name: object) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def part(self, name: str, start: int, length: int) -> bytes:
        """Return some bytes of a stream."""

    def check(self, name: str) -> None:
        """Raise for a stream whose checksum is wrong."""


class FileBytes:
    """Bytes that grow at their end and are kept in a temporary file.

    Parameters
    ----------
    folder : where the file is; it has no name there, or vanishes with this object.
    """

    def __init__(self, folder: Path) -> None:
        import tempfile

        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._size = 0

    def __enter__(self) -> FileBytes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, data: bytes) -> None:
        """Add bytes."""
        self._file.seek(self._size)
        self._file.write(data)
        self._size += len(data)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))


LongBytes = bytes | FileBytes
"""Bytes of which those that do not fit into memory are in a file."""


def pieces_of(data: LongBytes) -> Iterator[bytes]:
    """Yield bytes in pieces of a few megabytes."""
    for part in pieces(len(data), _PIECE):
        yield data[part]


class MemoryStreams(dict[str, LongBytes]):
    """Streams of a member, and those that it shares with others, while an archive is made."""

    def __getitem__(self, name: str) -> bytes:
        return bytes(super().__getitem__(name)[:])

    def part(self, name: str, start: int, length: int) -> bytes:
        """Return some bytes of a stream."""
        return super().__getitem__(name)[start : start + length]

    def check(self, name: str) -> None:
        """Do nothing: no stream has a checksum yet."""
