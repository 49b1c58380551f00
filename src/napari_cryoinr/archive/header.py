"""The header of an archive: every field, its range and its meaning, in this one place.

Writing and reading walk these declarations (`napari_cryoinr.support.records`), and so does the
page on the file format in the documentation. What a model adds is declared beside the model.

The header is stored as JSON, deflated with a preset dictionary. What follows from other fields is
left out: defaults, and of the quality report what the member says anyway.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import models
from ..errors import DamagedArchive, OutOfMemory
from ..maps.envelope import EDGE, EXTEND, KEPT, MAX_EDGE
from ..quality.quality_report import QualityReport
from ..support import records
from ..support.checksums import VOXEL_CHECKSUM_LETTERS
from ..support.records import checked_field
from .damage import damaged
from .header_dictionary import USUAL_TEXT
from .residual_config import ResidualConfig

MAX_SIDE = 1 << 16
MAX_NAME = 255
_WINDOW = -15  # deflate without the header and checksum of zlib
# No header of ours is packed better: what claims to be would only cost time and memory.
_FREE_BYTES, _MOST_PER_BYTE = 1 << 16, 32
_SINGLE = {"background", "density_scale", "threshold"}  # float32: as few digits as tell it
_MOST = float(np.finfo(np.float32).max)
_DENSITY = {"low": -_MOST, "high": _MOST}
_MEMORY_PER_BYTE = 16  # of JSON, as objects


@dataclass(frozen=True)
class ModelHeader:
    """The model that all members share."""

    name: str = checked_field("the model", choices=models.NAMES)
    config: dict[str, Any] | None = checked_field(
        "what the decoder must know of the fit: a record of the model", None
    )
    other: str | None = checked_field(
        "a model that was tried too, and came to a larger file", None, choices=models.NAMES
    )
    other_bytes: int | None = checked_field("bytes of that file", None, low=1)


@dataclass(frozen=True)
class MemberHeader:
    """One map."""

    name: str = checked_field("name of the map", length=(1, MAX_NAME))
    shape: tuple[int, ...] = checked_field(
        "voxels along z, y, x", low=1, high=MAX_SIDE, length=(3, 3)
    )
    background: float = checked_field("density of the voxels that are not occupied", **_DENSITY)
    contrast_limits: tuple[float, ...] = checked_field(
        "densities for black and white", length=(2, 2), **_DENSITY
    )
    original_checksum: str = checked_field(
        "of the original voxels as float32 (z, y, x)", length=(VOXEL_CHECKSUM_LETTERS,) * 2
    )
    decoded_checksum: str = checked_field(
        "of the decoded voxels as float32 (z, y, x)", length=(VOXEL_CHECKSUM_LETTERS,) * 2
    )
    mode: int = checked_field(
        "MRC mode of the original voxels: 0, 1, 2, 6 or 12", 2, low=0, high=12
    )
    byte_order: str = checked_field("byte order of the original MRC file", "<", choices=("<", ">"))
    density_scale: float = checked_field(
        "density of a normalised density of 1", 1.0, above=0, high=_MOST
    )
    keep: str = checked_field(
        "what is promised: the soft mask, the voxels above the threshold, or all",
        "envelope",
        choices=KEPT,
    )
    threshold: float | None = checked_field(
        "density that counts as structure; absent: all voxels are kept, or those of a given mask",
        None,
        **_DENSITY,
    )
    extend: int = checked_field(
        "voxels by which the envelope reaches beyond the structure", EXTEND, low=0, high=MAX_EDGE
    )
    edge: int = checked_field("voxels of its soft edge", EDGE, low=0, high=MAX_EDGE)
    given_mask: bool = checked_field(
        "whether the mask is one that was given: the stream has its outline, and its soft edge lies"
        " within that",
        False,
    )
    neighbours: int = checked_field(
        "decoded voxels above the threshold count as structure if there are so many in the 5³"
        " voxels around them, where no mask is stored; 0: voxels below the threshold do not fade",
        1,
        low=0,
        high=125,
    )
    rim: tuple[float, ...] = checked_field(
        "how far below and above the background densities may be that fade outside the envelope",
        (0.0, 0.0),
        low=0,
        high=_MOST,
        length=(2, 2),
    )
    limits: tuple[float, ...] | None = checked_field(
        "lowest and highest density of the original, which the model's densities are clipped to;"
        " absent: they are not",
        None,
        length=(2, 2),
        **_DENSITY,
    )
    contour: float | None = checked_field(
        "contour level for display; absent: the threshold", None, **_DENSITY
    )
    mrc: dict[str, Any] | None = checked_field(
        "fields of the MRC header that differ from a usual one, by the names of the mrcfile"
        " package; absent: the header is a stream",
        None,
    )
    lossless: bool = checked_field(
        "whether this map is stored by the model lossless, whatever the model of the archive is",
        False,
    )
    residual: ResidualConfig | None = checked_field("the residual stream, if there is one", None)
    quality: QualityReport | None = checked_field(
        "what was lost, as measured when the file was made", None
    )
    config: dict[str, Any] | None = checked_field(
        "what the decoder must know of this map: a record of the model", None
    )


@dataclass(frozen=True)
class ArchiveHeader:
    """The whole archive."""

    package: str = checked_field("version of napari-cryoinr that wrote it", length=(1, 64))
    settings: dict[str, Any] = checked_field(
        "settings it was made with, where they differ from the defaults: a record of the making,"
        " not needed for decoding"
    )
    model: ModelHeader = checked_field("the model")
    members: tuple[MemberHeader, ...] = checked_field("the maps", length=(1, 65535))

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if len(set(names)) < len(names):
            raise DamagedArchive("two members have one name")


def pack_header(header: ArchiveHeader) -> bytes:
    """Return the header as bytes."""
    records.check(header, DamagedArchive)
    data = records.to_dict(header, defaults=False)
    for member in data["members"]:
        if "quality" in member:
            member["quality"] = _short_quality(member)
        for name in _SINGLE & member.keys():
            member[name] = float(str(np.float32(member[name])))
    if len(data["members"]) == 1:
        del data["members"][0]["name"]  # that of the only group
    return deflated_json(data)


def deflated_json(data: Any) -> bytes:
    """Return JSON data, deflated with the preset dictionary."""
    text = json.dumps(
        _short_numbers(data), separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")
    deflater = zlib.compressobj(9, zlib.DEFLATED, _WINDOW, 9, zdict=USUAL_TEXT)
    return deflater.compress(text) + deflater.flush()


def inflated(data: bytes, most: int) -> bytes | None:
    """Return the text of `deflated_json`; None where it has more than so many bytes.

    Raises
    ------
    ValueError, zlib.error
        For bytes that are no such data.
    """
    inflater = zlib.decompressobj(_WINDOW, USUAL_TEXT)
    text = inflater.decompress(data, most + 1)
    if len(text) > most:
        return None
    if not inflater.eof or inflater.unused_data:
        raise ValueError("its length is wrong")
    return text


def unpack_header(data: bytes, memory_limit: int, groups: Sequence[str]) -> ArchiveHeader:
    """Invert `pack_header`; of a single member, the name is that of its group in the file.

    Raises
    ------
    DamagedArchive
        If the bytes are no header.
    OutOfMemory
        If it would take more memory than the limit.
    """
    with damaged("the header"):
        most = _FREE_BYTES + _MOST_PER_BYTE * len(data)
        allowed = min(most, memory_limit // _MEMORY_PER_BYTE)
        text = inflated(data, allowed)
        if text is None:
            if allowed < most:
                raise OutOfMemory(
                    f"the header needs more memory than the limit of {memory_limit:,} bytes; raise"
                    " memory_limit"
                )
            raise ValueError(f"{len(data)} bytes cannot hold as much as they claim")
        tree = json.loads(text.decode("utf-8", "surrogatepass"))
        del text
        _restore_members(tree)
        if len(tree["members"]) == 1 and len(groups) == 1:
            tree["members"][0]["name"] = groups[0]
    return records.from_dict(ArchiveHeader, tree, DamagedArchive)


def _short_numbers(data: Any) -> Any:
    """Write whole numbers without a fraction; -0.0 keeps its sign."""
    if isinstance(data, dict):
        return {name: _short_numbers(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_short_numbers(value) for value in data]
    whole = isinstance(data, float) and data.is_integer() and abs(data) < 1e9
    return int(data) if whole and str(data) != "-0.0" else data


def _usual_quality(member: dict[str, Any]) -> dict[str, Any]:
    """Return what the quality report of a member usually repeats of its header."""
    threshold, voxels = member.get("threshold"), math.prod(member["shape"])
    keep = member.get("keep", "envelope")
    usual: dict[str, Any] = {
        "voxels": voxels,
        "keep": keep,
        "level": member.get("contour", threshold),
    }
    if threshold is not None:
        usual["contour"] = threshold
    if keep == "volume":
        usual["kept_voxels"] = voxels
    return usual


def _short_quality(member: dict[str, Any]) -> dict[str, Any]:
    quality, usual = member["quality"], _usual_quality(member)
    short = {name: value for name, value in quality.items() if usual.get(name) != value}
    short |= {name: None for name in usual if name not in quality}
    return short


def _restore_members(tree: Any) -> None:
    """Bring back what was left out of the members, in place."""
    members = tree["members"] if isinstance(tree, dict) else None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise ValueError("it has no members")
    for member in members:
        for name in _SINGLE & member.keys():
            if isinstance(member[name], int | float) and abs(member[name]) <= _MOST:
                member[name] = float(np.float32(member[name]))
        quality = member.get("quality")
        if not isinstance(quality, dict):
            continue
        shape = member.get("shape")
        if not isinstance(shape, list) or not all(isinstance(side, int) for side in shape):
            raise ValueError("a member has no shape")
        full = {k: v for k, v in (_usual_quality(member) | quality).items() if v is not None}
        member["quality"] = full
