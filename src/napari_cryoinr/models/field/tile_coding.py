"""Coding the latents of one tile: every tile on its own, so that a region can be read alone.

A coded tile is: how many words the range coder wrote (a varint), the words, the raw bits. The
coder holds the last band of every block and the tokens of the magnitudes; signs and the lower bits
of large magnitudes are raw. A tile without any latent is empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import constriction
import numpy as np

from ...coding.adaptive_coding import by_context
from ...coding.neighbour_contexts import Neighbourhood, parity_phases
from ...coding.tokens import detokenise, pack_bits, raw_bit_counts, tokenise, unpack_bits
from ...support.array_types import Int64Array
from .blocks import Blocks, Grid, no_blocks, smallest_type
from .frequency_shells import BANDS
from .lapped import MAX_LATENT
from .latent_contexts import Contexts, last_bands
from .pretrained import Pretrained


def encode_tile(tile: Blocks, block: int, magnitudes: Int64Array, trained: Pretrained) -> bytes:
    """Code the latents of one tile; `magnitudes` are those of `band_magnitudes`."""
    grid = tile.grid
    bands = np.zeros(math.prod(grid), np.int64)
    bands[tile.numbers] = last_bands(tile.latents, block)
    if not bands.any():
        return b""
    coder = constriction.stream.queue.RangeEncoder()
    volume = bands.reshape(grid)
    neighbourhood = Neighbourhood(np.ones(grid, bool))
    for phase in parity_phases():
        here = np.ones(volume[phase].shape, bool)
        chosen = neighbourhood.contexts(phase, here)
        symbols = volume[phase].reshape(-1)
        _encode_grouped(coder, symbols, chosen, trained.bands.models)
        neighbourhood.add(phase, here, symbols)
    contexts = Contexts(grid, block, bands, magnitudes)
    raw, raw_counts = [], []
    for shell, blocks, numbers in contexts.phases():
        values = tile.latents[np.searchsorted(tile.numbers, blocks), numbers]
        tokens, counts, low = tokenise(np.abs(values))
        chosen = contexts.tables(trained.network, shell, blocks, numbers)
        _encode_grouped(coder, tokens, chosen, trained.models)
        contexts.add(shell, blocks, numbers, tokens)
        some = values != 0
        raw.append((low[some] << 1) | (values[some] < 0))
        raw_counts.append(counts[some] + 1)
    words = coder.get_compressed().astype("<u4")
    bits = pack_bits(np.concatenate(raw), np.concatenate(raw_counts))
    return varint(len(words)) + words.tobytes() + bits


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
    if not data:
        return no_blocks(grid, block)
    words, start = read_varint(data)
    if words > (len(data) - start) // 4:
        raise ValueError("a coded tile ends too early")
    end = start + 4 * words
    coder = constriction.stream.queue.RangeDecoder(
        np.frombuffer(data[start:end], "<u4").astype(np.uint32)
    )
    bands = _decode_bands(coder, grid, trained).reshape(-1)
    some = np.flatnonzero(bands)
    contexts = Contexts(grid, block, bands, magnitudes)
    seen: list[tuple[Int64Array, Int64Array, Int64Array]] = []
    for shell, blocks, numbers in contexts.phases():
        if last_shell is not None and shell > last_shell:
            break
        chosen = contexts.tables(trained.network, shell, blocks, numbers)
        tokens = _decode_grouped(coder, chosen, trained.models)
        contexts.add(shell, blocks, numbers, tokens)
        seen.append((blocks, numbers, tokens))
    if not seen:
        return no_blocks(grid, block)
    tokens = np.concatenate([part[2] for part in seen])
    counts = np.where(tokens > 0, raw_bit_counts(tokens) + 1, 0)
    raw = unpack_bits(data[end:], counts, exact=last_shell is None)
    values = detokenise(tokens, raw >> 1)
    if values.max(initial=0) >= MAX_LATENT:
        raise ValueError("a latent is out of range")
    out = np.zeros((len(some), block**3), smallest_type(values.max(initial=0)))
    values[(raw & 1) == 1] *= -1
    blocks = np.concatenate([part[0] for part in seen])
    numbers = np.concatenate([part[1] for part in seen])
    out[np.searchsorted(some, blocks), numbers] = values
    return Blocks(grid, some, out)


def _decode_bands(coder: Any, grid: Grid, trained: Pretrained) -> Int64Array:
    bands = np.zeros(grid, np.int64)
    neighbourhood = Neighbourhood(np.ones(grid, bool))
    for phase in parity_phases():
        here = np.ones(bands[phase].shape, bool)
        chosen = neighbourhood.contexts(phase, here)
        symbols = _decode_grouped(coder, chosen, trained.bands.models)
        neighbourhood.add(phase, here, symbols)
        bands[phase] = symbols.reshape(here.shape)
    if bands.max(initial=0) >= BANDS:
        raise ValueError("a band is out of range")
    return bands


def _encode_grouped(
    coder: Any, symbols: Int64Array, chosen: Int64Array, models: Sequence[Any]
) -> None:
    narrow = symbols.astype(np.int32)
    for table, places in by_context(chosen):
        coder.encode(narrow[places], models[table])


def _decode_grouped(coder: Any, chosen: Int64Array, models: Sequence[Any]) -> Int64Array:
    out = np.empty(len(chosen), np.int64)
    for table, places in by_context(chosen):
        out[places] = coder.decode(models[table], len(places))
    return out


def varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def read_varint(data: bytes) -> tuple[int, int]:
    """Return the number at the start of some bytes, and how many bytes it took."""
    number = 0
    for place, byte in enumerate(data[:9]):
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, place + 1
    raise ValueError("a length is damaged")
