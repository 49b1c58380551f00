"""The stream of latents: tiles one after the other, each coded on its own.

The stream is: the mean magnitude of each level (bytes), the length of every tile but the last
(varints), the tiles in C order of their places. A tile without any latent is empty; the others are
the words of one range coder. It holds, from the coarsest level to the finest: which bricks of 4³
nodes have any latents, of those whose parents are in such a brick, and the latents of these bricks
in eight phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...coding.adaptive_coding import Coder, Decoder, Encoder
from ...coding.coarse_to_fine import PHASES
from ...coding.masks import code_mask_steps
from ...coding.varints import join_parts, split_parts
from ...progress import Clock, drain
from ...support.array_types import AnyArray, Float64Array, Int64Array, Region
from ...support.regions import intersection, region_shape, relative_to
from .context_model import ContextModel
from .contexts import LevelContexts, PhaseNodes, fixed_features, level_magnitudes, phase_grid
from .tiles import Tile
from .value_coding import code_values

BRICK = 4
_CACHED = 8  # tiles that are kept decoded

Levels = list[AnyArray]
"""Latents of a tile on each level, the finest first; shapes (z, y, x)."""


def bricks_of(latents: AnyArray) -> AnyArray:
    """Return which bricks of a level hold any latent that is not zero."""
    some = latents != 0
    for axis, size in enumerate(some.shape):
        some = np.logical_or.reduceat(some, np.arange(0, size, BRICK), axis=axis)
    return some


def coded_bricks(levels: Sequence[AnyArray], tile: Tile) -> list[AnyArray]:
    """Return the bricks of each level that hold anything, or whose children do."""
    out = [bricks_of(latents) for latents in levels]
    for level in range(len(out) - 1):
        places = np.nonzero(out[level])
        parents = _parents_of(out[level].shape, tile, level, out[level + 1].shape)
        chosen = tuple(
            index.reshape(-1)[place] for index, place in zip(parents, places, strict=True)
        )
        out[level + 1][chosen] = True
    return out


def _parents_of(
    grid: Sequence[int], tile: Tile, level: int, above: Sequence[int]
) -> tuple[Int64Array, ...]:
    """Return the indices of the parents of all bricks of a level, for the grid of these."""
    return np.ix_(
        *(
            np.minimum((BRICK // 2 * np.arange(n) + shift) // BRICK, m - 1)
            for n, shift, m in zip(grid, tile.shift(level), above, strict=True)
        )
    )


def in_bricks(bricks: AnyArray, shape: Sequence[int]) -> AnyArray:
    """Return the nodes of the bricks that are set, a mask of the shape of the level."""
    out = bricks
    for axis in range(3):
        out = out.repeat(BRICK, axis=axis)
    return out[tuple(slice(0, n) for n in shape)]


def code_tile(
    coder: Coder,
    tile: Tile,
    model: ContextModel,
    magnitudes: Int64Array,
    degree: int,
    given: Levels | None,
) -> Levels:
    """Code the latents of a tile in either direction and return them; None where they are read."""
    out: Levels = []
    count = len(tile.regions)
    wanted = None if given is None else coded_bricks(given, tile)
    above = None
    for level in reversed(range(count)):
        shape = tile.shapes[level]
        own = None if given is None else given[level]
        grid = tuple(-(-n // BRICK) for n in shape)
        inside = None if above is None else above[_parents_of(grid, tile, level, above.shape)]
        bricks = None if wanted is None else wanted[level]
        above = bricks = drain(code_mask_steps(coder, grid, bricks, Clock(), inside))
        if out:
            contexts = LevelContexts(shape, out[0], tile.shift(level))
        else:
            contexts = LevelContexts(shape, None)
        coded = in_bricks(bricks, shape)
        for phase in range(len(PHASES)):
            part = phase_grid(shape, phase)
            here = coded[part]
            if not here.any():
                continue
            nodes = PhaseNodes(phase, here)
            sizes, signed = contexts.means(nodes)
            fixed = fixed_features(phase, level, count, magnitudes, degree)
            tables, shifts = model.choose(sizes, signed, fixed)
            values = None if own is None else own[part][here] - shifts
            contexts.add(nodes, code_values(coder, model.tables, tables, values) + shifts)
        out.insert(0, contexts.latents.copy())
    return out


def pack_latents(
    levels: Sequence[AnyArray], tiles: Sequence[Tile], first: int, model: ContextModel, degree: int
) -> bytes:
    """Return the stream of the latents of a map.

    `levels` : all nodes of each level, the finest first; `first` is the number of their first node
    along each axis.
    """
    split = [
        [
            level[tuple(slice(s.start - first, s.stop - first) for s in region)]
            for level, region in zip(levels, tile.regions, strict=True)
        ]
        for tile in tiles
    ]
    counts = np.zeros(len(levels))
    for tile, own in zip(tiles, split, strict=True):
        for level, bricks in enumerate(coded_bricks(own, tile)):
            counts[level] += np.count_nonzero(in_bricks(bricks, own[level].shape))
    sums = np.array([float(np.abs(level).sum()) for level in levels])
    magnitudes = level_magnitudes(sums, counts)
    parts = []
    for tile, own in zip(tiles, split, strict=True):
        if not any(level.any() for level in own):
            parts.append(b"")
            continue
        coder = Encoder()
        code_tile(coder, tile, model, magnitudes, degree, own)
        parts.append(coder.to_bytes())
    return bytes(magnitudes.tolist()) + join_parts(parts)


class WholeLatents:
    """Latents of all nodes that are there already.

    `levels` : the finest first; `first` is the number of their first node along each axis.
    """

    def __init__(self, levels: Sequence[AnyArray], first: int) -> None:
        self._levels, self._first = levels, first

    def read(self, windows: Sequence[Region]) -> list[Float64Array]:
        """See `Latents.read`."""
        out = []
        for level, window in zip(self._levels, windows, strict=True):
            own = np.zeros(region_shape(window))
            z, y, x = (slice(self._first, self._first + n) for n in level.shape)
            common = intersection((z, y, x), window)
            if all(region_shape(common)):
                own[relative_to(common, window)] = level[relative_to(common, (z, y, x))]
            out.append(own)
        return out


class Latents:
    """Reads a stream of latents, tile by tile.

    Raises
    ------
    ValueError
        if the stream cannot be one of such tiles.
    """

    def __init__(
        self, data: bytes, tiles: Sequence[Tile], model: ContextModel, degree: int
    ) -> None:
        self._tiles, self._model, self._degree = tiles, model, degree
        levels = len(tiles[0].regions)
        if len(data) < levels:
            raise ValueError("the stream of latents ends too early")
        self._magnitudes = np.array(list(data[:levels]), np.int64)
        self._parts = split_parts(data[levels:], len(tiles))
        self._tile = lru_cache(maxsize=_CACHED)(self._decode_tile)

    def read(self, windows: Sequence[Region]) -> list[Float64Array]:
        """Return the latents of a window of nodes on each level, 0 beyond the lattice."""
        out = [np.zeros(region_shape(window)) for window in windows]
        for number, tile in enumerate(self._tiles):
            common = [
                intersection(region, window)
                for region, window in zip(tile.regions, windows, strict=True)
            ]
            if not self._parts[number] or not any(all(region_shape(c)) for c in common):
                continue
            found = self._tile(number)
            for level, part in enumerate(common):
                if all(region_shape(part)):
                    source = relative_to(part, tile.regions[level])
                    out[level][relative_to(part, windows[level])] = found[level][source]
        return out

    def _decode_tile(self, number: int) -> Levels:
        coder = Decoder(self._parts[number])
        tile = self._tiles[number]
        out = code_tile(coder, tile, self._model, self._magnitudes, self._degree, None)
        coder.check_end()
        return out
