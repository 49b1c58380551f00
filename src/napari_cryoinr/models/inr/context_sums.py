"""The sums that the context network sees, of all latents of a map at once, with slopes.

What a latent sees are few others of many, wherever they are. So each sum is a row of a sparse
matrix, made once: most nodes of a window have no latents where a molecule fills little of its box.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ...coding.coarse_to_fine import PHASES, Offset
from ...support.array_types import Float32Array, Float64Array, Int32Array, Int64Array
from ...support.regions import pieces
from .contexts import CLASSES, REACH, SIGNED, known_offsets
from .tiles import Tile

# Latents that are looked at together: few need little memory, many keep a GPU busy.
_MOST_ROWS, _MOST_ROWS_ELSEWHERE = 1 << 15, 1 << 20

Rows = tuple[Int32Array, float | Float64Array]
"""Columns of each row, shape (rows, entries), -1 for none, and what each entry counts."""


@lru_cache(maxsize=32)
def _ones(count: int) -> Float32Array:
    return np.ones(count, np.float32)


class SumMatrix:
    """Sums of entries of a vector, or of several, each times a factor.

    Parameters
    ----------
    rows : blocks of rows.
    columns : entries of the vector.
    """

    def __init__(self, rows: Sequence[Rows], columns: int, device: str) -> None:
        used = [block >= 0 for block, _ in rows]
        entries = [b[u].astype(np.int32) for (b, _), u in zip(rows, used, strict=True)]
        ends = np.cumsum(np.concatenate([[0], *(u.sum(axis=1) for u in used)])).astype(np.int32)
        listed, factors = np.concatenate(entries), [factor for _, factor in rows]
        self._scales = None
        if all(isinstance(factor, float) for factor in factors):
            # Each row has one factor: the entries themselves are all 1, and share their memory.
            data = _ones(1 << len(listed).bit_length())[: len(listed)]
            scales = np.repeat(np.array(factors, np.float32), [len(u) for u in used])
            self._scales = torch.from_numpy(scales).to(device)
        else:
            wide = [np.broadcast_to(f, u.shape)[u] for f, u in zip(factors, used, strict=True)]
            data = np.concatenate(wide).astype(np.float32)
        made = sparse.csr_matrix((data, listed, ends), (len(ends) - 1, columns))
        self.matrix: Any = made if device == "cpu" else _Entries(made, device)

    def __call__(self, values: Tensor) -> Tensor:
        """Return the sums of values (n,), or (n, vectors)."""
        found: Tensor = _Product.apply(values, self.matrix)
        if self._scales is None:
            return found
        return found * (self._scales if values.ndim == 1 else self._scales[:, None])


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, matrix: Any) -> Tensor:
        ctx.matrix = matrix
        if isinstance(matrix, _Entries):
            return matrix.sums(values, matrix.columns, matrix.rows, matrix.shape[0])
        return torch.from_numpy(matrix @ values.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        matrix, given = ctx.matrix, slopes[0]
        if isinstance(matrix, _Entries):
            return matrix.sums(given, matrix.rows, matrix.columns, matrix.shape[1]), None
        return torch.from_numpy(matrix.T @ given.contiguous().numpy()), None


class _Entries:
    """The entries of a sparse matrix on another device than the processor."""

    def __init__(self, matrix: Any, device: str) -> None:
        listed = matrix.tocoo()
        self.shape = matrix.shape
        self.rows, self.columns = (
            torch.from_numpy(v.astype(np.int64)).to(device) for v in (listed.row, listed.col)
        )
        self._factors = torch.from_numpy(listed.data).to(device)

    def sums(self, values: Tensor, seen: Tensor, rows: Tensor, count: int) -> Tensor:
        """Return sums over the entries that each row sees."""
        out = values.new_zeros(count, *values.shape[1:])
        factors = self._factors.view(-1, *[1] * (values.ndim - 1))
        return out.index_add_(0, rows, values[seen] * factors)


class ContextSums:
    """Sums for some latents of one level, in the order of their phases.

    Attributes
    ----------
    level : of the latents.
    owners : their numbers among all latents.
    in_phases : how many of them are in each phase.
    """

    def __init__(self, level: int, chosen: Sequence[Chosen], total: int, device: str) -> None:
        """Make the sums for chosen nodes of tiles, of `total` latents."""
        self.level = level
        blocks = [
            (phase, numbers, nodes[_PHASE_OF[tuple((nodes % 2).T)] == phase])
            for phase in range(len(PHASES))
            for numbers, nodes in chosen
        ]
        counts = np.bincount([p for p, _, _ in blocks], [len(nodes) for _, _, nodes in blocks])
        self.in_phases = torch.from_numpy(counts.astype(np.int64)).to(device)
        owners = np.concatenate([numbers.at(level, nodes) for _, numbers, nodes in blocks])
        self.owners = torch.from_numpy(owners).long().to(device)
        rows = [
            _near(numbers, level, nodes, known_offsets(phase)[number])
            for number in range(len(CLASSES))
            for phase, numbers, nodes in blocks
        ]
        self._wide: tuple[SumMatrix, SumMatrix] | None = None
        if level + 1 < chosen[0][0].levels:
            parents = [
                (numbers, _parents(numbers, level, nodes, PHASES[phase]))
                for phase, numbers, nodes in blocks
            ]
            rows += [(one.at(level + 1, nodes), 1 / nodes.shape[1]) for one, nodes in parents]
            self._wide = _blurred(level + 1, parents, total, device)
        self._sums = SumMatrix(rows, total, device)

    def means(self, sizes: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mean magnitudes, signed means), (`FIRST_FIXED`, n) and (`GATES`, n)."""
        count = len(self.owners)
        both = self._sums(torch.stack([sizes, latents], dim=1)).view(-1, count, 2)
        own = both[..., 0]
        signed = torch.cat([both[:SIGNED, :, 1], both[len(CLASSES) :, :, 1]])
        if self._wide is None:
            none = own.new_zeros(1, count)
            return torch.cat([own, none, none]), torch.cat([signed, none])
        blur, between = self._wide
        return torch.cat([own, between(blur(sizes))[None]]), signed


class Numbers:
    """Which of all latents the nodes of a tile have.

    Parameters
    ----------
    tile : the nodes.
    numbers : by level, -1 for none; (z, y, x).
    """

    def __init__(self, tile: Tile, numbers: Sequence[Int32Array]) -> None:
        self.levels = len(numbers)
        self._tile = tile
        self._numbers = list(numbers)
        self._padded = [np.pad(own, REACH, constant_values=-1) for own in numbers]

    def used(self, level: int) -> Int64Array:
        """Return the nodes that have latents, (n, 3)."""
        return np.argwhere(self._numbers[level] >= 0)

    def shift(self, level: int) -> Offset:
        """Return that of the tile."""
        return self._tile.shift(level)

    def shape(self, level: int) -> tuple[int, ...]:
        """Return how many nodes the tile has along z, y, x."""
        return self._numbers[level].shape

    def at(self, level: int, nodes: Int64Array) -> Int32Array:
        """Return the numbers at nodes, shape (..., 3), at most `REACH` beyond the tile."""
        z, y, x = np.moveaxis(nodes, -1, 0) + REACH
        found: Int32Array = self._padded[level][z, y, x]
        return found


Chosen = tuple[Numbers, Int64Array]
"""Some nodes of a tile, (n, 3), or groups of them, behind the numbers of its latents."""


def context_sums(
    tiles: Sequence[Tile], numbers: Sequence[Sequence[Int32Array]], total: int, device: str
) -> Iterator[ContextSums]:
    """Yield the sums for all latents of tiles.

    `numbers` : by tile and level, which of `total` latents each node has, -1 for none; (z, y, x).
    """
    known = [Numbers(tile, own) for tile, own in zip(tiles, numbers, strict=True)]
    most = _MOST_ROWS if device == "cpu" else _MOST_ROWS_ELSEWHERE
    for level in range(known[0].levels):
        chosen: list[Chosen] = []
        count = 0
        for one in known:
            used = one.used(level)
            for part in pieces(len(used), most):
                if chosen and count + part.stop - part.start > most:
                    yield ContextSums(level, chosen, total, device)
                    chosen, count = [], 0
                chosen.append((one, used[part]))
                count += part.stop - part.start
        if chosen:
            yield ContextSums(level, chosen, total, device)


_PHASE_OF = np.array([PHASES.index((z, y, x)) for z, y, x in np.ndindex(2, 2, 2)]).reshape(2, 2, 2)
_NONE = np.zeros((0, 1), np.int32)
_CUBE = np.array(list(itertools.product((-1, 0, 1), repeat=3)))


def _near(numbers: Numbers, level: int, nodes: Int64Array, offsets: Sequence[Offset]) -> Rows:
    """Return a row for each node, the mean over its neighbours at offsets."""
    away = np.array(offsets, np.int64).reshape(-1, 3)
    return numbers.at(level, nodes[:, None] + away), 1 / max(len(offsets), 1)


def _parents(numbers: Numbers, level: int, nodes: Int64Array, parity: Offset) -> Int64Array:
    """Return the nodes of the level above that nodes of a phase lie between, (n, parents, 3)."""
    ahead = np.array(list(itertools.product(*(range(1 + odd) for odd in parity))))
    return (nodes // 2 + numbers.shift(level))[:, None] + ahead


def _blurred(
    level: int, nodes: Sequence[Chosen], total: int, device: str
) -> tuple[SumMatrix, SumMatrix]:
    """Return matrices of means about nodes, weights 1, 2, 1 along each axis, and between them.

    `nodes` : of each block of rows, (n, parents, 3).
    """
    near: list[Rows] = []
    between: list[Rows] = [(_NONE, 1.0)] * len(nodes)
    count = 0
    for numbers in dict.fromkeys(numbers for numbers, _ in nodes):
        own = [number for number, (tile, _) in enumerate(nodes) if tile is numbers]
        shape = numbers.shape(level)
        listed = np.concatenate([nodes[number][1].reshape(-1, 3) for number in own])
        inside = np.all((listed >= 0) & (listed < shape), axis=1)
        flat, which = np.unique(np.ravel_multi_index(listed[inside].T, shape), return_inverse=True)
        places = np.stack(np.unravel_index(flat, shape), axis=1)
        found = np.full(len(listed), -1, np.int32)
        found[inside] = which + count
        count += len(places)
        start = 0
        for number in own:
            rows, parents, _ = nodes[number][1].shape
            stop = start + rows * parents
            between[number] = found[start:stop].reshape(rows, parents), 1 / parents
            start = stop
        weights = 0.5 ** (3 + np.abs(_CUBE).sum(axis=1))
        near.append((numbers.at(level, places[:, None] + _CUBE), weights))
    return SumMatrix(near, total, device), SumMatrix(between, count, device)
