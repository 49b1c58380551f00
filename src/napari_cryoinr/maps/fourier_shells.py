"""Fourier shells of a volume: sums of the power of its coefficients by spatial frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from ..support.array_types import (
    BoolArray,
    ComplexArray,
    Float64Array,
    FloatArray,
    Int32Array,
    Triple,
)

SILENT = 1e-12
"""Of the power of the strongest shell: less is nothing but rounding errors of the others."""


@dataclass(frozen=True)
class FourierShells:
    """Shells of width 1 / (longest edge); shell k is centred at k times that.

    Attributes
    ----------
    shape : voxels along (z, y, x).
    voxel_size : Å, (z, y, x).
    """

    shape: tuple[int, int, int]
    voxel_size: Triple

    @property
    def edge(self) -> float:
        """Longest edge in Å: shell k lies at edge / k."""
        return max(n * v for n, v in zip(self.shape, self.voxel_size, strict=True))

    @property
    def nyquist(self) -> int:
        """Return the last shell below the Nyquist frequency of every axis."""
        return max(1, int(self.edge * min(0.5 / v for v in self.voxel_size) + 1e-6))

    def last(self, resolution: float) -> int:
        """Return the last shell up to a resolution in Å, at least 1."""
        return min(max(1, int(self.edge / resolution + 1e-9)), self.nyquist)

    def resolution(self, shell: int) -> float:
        """Return the resolution of a shell in Å, five digits, so that `last` returns the shell."""
        exact = self.edge / shell
        unit = 10.0 ** (math.floor(math.log10(exact)) - 4)
        return float(f"{math.floor(exact / unit + 1e-6) * unit:.5g}")

    @cached_property
    def index(self) -> Int32Array:
        """Shell of each coefficient of `spectrum`; those beyond Nyquist are one more than it."""
        return np.minimum(np.rint(self.radii()), self.nyquist + 1).astype(np.int32)

    @cached_property
    def counts(self) -> Float64Array:
        """Coefficients of the whole spectrum by shell, 0 to `nyquist`."""
        return self._sums(np.ones(self.index.shape))

    def spectrum(self, volume: FloatArray) -> ComplexArray:
        """Return the Fourier coefficients, the half that determines all."""
        return fft.rfftn(volume, workers=-1)

    def low_passed(self, volume: FloatArray, resolution: float) -> FloatArray:
        """Return a volume without what lies more than a shell beyond a resolution in Å."""
        kept = self.spectrum(volume) * (self.radii() <= self.edge / resolution + 1)
        return np.asarray(fft.irfftn(kept, self.shape, workers=-1), volume.dtype)

    def cross(self, a: ComplexArray, b: ComplexArray) -> Float64Array:
        """Return the real part of the sums of a times the conjugate of b by shell."""
        product = np.multiply(a.real, b.real, dtype=np.float64)
        product += np.multiply(a.imag, b.imag, dtype=np.float64)
        return self._sums(product)

    def power(self, spectrum: ComplexArray) -> Float64Array:
        """Return the sums of the squared magnitudes by shell, 0 to `nyquist`."""
        return self.cross(spectrum, spectrum)

    def radii(self) -> Float64Array:
        """Return the distance of each coefficient from the origin, in widths of a shell."""
        (nz, ny, nx), (vz, vy, vx) = self.shape, self.voxel_size
        z, y, x = np.fft.fftfreq(nz, vz), np.fft.fftfreq(ny, vy), np.fft.rfftfreq(nx, vx)
        return np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) * self.edge

    def correlation(self, a: ComplexArray, b: ComplexArray) -> Float64Array:
        """Return the Fourier shell correlation, 0 to `nyquist`; 1 where neither has any power."""
        powers = self.power(a) * self.power(b)
        both = np.sqrt(powers)
        return np.where(both > 0, self.cross(a, b) / np.where(both > 0, both, 1), 1.0)

    def _sums(self, values: Float64Array) -> Float64Array:
        doubled = values * 2  # the half that is left out is the conjugate of this one
        doubled[..., 0] = values[..., 0]
        if self.shape[2] % 2 == 0:
            doubled[..., -1] = values[..., -1]
        sums = np.bincount(self.index.ravel(), doubled.ravel(), minlength=self.nyquist + 2)
        return np.asarray(sums[: self.nyquist + 1], np.float64)


@dataclass(frozen=True, eq=False)
class ShellGoal:
    """What each Fourier shell of a decoded map may lose.

    Attributes
    ----------
    allowed : for shell 1, 2, ...: the largest 1 - FSC; where `by_noise`, half the largest power of
        the error as a share of that of the original, which is the same for small errors.
    by_noise : whether the power of the error counts, or the correlation.
    """

    allowed: Float64Array
    by_noise: bool = False

    def losses(
        self, shells: FourierShells, original: ComplexArray, decoded: FloatArray
    ) -> Float64Array:
        """Return the loss in each shell that has a goal, as a share of what is allowed.

        Parameters
        ----------
        original : spectrum of the original, and `decoded` the decoded map, both in their mask.
        """
        part = slice(1, len(self.allowed) + 1)
        spectrum = shells.spectrum(decoded)
        power = shells.power(original)
        silent = silent_shells(power)[part]
        power = np.maximum(power[part], 1e-300)
        if self.by_noise:
            loss = shells.power(spectrum - original)[part] / (2 * power)
        else:
            both = np.sqrt(power * shells.power(spectrum)[part])
            loss = 1 - shells.cross(original, spectrum)[part] / np.maximum(both, 1e-300)
        return np.where(silent, 0.0, loss / self.allowed)


def silent_shells(power: Float64Array) -> BoolArray:
    """Return which shells, 0 first, hold nothing but rounding errors of the others."""
    return power <= SILENT * power[1:].max(initial=0)
