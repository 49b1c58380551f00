"""Histograms for the charts of a quality report, counted voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..maps.density_map import DensityMap, slabs
from ..support.array_types import Float32Array, Float64Array, Int64Array
from .map_pairs import RELATIVE_ERROR, check_same_shape

SAMPLE_VOXELS = 2_000_000  # more voxels than this change no histogram visibly
_BINS = 160


@dataclass(frozen=True, eq=False)
class ErrorHistogram:
    """Voxels by density and error."""

    counts: Float64Array  # shape (densities, errors): voxels in each bin
    # densities, errors: edges of the bins; errors are decoded - original
    densities: Float64Array
    errors: Float64Array
    limit: float  # where the axis of errors ends
    stride: int  # one voxel in so many was counted


@dataclass(frozen=True, eq=False)
class DensityHistogram:
    """Voxels of two maps by density."""

    # original, decoded: voxels in each bin
    original: Int64Array
    decoded: Int64Array
    edges: Float64Array  # edges of the bins
    contour: float | None  # the density that is marked
    stride: int  # one voxel in so many was counted


def error_histogram(
    original: DensityMap, decoded: Float32Array, contour: float | None, bins: int = _BINS
) -> ErrorHistogram | None:
    """Count errors and densities of the voxels whose original is above the contour, or of all.

    `decoded` has the shape (z, y, x) of the original. There are `bins` density bins, and one more
    error bin; None is returned where no voxel is above the contour.

    Raises
    ------
    MapError
        If the shapes differ.
    """
    u, v, stride = _sample(original.data, decoded, contour)
    if not u.size:
        return None
    error = v - u
    reach, band = float(np.abs(error).max()), RELATIVE_ERROR * float(np.abs(u).max())
    # The band shows how small the errors are, but must not squeeze them into one line.
    limit = 1.1 * (min(max(band, reach), 4 * reach) if reach else band or 1.0)
    span, spread = _widened(float(u.min()), float(u.max())), reach or limit
    counts, *edges = np.histogram2d(u, error, (bins, bins + 1), (span, (-spread, spread)))
    return ErrorHistogram(counts, edges[0], edges[1], limit, stride)


def density_histogram(
    original: DensityMap, decoded: Float32Array, contour: float | None
) -> DensityHistogram:
    """Count the densities of both maps in all voxels; `contour` is only marked."""
    u, v, stride = _sample(original.data, decoded, None)
    span = _widened(float(min(u.min(), v.min())), float(max(u.max(), v.max())))
    counts, edges = np.histogram(u, _BINS, span)
    return DensityHistogram(counts, np.histogram(v, _BINS, span)[0], edges, contour, stride)


def _widened(low: float, high: float) -> tuple[float, float]:
    """Make a range that is not empty."""
    pad = 0.0 if high > low else 0.5 * abs(low) or 0.5
    return low - pad, high + pad


def _sample(
    a: Float32Array, b: Float32Array, contour: float | None
) -> tuple[Float64Array, Float64Array, int]:
    """Densities of both maps where a > contour, and the stride s: one voxel in s was taken.

    About `SAMPLE_VOXELS` are drawn at random, with a fixed seed: a plain stride would meet the same
    columns of the map in every row.
    """
    check_same_shape(a.shape, b.shape)
    parts = list(slabs(a.shape))
    level = -np.inf if contour is None else np.float32(contour)
    count = sum(int(np.count_nonzero(a[part] > level)) for part in parts)
    stride = max(1, -(-count // SAMPLE_VOXELS))
    random = np.random.default_rng(0)
    taken = []
    for part in parts:
        chosen = a[part] > level
        if stride > 1:
            chosen &= random.random(chosen.shape, np.float32) < 1 / stride
        taken.append((a[part][chosen], b[part][chosen]))
    u, v = (np.concatenate(values).astype(np.float64) for values in zip(*taken, strict=True))
    return u, v, stride
