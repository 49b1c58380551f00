"""An archive: one or several maps that share a model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import CinrError
from ..settings import Settings
from . import container
from .header import StreamEntry
from .member import Member

DEFAULT_MEMORY_LIMIT = 64 << 30


class Archive(Sequence[Member]):
    """An open archive; a sequence of its members.

    Only the header has been read; nothing stays open.

    Attributes
    ----------
    path : the file.
    header : its header.
    bytes : size of the file.
    """

    def __init__(self, path: Path, memory_limit: int, device: str) -> None:
        self.path = path
        self.header, start = container.read_header(path)
        self.bytes = path.stat().st_size
        shared, start = _places(self.header.model.streams, start)
        self._members: list[Member] = []
        for member in self.header.members:
            own, start = _places(member.streams, start)
            streams = container.FileStreams(path, {**shared, **own})
            self._members.append(
                Member(
                    member, self.header.model, streams, memory_limit, device, tuple(self._members)
                )
            )

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._members[index]

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def member(self, key: str) -> Member:
        """The member of this name or, if there is none, of this number (from 0).

        Raises
        ------
        CinrError
            if there is neither.
        """
        for candidate in self._members:
            if candidate.name == key:
                return candidate
        if key.isdecimal() and int(key) < len(self):
            return self._members[int(key)]
        names = ", ".join(member.name for member in self)
        raise CinrError(f"{self.path}: no member {key!r}; it holds {names}")

    @property
    def settings(self) -> Settings:
        """The settings it was made with.

        Raises
        ------
        SettingsError
            if another version wrote settings that this one does not know.
        """
        return Settings.from_dict(self.header.settings)

    @property
    def raw_bytes(self) -> int:
        """Bytes of all members' voxels as float32."""
        return sum(member.raw_bytes for member in self)

    @property
    def ratio(self) -> float:
        """Bytes of the voxels as float32 over bytes of the file."""
        return self.raw_bytes / self.bytes

    @property
    def stream_bytes(self) -> int:
        """Bytes of the streams; the rest of the file is overhead."""
        return sum(stream.length for stream in self.header.entries())

    def __repr__(self) -> str:
        names = ", ".join(member.name for member in self)
        return f"Archive({str(self.path)!r}: {names}; {self.bytes} bytes)"


def _places(
    entries: Sequence[StreamEntry], start: int
) -> tuple[dict[str, tuple[int, StreamEntry]], int]:
    places = {}
    for stream in entries:
        places[stream.name] = (start, stream)
        start += stream.length
    return places, start


def open_archive(
    path: str | os.PathLike[str], *, memory_limit: int = DEFAULT_MEMORY_LIMIT, device: str = "cpu"
) -> Archive:
    """Open a `.cinr` file; only its header is read.

    Parameters
    ----------
    memory_limit : bytes that one read may ask for; a file cannot make it allocate more.
    device : where the network runs when voxels are decoded: cpu, cuda or auto. The voxels are the
        same everywhere.

    Raises
    ------
    NotACinrFile
        if the file is something else, or of a newer version.
    DamagedArchive
        if it is a `.cinr` whose header is damaged; damaged streams are found when they are read.
    """
    return Archive(Path(path), memory_limit, device)
