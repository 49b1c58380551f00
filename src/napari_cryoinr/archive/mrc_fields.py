"""The MRC header of the original as fields of the archive's; its extended header as a stream.

Only fields that differ from a usual header of such a map are kept. A header that they do not give
back byte for byte is kept whole, as a stream.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from ..maps.mrc_header import MrcHeader, new_header
from ..support.checksums import MAX_DEFLATE_RATIO


def fields_of(header: MrcHeader, shape: tuple[int, ...], mode: int) -> dict[str, Any] | None:
    """Fields of an MRC header of a map of this shape (z, y, x) and mode, by mrcfile's names.

    None where they do not tell the whole header.
    """
    record, usual = _record(header.raw, header.byte_order), _usual(shape, mode, header.byte_order)
    changed = [
        name for name in record.dtype.names if record[name].tobytes() != usual[name].tobytes()
    ]
    fields = {name: _plain(record[name][0]) for name in changed}
    try:
        same = header_of(fields, shape, mode, header.byte_order) == header.raw
    except (ValueError, OverflowError):
        same = False
    return fields if same and all(np.isfinite(_numbers(fields))) else None


def header_of(fields: dict[str, Any], shape: tuple[int, ...], mode: int, order: str) -> bytes:
    """The inverse of `fields_of`: 1024 bytes.

    Raises
    ------
    ValueError
        if the fields are none of an MRC header.
    """
    record = _usual(shape, mode, order)
    for name, value in fields.items():
        if name not in record.dtype.names:
            raise ValueError(f"an MRC header has no field {name!r:.40}")
        kind = record.dtype[name]
        try:
            if kind.kind == "V" and kind.names is None and kind.subdtype is None:
                record[name] = np.void(bytes.fromhex(value).ljust(kind.itemsize, b"\0"))
            elif name == "label":
                texts = [text.encode("latin-1") for text in value]
                record[name][0, : len(texts)] = texts
                record[name][0, len(texts) :] = b""
            elif kind.kind == "S":
                record[name] = value.encode("latin-1")
            else:
                record[name] = tuple(value) if kind.names else value
        except (TypeError, AttributeError, OverflowError, LookupError) as error:
            raise ValueError(f"{value!r:.40} is no {name} of an MRC header") from error
    return record.tobytes()


def _record(raw: bytes, order: str) -> Any:
    return np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order)).copy()


def _usual(shape: tuple[int, ...], mode: int, order: str) -> Any:
    """A header of such a map, an array of one record in the byte order asked for."""
    raw = new_header(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), mode).raw
    return _record(raw, "<").astype(HEADER_DTYPE.newbyteorder(order))


def _plain(value: Any) -> Any:
    """A field as plain JSON data; floats with the fewest digits that are the same in float32."""
    if isinstance(value, np.void):
        if value.dtype.names is None:
            return value.tobytes().rstrip(b"\0").hex()
        return [_plain(value[name]) for name in value.dtype.names]
    if isinstance(value, np.ndarray):
        texts = [_plain(item) for item in value]
        while texts and texts[-1] == "":
            texts.pop()
        return texts
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return float(str(value)) if isinstance(value, np.floating) else int(value)


def _numbers(value: Any) -> list[float]:
    """All numbers in plain data."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in _numbers(item)]
    return [value] if isinstance(value, float) else []


def encode_extended_header(extended: bytes) -> bytes:
    """Its length (uint64), then the bytes, deflated."""
    return len(extended).to_bytes(8, "little") + zlib.compress(extended, 9)


def extended_header_bytes(data: bytes) -> int:
    """How long the extended header is.

    Raises
    ------
    ValueError
        if the stream cannot hold as many bytes.
    """
    length = int.from_bytes(data[:8], "little")
    if length > MAX_DEFLATE_RATIO * len(data):
        raise ValueError(f"{len(data)} bytes cannot hold an extended header of {length}")
    return length


def decode_extended_header(data: bytes) -> bytes:
    """The inverse of `encode_extended_header`.

    Raises
    ------
    ValueError, zlib.error
        if the bytes are no extended header.
    """
    length = extended_header_bytes(data)
    inflater = zlib.decompressobj()
    extended = inflater.decompress(data[8:], length + 1)
    if len(extended) != length or not inflater.eof:
        raise ValueError("the length of the extended header is wrong")
    return extended
