"""Exact coding of a boolean volume by an adaptive context model.

Voxels are coded from coarse to fine (`coarse_to_fine`). The context of a voxel is the mean over its
known neighbours, 1 for set and -1 for clear ones, weighted by the inverse fourth power of the
distance.
"""

from __future__ import annotations

import math

import numpy as np

from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Int8Array, Int64Array
from .adaptive_coding import Coder, Decoder, Encoder, Table
from .coarse_to_fine import Phase, phases

_NEIGHBOURS = 26
_LEVELS = 24  # of the mean on either side of 0
_CONTEXTS = 2 * _LEVELS + 1
_MOST_PER_BYTE = 1 << 20  # voxels: one costs at least 1.44 / 2^24 bits


def encode_mask_steps(mask: BoolArray, clock: Clock) -> Steps[bytes]:
    """Code a boolean volume, shape (z, y, x)."""
    encoder = Encoder()
    yield from code_mask_steps(encoder, mask.shape, mask, clock)
    return encoder.to_bytes()


def decode_mask_steps(data: bytes, shape: tuple[int, ...], clock: Clock) -> Steps[BoolArray]:
    """Decode what `encode_mask_steps` made of a volume of this shape.

    Raises
    ------
    ValueError, AssertionError
        if the bytes are no such mask; AssertionError is what the range coder raises. Not all damage
        is found: the bytes of another mask may give some mask.
    """
    if math.prod(shape) > _MOST_PER_BYTE * (len(data) + 8):
        raise ValueError(f"{len(data)} bytes cannot hold a mask of shape {shape}")
    decoder = Decoder(data)
    mask = yield from code_mask_steps(decoder, shape, None, clock)
    decoder.check_end()
    return mask


def code_mask_steps(
    coder: Coder,
    shape: tuple[int, ...],
    mask: BoolArray | None,
    clock: Clock,
    inside: BoolArray | None = None,
    sources: Int64Array | None = None,
) -> Steps[BoolArray]:
    """Code a boolean volume in either direction and return it.

    Parameters
    ----------
    mask : what is coded, shape (z, y, x); None where it is read.
    inside : the only voxels that are coded; the others are clear in the result. None for all.
    sources : for each voxel the index (C order) of an earlier one that it probably repeats, -1
        where there is none, shape (z, y, x); None where nothing repeats.
    """
    states = np.zeros(shape, np.int8)  # 1 set, -1 clear, 0 not known
    tables = [Table(3 * _CONTEXTS, 2) for _ in range(4)]
    done = 0
    for phase in phases(shape):
        padded = phase.padded(states)
        target = states[phase.region]
        table = tables[sum(phase.parity)]
        for rows in phase.chunks(shape):
            here = target[rows]
            contexts = _contexts(phase, padded, rows, here.shape)
            wanted, source, bits = np.ones(here.shape, bool), np.full(here.shape, -1), None
            if inside is not None:
                wanted = inside[phase.region][rows]
            if sources is not None:
                source = sources[phase.region][rows]
            if mask is not None:
                bits = mask[phase.region][rows].astype(np.int64)
            # Voxels may repeat others of the same chunk, which come first.
            for chosen in (wanted & (source < 0), wanted & (source >= 0)):
                repeated = states.reshape(-1)[source[chosen]]
                kind = np.where(source[chosen] < 0, 0, (3 + repeated) // 2)
                given = None if bits is None else bits[chosen]
                found = coder.symbols(table, _CONTEXTS * kind + contexts[chosen], given)
                here[chosen] = 2 * found - 1
            done += here.size
            yield Progress("mask", done, states.size, clock.seconds)
    return states > 0


def _contexts(phase: Phase, padded: Int8Array, rows: slice, shape: tuple[int, ...]) -> Int64Array:
    """Return the context of each voxel of some rows of a phase, in integers."""
    total, weights = np.zeros(shape, np.int64), 0
    for distance, offsets in phase.neighbours_by_distance(_NEIGHBOURS):
        weight, states = 1000 // distance**2, np.zeros(shape, np.int8)
        for offset in offsets:
            states += phase.near(padded, offset, rows)
        weights += weight * len(offsets)
        total += np.multiply(states, weight, dtype=np.int64)
    return (_LEVELS * total + weights // 2) // max(weights, 1) + _LEVELS
