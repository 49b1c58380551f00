"""Exact coding of a boolean volume by an adaptive context model.

The mask is walked from coarse to fine: at every spacing (a power of two, halved until it is 1) the
voxels between the known ones are coded in seven phases (`neighbour_contexts`). The context of a
voxel is a sum over its known neighbours (1 set, -1 clear) weighted by phase and distance; the
probability of each context starts from the logistic function and follows the counts of what was
coded. All of it is integers, so that encoder and decoder agree on every machine.

Where the mask has a symmetry, only the first voxel of each orbit is coded like this; which of the
others differ from it is coded afterwards.

A coded mask is a byte (1 where orbits have differing voxels) and the 32-bit words of a range coder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import constriction
import numpy as np

from ..support.array_types import BoolArray, Int64Array
from .neighbour_contexts import PHASES, known_offsets

Shape = tuple[int, ...]

# By phase and squared distance: what a neighbour adds to the logit, in 32nds of ln(4/3). A logistic
# regression on the masks of twelve maps, rounded.
_WEIGHTS = {
    (1, 1, 1): {3: 55},
    (1, 1, 0): {1: 144, 2: 77, 5: 7, 6: -6, 9: -11},
    (1, 0, 1): {1: 111, 2: 59, 5: 1, 6: -7, 9: -9},
    (0, 1, 1): {1: 91, 2: 51, 6: -10, 9: -2},
    (1, 0, 0): {1: 106, 2: 23, 3: 12, 5: -6, 6: -1, 9: -4},
    (0, 1, 0): {1: 100, 2: 22, 3: 11, 5: -7, 6: -3, 9: -3},
    (0, 0, 1): {1: 94, 2: 25, 3: 7, 5: -8, 6: -7},
}
_REACH = 3  # voxels that these distances reach along an axis
_UNIT = 32
_TOP = 24  # logits are cut there, in units of ln(4/3)
_PARTS, _FEWEST = 48, 1000  # in which a phase is coded at most, and voxels of a part at least
_PRIOR = 12  # voxels that the first probability of a context counts for
_ONE = 1 << 16  # a probability of 1
_FLAWS = 20  # one voxel of so many is expected to differ from its orbit
_MOST_PER_BYTE = 1 << 19  # voxels: one costs at least 1.44 / _ONE bits


class _Coder(Protocol):
    def code(self, chances: Int64Array, bits: BoolArray | None) -> BoolArray:
        """Code one bit for each chance (of 1, in units of 1 / _ONE); None: read them."""


class _Encoder:
    def __init__(self) -> None:
        self.coder = constriction.stream.queue.RangeEncoder()
        self._model = constriction.stream.model.Bernoulli(perfect=False)

    def code(self, chances: Int64Array, bits: BoolArray | None) -> BoolArray:
        assert bits is not None
        self.coder.encode(bits.astype(np.int32), self._model, chances / _ONE)
        return bits


class _Decoder:
    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._model = constriction.stream.model.Bernoulli(perfect=False)

    def code(self, chances: Int64Array, bits: BoolArray | None) -> BoolArray:
        return self._coder.decode(self._model, chances / _ONE).astype(bool)


class _Counts:
    """How often a bit was set in each context, beginning as if each had been seen before."""

    def __init__(self, chances: Int64Array) -> None:
        self._set = _PRIOR * chances
        self._all = np.full(chances.shape, _PRIOR * _ONE)

    def code(self, coder: _Coder, contexts: Int64Array, bits: BoolArray | None) -> BoolArray:
        chances = np.clip(self._set * _ONE // self._all, 1, _ONE - 1)
        found = coder.code(chances[contexts], bits)
        self._set += _ONE * np.bincount(contexts[found], minlength=self._set.size)
        self._all += _ONE * np.bincount(contexts, minlength=self._set.size)
        return found


def encode_mask(mask: BoolArray, owners: Int64Array | None = None) -> bytes:
    """Code a boolean volume.

    Parameters
    ----------
    mask : shape (z, y, x).
    owners : index in C order of the voxel that stands for the orbit of each voxel, shape
        (z, y, x), as `GridSymmetry.representatives` gives; None without symmetry.
    """
    encoder = _Encoder()
    states = _code_volume(encoder, mask.shape, owners, mask)
    flawed = owners is not None and not np.array_equal(states > 0, mask)
    if owners is not None and flawed:
        _code_flaws(encoder, states, owners, mask)
    return bytes([flawed]) + encoder.coder.get_compressed().astype("<u4").tobytes()


def decode_mask(data: bytes, shape: Shape, owners: Int64Array | None = None) -> BoolArray:
    """The inverse of `encode_mask`, with the same owners.

    Raises
    ------
    ValueError, AssertionError
        if the bytes are no such mask; AssertionError is what the range coder raises. Not all damage
        is found: the bytes of another mask may give some mask.
    """
    if not data or data[0] > (owners is not None) or len(data) % 4 != 1:
        raise ValueError("no coded mask")
    if np.prod(shape, dtype=object) > _MOST_PER_BYTE * (len(data) + 8):
        raise ValueError(f"{len(data)} bytes cannot hold a mask of shape {shape}")
    decoder = _Decoder(data[1:])
    states = _code_volume(decoder, shape, owners, None)
    if owners is not None and data[0]:
        return _code_flaws(decoder, states, owners, None)
    return states > 0


def _code_volume(
    coder: _Coder, shape: Shape, owners: Int64Array | None, mask: BoolArray | None
) -> np.ndarray[Shape, np.dtype[np.int8]]:
    """Code the owners; returns 1 where they are set and -1 where not, for all voxels."""
    states = np.zeros(shape, np.int8)
    own = None if owners is None else owners == np.arange(states.size).reshape(shape)
    logits = np.arange(-_TOP, _TOP + 1)
    powers = [(4 ** (k + _TOP), 3 ** (k + _TOP) * 4**_TOP, 3**_TOP) for k in logits.tolist()]
    chances = np.array([_ONE * a * c // (a * c + b) for a, b, c in powers])
    counts = {odd: _Counts(chances) for odd in (1, 2, 3)}
    spacing = 1
    while max(shape, default=0) > 2 * spacing:
        spacing *= 2
    first = tuple(slice(None, None, spacing) for _ in shape)
    wanted = np.ones(states[first].shape, bool) if own is None else own[first]
    bits = None if mask is None else mask[first][wanted]
    found = coder.code(np.full(np.count_nonzero(wanted), _ONE // 2), bits)
    states[first][wanted] = np.where(found, 1, -1)
    while spacing > 1:
        spacing //= 2
        level = tuple(slice(None, None, spacing) for _ in shape)
        for phase in PHASES[1:]:
            known = states[level] if owners is None else states.reshape(-1)[owners[level]]
            padded = np.pad(known, _REACH, constant_values=-1)
            within = tuple(slice(p * spacing, None, 2 * spacing) for p in phase)
            target = states[within]
            for rows in _parts(target.shape):
                contexts = _contexts(padded, phase, rows, target.shape)
                here = np.ones(contexts.shape, bool) if own is None else own[within][rows]
                bits = None if mask is None else mask[within][rows][here]
                found = counts[sum(phase)].code(coder, contexts[here], bits)
                target[rows][here] = np.where(found, 1, -1)
    return states if owners is None else states.reshape(-1)[owners]


def _parts(shape: Shape) -> Iterator[slice]:
    """Slices of the first axis: counts are updated from part to part."""
    if 0 in shape:
        return
    parts = min(_PARTS, 1 + int(np.prod(shape)) // _FEWEST)
    step = -(-shape[0] // parts)
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _contexts(
    padded: np.ndarray[Shape, np.dtype[np.int8]],
    phase: tuple[int, int, int],
    rows: slice,
    shape: Shape,
) -> Int64Array:
    """Contexts of some rows of a phase of this shape: quantised sums over known neighbours."""
    starts = (2 * rows.start + phase[0], phase[1], phase[2])
    size = (rows.stop - rows.start, *shape[1:])
    total = np.zeros(size, np.int16)
    for square, weight in _WEIGHTS[phase].items():
        around = np.zeros(size, np.int8)
        for offset in known_offsets(phase, _REACH):
            if sum(d * d for d in offset) == square:
                around += padded[
                    tuple(
                        slice(_REACH + s + d, _REACH + s + d + 2 * n - 1, 2)
                        for s, d, n in zip(starts, offset, size, strict=True)
                    )
                ]
        total += np.int16(weight) * around
    return np.clip((total + _UNIT // 2) // _UNIT, -_TOP, _TOP).astype(np.int64) + _TOP


def _code_flaws(
    coder: _Coder,
    states: np.ndarray[Shape, np.dtype[np.int8]],
    owners: Int64Array,
    mask: BoolArray | None,
) -> BoolArray:
    """Code which voxels differ from the owner of their orbit; returns the mask."""
    padded = np.pad(states, 1, constant_values=-1)
    around = np.zeros(states.shape, np.int8)
    for axis in range(3):
        middle = [slice(1, -1)] * 3
        for shifted in (slice(2, None), slice(None, -2)):
            middle[axis] = shifted
            around += padded[tuple(middle)]
    contexts = (6 + around * states).reshape(-1)  # 0 to 12: how far the neighbours agree
    counts = _Counts(np.full(13, _ONE // _FLAWS))
    decoded = states.reshape(-1) > 0
    others = np.flatnonzero(owners.reshape(-1) != np.arange(owners.size))
    for rows in _parts(others.shape):
        places = others[rows]
        bits = None if mask is None else mask.reshape(-1)[places] != decoded[places]
        decoded[places] ^= counts.code(coder, contexts[places].astype(np.int64), bits)
    return decoded.reshape(states.shape)
