"""The bytes of a chunk.

A chunk is: the format version (a byte), its kind (a byte), the voxels along z, y and x that it
holds (varints), its content, the checksum of all that. Voxels of the chunk behind those that it
holds have the fill value of the array.

The content of a chunk of one value is that value, little-endian in the data type of the array.
That of others is: the length of the header (a varint), the header (JSON, deflated with the preset
dictionary), the lengths of all streams but the last (varints), the streams.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import models
from ..archive.header import deflated_json, inflated
from ..archive.residual import STREAMS as RESIDUAL_STREAMS
from ..archive.residual_config import ResidualConfig
from ..coding.varints import join_parts, read_varint, split_parts, to_varint
from ..errors import DamagedArchive
from ..support import records
from ..support.checksums import CHECKSUM_BYTES, checksum
from ..support.records import checked_field

VERSION = 1
CONSTANT = "constant"
KINDS = (CONSTANT, "field", "lossless")  # by number; but for the first, models
_MOST_HEADER = 1 << 14  # bytes of JSON; what is written has some hundred


@dataclass(frozen=True)
class ChunkHeader:
    """What the decoder must know beside the streams."""

    config: dict[str, Any] | None = checked_field("of the model: its record of a member", None)
    residual: ResidualConfig | None = checked_field("the residual stream, if there is one", None)


@dataclass(frozen=True, eq=False)
class Chunk:
    """A chunk as it is stored.

    Attributes
    ----------
    kind : one of `KINDS`.
    box : voxels along z, y, x that are stored, from the first of the chunk.
    value : the bytes of the one value of a constant chunk.
    header, streams : those of other chunks.
    """

    kind: str
    box: tuple[int, int, int]
    value: bytes = b""
    header: ChunkHeader = ChunkHeader()
    streams: dict[str, bytes] = field(default_factory=dict)


def pack_chunk(chunk: Chunk) -> bytes:
    """Return a chunk as bytes."""
    content = chunk.value
    if chunk.kind != CONSTANT:
        header = deflated_json(records.to_dict(chunk.header, defaults=False))
        names = _stream_names(chunk.kind, chunk.header)
        streams = join_parts([chunk.streams[name] for name in names])
        content = to_varint(len(header)) + header + streams
    head = bytes([VERSION, KINDS.index(chunk.kind)]) + b"".join(map(to_varint, chunk.box))
    return head + content + checksum(head + content)


def unpack_chunk(data: bytes, shape: Sequence[int], itemsize: int) -> Chunk:
    """Invert `pack_chunk`.

    Parameters
    ----------
    data : the bytes of a chunk.
    shape : voxels along z, y, x of the whole chunk.
    itemsize : bytes of a value of the array.

    Raises
    ------
    ValueError, DamagedArchive
        For bytes that are no such chunk.
    """
    content, end = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if len(content) < 2:
        raise ValueError(f"{len(data)} bytes are too few")
    if content[0] != VERSION:
        raise ValueError(
            f"format version {content[0]} where this package knows {VERSION}; it may be newer"
        )
    if checksum(content) != end:
        raise ValueError("the checksum is wrong")
    if content[1] >= len(KINDS):
        raise ValueError(f"there is no kind {content[1]}")
    kind, place = KINDS[content[1]], 2
    sides = []
    for _ in range(3):
        side, read = read_varint(content[place : place + 9])
        sides.append(side)
        place += read
    z, y, x = sides
    if math.prod(sides) == 0 or any(n > most for n, most in zip(sides, shape, strict=True)):
        raise ValueError(f"{z} × {y} × {x} voxels in a chunk of {' × '.join(map(str, shape))}")
    rest = content[place:]
    if kind == CONSTANT:
        if len(rest) != itemsize:
            raise ValueError(f"its value has {len(rest)} bytes")
        return Chunk(kind, (z, y, x), rest)
    length, place = read_varint(rest)
    if length > len(rest) - place:
        raise ValueError("it ends inside its header")
    text = inflated(rest[place : place + length], _MOST_HEADER)
    if text is None:
        raise ValueError("its header is too long")
    header = records.from_dict(ChunkHeader, json.loads(text), DamagedArchive)
    names = _stream_names(kind, header)
    parts = split_parts(rest[place + length :], len(names))
    return Chunk(kind, (z, y, x), b"", header, dict(zip(names, parts, strict=True)))


def _stream_names(kind: str, header: ChunkHeader) -> tuple[str, ...]:
    """Return the names of the streams of a chunk, in their order."""
    own = models.get(kind).member_streams
    return own if header.residual is None else (*own, *RESIDUAL_STREAMS)
