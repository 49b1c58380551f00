"""What the container needs of HDF5: one attribute or one dataset `cinr` of plain bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

from ..errors import DamagedArchive, NotACinrFile

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NAME = "cinr"
DATASET_BYTES = 447  # what HDF5 adds to one dataset of bytes
MAX_ATTRIBUTE = 60_000  # HDF5 keeps attributes below 64 KiB beside the root group


def attribute_file(payload: bytes) -> bytes:
    """An HDF5 file with one attribute: addresses and lengths of 2 bytes, no times, no gaps."""
    created, access = (
        h5py.h5p.create(kind) for kind in (h5py.h5p.FILE_CREATE, h5py.h5p.FILE_ACCESS)
    )
    created.set_sizes(2, 2)
    created.set_obj_track_times(False)
    # Of this version on all metadata carry checksums. Later ones could make other bytes.
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_fapl_core(backing_store=False)
    file = h5py.h5f.create(uuid4().hex.encode(), fcpl=created, fapl=access)
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, len(payload))
    root = h5py.h5g.open(file, b"/")
    attribute = h5py.h5a.create(root, NAME.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    attribute.write(np.array(np.void(payload)))
    h5py.h5f.flush(file)
    image: bytes = file.get_file_image()
    file.close()
    return image


def write_dataset(path: Path, pieces: Sequence[bytes]) -> None:
    # "latest" puts checksums on all metadata, and small blocks leave no gaps.
    with h5py.File(path, "w", libver="latest", meta_block_size=64) as file:
        data = file.create_dataset(NAME, (sum(map(len, pieces)),), "u1", track_times=False)
        start = 0
        for piece in pieces:
            if piece:
                data[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
                start += len(piece)


def read_attribute(path: Path, file: Any) -> bytes | None:
    """The attribute's bytes; None if there is none. Only plain bytes are accepted."""
    name = NAME.encode()
    if not h5py.h5a.exists(file.id, name):
        return None
    attribute = h5py.h5a.open(file.id, name)
    kind, size = attribute.get_type(), attribute.get_type().get_size()
    scalar = attribute.get_space().get_simple_extent_type() == h5py.h5s.SCALAR
    if kind.get_class() != h5py.h5t.OPAQUE or not scalar or not 0 < size < 1 << 16:
        raise DamagedArchive(f"{path}: the attribute is not plain bytes")
    out = np.empty((), f"V{size}")
    attribute.read(out)
    return out.tobytes()


def dataset_place(path: Path, file: Any) -> tuple[int, int]:
    """Where in the file the dataset lies, and its bytes; nothing but a plain one is accepted."""
    link = file.get(NAME, getlink=True)
    if link is None:
        raise NotACinrFile(f"{path}: an HDF5 file, but not a .cinr")
    # No link that leads elsewhere, no filter, no external or virtual storage is followed.
    if not isinstance(link, h5py.HardLink):
        raise DamagedArchive(f"{path}: the dataset is a link")
    data: Any = file[NAME]
    plain = isinstance(data, h5py.Dataset) and data.dtype == np.uint8 and data.ndim == 1
    if not plain or data.chunks or data.external or data.is_virtual:
        raise DamagedArchive(f"{path}: the dataset is not plain bytes")
    start, size = data.id.get_offset(), int(data.shape[0])
    if start is None or start + size > path.stat().st_size:
        raise DamagedArchive(f"{path}: the file is cut off")
    return int(start), size
