"""Convolutions of many small maps as products of matrices.

The maps lie row after row, (y, x, map), and those of one window after those of another. A row of
results is a sum over the rows of the kernel: a row of maps times a banded matrix that holds that
row of the kernel. All rows of all windows are multiplied at once, also those that begin in one
window and end in the next, which mean nothing and are left out at the end. Matrices for whole rows
would be mostly zeros; they are for a few neighbouring results, and used at each place of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....support.devices import import_torch

if TYPE_CHECKING:
    from torch import Tensor

_NARROWEST = 4  # neighbouring results, at least: processors are slow with narrower matrices


class Rows:
    """A convolution, sigmoid and sums over squares of 2 × 2.

    Parameters
    ----------
    kernels : shape (networks, maps, maps before, y, x); each network has its own input.
    bias : shape (maps,), the same for all networks.
    results : rows and columns of a map after the convolution; even.
    """

    def __init__(self, kernels: Tensor, bias: Tensor, results: int) -> None:
        torch = import_torch()
        networks, maps, before, side, _ = kernels.shape
        self._results, self._before, self._side = results, before, side
        self._width = _width(results, side)
        given = self._width + side - 1
        matrices = kernels.new_zeros(side, networks, given, before, self._width, maps)
        for place in range(self._width):
            # Even results come first, so that neighbours are added as one half to the other.
            column = place // 2 + place % 2 * (self._width // 2)
            matrices[:, :, place : place + side, :, column] = kernels.permute(3, 0, 4, 2, 1)
        self._matrices = matrices.flatten(4).flatten(2, 3)
        self._bias = bias.repeat(self._width)
        self._torch = torch

    def __call__(self, maps: Tensor) -> Tensor:
        """Of maps (networks, windows, y, x * maps before): (networks, windows, y, x * maps)."""
        torch = self._torch
        networks, windows, side, _ = maps.shape
        rows = maps.flatten(1, 2)
        whole = windows * side
        valid = whole - self._side + 1
        width = self._matrices.shape[-2]
        found = []
        for place in range(0, self._results, self._width):
            first = place * self._before
            out = torch.empty(networks, whole, self._bias.shape[0], device=maps.device)
            sums = out[:, :valid]
            sums[:] = self._bias
            for row, matrix in enumerate(self._matrices):
                sums.baddbmm_(rows[:, row : row + valid, first : first + width], matrix)
            values = out.view(networks, windows, side, 2, -1)[:, :, : self._results].sigmoid()
            pairs = values[:, :, :, 0] + values[:, :, :, 1]
            found.append(pairs[:, :, 0::2] + pairs[:, :, 1::2])
        return found[0] if len(found) == 1 else torch.cat(found, -1)


def _width(results: int, side: int) -> int:
    """How many neighbouring results are computed at once: even, a divisor, not wasteful."""
    least = max(_NARROWEST, side // 2)
    fitting = (width for width in range(2, results, 2) if results % width == 0 and width >= least)
    return next(fitting, results)
