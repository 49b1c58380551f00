"""Streams of a member and those that it shares with others, from memory or from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from .hdf5_file import Hdf5File


class MemberStreams(Protocol):
    """Whole streams by name, their checksums verified; and parts of them."""

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> bytes: ...

    def part(self, name: str, start: int, length: int) -> bytes:
        """Return some bytes of a stream, without a look at its checksum."""
        ...


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
