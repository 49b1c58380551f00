"""The Fourier coefficients of a box of voxels up to the last shell that counts, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...support.array_types import Triple


class ShellSpectrum:
    """Coefficients by shell, from shell 1.

    Parameters
    ----------
    shape : of the box.
    grid : voxels of the transform, no fewer than those of the box.
    voxel_size : Å, (z, y, x).
    edge : in Å; shell k lies at edge / k.
    last : the last shell.

    Attributes
    ----------
    counts : coefficients of the whole spectrum in each shell.
    """

    def __init__(
        self,
        shape: Sequence[int],
        grid: Sequence[int],
        voxel_size: Triple,
        edge: float,
        last: int,
        device: str,
    ) -> None:
        self._grid, self._last = grid, last
        radii = [
            np.abs(np.fft.fftfreq(n, voxel)) * edge
            for n, voxel in zip(grid, voxel_size, strict=True)
        ]
        rows, columns, places = (np.flatnonzero(own <= last + 0.5) for own in radii)
        places = places[places <= grid[2] // 2]
        z, y, x = radii[0][rows], radii[1][columns], radii[2][places]
        index = np.rint(np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)).astype(np.int64)
        self._rows, self._columns = (torch.from_numpy(v).to(device) for v in (rows, columns))
        # Along x a product with cosines and sines is as fast, and takes less memory.
        angles = np.outer(np.arange(shape[2]), places) * (-2 * np.pi / grid[2])
        waves = np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(shape[2], -1)
        self._waves = torch.from_numpy(waves.astype(np.float32)).to(device)
        inside = ((index >= 1) & (index <= last)).ravel()
        self._chosen = torch.from_numpy(np.flatnonzero(inside)).to(device)
        self._index = torch.from_numpy(index.ravel()[inside] - 1).to(device)
        # What the half of the spectrum leaves out is the conjugate of this.
        alone = (places == 0) | (2 * places == grid[2])
        twice = np.broadcast_to(np.where(alone, 1, 2).astype(np.float32), index.shape)
        self._twice = torch.from_numpy(twice.ravel()[inside]).to(device)
        self.counts = self._sums(torch.ones_like(self._twice))

    def __call__(self, voxels: Tensor) -> Tensor:
        """Return real and imaginary parts of the coefficients that count, (n, 2)."""
        planes = torch.view_as_complex((voxels @ self._waves).unflatten(-1, (-1, 2)))
        found = torch.fft.fft(planes, n=self._grid[1], dim=1).index_select(1, self._columns)
        found = torch.fft.fft(found, n=self._grid[0], dim=0).index_select(0, self._rows)
        return torch.view_as_real(found.flatten()).index_select(0, self._chosen)

    def power(self, coefficients: Tensor) -> Tensor:
        """Return the power of coefficients by shell."""
        return self._sums(coefficients.square().sum(dim=1))

    def _sums(self, values: Tensor) -> Tensor:
        out = torch.zeros(self._last, device=values.device)
        return out.index_add(0, self._index, values * self._twice)
