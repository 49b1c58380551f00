"""Weights of the linear prediction of a phase, fitted by the encoder to a sample of its voxels.

They do not depend on the number of threads, so that one map always gives the same bytes.
"""

from __future__ import annotations

import numpy as np

from ...support.array_types import Float64Array, Int64Array
from .lattice import Lattice, Offset, known_offsets

MOST = 160  # neighbours
SAMPLES = 24_000
_DIGIT = 18  # bits: 2^15 products of twice as many fit a float64
_FEWEST = 64  # voxels that a fit is made for
_RIDGE = 1e-14  # relative to the mean of the diagonal: rounding errors are of this size
_BITS = 48  # that a weight costs
_TYPICAL = 1.6  # mean error over geometric mean error, between Gaussian and Laplacian


def fit_weights(
    lattice: Lattice,
    phase: Offset,
    places: Int64Array,
    target: Float64Array,
    scale: Float64Array,
    count: int,
) -> tuple[Float64Array, float]:
    """Weights of the nearest neighbours that cost least together with the bits of the errors.

    Parameters
    ----------
    places : voxels of the sample, as flat indices of the phase.
    target, scale : of each of these, the density and the size of the error that is expected.
    count : voxels of the phase that the sample stands for.

    Returns
    -------
    The weights, none where they are not worth their bytes, and the typical ratio of errors to
    `scale` with them.
    """
    if places.size < _FEWEST:
        return np.zeros(0), 1.0
    importance = 1 / np.maximum(scale, 1e-6 * scale.max())
    offsets = known_offsets(phase, MOST)
    features = np.empty((places.size, len(offsets) + 1), order="F")
    features[:, :-1] = lattice.gather(phase, places, offsets)
    features[:, -1] = target
    features *= importance[:, None]
    top = np.abs(features).max()
    if not top > 0:
        return np.zeros(0), 1.0
    features /= top
    gram = _gram(features)
    ridge = _RIDGE * np.trace(gram) / len(gram)
    gram[np.diag_indices(len(gram))] += ridge
    lower = _cholesky(gram)
    if lower is None:  # more neighbours than the data tell apart
        return np.zeros(0), 1.0
    # The squares of the errors with the first k neighbours, for every k at once.
    along = lower[-1, :-1]
    left = np.maximum(gram[-1, -1] - np.cumsum(along**2), ridge)
    costs = 0.5 * count * np.log2(left) + _BITS * np.arange(1, along.size + 1)
    best = int(np.argmin(costs)) + 1
    weights = _solved(lower[:best, :best], along[:best])
    errors = features[:, -1].copy()
    for column, weight in zip(features.T, weights, strict=False):
        errors -= weight * column
    errors = np.abs(errors) * (top / importance)
    return weights, _ratio(errors, scale)


def _gram(features: Float64Array) -> Float64Array:
    """Products of the columns, whose magnitudes are at most 1, the same for any order of sums.

    Features are rounded to two digits of `_DIGIT` bits, so that float64 holds all sums exactly.
    """
    unit = 2.0**_DIGIT
    high = np.rint(features * unit)
    low = np.rint((features * unit - high) * unit)
    mixed = high.T @ low
    return ((low.T @ low) / unit**2 + (mixed + mixed.T) / unit + high.T @ high) / unit**2


def _cholesky(matrix: Float64Array) -> Float64Array | None:
    """The lower factor of a symmetric matrix, None unless it is positive definite.

    LAPACK's depends on the number of threads in its last bits.
    """
    left, lower = matrix.copy(), np.zeros_like(matrix)
    for k in range(len(matrix)):
        if not left[k, k] > 0:
            return None
        column = left[k:, k] / np.sqrt(left[k, k])
        lower[k:, k] = column
        left[k:, k:] -= column[:, None] * column
    return lower


def _solved(lower: Float64Array, right: Float64Array) -> Float64Array:
    """The solution x of lower.T x = right."""
    left, out = right.copy(), np.zeros_like(right)
    for k in reversed(range(len(right))):
        out[k] = left[k] / lower[k, k]
        left[:k] -= out[k] * lower[k, :k]
    return out


def _ratio(errors: Float64Array, expected: Float64Array) -> float:
    usable = errors > 0
    if not usable.any():
        return 1.0
    octaves = np.log2(errors[usable]) - np.log2(expected[usable])
    return float(_TYPICAL * 2.0 ** np.clip(octaves.mean(), -60, 60))
