"""Comparison of a decoded map with its original, slab by slab: large maps need little memory."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..errors import SettingsError
from ..maps.auto_threshold import auto_threshold
from ..maps.density_map import DensityMap
from ..maps.envelope import soft_mask
from ..maps.map_statistics import statistics
from ..maps.masked_volume import MaskedVolume
from ..maps.resolution import WEAK, Resolution, resolution_steps
from ..maps.threshold import background_density
from ..progress import Clock, Progress, Steps, drain
from ..support.array_types import BoolArray, Float32Array
from .fsc import ShellCorrelation, shell_correlation_steps
from .map_pairs import RELATIVE_ERROR, check_same_shape
from .places import worst_places_steps
from .quality_report import Band, QualityReport

BAND_EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_LEVELS = (0.9, 1.0, 1.1)


def compare(
    original: DensityMap,
    decoded: DensityMap,
    contour: float | None = None,
    *,
    keep: str = "envelope",
    resolution: float | None = None,
) -> QualityReport:
    """Measure the quality of a decoded map against its original.

    Parameters
    ----------
    original, decoded : DensityMap
        Maps of the same shape (z, y, x).
    contour : float, optional
        Density that counts as structure in the original. Without it the whole volume counts.
    keep : str
        What counts of a map with a contour: ``envelope``, the soft mask round the density above
        it, or ``contour``, the voxels above it.
    resolution : float, optional
        Å up to which Fourier shells count; by default it is found in the original.

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
    'Kept exactly in the whole volume, surface overlap 1.00 at 2.58'
    """
    weight = kept_weight(original, contour, keep)
    given = None if resolution is None else Resolution(resolution, "given")
    return drain(
        compare_steps(original, decoded.data, contour, weight=weight, resolution=given, places=True)
    )


def compare_steps(
    original: DensityMap,
    decoded: Float32Array,
    contour: float | None,
    level: float | None = None,
    clock: Clock | None = None,
    *,
    weight: Float32Array | None = None,
    resolution: Resolution | None = None,
    places: bool = False,
) -> Steps[QualityReport]:
    """Compare a decoded map with its original, as a generator of progress.

    Parameters
    ----------
    original : DensityMap
    decoded : ndarray of float32
        Densities of the same shape (z, y, x).
    contour : float or None
        Voxels of the original above it count, unless there is a mask; None counts all.
    level : float, optional
        Density of the iso-surface for the overlap; by default the contour, or the automatic
        threshold where there is none.
    clock : Clock, optional
        Gives the seconds of the records.
    weight : ndarray of float32, optional
        A soft mask, 0 to 1, of the same shape: voxels where it is at least 0.5 count in place of
        those above the contour, and Fourier shells are those of the masked maps.
    resolution : Resolution, optional
        That up to which the lowest Fourier shell correlation is sought; by default it is found in
        the original, unless voxels above a contour count or there is no error. Shells of the
        original with less than 1e-4 of the power of its strongest do not count.
    places : bool
        Whether to look for the places where the local correlation is lowest.

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
    sums = ComparedSums(contour, level, max(abs(stats.low), abs(stats.high)) or 1.0)
    for part in original.slabs():
        inside = None if weight is None else weight[part] >= 0.5
        sums.add(original.data[part], decoded[part], inside)
        yield Progress("measuring", part.stop, len(decoded), clock.seconds)
    keep = "envelope" if weight is not None else "volume" if contour is None else "contour"
    mask = shell_mask(original, contour, weight)
    a: Float32Array | MaskedVolume
    b: Float32Array | MaskedVolume
    a, b = original.data, decoded
    if mask is not None:
        # Where the density that they fade into is not 0, the mask itself would correlate.
        outside = background_density(original, mask > 0)
        a, b = (MaskedVolume(volume, outside, mask) for volume in (a, b))
    curve = yield from shell_correlation_steps(a, b, original.voxel_size, clock)
    report = sums.report(original, keep, curve)
    if resolution is None and keep != "contour" and report.max_error > 0:
        resolution = yield from resolution_in_steps(original, mask, clock)
    report = with_lowest(report, curve, resolution)
    if places:
        inside = None if weight is None else weight >= 0.5
        worst = yield from worst_places_steps(
            original, decoded, inside, report.level, report.resolution, clock
        )
        report = replace(report, worst=worst)
    return report


def with_lowest(
    report: QualityReport, curve: ShellCorrelation, resolution: Resolution | None
) -> QualityReport:
    """Return a report with the resolution and the lowest correlation of the shells up to it."""
    last = len(curve.values)
    if resolution is not None:
        last = max(1, int(1 / (curve.step * resolution.angstrom) + 1e-9))
        report = replace(
            report, resolution=resolution.angstrom, resolution_source=resolution.source
        )
    strong = curve.power[:last] >= WEAK * curve.power.max(initial=0)
    lowest = round(float(curve.values[:last][strong].min(initial=1.0)), 6)
    return replace(report, lowest_fsc=lowest)


def check_keep(keep: str) -> None:
    """Raise `SettingsError` unless this can be kept of a map with a contour."""
    if keep not in ("envelope", "contour"):
        raise SettingsError(
            f"keep = {keep!r}: must be envelope or contour; without a contour the volume counts"
        )


def kept_weight(original: DensityMap, contour: float | None, keep: str) -> Float32Array | None:
    """Return the soft mask round a contour where the envelope is kept, else None."""
    check_keep(keep)
    if contour is None or keep == "contour":
        return None
    return soft_mask(original.data, contour)


def shell_mask(
    original: DensityMap, contour: float | None, weight: Float32Array | None
) -> Float32Array | None:
    """Return the soft mask in which Fourier shells are compared: round the contour if need be."""
    if weight is not None or contour is None:
        return weight
    return soft_mask(original.data, contour)


def resolution_in_steps(
    original: DensityMap, mask: Float32Array | None, clock: Clock
) -> Steps[Resolution]:
    """Find the resolution of a map in a soft mask, None being all, as a generator of progress."""
    kept = np.ones(original.data.shape, bool) if mask is None else mask > 0
    background = background_density(original, kept)
    return (
        yield from resolution_steps(original.data, mask, original.voxel_size, background, clock)
    )


class ComparedSums:
    """Running sums over slabs, in float64."""

    def __init__(self, contour: float | None, level: float, peak: float) -> None:
        self.contour, self.level, self.peak = contour, level, peak
        self.squares, self.low, self.high = 0.0, math.inf, -math.inf
        self.moments = np.zeros(6)  # n, x, y, xx, yy, xy of densities less their first
        self.first: tuple[float, float] | None = None
        self.inside_squares, self.max_error = 0.0, 0.0
        self.bands = np.zeros((len(BAND_EDGES) - 1, 3))  # count, within, sum of relative errors
        self.overlap = np.zeros((len(_LEVELS), 2))  # intersection, union

    def add(self, x: Float32Array, y: Float32Array, inside: BoolArray | None) -> None:
        """Count a slab of the original and of the decoded map."""
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        self.squares += float(np.square(x.astype(np.float64) - y).sum())
        for row, factor in zip(self.overlap, _LEVELS, strict=True):
            a, b = x > self.level * factor, y > self.level * factor
            if inside is not None:
                a, b = a & inside, b & inside
            row += np.count_nonzero(a & b), np.count_nonzero(a | b)
        chosen: slice | BoolArray = slice(None)
        if inside is not None:
            chosen = inside
        elif self.contour is not None:
            chosen = x > np.float32(self.contour)
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
        if self.contour is not None:
            known &= u > np.float32(self.contour)
        magnitude, relative = np.abs(u[known]), error[known] / np.abs(u[known])
        band = np.searchsorted(BAND_EDGES[1:-1], magnitude / self.peak, side="right")
        within = relative <= RELATIVE_ERROR
        for column, weights in enumerate((None, within, relative)):
            self.bands[:, column] += np.bincount(band, weights, minlength=len(self.bands))

    def report(self, original: DensityMap, keep: str, curve: ShellCorrelation) -> QualityReport:
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
            keep=keep,
            kept_voxels=int(count),
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
