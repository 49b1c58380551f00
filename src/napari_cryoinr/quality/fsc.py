"""Fourier shell correlation, block by block, so that large maps need little memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..maps.density_map import slabs
from ..maps.masked_volume import MaskedVolume
from ..maps.resolution import WEAK
from ..progress import Clock, Progress, Steps
from ..support.array_types import Float32Array, Float64Array, Triple

_BLOCK_NUMBERS = 1 << 21  # complex numbers of each map held at a time: 16 MiB


@dataclass(frozen=True, eq=False)
class ShellCorrelation:
    """A Fourier shell correlation."""

    values: Float64Array  # of shell 1, 2, ...; the mean density (shell 0) is left out
    step: float  # width of a shell, 1/Å; shell k is centred at k * step
    power: Float64Array  # of the first map in the same shells, in any unit

    def resolution_below(self, level: float) -> float | None:
        """Return the Å where the curve first falls below a level, interpolated, or None.

        Shells in which the first map holds next to nothing tell nothing before the last that does.
        """
        strong = self.power >= WEAK * self.power.max(initial=0)
        strong[np.flatnonzero(strong).max(initial=-1) + 1 :] = True
        below = np.flatnonzero((self.values < level) & strong)
        if below.size == 0:
            return None
        k = int(below[0])
        if k == 0:  # already the first shell: nothing coarser is known
            return 1 / self.step
        before, after = max(float(self.values[k - 1]), level), float(self.values[k])
        return 1 / ((k + (before - level) / (before - after)) * self.step)


def shell_correlation_steps(
    a: Float32Array | MaskedVolume, b: Float32Array | MaskedVolume, voxel_size: Triple, clock: Clock
) -> Steps[ShellCorrelation]:
    """Compute the Fourier shell correlation of two maps, as a generator of progress.

    Harauz & van Heel (1986), Optik 73, 146-156: the normalised cross-correlation of two maps over
    shells of spatial frequency. A shell in which neither map has any power counts as 1. The maps
    have one shape (z, y, x), and so has the voxel size, Å.
    """
    from scipy import fft  # not when this is imported: decoding does without

    nz, ny, nx = a.shape
    step = 1 / max(n * v for n, v in zip(a.shape, voxel_size, strict=True))
    shells = max(1, int(min(0.5 / v for v in voxel_size) / step + 1e-6))
    columns = nx // 2 + 1
    width = -(-columns // min(columns, -(-columns * nz * ny // _BLOCK_NUMBERS)))
    starts = range(0, columns, width)
    parts = list(slabs((nz, ny, min(nx, columns))))
    frequency_z, frequency_y = np.fft.fftfreq(nz, voxel_size[0]), np.fft.fftfreq(ny, voxel_size[1])
    frequency_x = np.fft.rfftfreq(nx, voxel_size[2])
    scaling = [_normalisation(data) for data in (a, b)]
    sums = np.zeros((3, shells + 2))  # cross term, power of a, power of b; the last shell is beyond
    total, done = len(starts) * len(parts) * 3, 0
    for start in starts:
        chosen = slice(start, min(start + width, columns))
        spectra = []
        for data, (unit, mean) in zip((a, b), scaling, strict=True):
            block = np.empty((nz, ny, chosen.stop - chosen.start), np.complex64)
            for part in parts:
                lines = fft.rfft(data[part] * unit - mean, axis=2, workers=-1)
                block[part] = fft.fft(lines[:, :, chosen], axis=1, workers=-1)
                done += 1
                yield Progress("correlating shells", done, total, clock.seconds)
            for rows in slabs((ny, nz, block.shape[2])):
                block[:, rows] = fft.fft(block[:, rows], axis=0, workers=-1)
            spectra.append(block)
        # The other half of the spectrum is the conjugate of this one.
        k = np.arange(chosen.start, chosen.stop)
        weight = np.where((k == 0) | ((nx % 2 == 0) & (k == nx // 2)), 1.0, 2.0)
        for part in parts:
            radius = np.sqrt(
                frequency_z[part, None, None] ** 2
                + frequency_y[None, :, None] ** 2
                + frequency_x[None, None, chosen] ** 2
            )
            shell = np.minimum(np.rint(radius / step), shells + 1).astype(np.intp).ravel()
            p, q = (spectrum[part] for spectrum in spectra)
            for row, (one, other) in zip(sums, ((p, q), (p, p), (q, q)), strict=True):
                # In double precision: in single, squares overflow or vanish for unusual densities.
                product = np.multiply(one, other.conj(), dtype=np.complex128).real
                row += np.bincount(shell, (product * weight).ravel(), minlength=shells + 2)
            done += 1
            yield Progress("correlating shells", done, total, clock.seconds)
        del block, spectra, p, q  # before the next ones are made
    cross, power_a, power_b = sums[:, 1 : shells + 1]
    both = np.sqrt(power_a * power_b)
    silent = (power_a == 0) & (power_b == 0)
    values = np.where(silent, 1.0, cross / np.where(both > 0, both, 1.0))
    return ShellCorrelation(np.clip(values, -1.0, 1.0), step, power_a)


def _normalisation(data: Float32Array | MaskedVolume) -> tuple[np.float32, np.float32]:
    """(factor, what to subtract then): largest magnitude 1, mean 0.

    Without its mean a constant map has no power at all, instead of that of rounding errors, and
    extreme densities stay within single precision.
    """
    largest = total = 0.0
    for part in slabs(data.shape):
        values = data[part]
        largest = max(largest, -float(values.min()), float(values.max()))
        total += float(values.sum(dtype=np.float64))
    unit = np.float32(min(1 / (largest or 1.0), 1e38))
    return unit, np.float32(total / data.size * float(unit))
