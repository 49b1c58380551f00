"""The codec `cinr` of Zarr version 3; zarr imports it by its entry point. Needs zarr."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from zarr.abc.codec import ArrayBytesCodec

from ..errors import CinrError, SettingsError
from ..progress import drain
from ..support import records
from ..support.array_types import AnyArray
from ..support.byte_cache import ByteCache
from ..support.memory import default_memory_limit
from .chunk_coding import decode_chunk, encode_chunk_steps, mode_of
from .chunk_settings import ChunkSettings

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON

NAME = "cinr"
# A fit uses all cores, and the more memory the more chunks are fitted at a time.
_FITTING = threading.Lock()
# A plane of 1024 x 1024 voxels meets chunks of 96 voxels that take 430 MB as float32.
_DECODED = ByteCache[AnyArray](min(1 << 29, default_memory_limit() // 8))


@dataclass(frozen=True, init=False)
class CinrCodec(ArrayBytesCodec):
    """Stores chunks of densities by the model `field`; an array-to-bytes codec.

    Chunks have three axes (z, y, x), or further ones before them along which they are one voxel
    long; 64 to 128 voxels along each axis are a good size. Data types are float16, float32,
    float64, and integers of one and two bytes.

    Parameters
    ----------
    **configuration : as the fields of `ChunkSettings`
        One goal: ``rms_error`` or ``max_error`` in the units of the array, or ``psnr`` in dB
        together with ``value_range``, or ``nrmse`` together with ``standard_deviation``, both of
        the whole array. And ``effort``: fast (the default), balanced or best.

    Raises
    ------
    SettingsError
        For values against their rule.

    Examples
    --------
    >>> CinrCodec(rms_error=0.5).to_dict()
    {'name': 'cinr', 'configuration': {'rms_error': 0.5}}
    """

    is_fixed_size = False
    settings: ChunkSettings

    def __init__(self, **configuration: Any) -> None:
        object.__setattr__(self, "settings", ChunkSettings.from_dict(configuration))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec of its entry in zarr.json."""
        configuration = data.get("configuration", {})
        if data.get("name") != NAME or not isinstance(configuration, dict):
            raise SettingsError(f"{data!r} is no entry of the codec {NAME}")
        return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """Return its entry in zarr.json."""
        return {"name": NAME, "configuration": records.to_dict(self.settings, defaults=False)}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Refuse arrays that cannot be stored, when they are made or opened."""
        mode_of(dtype.to_native_dtype())
        _check_shape(getattr(chunk_grid, "chunk_shape", shape))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise: the size follows from the voxels."""
        raise NotImplementedError

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        values = await asyncio.to_thread(self._decoded, chunk_data.to_bytes(), chunk_spec)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(values)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        _check_shape(chunk_spec.shape)
        values = chunk_data.as_numpy_array()
        data = await asyncio.to_thread(self._encoded, values, chunk_spec.fill_value)
        return chunk_spec.prototype.buffer.from_bytes(data)

    def _decoded(self, data: bytes, spec: ArraySpec) -> AnyArray:
        dtype, shape, fill = spec.dtype.to_native_dtype(), spec.shape, spec.fill_value
        # The bytes themselves: their checksum is too short to tell chunks apart.
        values = _DECODED.get(
            (data, shape, dtype.str, repr(fill)),
            lambda: _read_only(decode_chunk(data, shape[-3:], dtype, fill)),
        )
        return values.reshape(shape)

    def _encoded(self, values: AnyArray, fill: Any) -> bytes:
        volume = values.reshape(values.shape[-3:])
        with _FITTING:
            return drain(encode_chunk_steps(volume, self.settings, fill))


def _read_only(values: AnyArray) -> AnyArray:
    """Return the same array, which others will get too."""
    values.flags.writeable = False
    return values


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) < 3 or any(n != 1 for n in shape[:-3]):
        raise CinrError(
            f"chunks of shape {shape}: must have three axes (z, y, x), or 1 along those before them"
        )
