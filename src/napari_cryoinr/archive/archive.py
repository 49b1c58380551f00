"""An archive: one or several maps that share a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload

from ..errors import CinrError, OutOfMemory
from ..support.memory import default_memory_limit
from .hdf5_file import HEADER, FileStreams, Hdf5File
from .header import ArchiveHeader, unpack_header
from .member import Member

if TYPE_CHECKING:
    from ..settings import Settings

# Versions in which the model `paper` chose nothing from the maps.
_FIXED_PAPER = ("0.1.", "0.2.")


class Archive(Sequence[Member]):
    """An open archive: a sequence of its members, and a context manager.

    Only the header has been read. The file stays open until the archive is closed or collected. If
    the file is replaced meanwhile, its old content is still read. Several threads may read.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    header : ArchiveHeader
        Its header.
    bytes : int
        Size of the file.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> maps = [cryoinr.synthetic_map(16, name=name) for name in ("first", "second")]
    >>> _ = cryoinr.compress(maps, "a.cinr", cryoinr.Settings(lossless=True))
    >>> archive = cryoinr.open_archive("a.cinr")
    >>> [member.name for member in archive], archive.member("second") is archive[1]
    (['first', 'second'], True)
    >>> archive.close()
    """

    def __init__(self, path: Path, memory_limit: int, device: str) -> None:
        self.path = path
        self._file = Hdf5File(path)
        self.bytes = self._file.bytes
        try:
            self.header = self._read_header(memory_limit)
        except BaseException:
            self.close()
            raise
        self._members: list[Member] = []
        for header in self.header.members:
            streams = FileStreams(self._file, header.name)
            self._members.append(
                Member(header, self.header.model, streams, memory_limit, device, self._members)
            )
        self._by_name = {member.name: member for member in self._members}

    def _read_header(self, memory_limit: int) -> ArchiveHeader:
        packed = self._file.length(None, HEADER)
        if packed > memory_limit:
            raise OutOfMemory(f"{self.path}: a header of {packed:,} bytes exceeds the memory limit")
        data = self._file.read(None, HEADER)
        try:
            return unpack_header(data, memory_limit, self._file.first_members())
        except CinrError as error:
            raise type(error)(f"{self.path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is read afterwards raises `CinrError`."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._members)

    @overload
    def __getitem__(self, index: int) -> Member: ...

    @overload
    def __getitem__(self, index: slice) -> list[Member]: ...

    def __getitem__(self, index: int | slice) -> Member | list[Member]:
        return self._members[index]

    def member(self, key: str) -> Member:
        """Return the member of this name or, if there is none, of this number.

        Parameters
        ----------
        key : str
            A name, or a number from 0.

        Returns
        -------
        Member

        Raises
        ------
        CinrError
            If there is neither.
        """
        if key in self._by_name:
            return self._by_name[key]
        if key.isdecimal() and int(key) < len(self):
            return self._members[int(key)]
        raise CinrError(f"{self.path}: no member {key!r}; it holds {self._names()}")

    def _names(self) -> str:
        return ", ".join(list(self._by_name)[:20]) + (", ..." if len(self) > 20 else "")

    @property
    def settings(self) -> Settings:
        """The settings it was made with.

        Raises
        ------
        SettingsError
            If another version wrote settings that this one does not know.
        """
        from ..settings import Settings  # and with it the settings of all models

        settings = Settings.from_dict(self.header.settings)
        if settings.model == "paper" and self.header.package.startswith(_FIXED_PAPER):
            settings = replace(settings, paper=replace(settings.paper, auto=False))
        return settings

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
        """Bytes of the streams without their checksums; the rest of the file is overhead."""
        owners = [None, *self._by_name]
        return sum(
            self._file.length(owner, name) for owner in owners for name in self._file.names(owner)
        )

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r}: {self._names()}; {self.bytes} bytes)"


def open_archive(
    path: str | os.PathLike[str], *, memory_limit: int | None = None, device: str = "cpu"
) -> Archive:
    """Open a `.cinr` file; only its header is read.

    Parameters
    ----------
    path : str or path
        The file.
    memory_limit : int, optional
        Bytes that a read may take, all its intermediate arrays included; by default half of the
        machine's memory. A file cannot make a read allocate more.
    device : str
        Where the network runs when voxels are decoded: cpu, cuda or auto. The voxels are the same
        everywhere.

    Returns
    -------
    Archive
        A sequence of members; also a context manager that closes the file.

    Raises
    ------
    UnreadableFile
        If there is no such file, or it must not be read.
    NotACinrFile
        If the file is something else, or of a newer version.
    DamagedArchive
        If it is a `.cinr` whose header is damaged; damaged streams are found when they are read.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16, name="molecule")
    >>> _ = cryoinr.compress(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> with cryoinr.open_archive("a.cinr") as archive:
    ...     archive[0].name, archive[0].read().shape
    ('molecule', (16, 16, 16))
    """
    limit = default_memory_limit() if memory_limit is None else memory_limit
    return Archive(Path(path), limit, device)
