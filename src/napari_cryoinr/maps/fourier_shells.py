"""Fourier shells of a volume: sums of the power of its coefficients by spatial frequency."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..support.array_types import (
    BoolArray,
    ComplexArray,
    Float64Array,
    FloatArray,
    Int32Array,
    Triple,
)
from ..support.regions import pieces
from .density_map import slabs
from .masked_volume import MaskedVolume

SILENT = 1e-12
"""Of the power of the strongest shell: less is nothing but rounding errors of the others."""

_BANDS = 8  # that are transformed one after the other, so that copies are small


@dataclass(frozen=True)
class FourierShells:
    """Shells of width 1 / (longest edge); shell k is centred at k times that.

    Attributes
    ----------
    shape : voxels along (z, y, x).
    voxel_size : Å, (z, y, x).
    limit : the last shell that is wanted; spectra then hold little more than its coefficients.
        Sums of shells beyond it are not complete.
    """

    shape: tuple[int, int, int]
    voxel_size: Triple
    limit: int | None = None

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
        out = np.empty([len(axis) for axis in self._kept_frequencies()], np.int32)
        for part in slabs(out.shape):
            radii = self.radii(part)
            np.rint(radii, out=radii)
            out[part] = np.minimum(radii, self.nyquist + 1, out=radii)
        return out

    @cached_property
    def counts(self) -> Float64Array:
        """Coefficients of the whole spectrum by shell, 0 to `nyquist`."""
        parts = slabs(self.index.shape)
        return self._sums((np.ones(self.index[part].shape), part) for part in parts)

    def spectrum(self, volume: FloatArray | MaskedVolume) -> ComplexArray:
        """Return the Fourier coefficients, the half that determines all."""
        from scipy import fft  # not when this is imported: decoding does without

        if self.limit is None and not isinstance(volume, MaskedVolume):
            return fft.rfftn(volume, workers=-1)
        return self.spectrum_of((part, volume[part]) for part in slabs(volume.shape))

    def spectrum_of(self, parts: Iterable[tuple[slice, FloatArray]]) -> ComplexArray:
        """Return the same of slabs along z, (z, voxels), of which no more than one is held."""
        from scipy import fft

        rows, columns, last = (
            np.flatnonzero(self._kept(axis, own)) for axis, own in enumerate(self._axes())
        )
        planes = np.empty((self.shape[0], len(columns), len(last)), np.complex64)
        for part, voxels in parts:
            planes[part] = fft.rfft2(voxels, workers=-1)[:, columns, : len(last)]
        for some in pieces(len(columns), max(1, len(columns) // _BANDS)):
            planes[:, some] = fft.fft(planes[:, some], axis=0, workers=-1)
        return planes if len(rows) == len(planes) else planes[rows]

    def low_passed(self, volume: FloatArray, resolution: float) -> FloatArray:
        """Return a volume without what lies more than a shell beyond a resolution in Å."""
        from scipy import fft

        kept = self.spectrum(volume) * (self.radii() <= self.edge / resolution + 1)
        return np.asarray(fft.irfftn(kept, self.shape, workers=-1), volume.dtype)

    def cross(self, a: ComplexArray, b: ComplexArray) -> Float64Array:
        """Return the real part of the sums of a times the conjugate of b by shell."""

        def products() -> Iterator[tuple[Float64Array, slice]]:
            for part in slabs(a.shape):
                product = np.multiply(a[part].real, b[part].real, dtype=np.float64)
                product += np.multiply(a[part].imag, b[part].imag, dtype=np.float64)
                yield product, part

        return self._sums(products())

    def power(self, spectrum: ComplexArray) -> Float64Array:
        """Return the sums of the squared magnitudes by shell, 0 to `nyquist`."""
        return self.cross(spectrum, spectrum)

    def radii(self, part: slice = slice(None)) -> Float64Array:
        """Return the distance of each coefficient from the origin, in widths of a shell.

        `part` says of which planes of the spectrum.
        """
        z, y, x = self._kept_frequencies()
        radii = z[part, None, None] ** 2 + y[:, None] ** 2 + x**2
        np.sqrt(radii, out=radii)
        radii *= self.edge
        return radii

    def correlation(self, a: ComplexArray, b: ComplexArray) -> Float64Array:
        """Return the Fourier shell correlation, 0 to `nyquist`; 1 where neither has any power."""
        powers = self.power(a) * self.power(b)
        both = np.sqrt(powers)
        return np.where(both > 0, self.cross(a, b) / np.where(both > 0, both, 1), 1.0)

    def _axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the frequencies of the coefficients along each axis, in 1/Å."""
        (nz, ny, nx), (vz, vy, vx) = self.shape, self.voxel_size
        return np.fft.fftfreq(nz, vz), np.fft.fftfreq(ny, vy), np.fft.rfftfreq(nx, vx)

    def _kept_frequencies(self) -> list[FloatArray]:
        """Return the frequencies along each axis that spectra hold."""
        return [axis[self._kept(n, axis)] for n, axis in enumerate(self._axes())]

    def _kept(self, axis: int, frequencies: FloatArray) -> BoolArray:
        """Return which coefficients along an axis spectra hold."""
        if self.limit is None:
            return np.ones(len(frequencies), bool)
        return np.abs(frequencies) * self.edge <= self.limit + 0.5

    def _sums(self, parts: Iterable[tuple[Float64Array, slice]]) -> Float64Array:
        """Return the sums by shell of values of slabs of the spectrum, which are changed."""
        total = np.zeros(self.nyquist + 2)
        for values, part in parts:
            # What the half of the spectrum leaves out is the conjugate of this.
            values[..., 1 : (self.shape[2] + 1) // 2] *= 2
            index = self.index[part].ravel()
            total += np.bincount(index, values.ravel(), minlength=len(total))
        return total[: self.nyquist + 1]


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
        self, shells: FourierShells, original: ComplexArray, decoded: ComplexArray
    ) -> Float64Array:
        """Return the loss in each shell that has a goal, as a share of what is allowed.

        Parameters
        ----------
        original, decoded : spectra of both maps in their mask; that of `decoded` is changed.
        """
        part = slice(1, len(self.allowed) + 1)
        power = shells.power(original)
        silent = silent_shells(power)[part]
        power = np.maximum(power[part], 1e-300)
        if self.by_noise:
            decoded -= original
            loss = shells.power(decoded)[part] / (2 * power)
        else:
            both = np.sqrt(power * shells.power(decoded)[part])
            loss = 1 - shells.cross(original, decoded)[part] / np.maximum(both, 1e-300)
        return np.where(silent, 0.0, loss / self.allowed)


def silent_shells(power: Float64Array) -> BoolArray:
    """Return which shells, 0 first, hold nothing but rounding errors of the others."""
    return power <= SILENT * power[1:].max(initial=0)
