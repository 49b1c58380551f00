"""The 1024 bytes of an MRC header in few: field by field, numbers with the fewest digits.

Every header comes back byte for byte. Those that are too odd are kept as they are.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from ..maps.mrc_header import HEADER_BYTES, LABEL_BYTES, LABELS
from .format2 import mrc_examples
from .packing import pack, unpack

# Part of the format: the names, types and order of the words in front of the labels.
_INT, _FLOAT = "i", "f"
_NAMES = """
nx ny nz mode nxstart nystart nzstart mx my mz cell_x:f cell_y:f cell_z:f alpha:f beta:f gamma:f
mapc mapr maps dmin:f dmax:f dmean:f ispg nsymbt extra_1 extra_2 exttyp nversion
extra_3 extra_4 extra_5 extra_6 extra_7 extra_8 extra_9 extra_10 extra_11 extra_12 extra_13
extra_14 extra_15 extra_16 extra_17 extra_18 extra_19 extra_20 extra_21 extra_22 extra_23
origin_x:f origin_y:f origin_z:f map machst rms:f nlabl
"""
_FIELDS = [
    (name.removesuffix(":f"), _FLOAT if name.endswith(":f") else _INT) for name in _NAMES.split()
]
_WORDS = 4 * len(_FIELDS)
_PADS = (0, 32)


def pack_mrc_header(raw: bytes) -> bytes:
    """The header's 1024 bytes packed; never into more than 1024.

    Raises
    ------
    ValueError
        if they are not 1024 bytes.
    """
    if len(raw) != HEADER_BYTES:
        raise ValueError(f"an MRC header of {len(raw)} bytes: must be {HEADER_BYTES}")
    tables = (_to_table(raw, order) for order in "<>")
    packed = [pack(table, mrc_examples) for table in tables if _from_table(table) == raw]
    smallest = min(packed, key=len, default=raw)
    return smallest if len(smallest) < HEADER_BYTES else raw


def unpack_mrc_header(data: bytes) -> bytes:
    """The inverse of `pack_mrc_header`.

    Raises
    ------
    ValueError
        if the bytes are damaged, as far as that can be seen.
    """
    if len(data) >= HEADER_BYTES:
        raw = data
    else:
        table = unpack(data, mrc_examples)
        try:
            raw = _from_table(table)
        except (AttributeError, LookupError, TypeError, OverflowError, struct.error) as error:
            raise ValueError(f"this is no MRC header ({error})") from error
    if len(raw) != HEADER_BYTES:
        raise ValueError(f"an MRC header of {len(raw)} bytes: must be {HEADER_BYTES}")
    return raw


def _to_table(raw: bytes, order: str) -> dict[str, Any]:
    table: dict[str, Any] = {"order": order}
    for number, (name, kind) in enumerate(_FIELDS):
        word = raw[4 * number : 4 * number + 4]
        (value,) = struct.unpack(order + kind, word)
        if kind == _FLOAT:
            value = _short(value) if math.isfinite(value) else struct.unpack(order + _INT, word)[0]
        table[name] = value
    ends = range(_WORDS + LABEL_BYTES, HEADER_BYTES + 1, LABEL_BYTES)
    labels = [raw[end - LABEL_BYTES : end] for end in ends]
    table["pads"] = [label[-1] if label[-1] in _PADS else 0 for label in labels]
    table["labels"] = [
        label.rstrip(bytes([pad])).decode("latin-1")
        for label, pad in zip(labels, table["pads"], strict=True)
    ]
    return table


def _from_table(table: dict[str, Any]) -> bytes:
    order = ">" if table["order"] == ">" else "<"
    words = []
    for name, _ in _FIELDS:
        value = table[name]
        # What is no finite number stands there as the integer of its bits.
        words.append(struct.pack(order + (_FLOAT if isinstance(value, float) else _INT), value))
    labels = [
        text.encode("latin-1").ljust(LABEL_BYTES, bytes([pad]))
        for text, pad in zip(table["labels"], table["pads"], strict=True)
    ]
    return b"".join(words + labels)


def _short(value: float) -> float:
    """The number of fewest digits that is this float32, unless its 32 bits are fewer."""
    short = float(str(np.float32(value)))
    return short if len(f"{abs(short):.17g}".strip("0.")) < 8 else value


assert _WORDS + LABELS * LABEL_BYTES == HEADER_BYTES
