"""From the voxels of a chunk to its bytes, and back; decoding loads no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import models
from ..archive import residual
from ..archive.damage import damaged
from ..archive.header import MemberHeader, ModelHeader
from ..archive.member import Member
from ..errors import DamagedArchive, GoalMissed, OutOfMemory, SettingsError
from ..maps.density_map import DensityMap, check_finite
from ..maps.mrc_header import VOXEL_TYPES, new_header
from ..models.base import FitRequest, Target
from ..models.field.field_settings import FieldSettings
from ..progress import Clock, Steps, drain
from ..support import records
from ..support.array_types import AnyArray, Region
from ..support.memory import default_memory_limit
from ..support.streams import MemoryStreams
from .chunk_format import CONSTANT, Chunk, ChunkHeader, pack_chunk, unpack_chunk
from .chunk_settings import ChunkSettings

_MODES = {dtype: mode for mode, dtype in VOXEL_TYPES.items()} | {np.dtype("f8"): 2}
_FAST_BLOCK = 12  # the side of a block of latents that suits most tomograms
_NO_LIMIT = 1 << 62


def mode_of(dtype: np.dtype[Any]) -> int:
    """Return the MRC mode in which values of a data type are coded; float64 goes as float32.

    Raises
    ------
    SettingsError
        For a data type that cannot be stored.
    """
    native = dtype.newbyteorder("=")
    if native not in _MODES:
        raise SettingsError(
            f"data type {dtype}: must be one of {', '.join(known.name for known in _MODES)}"
        )
    return _MODES[native]


def encode_chunk_steps(
    values: AnyArray, settings: ChunkSettings, fill: Any = 0, device: str = "auto"
) -> Steps[bytes]:
    """Return the bytes of a chunk.

    Planes of the fill value at its ends cost nothing, and do not count: zarr fills chunks up with
    them that reach beyond the array.

    Parameters
    ----------
    values : shape (z, y, x), of a type that `mode_of` knows.
    settings : the goal, which is checked on what the bytes decode to.
    fill : the fill value of the array.
    device : where latents are found.

    Raises
    ------
    MapError
        If a voxel is infinite, as float32, or NaN.
    GoalMissed
        If not even float32 is as exact as the goal asks.
    """
    goal, mode, shape = settings.goal, mode_of(values.dtype), values.shape
    values = values[_without_fill(values, fill)]
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and found
        coded = np.ascontiguousarray(values, np.float32)
    check_finite(coded, "a chunk")
    box = coded.shape
    constant = _constant(values, goal)
    if constant is not None:
        return pack_chunk(Chunk(CONSTANT, box, constant))
    header = new_header(box, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)).with_mode(mode)
    density_map = DensityMap(coded, header=header)
    for steps in (
        _field_steps(density_map, goal, settings.effort, device),
        _lossless_steps(density_map),
    ):
        try:
            chunk = yield from steps
        except (GoalMissed, SettingsError):  # finer than latents, or the residual, can be
            continue
        data = pack_chunk(chunk)
        if _meets(values, decode_chunk(data, shape, values.dtype, fill)[_region(box)], goal):
            return data
    raise GoalMissed(
        f"{goal[0]} = {goal[1]:g}: values up to {np.abs(coded).max():g} are stored as float32,"
        " which is not as exact; allow a larger error"
    )


def decode_chunk(
    data: bytes, shape: Sequence[int], dtype: np.dtype[Any], fill: Any = 0
) -> AnyArray:
    """Invert `encode_chunk_steps` for a chunk of some shape (z, y, x) and data type.

    Raises
    ------
    ValueError
        If the bytes are damaged.
    OutOfMemory
        If more memory would be needed than half of the machine's.
    """
    limit, needed = default_memory_limit(), math.prod(shape) * dtype.itemsize
    if needed > limit:
        raise OutOfMemory(
            f"a chunk of {needed:,} bytes is more than half of the memory; use smaller ones"
        )
    try:
        with damaged("the chunk"):
            mode = mode_of(dtype)
            chunk = unpack_chunk(data, shape, dtype.itemsize)
            if chunk.kind == CONSTANT:
                value = np.frombuffer(chunk.value, dtype.newbyteorder("<"))[0]
            else:
                value = drain(_member(chunk, mode, limit).read_steps())
    except DamagedArchive as error:  # what zarr and its callers expect
        raise ValueError(str(error)) from error
    out = np.full(tuple(shape), fill, dtype)
    out[_region(chunk.box)] = value
    return out


def _without_fill(values: AnyArray, fill: Any) -> Region:
    """Return the voxels from the first to the last, on each axis, that is not the fill value.

    All voxels where there is none.
    """
    differ = values != fill if fill == fill else ~np.isnan(values)
    others = ((1, 2), (0, 2), (0, 1))
    stops = [int(np.flatnonzero(differ.any(axis=axes)).max(initial=-1)) + 1 for axes in others]
    return _region(stops if all(stops) else values.shape)


def _region(box: Sequence[int]) -> Region:
    z, y, x = (slice(0, n) for n in box)
    return z, y, x


def _meets(values: AnyArray, decoded: AnyArray, goal: tuple[str, float]) -> bool:
    """Return whether decoded values are as exact as the goal asks."""
    wrong = decoded.astype(np.float64) - values
    if goal[0] == "max_error":
        return bool(np.abs(wrong).max() <= goal[1])
    return math.sqrt(float(np.square(wrong).mean())) <= goal[1]


def _constant(values: AnyArray, goal: tuple[str, float]) -> bytes | None:
    """Return the one value that can stand for all, as bytes; None where none is good enough."""
    low, high = float(values.min()), float(values.max())
    value = (low + high) / 2 if goal[0] == "max_error" else float(values.mean(dtype=np.float64))
    if low == high:
        value = low
    kind = values.dtype.newbyteorder("<")
    one = np.array(value if kind.kind == "f" else round(value), kind)
    return one.tobytes() if _meets(values, one, goal) else None


def _field_steps(
    density_map: DensityMap, goal: tuple[str, float], effort: str, device: str
) -> Steps[Chunk]:
    """Store a chunk by the model `field`, and a residual where the largest error needs it."""
    name, amount = goal
    if name == "rms_error":
        extent = float(density_map.data.max()) - float(density_map.data.min())
        name, amount = "target_psnr", 20 * math.log10(extent / amount)
    block = _FAST_BLOCK if effort == "fast" else None
    own = FieldSettings(symmetry="none", block=block)
    request = FitRequest(name, amount, effort, device, own=own)
    chunk = yield from _fitted_steps("field", density_map, request)
    if name != "max_error":
        return chunk
    decoded = yield from _member(chunk, density_map.mode, _NO_LIMIT).read_steps()
    if _meets(density_map.data, decoded, goal):
        return chunk
    config = residual.config_for(amount, density_map)
    added = yield from residual.encode_steps(density_map, decoded, None, None, config, Clock())
    header = replace(chunk.header, residual=config)
    return replace(chunk, header=header, streams=chunk.streams | added)


def _lossless_steps(density_map: DensityMap) -> Steps[Chunk]:
    return (yield from _fitted_steps("lossless", density_map, FitRequest("lossless")))


def _fitted_steps(kind: str, density_map: DensityMap, request: FitRequest) -> Steps[Chunk]:
    target = Target.above(density_map, None)
    fitted = yield from models.get(kind).fit_steps([target], request, 0)
    config = fitted.own_configs[0]
    header = ChunkHeader(None if config is None else records.to_dict(config, defaults=False))
    return Chunk(kind, density_map.data.shape, header=header, streams=fitted.own[0])


def _member(chunk: Chunk, mode: int, memory_limit: int) -> Member:
    """Return the stored voxels of a chunk as a map of an archive, which is how they are read."""
    header = MemberHeader(
        name="the chunk",
        shape=chunk.box,
        background=0.0,
        contrast_limits=(0.0, 0.0),
        original_checksum="",
        decoded_checksum="",
        mode=mode,
        keep="volume",
        residual=chunk.header.residual,
        config=chunk.header.config,
    )
    streams = MemoryStreams(chunk.streams)
    return Member(header, ModelHeader(chunk.kind), streams, memory_limit, "cpu", ())
