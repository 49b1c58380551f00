"""The stream of latents: tiles one after the other, each coded on its own.

The stream is: the mean magnitude of each band (bytes; a count first), the gain of each band where
there is a reference (bytes), the length of every tile but the last (varints), the tiles in C order
of their places.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator

import numpy as np

from .blocks import Blocks, Grid, Window, added, joined, size_of
from .field_config import FieldConfig
from .frequency_shells import BANDS, Ints
from .lapped import MAX_LATENT
from .latent_contexts import band_magnitudes, last_bands
from .pretrained import pretrained
from .reference_map import predicted
from .tile_coding import decode_tile, encode_tile, read_varint, varint

_TILE_VOXELS = 128
_LARGEST_TILE = 2 * _TILE_VOXELS  # that is read: what a few damaged bytes can ask for
_CACHED = 8  # tiles that are kept decoded


def tile_side(block: int) -> int:
    """Blocks along a side of a tile: about 128 voxels."""
    return max(1, _TILE_VOXELS // block)


def blocks_of(shape: tuple[int, ...], block: int) -> tuple[int, int, int]:
    """Blocks along z, y, x that cover a volume."""
    z, y, x = (-(-n // block) for n in shape)
    return z, y, x


def tiles_of(grid: tuple[int, ...], side: int) -> Iterator[Window]:
    """The tiles of a grid of blocks, in C order."""
    axes = [[(a, min(a + side, n)) for a in range(0, n, side)] for n in grid]
    yield from itertools.product(axes[0], axes[1], axes[2])


def _common(one: Window, other: Window) -> Window | None:
    z, y, x = ((max(a, c), min(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))
    return (z, y, x) if all(a < b for a, b in (z, y, x)) else None


def _from(part: Window, whole: Window) -> Window:
    """A part as seen from the first block of the whole."""
    z, y, x = ((a - c, b - c) for (a, b), (c, _) in zip(part, whole, strict=True))
    return z, y, x


def pack_latents(
    latents: Blocks, window: Window, grid: Grid, config: FieldConfig, gains: Ints | None = None
) -> bytes:
    """The stream of the latents of a window of the blocks of a map; all others are zero.

    `gains` are those of the reference, where there is one.
    """
    block, trained = config.block, pretrained(config.edition)
    magnitudes = band_magnitudes(latents.latents, last_bands(latents.latents, block), block)
    coded = []
    for tile in tiles_of(grid, config.tile):
        part = _common(tile, window)
        if part is None:
            coded.append(b"")
            continue
        at = [a for a, _ in _from(part, tile)]
        values = latents.cut(_from(part, window), size_of(tile), at)
        coded.append(encode_tile(values, block, magnitudes, trained))
    used = int(np.flatnonzero(magnitudes).max(initial=0)) + 1
    head = bytes([used, *(int(m) for m in magnitudes[:used])])
    if gains is not None:
        head += bytes(int(gain) for gain in gains[1:])
    lengths = b"".join(varint(len(tile)) for tile in coded[:-1])
    return head + lengths + b"".join(coded)


class Latents:
    """Reads a stream of latents, tile by tile.

    Raises
    ------
    ValueError
        if the stream cannot be one of such a volume.
    """

    def __init__(
        self,
        data: bytes,
        config: FieldConfig,
        shape: tuple[int, int, int],
        reference: Latents | None = None,
    ) -> None:
        self._config = config
        self._grid = blocks_of(shape, config.block)
        self._trained = pretrained(config.edition)
        if config.tile * config.block > _LARGEST_TILE:
            raise ValueError(
                f"tiles of {config.tile} blocks of {config.block} voxels are too large"
            )
        count = math.prod(-(-n // config.tile) for n in self._grid)
        if not data or not 1 <= data[0] <= BANDS or len(data) < data[0] + count:
            raise ValueError("the stream of latents ends too early")
        self._tiles = list(tiles_of(self._grid, config.tile))
        self._magnitudes = np.zeros(BANDS, np.int64)
        self._magnitudes[: data[0]] = list(data[1 : 1 + data[0]])
        place = 1 + data[0]
        self._reference = reference
        if reference is not None:
            gains = data[place : place + BANDS - 1]
            if len(gains) != BANDS - 1 or reference.blocks != (config.block, self._grid):
                raise ValueError("the reference does not fit")
            self._gains = np.array([0, *gains], np.int64)
            place += BANDS - 1
        lengths = []
        for _ in self._tiles[:-1]:
            length, read = read_varint(data[place : place + 9])
            lengths.append(length)
            place += read
        rest = len(data) - place - sum(lengths)
        if rest < 0:
            raise ValueError("the tiles are longer than their stream")
        starts = np.cumsum([place, *lengths])
        self._parts = [
            data[start : start + length]
            for start, length in zip(starts, [*lengths, rest], strict=True)
        ]
        self._lock = threading.Lock()  # of the cache
        self._cache: dict[tuple[int, int | None], Blocks] = {}

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks along z, y, x."""
        return self._grid

    @property
    def blocks(self) -> tuple[int, tuple[int, int, int]]:
        """Side of a block, and how many there are along z, y and x."""
        return self._config.block, self._grid

    def read(self, window: Window, last_shell: int | None = None) -> Blocks | None:
        """Latents of a window of blocks; None where all are zero."""
        own = self._own(window, last_shell)
        if self._reference is None:
            return own
        other = self._reference.read(window, last_shell)
        if other is None:
            return own
        guess = predicted(other.latents, self._gains, self._config.block)
        total = Blocks(other.grid, other.numbers, guess)
        if own is not None:
            total = added(own, total)
        latents = total.latents.clip(-MAX_LATENT, MAX_LATENT).astype(np.int32)
        return Blocks(total.grid, total.numbers, latents)

    def _own(self, window: Window, last_shell: int | None) -> Blocks | None:
        size, found = size_of(window), []
        for number, tile in enumerate(self._tiles):
            part = _common(tile, window)
            if part is None or not self._parts[number]:
                continue
            at = [a - first for (a, _), (first, _) in zip(part, window, strict=True)]
            found.append(self._tile(number, tile, last_shell).cut(_from(part, tile), size, at))
        return joined(found, size)

    def _tile(self, number: int, tile: Window, last_shell: int | None) -> Blocks:
        key = (number, last_shell)
        with self._lock:
            if key not in self._cache:
                while len(self._cache) >= _CACHED:
                    del self._cache[next(iter(self._cache))]
                found = decode_tile(
                    self._parts[number],
                    size_of(tile),
                    self._config.block,
                    self._magnitudes,
                    self._trained,
                    last_shell,
                )
                self._cache[key] = found.narrow()
            return self._cache[key]
