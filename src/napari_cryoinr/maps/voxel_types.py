"""Voxels as integers: what "bit for bit" and "rounded" mean for each MRC mode.

Each voxel type has an order-preserving map to integers ("codes"): integer densities are their own
codes; floats are ordered by their bits with the sign folded, so that neighbouring floats have
neighbouring codes and -0.0 differs from 0.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..support.array_types import AnyArray, Float32Array, Int64Array
from .mrc_header import VOXEL_TYPES


def snap(values: AnyArray, mode: int, *, in_place: bool = False) -> Float32Array:
    """Return densities as the nearest values that an MRC file of this mode can hold, as float32.

    If `in_place`, densities in float32 may change.
    """
    dtype = VOXEL_TYPES[mode]
    limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    target = values if in_place and values.dtype == np.float32 else None
    rounded = np.rint(values, out=target) if dtype.kind in "iu" else values
    clipped = np.clip(rounded, float(limits.min), float(limits.max), out=target)
    return clipped.astype(dtype, copy=False).astype(np.float32, copy=False)


def spacing(largest: float, mode: int) -> float:
    """Return the distance between neighbouring values of this mode at a density."""
    dtype = VOXEL_TYPES[mode]
    return 1.0 if dtype.kind in "iu" else float(np.spacing(dtype.type(abs(largest))))


def to_codes(values: Float32Array, mode: int) -> Int64Array:
    """Return the codes of densities that are exact in this mode."""
    dtype = VOXEL_TYPES[mode]
    if dtype.kind in "iu":
        return values.astype(np.int64)
    bits = values.astype(dtype).view(f"i{dtype.itemsize}").astype(np.int64)
    # Negative floats (top bit set) count downwards from -1, positive ones upwards from 0.
    return np.where(bits < 0, -1 - (bits - _lowest(dtype)), bits)


def from_codes(codes: Int64Array, mode: int) -> Float32Array:
    """Invert `to_codes`; codes outside the range of the mode wrap around."""
    dtype = VOXEL_TYPES[mode]
    if dtype.kind in "iu":
        return codes.astype(dtype).astype(np.float32)
    bits = np.where(codes < 0, _lowest(dtype) - 1 - codes, codes)
    return bits.astype(f"i{dtype.itemsize}").view(dtype).astype(np.float32)


def _lowest(dtype: np.dtype[Any]) -> int:
    """Return the lowest integer of as many bytes."""
    return -(1 << (8 * dtype.itemsize - 1))


def just_above(threshold: float, mode: int) -> float:
    """Return the smallest value above a density that a voxel of this mode can hold."""
    dtype = VOXEL_TYPES[mode]
    if dtype.kind in "iu":
        return float(np.floor(threshold) + 1)
    nearest = dtype.type(threshold)
    if float(nearest) > threshold:
        return float(nearest)
    return float(np.nextafter(nearest, dtype.type(np.inf)))


def lowest_inside(threshold: float | None, mode: int) -> np.float32:
    """Return the least density of voxels above a threshold; minus infinity without one."""
    return np.float32(-np.inf if threshold is None else just_above(threshold, mode))


def highest_outside(threshold: float, mode: int) -> np.float32:
    """Return the greatest density that is not above a threshold."""
    dtype = VOXEL_TYPES[mode]
    if dtype.kind in "iu":
        return np.float32(np.floor(threshold))
    nearest = dtype.type(threshold)
    return np.float32(
        nearest if float(nearest) <= threshold else np.nextafter(nearest, dtype.type(-np.inf))
    )


def holds(values: Float32Array, mode: int) -> bool:
    """Return whether a voxel of this mode can hold each of these densities, to the last bit."""
    if mode == 2:
        return True
    snapped = snap(values, mode)
    return bool(
        np.array_equal(from_codes(to_codes(snapped, mode), mode).view("i4"), values.view("i4"))
    )
