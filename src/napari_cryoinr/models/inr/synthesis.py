"""The pyramid in floats, for training: from latents of a box to its voxels, in torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...support.array_types import Float32Array, FloatArray, Int64Array, Region
from ...support.devices import import_torch
from ...support.regions import region_shape
from ..separable_sums import MATRIX_BITS
from .lattice import Lattice
from .parameters import HIDDEN, UNIT_BITS, synthesis_sizes

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Synthesis:
    """Sums of the levels in a box of voxels.

    Parameters
    ----------
    lattices : the finest first.
    windows : nodes of each level that have latents.
    box : voxels of the map.
    """

    def __init__(
        self, lattices: Sequence[Lattice], windows: Sequence[Region], box: Region, device: str
    ) -> None:
        torch = import_torch()
        self._matrices: list[tuple[Tensor, ...]] = []
        for lattice, window in zip(lattices, windows, strict=True):
            own = []
            for axis, (span, nodes) in enumerate(zip(box, window, strict=True)):
                first, matrix = lattice.matrix(axis, span.start, span.stop)
                wide = np.zeros((len(matrix), nodes.stop - nodes.start), np.float32)
                low = max(first, nodes.start)
                high = min(first + matrix.shape[1], nodes.stop)
                wide[:, low - nodes.start : high - nodes.start] = matrix[
                    :, low - first : high - first
                ]
                own.append(torch.from_numpy(wide * np.float32(2.0**-MATRIX_BITS)).to(device))
            self._matrices.append(tuple(own))
        self.shapes = [region_shape(window) for window in windows]

    def level(self, level: int, latents: Tensor) -> Tensor:
        """Return the sum of one level's latents, shape of its window, in the voxels of the box."""
        in_z, in_y, in_x = self._matrices[level]
        rows = latents @ in_x.T
        planes = in_y @ rows
        return (in_z @ planes.flatten(1)).unflatten(1, planes.shape[1:])

    def total(self, levels: Sequence[Tensor], steps: Tensor) -> Tensor:
        """Return the sum of all levels in the voxels of the box."""
        total = self.level(0, levels[0] * steps[0])
        for number in range(1, len(levels)):
            total = total + self.level(number, levels[number] * steps[number])
        return total

    def sums(self, levels: Sequence[Tensor], steps: Tensor) -> list[Tensor]:
        """Return the sum of each level in the voxels of the box."""
        return [self.level(number, levels[number] * steps[number]) for number in range(len(levels))]

    def reach(self, weights: FloatArray) -> list[Float32Array]:
        """Return which share of each function, squared, is where voxels of the box count.

        `weights` : of squared errors, shape of the box. Functions that lie beyond the box
        partly have no more than what is inside.
        """
        torch = import_torch()
        given = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32))
        out = []
        for matrices in self._matrices:
            squares = [matrix.square().cpu() for matrix in matrices]
            in_z, in_y, in_x = squares
            most = [float(square.sum(dim=0).max()) for square in squares]
            planes = in_y.T @ (given @ in_x)
            found = (in_z.T @ planes.flatten(1)).unflatten(1, planes.shape[1:])
            out.append((found / max(math.prod(most), 1e-9)).numpy())
        return out


class SumNetwork:
    """The network that corrects the sums of the levels, with weights that are rounded.

    Sums and corrections are in the unit of the loss.
    """

    def __init__(self, levels: int, device: str, dice: Generator) -> None:
        torch = import_torch()
        first = torch.randn(levels, HIDDEN, generator=dice, device=device) * levels**-0.5
        places = torch.randn(HIDDEN, generator=dice, device=device)
        rest = [torch.zeros(n, device=device) for n in synthesis_sizes(levels)[2:]]
        self.parameters = [v.requires_grad_() for v in (first, places, *rest)]

    def corrections(self, sums: Sequence[Tensor]) -> Tensor:
        """Return what is to be added to the sum of all levels."""
        torch = import_torch()
        first, places, second, offset = (
            v + (torch.round(v * 2.0**UNIT_BITS) * 2.0**-UNIT_BITS - v).detach()
            for v in self.parameters
        )
        hidden = torch.relu(torch.stack([s.flatten() for s in sums], dim=1) @ first + places)
        return (hidden @ second + offset).view(sums[0].shape)

    def groups(self) -> list[Int64Array]:
        """Return the rounded weights and biases in units of 2^-UNIT_BITS, layer by layer."""
        return [
            np.rint(v.detach().cpu().numpy().astype(np.float64) * 2.0**UNIT_BITS)
            .astype(np.int64)
            .ravel()
            for v in self.parameters
        ]
