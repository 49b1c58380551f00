"""The MRC header of the original as fields of the archive's; its extended header as a stream.

Only fields that differ from a usual header of such a map are kept, and no statistics of the
densities, which whoever writes the voxels computes anew. A header that its fields do not give back
byte for byte is kept whole, as a stream.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from ..maps.mrc_header import LABEL_BYTES, MrcHeader, new_header
from ..support.checksums import MAX_DEFLATE_RATIO

# What the MRC2014 convention writes for statistics that are not known.
_UNKNOWN = {"dmin": 0.0, "dmax": -1.0, "dmean": -2.0, "rms": -1.0}


def fields_of(header: MrcHeader, shape: tuple[int, ...], mode: int) -> dict[str, Any] | None:
    """Return the fields of an MRC header of a map of this shape (z, y, x), by mrcfile's names.

    None where they do not tell the whole header.
    """
    usual = _usual(shape, mode, header.byte_order)
    raw = header.changed(**_UNKNOWN).raw
    record = np.frombuffer(raw, usual.dtype)
    changed = [
        name for name in record.dtype.names if record[name].tobytes() != usual[name].tobytes()
    ]
    fields = {name: _plain(record[name][0]) for name in changed}
    try:
        json.dumps(fields, allow_nan=False)
        same = header_of(fields, shape, mode, header.byte_order) == raw
    except (ValueError, OverflowError):
        same = False
    return fields if same else None


def header_of(fields: dict[str, Any], shape: tuple[int, ...], mode: int, order: str) -> bytes:
    """Return the 1024 bytes of the header that has these fields, the inverse of `fields_of`.

    Raises
    ------
    ValueError
        If the fields are none of an MRC header.
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
                texts = [_label(text.encode("latin-1")) for text in value]
                record[name][0, : len(texts)] = texts
                record[name][0, len(texts) :] = b""
            elif kind.kind == "S":
                record[name] = value.encode("latin-1")
            else:
                record[name] = tuple(value) if kind.names else value
        except (TypeError, AttributeError, OverflowError, LookupError) as error:
            raise ValueError(f"{value!r:.40} is no {name} of an MRC header") from error
    return record.tobytes()


def _usual(shape: tuple[int, ...], mode: int, order: str) -> Any:
    """Return a header of such a map, an array of one record in the byte order asked for."""
    header = new_header(shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), mode).changed(**_UNKNOWN)
    record = np.frombuffer(header.raw, HEADER_DTYPE.newbyteorder("<"))
    return record.astype(HEADER_DTYPE.newbyteorder(order))


def _plain(value: Any) -> Any:
    """Return a field as plain JSON data; float32 with the fewest digits that tell it."""
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
        return _short_label(value.decode("latin-1"))
    return float(str(value)) if isinstance(value, np.floating) else int(value)


def _short_label(text: str) -> str:
    """Cut the spaces at the end of a label that they fill; one remains to say so."""
    return text.rstrip(" ") + " " if len(text) == LABEL_BYTES and text[-1] == " " else text


def _label(text: bytes) -> bytes:
    """Invert `_short_label`."""
    return text.ljust(LABEL_BYTES) if text[-1:] == b" " else text


def encode_extended_header(extended: bytes) -> bytes:
    """Return the length of an extended header (uint64), then its bytes, deflated."""
    return len(extended).to_bytes(8, "little") + zlib.compress(extended, 9)


def decode_extended_header(data: bytes, allow: Callable[[int], None]) -> bytes:
    """Invert `encode_extended_header`; `allow` raises if so many bytes are too many.

    Raises
    ------
    ValueError, zlib.error
        If the bytes are no extended header.
    """
    length = int.from_bytes(data[:8], "little")
    if length > MAX_DEFLATE_RATIO * len(data):
        raise ValueError(f"{len(data)} bytes cannot hold an extended header of {length}")
    allow(2 * length)
    inflater = zlib.decompressobj()
    extended = inflater.decompress(data[8:], length + 1)
    if len(extended) != length or not inflater.eof:
        raise ValueError("the length of the extended header is wrong")
    return extended
