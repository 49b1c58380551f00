"""Exact coding of a boolean volume by a context model with stored weights that goes on learning.

A coded mask is a method byte and a body. Method 0: its packed bits, deflated. Method 1: the words
(uint32, little endian) of a range coder: the cubes of 8³ voxels (mixed or not, else full or not),
then the voxels of mixed cubes, both front by front (`mask_contexts`). Methods 2 and 3 put the set
of the turns that keep the mask before the words, three bytes: a voxel with a known image is copied
(2: all turns are exact) or coded by how well images and network foretold the ones before (3).
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Protocol

import constriction
import numpy as np
import numpy.typing as npt

from . import mask_weights
from .mask_contexts import (
    CUBE_OFFSETS,
    EMPTY,
    FULL,
    MIXED,
    REACH,
    UNKNOWN,
    VOXEL_OFFSETS,
    Mask,
    Shape,
    States,
    cube_count,
    cube_fronts,
    cube_grid,
    cube_states,
    front_count,
    interior,
    strides,
    voxel_fronts,
    voxel_states,
    widened,
)
from .mask_model import CHANCE_BITS, Counts, Network, Predictor
from .mask_symmetry import TURNS, Images, fits, symmetries

_DEFLATED, _MODELLED, _COPIED, _HINTED = range(4)
_SLOWNESS = (4, 3)  # of learning, of cubes and of voxels: the best for masks not trained on
_LONG = 1 << 11  # fronts of cubes that any volume may have; more, only if they hold some cubes each
# Chances of the network that are told apart where an image is known, roughly even in logits.
_BOUNDS = np.array([1 << n for n in range(4, 16)] + [65536 - (1 << n) for n in range(14, 3, -1)])
_BUCKETS = len(_BOUNDS) + 1
# The least that one coded bit costs is 1.44 · 2^-16 bits: so many can a byte hold at the most.
_BITS_PER_BYTE = 8 << CHANCE_BITS


class _Coder(Protocol):
    """One bit for each chance, taken from `bits` or from the coded words."""

    def code(self, chances: npt.NDArray[np.int64], bits: Mask | None) -> Mask: ...


class _Encoder:
    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def code(self, chances: npt.NDArray[np.int64], bits: Mask | None) -> Mask:
        assert bits is not None
        self._coder.encode(bits.astype(np.int32), _bernoulli(), chances / (1 << CHANCE_BITS))
        return bits

    def to_bytes(self) -> bytes:
        return self._coder.get_compressed().astype("<u4").tobytes()


class _Decoder:
    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._left = _BITS_PER_BYTE * (len(data) + 8)  # the last words may be implicit

    def check(self, count: int) -> None:
        """Refuse to decode more bits than there can be."""
        if count > self._left:
            raise ValueError(f"a coded mask cannot hold {count} more bits")

    def code(self, chances: npt.NDArray[np.int64], bits: Mask | None) -> Mask:
        self.check(chances.size)
        self._left -= chances.size
        return self._coder.decode(_bernoulli(), chances / (1 << CHANCE_BITS)).astype(bool)


@cache
def _bernoulli() -> constriction.stream.model.Bernoulli:
    return constriction.stream.model.Bernoulli(perfect=False)


@cache
def _networks() -> tuple[Network, Network]:
    return mask_weights.networks()


def cube_inputs(around: States) -> States:
    """What the network of the cubes sees: which neighbours are mixed, and their states."""
    return np.concatenate([(around == MIXED).astype(np.int8), around], axis=1)


def _code_cubes(coder: _Coder, grid: Shape, cubes: States | None) -> States:
    """Code the states of the cubes, shape `grid`; they are None when decoding."""
    wide = np.full(widened(grid), EMPTY, np.int8)
    states = wide.reshape(-1)
    truth = None
    if cubes is not None:
        truth = wide.copy()
        interior(truth, grid)[...] = cubes
        truth = truth.reshape(-1)
    offsets = CUBE_OFFSETS @ strides(wide.shape)
    mixed_model = Predictor(_networks()[0], _SLOWNESS[0])
    full_model = Counts(np.full(3, 40), np.ones(3, np.int64))  # by what most neighbours are
    for places in cube_fronts(grid):
        around = states[places[:, None] + offsets]
        chances = mixed_model.chances(cube_inputs(around))
        mixed = coder.code(chances, None if truth is None else truth[places] == MIXED)
        mixed_model.learn(mixed)
        uniform = places[~mixed]
        states[places[mixed]] = MIXED
        if uniform.size:
            kinds = np.sign(around[~mixed].sum(axis=1, dtype=np.int64)) + 1
            bits = None if truth is None else truth[uniform] == FULL
            full = coder.code(full_model.chances(kinds), bits)
            full_model.learn(kinds, full)
            states[uniform] = np.where(full, FULL, EMPTY)
    return np.ascontiguousarray(interior(wide, grid))


class _Foretold:
    """Chances of voxels with a known image: by that and by the chance that the network gives."""

    def __init__(self) -> None:
        set_image = np.tile([0, 1], _BUCKETS)
        self._counts = Counts(20 - 19 * set_image, 1 + 19 * set_image)
        self._kinds: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def chances(self, given: npt.NDArray[np.int64], images: States) -> npt.NDArray[np.int64]:
        bucket = np.searchsorted(_BOUNDS, given)
        self._kinds = 2 * bucket + (images == FULL)
        return np.where(images == UNKNOWN, given, self._counts.chances(self._kinds))

    def learn(self, images: States, bits: Mask) -> None:
        seen = images != UNKNOWN
        self._counts.learn(self._kinds[seen], bits[seen])


def _code_voxels(
    coder: _Coder, cubes: States, shape: Shape, mask: Mask | None, method: int, turns: list[int]
) -> Mask:
    """Code the voxels of mixed cubes; `mask` is None when decoding."""
    wide = voxel_states(cubes, shape)
    states = wide.reshape(-1)
    step = strides(wide.shape)
    offsets = VOXEL_OFFSETS @ step
    model = Predictor(_networks()[1], _SLOWNESS[1])
    images, foretold = Images(turns, shape, wide.shape), _Foretold()
    for front in voxel_fronts(cubes):
        places = front[states[front] == UNKNOWN]
        z, rest = np.divmod(places, step[0])
        y, x = np.divmod(rest, step[1])
        where = (z - REACH, y - REACH, x - REACH)
        if method == _COPIED:
            known = images.known(states, where)
            states[places] = known
            left = known == UNKNOWN
            places, where = places[left], tuple(axis[left] for axis in where)
        if not places.size:
            continue
        bits = None if mask is None else mask[where]
        chances = model.chances(states[places[:, None] + offsets])
        if method == _HINTED:
            known = images.known(states, where)
            chances = foretold.chances(chances, known)
        found = coder.code(chances, bits)
        model.learn(found)
        if method == _HINTED:
            foretold.learn(known, found)
        states[places] = np.where(found, FULL, EMPTY)
    return interior(wide, shape) == FULL


def _modelled(shape: Shape) -> bool:
    """Whether a volume is compact enough to be coded front by front in good time."""
    return front_count(cube_grid(shape)) <= max(_LONG, cube_count(shape) // 8)


def encode_mask_by_context(mask: Mask) -> bytes:
    """Code a boolean volume, shape (z, y, x)."""
    mask = np.asarray(mask, bool)
    found = [bytes([_DEFLATED]) + zlib.compress(np.packbits(mask).tobytes(), 9)]
    if mask.size and _modelled(mask.shape):
        exact, near = symmetries(mask)
        ways = [(_COPIED, exact)] if exact else [(_MODELLED, [])]
        if len(near) > len(exact):
            ways.append((_HINTED, near))
        found += [_encode(mask, method, turns) for method, turns in ways]
    return min(found, key=len)


def _encode(mask: Mask, method: int, turns: list[int]) -> bytes:
    coder = _Encoder()
    cubes = _code_cubes(coder, cube_grid(mask.shape), cube_states(mask))
    _code_voxels(coder, cubes, mask.shape, mask, method, turns)
    head = b"" if method == _MODELLED else sum(1 << n for n in turns).to_bytes(3, "little")
    return bytes([method]) + head + coder.to_bytes()


def decode_mask_by_context(data: bytes, shape: Shape) -> Mask:
    """The inverse of `encode_mask_by_context`.

    Raises
    ------
    ValueError, AssertionError, zlib.error
        if the bytes are no such mask; AssertionError is what the range coder raises. Not all damage
        is found: the bytes of another mask may give some mask.
    """
    if not data or data[0] > _HINTED:
        raise ValueError("no coded mask")
    method, body = data[0], data[1:]
    if method == _DEFLATED:
        return _inflate(body, shape)
    turns = []
    if method != _MODELLED:
        chosen, body = int.from_bytes(body[:3], "little"), body[3:]
        turns = [
            number for number, turn in enumerate(TURNS) if chosen >> number & fits(turn, shape)
        ]
    if len(body) % 4 or not _modelled(shape):
        raise ValueError(f"no coded mask of shape {shape}")
    coder = _Decoder(body)
    coder.check(cube_count(shape))
    cubes = _code_cubes(coder, cube_grid(shape), None)
    return _code_voxels(coder, cubes, shape, None, method, turns)


def _inflate(body: bytes, shape: Shape) -> Mask:
    count = int(np.prod(shape, dtype=np.int64))
    size = (count + 7) // 8
    if size > 1032 * len(body):  # deflate packs no better than this
        raise ValueError(f"{len(body)} bytes cannot hold {count} voxels")
    stream = zlib.decompressobj()
    packed = stream.decompress(body, size + 1)
    if len(packed) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"{len(packed)} bytes do not hold {count} voxels")
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
    return bits.view(bool).reshape(shape)
