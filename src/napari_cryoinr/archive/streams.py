"""Streams of a member, whole or in part, from memory or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import DamagedArchive
from ..support.checksums import stream_checksum
from .hdf5_file import Hdf5File


class MemberStreams(Protocol):
    """Streams of a member and those that it shares with others."""

    def __contains__(self, name: str) -> bool: ...

    def get(self, name: str) -> bytes:
        """A whole stream, whose checksum is right."""
        ...

    def part(self, name: str, start: int, length: int) -> bytes:
        """Some bytes of a stream, whose checksum is not looked at."""
        ...


class MemoryStreams:
    """Streams of an archive that is being made."""

    def __init__(self, streams: dict[str, bytes]) -> None:
        self._streams = streams

    def __contains__(self, name: str) -> bool:
        return name in self._streams

    def get(self, name: str) -> bytes:
        return self._streams[name]

    def part(self, name: str, start: int, length: int) -> bytes:
        return self._streams[name][start : start + length]


@dataclass(frozen=True)
class FileStreams:
    """Streams of a member of a file.

    Attributes
    ----------
    own, shared : checksums by name.
    """

    file: Hdf5File
    member: str
    own: Mapping[str, str]
    shared: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.own or name in self.shared

    def get(self, name: str) -> bytes:
        checksum, group = self._entry(name)
        data = self.file.read(group, name)
        if stream_checksum(data) != checksum:
            raise DamagedArchive(f"{self.file.path}: the stream {name!r} is damaged (checksum)")
        return data

    def part(self, name: str, start: int, length: int) -> bytes:
        _, group = self._entry(name)
        return self.file.part(group, name, start, length)

    def _entry(self, name: str) -> tuple[str, str | None]:
        """(checksum, member it belongs to; None where it is shared)."""
        if name in self.own:
            return self.own[name], self.member
        if name in self.shared:
            return self.shared[name], None
        raise DamagedArchive(f"{self.file.path}: the stream {name!r} is missing")
