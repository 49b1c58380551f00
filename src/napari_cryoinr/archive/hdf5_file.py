"""What the container needs of HDF5.

An archive is used as HDF5 is meant to be: the root group says the format and its version and holds
the header; each member is a group of its name. A stream is an attribute of the group of its member,
or of the root where members share it, if it is short, and a dataset in that group otherwise.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5p, h5s, h5t

from ..errors import CinrError, DamagedArchive, NotACinrFile, OutOfMemory, UnreadableFile, one_line

SIGNATURE = b"\x89HDF\r\n\x1a\n"
VERSION = 1
FORMAT = b"format"
HEADER = "header"
_FORMAT_NAME = b"cinr"
_MAX_ATTRIBUTE = 1 << 15
_SMALL_FILE = 60_000  # bytes that addresses of two bytes reach for certain
_ESCAPED = {"%": "%25", "/": "%2F", "\0": "%00"}
_SHARED_MARK = "%"  # before the name of a dataset in the root group: no member is called so

Streams = dict[str, bytes]
Members = Sequence[tuple[str, Streams]]


def link_name(name: str) -> bytes:
    """The name of a member's group: that of the member, less what HDF5 gives a meaning to."""
    escaped = "".join(_ESCAPED.get(letter, letter) for letter in name)
    return ("%2E" if escaped == "." else escaped).encode("utf-8", "surrogatepass")


def member_name(link: bytes) -> str:
    """The inverse of `link_name`."""
    return unquote_to_bytes(link).decode("utf-8", "surrogatepass")


def _is_shared(link: bytes) -> bool:
    """Whether a link of the root group leads to a dataset; escaped letters are digits."""
    return link[:1] == _SHARED_MARK.encode() and link[1:2].isalpha()


def write(path: Path, header: bytes, shared: Streams, members: Members) -> None:
    """Write a file; the same content gives the same bytes."""
    if _is_small(header, shared, members):
        path.write_bytes(_image(header, shared, members, 2))
        return
    file = h5f.create(str(path).encode(), h5f.ACC_TRUNC, *_properties(8))
    _fill(file, header, shared, members)
    file.close()


def size_of(header: bytes, shared: Streams, members: Members) -> int:
    """Bytes of the file that `write` writes."""
    if _is_small(header, shared, members):
        return len(_image(header, shared, members, 2))
    cut = 0

    def short(data: bytes) -> bytes:
        nonlocal cut
        if len(data) <= _MAX_ATTRIBUTE:
            return data
        cut += len(data) - _MAX_ATTRIBUTE - 1  # still a dataset
        return data[: _MAX_ATTRIBUTE + 1]

    header = short(header)
    shared = {name: short(data) for name, data in shared.items()}
    parts = [(name, {k: short(data) for k, data in own.items()}) for name, own in members]
    return cut + len(_image(header, shared, parts, 8))


def _is_small(header: bytes, shared: Streams, members: Members) -> bool:
    lengths = [
        len(data) for streams in (shared, *(own for _, own in members)) for data in streams.values()
    ]
    overhead = 200 + sum(200 + len(link_name(name)) for name, _ in members) + 50 * len(lengths)
    total = len(header) + sum(lengths) + overhead
    return total <= _SMALL_FILE and max((len(header), *lengths)) <= _MAX_ATTRIBUTE


def _properties(address_bytes: int) -> tuple[Any, Any]:
    """How a file is created and accessed: without times, gaps, or anything that differs."""
    created, access = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    created.set_sizes(address_bytes, address_bytes)
    created.set_obj_track_times(False)
    # Of this version on all metadata carry checksums. Later ones could make other bytes.
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_meta_block_size(1)
    return created, access


def _image(header: bytes, shared: Streams, members: Members, address_bytes: int) -> bytes:
    """The bytes of the file, made in memory."""
    created, access = _properties(address_bytes)
    access.set_fapl_core(backing_store=False)
    file = h5f.create(uuid4().hex.encode(), h5f.ACC_TRUNC, created, access)
    _fill(file, header, shared, members)
    h5f.flush(file)
    image: bytes = file.get_file_image()
    file.close()
    return image


def _fill(file: Any, header: bytes, shared: Streams, members: Members) -> None:
    plain = h5p.create(h5p.GROUP_CREATE)
    plain.set_obj_track_times(False)
    for name, streams in members:
        group = h5g.create(file, link_name(name), gcpl=plain)
        for stream, data in streams.items():
            _put(group, stream, stream, data)
    root = h5g.open(file, b"/")  # last: the links to the members stay in one block
    text = _FORMAT_NAME + b" %d" % VERSION
    kind = h5t.C_S1.copy()
    kind.set_size(len(text))
    kind.set_strpad(h5t.STR_NULLPAD)
    h5a.create(root, FORMAT, kind, h5s.create(h5s.SCALAR)).write(np.array(text))
    for stream, data in {HEADER: header, **shared}.items():
        _put(root, stream, _SHARED_MARK + stream, data)


def _put(group: Any, attribute: str, dataset: str, data: bytes) -> None:
    """One stream: an attribute if it is short, else a dataset."""
    if len(data) <= _MAX_ATTRIBUTE:
        kind = h5t.create(h5t.OPAQUE, max(1, len(data)))
        space = h5s.create(h5s.SCALAR if data else h5s.NULL)
        made = h5a.create(group, attribute.encode(), kind, space)
        if data:
            made.write(np.array(np.void(data)))
        return
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_obj_track_times(False)
    layout.set_fill_time(h5d.FILL_TIME_NEVER)
    space = h5s.create_simple((len(data),))
    made = h5d.create(group, dataset.encode(), h5t.STD_U8LE, space, dcpl=layout)
    made.write(h5s.ALL, h5s.ALL, np.frombuffer(data, np.uint8))


class Hdf5File:
    """An archive that stays open; safe from several threads.

    A file that is replaced meanwhile goes on giving its old content.

    Raises
    ------
    UnreadableFile
        if there is no such file, or it must not be read.
    NotACinrFile
        if it is something else, or of a newer version.
    DamagedArchive
        if it is a `.cinr` whose HDF5 structure is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._groups: dict[str | None, Any] = {}
        _check_signature(path)
        with self._reading("the HDF5 container"):
            self._source = _OpenFile(path)
            self._file = h5py.File(self._source, "r")
            self._groups[None] = h5g.open(self._file.id, b"/")
            self.bytes = self._source.seek(0, os.SEEK_END)
        try:
            self._check_format()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; nothing can be read any more."""
        with self._lock:
            self._groups.clear()
            self._file.close()
            self._source.close()

    def first_members(self) -> list[str]:
        """Names of at most two members."""
        with self._lock, self._reading("the root group"):
            groups = (link for link in self._groups[None] if not _is_shared(link))
            return [member_name(link) for link in itertools.islice(groups, 2)]

    def length(self, member: str | None, name: str) -> int:
        """Bytes of a stream of a member, or of one that members share."""
        with self._lock, self._reading(f"the stream {name!r}"):
            found = self._find(member, name)
            return _length(found)

    def read(self, member: str | None, name: str) -> bytes:
        """A whole stream of a member, or one that members share."""
        return self.part(member, name, 0, None)

    def part(self, member: str | None, name: str, start: int, length: int | None) -> bytes:
        """Some bytes of a stream; to its end where the length is None."""
        with self._lock, self._reading(f"the stream {name!r}"):
            found = self._find(member, name)
            total = _length(found)
            stop = total if length is None else start + length
            if not 0 <= start <= stop <= total:
                raise DamagedArchive(f"{self.path}: the stream {name!r} is shorter than its index")
            if isinstance(found, h5d.DatasetID):
                data: bytes = h5py.Dataset(found)[start:stop].tobytes()
                return data
            if not total:
                return b""
            out = np.empty((), f"V{total}")
            found.read(out)
            return out.tobytes()[start:stop]

    def _check_format(self) -> None:
        with self._lock, self._reading("the format"):
            root = self._groups[None]
            if not h5a.exists(root, FORMAT):
                raise NotACinrFile(f"{self.path}: an HDF5 file, but not a .cinr")
            kind = h5a.open(root, FORMAT).get_type()
            if kind.get_class() != h5t.STRING or kind.is_variable_str() or kind.get_size() > 64:
                raise NotACinrFile(f"{self.path}: an HDF5 file, but not a .cinr")
            name, _, version = bytes(self._file.attrs[FORMAT.decode()]).partition(b" ")
        if name != _FORMAT_NAME or not version.isdigit():
            raise NotACinrFile(f"{self.path}: an HDF5 file, but not a .cinr")
        if int(version) != VERSION:
            raise NotACinrFile(
                f"{self.path}: format version {int(version)}; this version of napari-cryoinr reads"
                f" version {VERSION}: update napari-cryoinr"
            )

    def _find(self, member: str | None, name: str) -> Any:
        """The attribute or dataset of a stream: plain bytes in this file, and nothing else."""
        group = self._group(member)
        if h5a.exists(group, name.encode()):
            found = h5a.open(group, name.encode())
            plain = found.get_type().get_class() == h5t.OPAQUE
            kind = found.get_space().get_simple_extent_type()
            if (
                not plain
                or kind not in (h5s.SCALAR, h5s.NULL)
                or found.get_type().get_size() >= 1 << 16
            ):
                raise DamagedArchive(f"{self.path}: the attribute {name!r} is not plain bytes")
            return found
        link = (name if member is not None else _SHARED_MARK + name).encode()
        if link not in group or group.links.get_info(link).type != h5py.h5l.TYPE_HARD:
            raise DamagedArchive(f"{self.path}: the stream {name!r} is missing")
        found = h5d.open(group, link)
        layout = found.get_create_plist()
        plain = (
            found.get_type() == h5t.STD_U8LE and found.get_space().get_simple_extent_ndims() == 1
        )
        if not plain or layout.get_layout() != h5d.CONTIGUOUS or layout.get_external_count():
            raise DamagedArchive(f"{self.path}: the dataset {name!r} is not plain bytes")
        start = found.get_offset()
        if start is None or start + found.shape[0] > self.bytes:
            raise DamagedArchive(f"{self.path}: the file is cut off")
        return found

    def _group(self, member: str | None) -> Any:
        if not self._file:
            raise CinrError(f"{self.path}: the archive is closed")
        if member not in self._groups:
            assert member is not None
            root, link = self._groups[None], link_name(member)
            if link not in root or root.links.get_info(link).type != h5py.h5l.TYPE_HARD:
                raise DamagedArchive(f"{self.path}: the group of the member {member!r} is missing")
            if len(self._groups) > 64:
                self._groups = {None: root}
            self._groups[member] = h5g.open(root, link)
        return self._groups[member]

    def _reading(self, what: str) -> Any:
        return _hdf5_errors(f"{self.path}: {what}")


class _OpenFile(io.RawIOBase):
    """A file that is read, for HDF5, which would let no one else in the process open its own."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._handle, offset, whence)

    def readinto(self, buffer: Any) -> int:
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and (data := os.read(self._handle, len(view) - done)):
            view[done : done + len(data)] = data
            done += len(data)
        return done

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()


def _check_signature(path: Path) -> None:
    """Refuse what is no HDF5 file before HDF5 looks at it."""
    try:
        if path.is_dir():
            raise NotACinrFile(f"{path}: a folder, not a .cinr file")
        with path.open("rb") as file:
            start = file.read(len(SIGNATURE))
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read ({error.strerror or error})") from error
    if start != SIGNATURE:
        raise NotACinrFile(f"{path}: not a .cinr file (it does not begin like HDF5)")


def looks_like_cinr(path: Path) -> bool:
    """Whether the first bytes are those of the container; opens nothing else."""
    try:
        _check_signature(path)
    except CinrError:
        return False
    return True


def _length(found: Any) -> int:
    """Bytes of an attribute or dataset."""
    if isinstance(found, h5d.DatasetID):
        return int(found.shape[0])
    empty = found.get_space().get_simple_extent_type() == h5s.NULL
    return 0 if empty else int(found.get_storage_size())


@contextlib.contextmanager
def _hdf5_errors(what: str) -> Iterator[None]:
    """Turn what HDF5 says of a file that it cannot make sense of into our errors."""
    try:
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
