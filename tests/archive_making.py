"""Archives with whatever header and streams a test needs."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari_cryoinr as cryoinr
from napari_cryoinr.archive import hdf5_file, hdf5_writing, header
from napari_cryoinr.archive.header_dictionary import USUAL_TEXT

Streams = dict[str, bytes]
Parts = tuple[bytes, Streams, list[tuple[str, Streams]]]


def parts_of(path: Path) -> Parts:
    """(packed header, streams that members share, streams of each member) of an archive."""
    file = hdf5_file.Hdf5File(path)
    with cryoinr.open_archive(path) as archive:
        owners = [None, *(member.name for member in archive)]
    shared, *own = ({name: file.read(one, name) for name in file.names(one)} for one in owners)
    packed = file.read(None, hdf5_file.HEADER)
    file.close()
    return packed, shared, list(zip(owners[1:], own, strict=True))


def header_tree(packed: bytes) -> Any:
    """The JSON data of a packed header."""
    return json.loads(zlib.decompressobj(-15, USUAL_TEXT).decompress(packed))


def write_parts(path: Path, header: bytes, shared: Streams, own: list[tuple[str, Streams]]) -> None:
    """Write an archive."""
    hdf5_writing.write(path, header, shared, own)


def copy_with(source: Path, target: Path, change: Callable[[Any], None]) -> None:
    """Copy an archive with another header, whose checksum is right."""
    packed, shared, own = parts_of(source)
    tree = header_tree(packed)
    change(tree)
    write_parts(target, header.deflated_json(tree), shared, own)
