"""Pearson correlation of two maps in a cube around each voxel."""

from __future__ import annotations

import numpy as np

from ..support.array_types import BoolArray, Float64Array


def local_correlation(a: Float64Array, b: Float64Array, window: int) -> Float64Array:
    """Correlate the densities in the cube around each voxel.

    The cube is clipped at the edges of the volume. Voxels that are infinite or NaN in one of the
    volumes do not count. Where both are equal in the whole cube the correlation is 1; where one of
    them has no spread there (and they differ), or no voxel counts, it is not defined: NaN.

    Parameters
    ----------
    a, b : ndarray of float64, shape (z, y, x)
        Densities.
    window : int
        Side of the cube in voxels, odd.

    Returns
    -------
    ndarray of float64, shape (z, y, x)
        Correlations between -1 and 1, or NaN.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    valid = np.isfinite(a) & np.isfinite(b)
    if not valid.any():
        return np.full(a.shape, np.nan)
    p, q = _centred(a, valid), _centred(b, valid)
    n = _sums(valid.astype(np.float64), window)
    sum_p, sum_q = _sums(p, window), _sums(q, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = _sums(p * q, window) - sum_p * sum_q / n
        spread = np.sqrt(
            np.maximum(_sums(p * p, window) - sum_p**2 / n, 0.0)
            * np.maximum(_sums(q * q, window) - sum_q**2 / n, 0.0)
        )
        out = np.clip(covariance / spread, -1.0, 1.0)
    out[spread == 0] = np.nan
    # Rounding leaves a constant cube some spread, but its smallest and largest density are equal.
    for values in (a, b):
        high = maximum_filter(np.where(valid, values, -np.inf), window, mode="nearest")
        low = minimum_filter(np.where(valid, values, np.inf), window, mode="nearest")
        out[high <= low] = np.nan
    equal = _sums((valid & (a != b)).astype(np.float64), window) == 0
    out[equal & (n > 0)] = 1.0
    return out


def _centred(values: Float64Array, valid: BoolArray) -> Float64Array:
    """Densities less their median, so that squares lose no small spread about a large mean."""
    middle = np.median(values[valid][::16])
    return np.where(valid, values, middle) - middle


def _sums(values: Float64Array, window: int) -> Float64Array:
    """Add up the cube around each voxel, with nothing outside the volume.

    Each is added up on its own: running sums would carry rounding errors from dense parts of a map
    into the empty ones.
    """
    from scipy.ndimage import correlate1d

    ones = np.ones(window)
    for axis in range(3):
        values = correlate1d(values, ones, axis, mode="constant")
    return values
