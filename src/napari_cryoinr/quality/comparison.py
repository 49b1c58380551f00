"""Comparison of a decoded map with its original, slab by slab: large maps need little memory."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ..errors import MapError
from ..maps.density_map import DensityMap
from ..maps.threshold import auto_threshold, statistics
from ..progress import Clock, Progress, Steps, drain
from ..support.array_types import Float32Array
from .fsc import ShellCorrelation, shell_correlation_steps
from .quality_report import Band, QualityReport

BAND_EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
RELATIVE_ERROR = 0.2  # the paper counts the voxels within 20 % (arXiv 2512.12975)
_LEVELS = (0.9, 1.0, 1.1)


def check_same_shape(original: tuple[int, ...], decoded: tuple[int, ...]) -> None:
    """Raise `MapError` unless two maps have the same shape."""
    if original != decoded:
        raise MapError(f"shapes differ: {original} and {decoded}; compare maps on one grid")


def compare(
    original: DensityMap, decoded: DensityMap, contour: float | None = None
) -> QualityReport:
    """Measure the quality of a decoded map against its original.

    Parameters
    ----------
    original, decoded : DensityMap
        Maps of the same shape (z, y, x).
    contour : float, optional
        Density; voxels of the original above it count. By default all voxels do.

    Returns
    -------
    QualityReport

    Raises
    ------
    MapError
        If the shapes differ.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> original = cryoinr.synthetic_map(24)
    >>> cryoinr.compare(original, original).verdict()
    'Every voxel is kept exactly, surface overlap 1.00 at 2.602'
    """
    return drain(compare_steps(original, decoded.data, contour))


def compare_steps(
    original: DensityMap,
    decoded: Float32Array,
    contour: float | None,
    level: float | None = None,
    clock: Clock | None = None,
) -> Steps[QualityReport]:
    """Compare a decoded map with its original, as a generator of progress.

    Parameters
    ----------
    original : DensityMap
    decoded : ndarray of float32
        Densities of the same shape (z, y, x).
    contour : float or None
        Voxels of the original above it count; None counts all.
    level : float, optional
        Density of the iso-surface for the overlap; by default the contour, or the automatic
        threshold where there is none.
    clock : Clock, optional
        Gives the seconds of the records.

    Returns
    -------
    Generator of Progress
        Its return value is the `QualityReport`.

    Raises
    ------
    MapError
        If the shapes differ.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> original = cryoinr.synthetic_map(24)
    >>> steps = cryoinr.compare_steps(original, original.data + 0.01, contour=2.0)
    >>> round(cryoinr.drain(steps).max_error, 3)
    0.01
    """
    clock = clock or Clock()
    check_same_shape(original.data.shape, decoded.shape)
    stats = statistics(original)
    if level is None:
        level = contour if contour is not None else auto_threshold(stats)
    sums = _Sums(contour, level, max(abs(stats.low), abs(stats.high)) or 1.0)
    for part in original.slabs():
        sums.add(original.data[part], decoded[part])
        yield Progress("measuring", part.stop, len(decoded), clock.seconds)
    curve = yield from shell_correlation_steps(original.data, decoded, original.voxel_size, clock)
    return sums.report(original, curve)


class _Sums:
    """Running sums over slabs, in float64."""

    def __init__(self, contour: float | None, level: float, peak: float) -> None:
        self.contour, self.level, self.peak = contour, level, peak
        self.squares, self.low, self.high = 0.0, math.inf, -math.inf
        self.moments = np.zeros(6)  # n, x, y, xx, yy, xy of densities less their first
        self.first: tuple[float, float] | None = None
        self.inside_squares, self.max_error = 0.0, 0.0
        self.bands = np.zeros((len(BAND_EDGES) - 1, 3))  # count, within, sum of relative errors
        self.overlap = np.zeros((len(_LEVELS), 2))  # intersection, union

    def add(self, x: Float32Array, y: Float32Array) -> None:
        """Count a slab of the original and of the decoded map."""
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        self.squares += float(np.square(x.astype(np.float64) - y).sum())
        for row, factor in zip(self.overlap, _LEVELS, strict=True):
            a, b = x > self.level * factor, y > self.level * factor
            row += np.count_nonzero(a & b), np.count_nonzero(a | b)
        chosen = slice(None) if self.contour is None else x > np.float32(self.contour)
        u, v = x[chosen].astype(np.float64).ravel(), y[chosen].astype(np.float64).ravel()
        if not u.size:
            return
        if self.first is None:
            self.first = float(u[0]), float(v[0])
        # Sums of squares of the densities themselves would lose a small spread about a large mean,
        # and give a constant map a spread of rounding errors.
        p, q = u - self.first[0], v - self.first[1]
        self.moments += u.size, p.sum(), q.sum(), (p * p).sum(), (q * q).sum(), (p * q).sum()
        error = np.abs(u - v)
        self.inside_squares += float((error * error).sum())
        self.max_error = max(self.max_error, float(error.max()))
        known = u != 0  # a relative error of zero density means nothing
        magnitude, relative = np.abs(u[known]), error[known] / np.abs(u[known])
        band = np.searchsorted(BAND_EDGES[1:-1], magnitude / self.peak, side="right")
        within = relative <= RELATIVE_ERROR
        for column, weights in enumerate((None, within, relative)):
            self.bands[:, column] += np.bincount(band, weights, minlength=len(self.bands))

    def report(self, original: DensityMap, curve: ShellCorrelation) -> QualityReport:
        """Return the figures that follow from the sums and the Fourier shell correlation."""
        count, x, y, xx, yy, xy = (float(value) for value in self.moments)
        n = max(count, 1.0)
        variance, other = max(xx / n - (x / n) ** 2, 0.0), max(yy / n - (y / n) ** 2, 0.0)
        rms, spread = math.sqrt(self.inside_squares / n), math.sqrt(variance * other)
        if self.inside_squares == 0:
            correlation = 1.0
        else:
            correlation = (xy / n - x * y / n**2) / spread if spread > 0 else 0.0
        # Without any spread, the density itself is the scale.
        scale = math.sqrt(variance) or abs(self.first[0] if self.first else 0.0) or 1.0
        rms_all = math.sqrt(self.squares / original.data.size)
        height = self.high - self.low
        known, within, relative = self.bands.sum(axis=0)
        return QualityReport(
            voxels=original.data.size,
            above_contour=int(count),
            nrmse=rms / scale,
            correlation=min(max(correlation, -1.0), 1.0),
            max_error=self.max_error,
            within_20_percent=float(within / known) if known else 1.0,
            mean_relative_error=float(relative / known) if known else 0.0,
            bands=tuple(
                Band(low, high, int(c), float(w / c), float(r / c))
                for (low, high), (c, w, r) in zip(pairwise(BAND_EDGES), self.bands, strict=True)
                if c
            ),
            iou=tuple(float(a / b) if b else 1.0 for a, b in self.overlap),
            level=self.level,
            nyquist=2 * max(original.voxel_size),
            psnr=20 * math.log10(height / rms_all) if rms_all > 0 and height > 0 else None,
            contour=self.contour,
            fsc_099=curve.resolution_below(0.99),
            fsc_05=curve.resolution_below(0.5),
            fsc_step=curve.step,
            fsc=tuple(round(float(value), 6) for value in curve.values),
        )
