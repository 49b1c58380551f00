"""Measuring a decoded map against its original, slab by slab."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..errors import MapError
from ..maps.density_map import DensityMap
from ..maps.threshold import auto_threshold, statistics
from ..progress import Clock, Progress, Steps, drain
from .fsc import shell_correlation_steps
from .quality_report import Band, QualityReport

BAND_EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
RELATIVE_ERROR = 0.2  # the source counts the voxels within 20 % (arXiv 2512.12975)
_LEVELS = (0.9, 1.0, 1.1)


class _Sums:
    """Running sums over slabs; float64 throughout."""

    def __init__(self, contour: float | None, level: float, peak: float) -> None:
        self.contour, self.level, self.peak = contour, level, peak
        self.squares, self.low, self.high = 0.0, math.inf, -math.inf
        self.inside = np.zeros(6)  # count, x, y, xx, yy, xy, of densities less their first
        self.first: tuple[float, float] | None = None
        self.inside_squares, self.max_error = 0.0, 0.0
        self.bands = np.zeros((len(BAND_EDGES) - 1, 3))  # count, within, sum of relative errors
        self.overlap = np.zeros((len(_LEVELS), 2))  # intersection, union

    def add(self, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> None:
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
        self.inside += u.size, p.sum(), q.sum(), (p * p).sum(), (q * q).sum(), (p * q).sum()
        error = np.abs(u - v)
        self.inside_squares += float((error * error).sum())
        self.max_error = max(self.max_error, float(error.max()))
        known = u != 0  # a relative error of zero density means nothing
        magnitude, relative = np.abs(u[known]), error[known] / np.abs(u[known])
        band = np.clip(
            np.searchsorted(BAND_EDGES, magnitude / self.peak, side="right") - 1,
            0,
            len(self.bands) - 1,
        )
        within = (relative <= RELATIVE_ERROR).astype(np.float64)
        for column, values in enumerate((np.ones_like(within), within, relative)):
            self.bands[:, column] += np.bincount(band, values, minlength=len(self.bands))


def compare_steps(
    original: DensityMap,
    decoded: npt.NDArray[np.float32],
    contour: float | None,
    level: float | None = None,
    clock: Clock | None = None,
) -> Steps[QualityReport]:
    """Measure a decoded map, as a generator of progress.

    Parameters
    ----------
    decoded : densities of the same shape (z, y, x).
    contour : voxels of the original above it count; None counts all.
    level : level of the iso-surface for the overlap; by default the contour, or the automatic
        threshold where there is none.

    Raises
    ------
    MapError
        if the shapes differ.
    """
    clock = clock or Clock()
    if original.data.shape != decoded.shape:
        raise MapError(
            f"shapes differ: {original.data.shape} and {decoded.shape}; compare maps on one grid"
        )
    stats = statistics(original)
    if level is None:
        level = contour if contour is not None else auto_threshold(stats)
    sums = _Sums(contour, level, max(abs(stats.low), abs(stats.high)) or 1.0)
    for part in original.slabs():
        sums.add(original.data[part], decoded[part])
        yield Progress("measuring", part.stop, len(decoded), clock.seconds)
    curve = yield from shell_correlation_steps(original.data, decoded, original.voxel_size, clock)
    return _report(
        sums,
        original,
        curve.values,
        curve.step,
        [curve.resolution_below(0.99), curve.resolution_below(0.5)],
    )


def _report(
    sums: _Sums,
    original: DensityMap,
    fsc: npt.NDArray[np.float64],
    step: float,
    resolutions: list[float | None],
) -> QualityReport:
    count, x, y, xx, yy, xy = (float(v) for v in sums.inside)
    n = max(count, 1.0)
    variance, other = max(xx / n - (x / n) ** 2, 0.0), max(yy / n - (y / n) ** 2, 0.0)
    rms = math.sqrt(sums.inside_squares / n)
    spread = math.sqrt(variance * other)
    covariance = xy / n - x * y / n**2
    exact = sums.inside_squares == 0
    correlation = 1.0 if exact else covariance / spread if spread > 0 else 0.0
    rms_all = math.sqrt(sums.squares / original.data.size)
    height = sums.high - sums.low
    known = max(float(sums.bands[:, 0].sum()), 1.0)
    bands = tuple(
        Band(low, high, int(c), float(w / c), float(r / c))
        for low, high, (c, w, r) in zip(BAND_EDGES[:-1], BAND_EDGES[1:], sums.bands, strict=True)
        if c
    )
    return QualityReport(
        voxels=original.data.size,
        above_contour=int(count),
        # Without any spread there is no scale: the error itself stands then.
        nrmse=rms / math.sqrt(variance) if variance > 0 else rms,
        correlation=min(max(correlation, -1.0), 1.0),
        max_error=sums.max_error,
        within_20_percent=float(sums.bands[:, 1].sum() / known) if sums.bands.any() else 1.0,
        mean_relative_error=float(sums.bands[:, 2].sum() / known),
        bands=bands,
        iou=tuple(float(a / b) if b else 1.0 for a, b in sums.overlap),
        level=sums.level,
        nyquist=2 * max(original.voxel_size),
        psnr=20 * math.log10(height / rms_all) if rms_all > 0 and height > 0 else None,
        contour=sums.contour,
        fsc_099=resolutions[0],
        fsc_05=resolutions[1],
        fsc_step=step,
        fsc=tuple(round(float(value), 6) for value in fsc),
    )


def compare(
    original: DensityMap, decoded: DensityMap, contour: float | None = None
) -> QualityReport:
    """The quality report of two maps on one grid; see `compare_steps`."""
    return drain(compare_steps(original, decoded.data, contour))
