"""What the charts of a quality report show, counted voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..maps.density_map import DensityMap, slabs
from .comparison import RELATIVE_ERROR

Densities = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

SAMPLE_VOXELS = 2_000_000  # more voxels than this change no histogram visibly
_BINS = 160


@dataclass(frozen=True, eq=False)
class ErrorHistogram:
    """A histogram of error and density.

    Attributes
    ----------
    counts : voxels, shape (densities, errors).
    densities, errors : edges of the bins; errors are decoded - original.
    limit : where the axis of errors ends.
    contour : voxels of the original above it were counted; None: all.
    stride : one voxel in so many was counted.
    """

    counts: Doubles
    densities: Doubles
    errors: Doubles
    limit: float
    contour: float | None
    stride: int


@dataclass(frozen=True, eq=False)
class DensityHistogram:
    """Histograms of two maps.

    Attributes
    ----------
    original, decoded : voxels in each bin.
    edges : edges of the bins.
    contour : is marked; None: there is none.
    stride : one voxel in so many was counted.
    """

    original: npt.NDArray[np.int64]
    decoded: npt.NDArray[np.int64]
    edges: Doubles
    contour: float | None
    stride: int


def error_histogram(
    original: DensityMap, decoded: Densities, contour: float | None, bins: int = _BINS
) -> ErrorHistogram | None:
    """Count errors and densities above the contour; None where no voxel is above it.

    Parameters
    ----------
    decoded : densities of the same shape (z, y, x).
    bins : of the densities; of the errors there is one more.
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
    return ErrorHistogram(counts, edges[0], edges[1], limit, contour, stride)


def density_histogram(
    original: DensityMap, decoded: Densities, contour: float | None
) -> DensityHistogram:
    """Count the densities of both maps in all voxels; parameters are those of `error_histogram`."""
    u, v, stride = _sample(original.data, decoded, None)
    span = _widened(float(min(u.min(), v.min())), float(max(u.max(), v.max())))
    counts, edges = np.histogram(u, _BINS, span)
    return DensityHistogram(counts, np.histogram(v, _BINS, span)[0], edges, contour, stride)


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    pad = 0.0 if high > low else 0.5 * abs(low) or 0.5
    return low - pad, high + pad


def _sample(
    a: Densities, b: Densities, contour: float | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
    """Densities of both maps (n,) in the voxels where a > contour, at most `SAMPLE_VOXELS`.

    Returns
    -------
    The densities of a, those of b, and the stride s: one voxel in s was taken. Each is drawn at
    random from its s neighbours (with a fixed seed): a plain stride would meet the same columns of
    the map in every row.
    """
    parts = list(slabs(a.shape))
    level = -np.inf if contour is None else np.float32(contour)
    count = sum(int(np.count_nonzero(a[part] > level)) for part in parts)
    stride = max(1, -(-count // SAMPLE_VOXELS))
    random = np.random.default_rng(0)
    taken = []
    for part in parts:
        places = np.flatnonzero(a[part] > level)
        if stride > 1:
            starts = np.arange(0, places.size - stride + 1, stride)
            places = places[starts + random.integers(stride, size=starts.size)]
        taken.append((a[part].ravel()[places], b[part].ravel()[places]))
    u, v = (np.concatenate([pair[i] for pair in taken]).astype(np.float64) for i in (0, 1))
    return u, v, stride
