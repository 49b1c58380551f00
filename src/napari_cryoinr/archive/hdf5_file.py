"""Reading the HDF5 file of an archive.

The root group names the format and its version and holds the header; each member is a group of
its name. A stream is an attribute of its member's group, or of the root group where members share
it, if it is short, and a dataset in that group otherwise. It begins with its checksum.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5s, h5t

from ..errors import CinrError, DamagedArchive, NotACinrFile, OutOfMemory, UnreadableFile, one_line
from ..support.checksums import CHECKSUM_BYTES, checksum, checksum_of
from ..support.regions import pieces

SIGNATURE = b"\x89HDF\r\n\x1a\n"
VERSION = 1
HEADER = "header"
FORMAT, FORMAT_NAME = "format", b"cinr"
_PIECE = 1 << 24  # bytes of a stream that are checked at a time
_ESCAPED = {"%": "%25", "/": "%2F", "\0": "%00"}
_open_files: weakref.WeakSet[Hdf5File] = weakref.WeakSet()
SHARED_MARK = "%"  # before the name of a dataset in the root group: no member is called so


def link_name(name: str) -> bytes:
    """Return the name of a member's group: HDF5 gives some characters a meaning."""
    escaped = "".join(_ESCAPED.get(letter, letter) for letter in name)
    return ("%2E" if escaped == "." else escaped).encode("utf-8", "surrogatepass")


def member_name(link: bytes) -> str:
    """Invert `link_name`."""
    return unquote_to_bytes(link).decode("utf-8", "surrogatepass")


def _is_shared(link: bytes) -> bool:
    """Whether a link of the root group leads to a dataset; escaped letters are digits."""
    return link[:1] == SHARED_MARK.encode() and link[1:2].isalpha()


class Hdf5File:
    """An archive that stays open; safe from several threads.

    A file that is replaced meanwhile goes on giving its old content. In the methods a member is
    given by its name; None stands for the streams that members share.

    Raises
    ------
    UnreadableFile
        If there is no such file, or it must not be read.
    NotACinrFile
        If it is something else, or of a newer version.
    DamagedArchive
        If it is a `.cinr` whose HDF5 structure is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._groups: dict[str | None, Any] = {}
        self._file: Any = None
        self._source = _open(path)
        _open_files.add(self)
        try:
            with self._reading("the HDF5 container"):
                self._file = h5py.File(self._source, "r")
                self._groups[None] = h5g.open(self._file.id, b"/")
                self.bytes = self._source.seek(0, os.SEEK_END)
            self._check_format()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; nothing can be read any more."""
        with self._lock:
            self._groups.clear()
            if self._file is not None:
                self._file.close()
            self._source.close()

    def __del__(self) -> None:
        if hasattr(self, "_source"):
            self.close()

    def first_members(self) -> list[str]:
        """Return the names of at most two members."""
        with self._reading("the root group"):
            groups = (link for link in self._groups[None] if not _is_shared(link))
            return [member_name(link) for link in itertools.islice(groups, 2)]

    def names(self, member: str | None) -> list[str]:
        """Return the names of the streams of a member."""
        with self._reading("a group"):
            group = self._group(member)
            attributes = (h5a.open(group, index=i) for i in range(h5a.get_num_attrs(group)))
            found = [one.name.decode() for one in attributes]
            if member is None:
                links = [link[1:].decode() for link in group if _is_shared(link)]
            else:
                links = [link.decode() for link in group]
            return [name for name in found + links if name not in (FORMAT, HEADER)]

    def has(self, member: str | None, name: str) -> bool:
        """Whether a member has a stream of this name."""
        with self._reading(f"the stream {name!r}"):
            group = self._group(member)
            return h5a.exists(group, name.encode()) or _dataset(member, name) in group

    def length(self, member: str | None, name: str) -> int:
        """Return the bytes of a stream, without its checksum."""
        with self._reading(f"the stream {name!r}"):
            return _length(self._find(member, name))

    def read(self, member: str | None, name: str) -> bytes:
        """Return a whole stream, whose checksum is right."""
        with self._reading(f"the stream {name!r}"):
            found = self._find(member, name)
            data = _bytes(found, 0, CHECKSUM_BYTES + _length(found))
            if checksum(data[CHECKSUM_BYTES:]) != data[:CHECKSUM_BYTES]:
                raise ValueError("checksum")
            return data[CHECKSUM_BYTES:]

    def check(self, member: str | None, name: str) -> None:
        """Raise `DamagedArchive` for a stream whose checksum is wrong; a piece of it at a time."""
        with self._reading(f"the stream {name!r}"):
            found = self._find(member, name)
            size = CHECKSUM_BYTES + _length(found)
            parts = (_bytes(found, p.start, p.stop) for p in pieces(size, _PIECE))
            first = next(parts)
            rest = itertools.chain([first[CHECKSUM_BYTES:]], parts)
            if checksum_of(rest) != first[:CHECKSUM_BYTES]:
                raise ValueError("checksum")

    def part(self, member: str | None, name: str, start: int, length: int) -> bytes:
        """Return some bytes of a stream, whose checksum is not looked at."""
        with self._reading(f"the stream {name!r}"):
            found = self._find(member, name)
            if not 0 <= start <= start + length <= _length(found):
                raise ValueError("it is shorter than its index")
            return _bytes(found, CHECKSUM_BYTES + start, CHECKSUM_BYTES + start + length)

    def _check_format(self) -> None:
        name, version = b"", b""
        with self._reading("the format"):
            root = self._groups[None]
            if h5a.exists(root, FORMAT.encode()):
                kind = h5a.open(root, FORMAT.encode()).get_type()
                # A text of variable length can be damaged so that HDF5 never returns.
                if kind.get_class() == h5t.STRING and not kind.is_variable_str():
                    name, _, version = bytes(self._file.attrs[FORMAT])[:64].partition(b" ")
        if name != FORMAT_NAME or not version.isdigit():
            raise NotACinrFile(f"{self.path}: an HDF5 file, but not a .cinr")
        if int(version) != VERSION:
            raise NotACinrFile(
                f"{self.path}: format version {int(version)}; this version of napari-cryoinr reads"
                f" version {VERSION}: update napari-cryoinr"
            )

    def _find(self, member: str | None, name: str) -> Any:
        """Return the attribute or dataset of a stream: plain bytes in this file, nothing else."""
        group = self._group(member)
        if h5a.exists(group, name.encode()):
            found = h5a.open(group, name.encode())
            kind = found.get_type()
            if (
                kind.get_class() != h5t.OPAQUE
                or kind.get_size() >= 1 << 16
                or found.get_space().get_simple_extent_type() != h5s.SCALAR
            ):
                raise ValueError("the attribute is not plain bytes")
            return found
        link = _dataset(member, name)
        if not _is_hard_link(group, link):
            raise ValueError("it is missing")
        found = h5d.open(group, link)
        layout, space = found.get_create_plist(), found.get_space()
        if (
            found.get_type() != h5t.STD_U8LE
            or space.get_simple_extent_ndims() != 1
            or layout.get_layout() != h5d.CONTIGUOUS
            or layout.get_external_count()
        ):
            raise ValueError("the dataset is not plain bytes")
        start = found.get_offset()
        if start is None or start + found.shape[0] > self.bytes:
            raise ValueError("the file is cut off")
        return found

    def _group(self, member: str | None) -> Any:
        if member not in self._groups:
            assert member is not None
            root, link = self._groups[None], link_name(member)
            if not _is_hard_link(root, link):
                raise ValueError(f"the group of the member {member!r} is missing")
            if len(self._groups) > 64:
                self._groups = {None: root}
            self._groups[member] = h5g.open(root, link)
        return self._groups[member]

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Turn what HDF5 raises for a file that makes no sense into errors of ours."""
        what = f"{self.path}: {what}"
        with self._lock:
            try:
                if self._source.closed:
                    raise CinrError(f"{self.path}: the archive is closed")
                yield
            except CinrError:
                raise
            except (OSError, LookupError, ValueError, RuntimeError) as error:
                line = one_line(error)
                if getattr(error, "errno", None):  # of the system, and no fault of the file
                    raise UnreadableFile(f"{what} cannot be read ({line})") from error
                raise DamagedArchive(f"{what} is damaged ({line})") from error
            except MemoryError as error:
                raise OutOfMemory(f"{what}: there is not enough memory") from error


@atexit.register
def _close_all() -> None:
    """Close what is still open: HDF5 would close it after the interpreter's end, and crash it."""
    for file in list(_open_files):
        file.close()


def _dataset(member: str | None, name: str) -> bytes:
    """Return the name of a stream's dataset in its group."""
    return (name if member is not None else SHARED_MARK + name).encode()


def _is_hard_link(group: Any, link: bytes) -> bool:
    return link in group and group.links.get_info(link).type == h5py.h5l.TYPE_HARD


def _length(found: Any) -> int:
    """Return the bytes of an attribute or dataset, without its checksum."""
    size = found.shape[0] if isinstance(found, h5d.DatasetID) else found.get_type().get_size()
    if size < CHECKSUM_BYTES:
        raise ValueError("it has no checksum")
    return int(size) - CHECKSUM_BYTES


def _bytes(found: Any, start: int, stop: int) -> bytes:
    if isinstance(found, h5d.DatasetID):
        data: bytes = h5py.Dataset(found)[start:stop].tobytes()
        return data
    out = np.empty((), f"V{found.get_type().get_size()}")
    found.read(out)
    return out.tobytes()[start:stop]


def _open(path: Path) -> BinaryIO:
    """Open a file that begins like HDF5; HDF5 itself would let no one else open it."""
    try:
        if path.is_dir():
            raise NotACinrFile(f"{path}: a folder, not a .cinr file")
        file = path.open("rb")
        start = file.read(len(SIGNATURE))
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read ({error.strerror or error})") from error
    if start != SIGNATURE:
        file.close()
        raise NotACinrFile(f"{path}: not a .cinr file (it does not begin like HDF5)")
    return file


def looks_like_cinr(path: Path) -> bool:
    """Whether the first bytes are those of the container; opens nothing else."""
    try:
        _open(path).close()
    except CinrError:
        return False
    return True


@dataclass(frozen=True)
class FileStreams:
    """Streams of a member of a file, and those that it shares with others."""

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

    def check(self, name: str) -> None:
        """Raise `DamagedArchive` for a stream whose checksum is wrong."""
        self.file.check(self._owner(name), name)

    def _owner(self, name: str) -> str | None:
        return self.member if name in self else None
