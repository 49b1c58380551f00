"""Learning the lapped basis: two orthogonal matrices for each side of a block.

The matrices are those of the classical lapped transform (see `napari_cryoinr.models.field.lapped`)
turned by rotations that are learned. A block, and a boundary with half a block on either side, are
split into halves that mirror each other: their sums and their differences are turned separately,
so that every basis function stays even or odd. Rotations of sums leave the constant alone, so that
one latent for each block represents a constant exactly.

What is minimised is the logarithm of about the number of bytes, summed over the volumes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_cryoinr.models.field.lapped import STORED_BITS
from napari_cryoinr.support.array_types import Float32Array, Int64Array

_ROUNDED = 0.6  # in steps: what the quantiser sets to zero
_RATE = 0.03
_VOLUMES = 5  # of a step of the training


@dataclass(frozen=True, eq=False)
class Volume:
    """Densities less their background, and the quantisation step that they are stored with."""

    data: Float32Array
    step: float


def _cosines(count: int) -> Tensor:
    """Return the orthonormal discrete cosine transform (II), one frequency per column."""
    places = torch.arange(count, dtype=torch.float64)
    matrix = torch.cos(math.pi * (places[:, None] + 0.5) * places / count) * math.sqrt(2 / count)
    matrix[:, 0] /= math.sqrt(2)
    return matrix


def _rotation(angles: Tensor) -> Tensor:
    return torch.matrix_exp(angles - angles.T)


class LappedBasis:
    """The two matrices for blocks of a side, as functions of the angles of their rotations.

    All angles are zero at first: then it is the classical basis.
    """

    def __init__(self, block: int) -> None:
        self.block = block
        half = block // 2
        one = torch.eye(half, dtype=torch.float64)
        flip = one.flip(0)
        # Sums and differences of mirrored halves, of a boundary and (transposed) of a block.
        upper, lower = torch.cat([one, flip], 1), torch.cat([flip, -one], 1)
        self._halves = torch.cat([upper, lower]) / math.sqrt(2)
        self._cosines = _cosines(block)
        self._low = _cosines(half)
        places = torch.arange(half, dtype=torch.float64) + 0.5
        fourth = torch.cos(math.pi * places[:, None] * places / half) * math.sqrt(2 / half)
        self._classical = (flip @ (self._low @ fourth) @ flip).T
        # Rotations of a block's sums and differences, and of a boundary's.
        sizes = (half - 1, half, half - 1, half)
        self.angles = [
            torch.zeros(size, size, dtype=torch.float64, requires_grad=True) for size in sizes
        ]

    def _but_constant(self, angles: Tensor) -> Tensor:
        one = torch.ones(1, 1, dtype=torch.float64)
        return self._low @ torch.block_diag(one, _rotation(angles)) @ self._low.T

    def matrices(self) -> tuple[Tensor, Tensor]:
        """Return the matrices within blocks and across boundaries, each of shape (B, B)."""
        block_even, block_odd, join_even, join_odd = self.angles
        blocks = torch.block_diag(self._but_constant(block_even), _rotation(block_odd))
        joins = torch.block_diag(
            self._but_constant(join_even), self._classical @ _rotation(join_odd)
        )
        halves = self._halves
        return halves.T @ blocks @ halves @ self._cosines, halves @ joins @ halves

    def axis(self, count: int) -> Tensor:
        """Return the square matrix that makes voxels of latents along `count` blocks."""
        blocks, joins = self.matrices()
        half = torch.eye(self.block // 2, dtype=torch.float64)
        within = torch.block_diag(*[blocks] * count)
        across = torch.block_diag(half, *[joins] * (count - 1), half)
        return across @ within

    def integers(self) -> tuple[Int64Array, Int64Array]:
        """Return the matrices as an edition holds them."""
        scaled = (2.0**STORED_BITS * matrix.detach().numpy() for matrix in self.matrices())
        blocks, joins = (np.rint(matrix).astype(np.int64) for matrix in scaled)
        return blocks, joins


def _cost(axis: Tensor, data: Tensor, step: float) -> Tensor:
    """About the bits of a cube's latents: log2 of their magnitudes in steps."""
    matrix = axis.to(torch.float32).T
    latents = torch.einsum("az,zyx->ayx", matrix, data)
    latents = torch.einsum("by,ayx->abx", matrix, latents)
    latents = latents @ matrix.T
    return 0.5 * torch.log2(1 + (latents / (_ROUNDED * step)) ** 2).sum()


def learn_basis(block: int, volumes: Sequence[Volume], steps: int, seed: int = 0) -> LappedBasis:
    """Learn the basis for blocks of this side; volumes of fewer than two blocks do not count."""
    basis = LappedBasis(block)
    cubes = []
    for volume in volumes:
        count = min(volume.data.shape) // block
        starts = [(n - count * block) // 2 for n in volume.data.shape]
        cut = tuple(slice(start, start + count * block) for start in starts)
        if count >= 2:
            cubes.append((torch.from_numpy(volume.data[cut].copy()), volume.step, count))
    optimiser = torch.optim.Adam(basis.angles, _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    random = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = random.choice(len(cubes), min(_VOLUMES, len(cubes)), replace=False)
        optimiser.zero_grad()
        for number in chosen:
            data, step, count = cubes[number]
            torch.log(_cost(basis.axis(count), data, step)).backward()
        optimiser.step()
        schedule.step()
    return basis
