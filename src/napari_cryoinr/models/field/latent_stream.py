"""The stream of latents: tiles one after the other, each coded on its own.

The stream is: the mean magnitude of each band (bytes; a count first), the gain of each band where
there is a reference (bytes), the length of every tile but the last (varints), the tiles in C order
of their places.

A coded tile is: how many words the range coder wrote (a varint), the words, the raw bits. The
coder holds the last band of every block and the tokens of the magnitudes; signs and the lower bits
of large magnitudes are raw. A tile without any latent is empty.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import constriction
import numpy as np

from ...coding.bricks import decode_tokens, encode_tokens
from ...coding.tokens import detokenise, pack_bits, raw_bit_counts, tokenise, unpack_bits
from ...coding.varints import join_parts, read_varint, split_parts, to_varint
from ...progress import Progress, Steps, drain
from ...support.array_types import Int64Array, Region
from ...support.byte_cache import ByteCache
from ...support.regions import pieces, region_shape
from ..separable_sums import MAX_LATENT
from .blocks import Blocks, Grid, no_blocks, smallest_type, sum_of
from .field_settings import FieldConfig
from .frequency_shells import BANDS
from .latent_contexts import Contexts, band_magnitudes, last_bands
from .pretrained import Pretrained, pretrained
from .reference_map import predicted

_TILE_VOXELS, _LEAST_TILE_VOXELS = 128, 32
_LARGEST_TILE = 2 * _TILE_VOXELS  # that is read: what a few damaged bytes can ask for
# Of decoded tiles that are kept: of volumes that are read by planes, a whole row of them and some
# of the next, or each plane would decode them again.
_CACHED_BYTES, _MOST_CACHED_BYTES = 256 << 20, 1 << 30


def tile_side(block: int, shape: Sequence[int]) -> int:
    """Return the blocks along a side of a tile: about 128 voxels, less where planes are wide."""
    voxels = _CACHED_BYTES // (shape[1] * shape[2])
    return max(1, min(max(voxels, _LEAST_TILE_VOXELS), _TILE_VOXELS) // block)


def blocks_of(shape: Sequence[int], block: int) -> Grid:
    """Return the blocks along z, y, x that cover a volume."""
    z, y, x = (-(-n // block) for n in shape)
    return z, y, x


def tiles_of(grid: Sequence[int], side: int) -> Iterator[Region]:
    """Yield the tiles of a grid of blocks, in C order."""
    z, y, x = (pieces(n, side) for n in grid)
    yield from itertools.product(z, y, x)


def pack_latents(
    latents: Blocks,
    window: Region,
    grid: Grid,
    config: FieldConfig,
    gains: Int64Array | None = None,
) -> bytes:
    """Return the stream of the latents of a window of the blocks of a map; all others are zero.

    `gains` are those of the reference, where there is one.
    """
    block, trained = config.block, pretrained(config.edition)
    magnitudes = band_magnitudes(latents.latents, last_bands(latents.latents, block), block)
    tiles = [
        encode_tile(latents.regrid(window, tile), block, magnitudes, trained)
        for tile in tiles_of(grid, config.tile)
    ]
    return join_tiles(tiles, magnitudes, gains)


def join_tiles(
    tiles: Sequence[bytes], magnitudes: Int64Array, gains: Int64Array | None = None
) -> bytes:
    """Return the stream of coded tiles, in the order of `tiles_of`; see `pack_latents`."""
    used = int(np.flatnonzero(magnitudes).max(initial=0)) + 1
    head = bytes([used, *magnitudes[:used].tolist()])
    if gains is not None:
        head += bytes(gains[1:].tolist())
    return head + join_parts(tiles)


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
        self.block = config.block
        self.grid = blocks_of(shape, config.block)
        self._trained = pretrained(config.edition)
        self._reference = reference
        if config.tile * config.block > _LARGEST_TILE:
            raise ValueError(
                f"tiles of {config.tile} blocks of {config.block} voxels are too large"
            )
        count = math.prod(-(-n // config.tile) for n in self.grid)
        if not data or not 1 <= data[0] <= BANDS or len(data) < data[0] + count:
            raise ValueError("the stream of latents ends too early")
        self._magnitudes = np.zeros(BANDS, np.int64)
        self._magnitudes[: data[0]] = list(data[1 : 1 + data[0]])
        place = 1 + data[0]
        if reference is not None:
            gains = data[place : place + BANDS - 1]
            place += BANDS - 1
            fits = (reference.block, reference.grid) == (self.block, self.grid)
            if len(gains) < BANDS - 1 or not fits:
                raise ValueError("the reference does not fit")
            self._gains = np.array([0, *gains], np.int64)
        self._tile_side = config.tile
        self._tiles = list(tiles_of(self.grid, config.tile))
        self._parts = split_parts(data[place:], count)
        row = config.tile * config.block * shape[1] * shape[2]
        cached = min(max(_CACHED_BYTES, row * 5 // 4), _MOST_CACHED_BYTES)
        self._decoded = ByteCache[Blocks](cached)

    def read(self, window: Region, last_shell: int | None = None) -> Blocks:
        """Return the latents of a window of blocks; those behind a last shell may be left out."""
        found = [no_blocks(region_shape(window), self.block)]
        for number in self._near(window):
            tile = self._tile(number, last_shell)
            found.append(tile.regrid(self._tiles[number], window))
        if self._reference is None:
            return sum_of(found)
        known = self._reference.read(window, last_shell)
        guess = predicted(known.latents, self._gains, self.block)
        total = sum_of([*found, Blocks(known.grid, known.numbers, guess)])
        latents = total.latents.clip(-MAX_LATENT, MAX_LATENT).astype(np.int32)
        return Blocks(total.grid, total.numbers, latents)

    def load_steps(self, window: Region, last_shell: int | None = None) -> Steps[None]:
        """Decode the tiles that a window needs, so that reading it is quick."""
        if self._reference is not None:
            yield from self._reference.load_steps(window, last_shell)
        for number in self._near(window):
            if self._decoded.find((number, last_shell)) is None:
                tile = yield from self._tile_steps(number, last_shell)
                self._decoded.keep((number, last_shell), tile)

    def _near(self, window: Region) -> Iterator[int]:
        """Yield the tiles that hold some of a window, in their order."""
        side, counts = self._tile_side, [-(-n // self._tile_side) for n in self.grid]
        near = [range(w.start // side, -(-w.stop // side)) for w in window]
        for z, y, x in itertools.product(*near):
            number = (z * counts[1] + y) * counts[2] + x
            if self._parts[number]:
                yield number

    def _tile(self, number: int, last_shell: int | None) -> Blocks:
        return self._decoded.get(
            (number, last_shell), lambda: drain(self._tile_steps(number, last_shell))
        )

    def _tile_steps(self, number: int, last_shell: int | None) -> Steps[Blocks]:
        grid = region_shape(self._tiles[number])
        tile = yield from decode_tile_steps(
            self._parts[number], grid, self.block, self._magnitudes, self._trained, last_shell
        )
        if np.abs(tile.latents).max(initial=0) > np.iinfo(np.int8).max:
            return tile
        return replace(tile, latents=tile.latents.astype(np.int8))


def encode_tile(tile: Blocks, block: int, magnitudes: Int64Array, trained: Pretrained) -> bytes:
    """Code the latents of one tile; `magnitudes` are those of `band_magnitudes`."""
    return drain(encode_tile_steps(tile, block, magnitudes, trained))


def encode_tile_steps(
    tile: Blocks, block: int, magnitudes: Int64Array, trained: Pretrained
) -> Steps[bytes]:
    """`encode_tile` as a generator of progress, in shells of frequencies."""
    grid = tile.grid
    bands = np.zeros(math.prod(grid), np.int64)
    bands[tile.numbers] = last_bands(tile.latents, block)
    if not bands.any():
        return b""
    coder = constriction.stream.queue.RangeEncoder()
    encode_tokens(coder, bands.reshape(grid), np.ones(grid, bool), trained.bands)
    contexts = Contexts(grid, block, bands, magnitudes)
    raw, raw_counts = [], []
    for phase in contexts.phases():
        values = tile.latents[phase.rows_in(tile.numbers), phase.numbers]
        tokens, counts, low = tokenise(np.abs(values))
        trained.tables.encode(coder, contexts.tables(trained.network, phase), tokens)
        contexts.add(phase, tokens)
        yield Progress("coding", phase.shell, 3 * block - 2)
        some = values != 0
        raw.append((low[some] << 1) | (values[some] < 0))
        raw_counts.append(counts[some] + 1)
    words = coder.get_compressed().astype("<u4")
    bits = pack_bits(np.concatenate(raw), np.concatenate(raw_counts))
    return to_varint(len(words)) + words.tobytes() + bits


def decode_tile(
    data: bytes,
    grid: Grid,
    block: int,
    magnitudes: Int64Array,
    trained: Pretrained,
    last_shell: int | None = None,
) -> Blocks:
    """Invert `encode_tile`; latents of shells behind `last_shell` stay zero.

    Raises
    ------
    ValueError, AssertionError
        if the bytes are no such tile; the latter is what the range coder raises.
    """
    return drain(decode_tile_steps(data, grid, block, magnitudes, trained, last_shell))


def decode_tile_steps(
    data: bytes,
    grid: Grid,
    block: int,
    magnitudes: Int64Array,
    trained: Pretrained,
    last_shell: int | None = None,
) -> Steps[Blocks]:
    """`decode_tile` as a generator of progress, in shells of frequencies."""
    if not data:
        return no_blocks(grid, block)
    words, start = read_varint(data)
    if words > (len(data) - start) // 4:
        raise ValueError("a coded tile ends too early")
    end = start + 4 * words
    coder = constriction.stream.queue.RangeDecoder(
        np.frombuffer(data[start:end], "<u4").astype(np.uint32)
    )
    bands = decode_tokens(coder, np.ones(grid, bool), trained.bands).reshape(-1)
    some = np.flatnonzero(bands)
    contexts = Contexts(grid, block, bands, magnitudes)
    found: list[tuple[Int64Array, Int64Array]] = []
    for phase in contexts.phases():
        if last_shell is not None and phase.shell > last_shell:
            break
        tokens = trained.tables.decode(coder, contexts.tables(trained.network, phase))
        contexts.add(phase, tokens)
        yield Progress("decoding", phase.shell, 3 * block - 2)
        # All but the zeros, in the order of coding.
        rows, columns = np.nonzero(phase.spread(tokens))
        places = np.searchsorted(some, phase.listed)[rows] * block**3 + phase.members[columns]
        found.append((places, tokens[tokens > 0]))
    if not found:
        return no_blocks(grid, block)
    places, tokens = map(np.concatenate, zip(*found, strict=True))
    raw = unpack_bits(data[end:], raw_bit_counts(tokens) + 1, exact=last_shell is None)
    values = detokenise(tokens, raw >> 1)
    if values.max(initial=0) >= MAX_LATENT:
        raise ValueError("a latent is out of range")
    out = np.zeros((len(some), block**3), smallest_type(values.max(initial=0)))
    values[(raw & 1) == 1] *= -1
    out.reshape(-1)[places] = values
    return Blocks(grid, some, out)
