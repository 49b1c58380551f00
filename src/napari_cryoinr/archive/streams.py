"""Streams of a member and those that it shares with others, from memory or from a file.

Whole streams have verified checksums; parts of them have not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .hdf5_file import Hdf5File


class MemoryStreams(dict[str, bytes]):
    """Streams of an archive that is being made."""

    def part(self, name: str, start: int, length: int) -> bytes:
        """Return some bytes of a stream."""
        return self[name][start : start + length]


@dataclass(frozen=True)
class FileStreams:
    """Streams of a member of a file."""

    file: Hdf5File
    member: str

    def __iter__(self) -> Iterator[str]:
        return iter([*self.file.names(None), *self.file.names(self.member)])

    def __contains__(self, name: object) -> bool:
        return self.file.has(self.member, str(name))

    def __getitem__(self, name: str) -> bytes:
        return self.file.read(self._owner(name), name)

    def part(self, name: str, start: int, length: int) -> bytes:
        """Return some bytes of a stream, without a look at its checksum."""
        return self.file.part(self._owner(name), name, start, length)

    def _owner(self, name: str) -> str | None:
        return self.member if name in self else None


MemberStreams = MemoryStreams | FileStreams
