"""Writing the HDF5 file of an archive, as small as the library can make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5g, h5o, h5p, h5s, h5t

from ..support.checksums import CHECKSUM_BYTES, checksum, checksum_of
from ..support.streams import LongBytes, pieces_of
from .hdf5_file import FORMAT, FORMAT_NAME, HEADER, SHARED_MARK, VERSION, link_name

_MAX_ATTRIBUTE = 1 << 15

Streams = Mapping[str, LongBytes]
Members = Sequence[tuple[str, Streams]]


def write(path: Path, header: bytes, shared: Streams, members: Members) -> None:
    """Write a file; the same content gives the same bytes."""
    size = _address_size(header, shared, members)
    file = h5f.create(str(path).encode(), h5f.ACC_TRUNC, *_properties(size))
    _fill(file, header, shared, members)
    file.close()


def size_of(header: bytes, shared: Streams, members: Members) -> int:
    """Return the bytes of the file that `write` writes."""
    file = _memory_file(*_properties(_address_size(header, shared, members)))
    _fill(file, header, shared, members)
    h5f.flush(file)
    size = len(file.get_file_image())
    file.close()
    return size


def _address_size(header: bytes, shared: Streams, members: Members) -> int:
    """Return the bytes of an address that reaches all of a file, and a tenth more."""
    streams = [header, *shared.values(), *(data for _, own in members for data in own.values())]
    names = sum(len(link_name(name)) for name, _ in members)
    total = sum(map(len, streams)) + 300 * (len(streams) + len(members) + 1) + names
    return next(size for size in (2, 4, 8) if total < 0.9 * 256**size)


def _properties(address_size: int) -> tuple[Any, Any]:
    """How a file is created and accessed: without times, gaps, or anything that differs."""
    created, access = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    created.set_sizes(address_size, address_size)
    created.set_obj_track_times(False)
    # Of this version on all metadata carry checksums. Later ones could make other bytes.
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_meta_block_size(1)
    return created, access


def _memory_file(created: Any, access: Any) -> Any:
    access.set_fapl_core(backing_store=False)
    return h5f.create(uuid4().hex.encode(), h5f.ACC_TRUNC, created, access)


def _fill(file: Any, header: bytes, shared: Streams, members: Members) -> None:
    plain = h5p.create(h5p.GROUP_CREATE)
    plain.set_obj_track_times(False)
    for name, streams in members:
        group = h5g.create(file, link_name(name), gcpl=plain)
        for stream, data in streams.items():
            _put(group, stream, stream, data)
    root = h5g.open(file, b"/")  # last: the links to the members stay in one block
    text = FORMAT_NAME + b" %d" % VERSION
    kind = h5t.C_S1.copy()
    kind.set_size(len(text))
    kind.set_strpad(h5t.STR_NULLPAD)
    h5a.create(root, FORMAT.encode(), kind, h5s.create(h5s.SCALAR)).write(np.array(text))
    for stream, data in {HEADER: header, **shared}.items():
        _put(root, stream, SHARED_MARK + stream, data)


def _put(group: Any, attribute: str, dataset: str, data: LongBytes) -> None:
    """Store one stream: as an attribute if it is short, else as a dataset."""
    size = CHECKSUM_BYTES + len(data)
    if size <= _MAX_ATTRIBUTE:
        kind = h5t.create(h5t.OPAQUE, size)
        made = h5a.create(group, attribute.encode(), kind, h5s.create(h5s.SCALAR))
        made.write(np.array(np.void(checksum(data[:]) + data[:])))
        return
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_obj_track_times(False)
    layout.set_fill_time(h5d.FILL_TIME_NEVER)
    # A copy lacks the room for attributes, about 200 bytes, that HDF5 gives to a new dataset.
    scratch, name = _memory_file(*_properties(8)), dataset.encode()
    h5d.create(scratch, name, h5t.STD_U8LE, h5s.create_simple((size,)), dcpl=layout)
    h5o.copy(scratch, name, group, name)
    scratch.close()
    made = h5py.Dataset(h5d.open(group, name))
    made[:CHECKSUM_BYTES] = np.frombuffer(checksum_of(pieces_of(data)), np.uint8)
    start = CHECKSUM_BYTES
    for part in pieces_of(data):
        made[start : start + len(part)] = np.frombuffer(part, np.uint8)
        start += len(part)
