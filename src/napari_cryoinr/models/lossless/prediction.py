"""Weights of the linear prediction of a phase, fitted by the encoder to a sample of its voxels."""

from __future__ import annotations

import numpy as np

from ...support.array_types import Float64Array, Int64Array

MOST = 144  # neighbours
_VOXELS_PER_WEIGHT = 60
_DIGIT = 2.0**18
_RIDGE = 1e-14  # relative to the mean of the diagonal
_UNIT = 2.0**-24  # of weights
_HALF_RANGE = 1 << 31  # of weights, in units


def weight_count(voxels: int) -> int:
    """Return how many weights are worth their bytes in a phase of so many voxels."""
    return min(MOST, voxels // _VOXELS_PER_WEIGHT)


def fit_weights(features: Float64Array, target: Float64Array, scale: Float64Array) -> Int64Array:
    """Return the weights of least squares, as unsigned integers.

    They do not depend on the number of threads: LAPACK's would, in their last bits.

    Parameters
    ----------
    features : densities of the neighbours, shape (voxels, neighbours).
    target, scale : density and expected error of each voxel.
    """
    rows = np.column_stack([features, target]) / np.maximum(scale, 1e-6 * scale.max())[:, None]
    rows /= np.abs(rows).max() or 1.0
    gram = np.einsum("ij,ik->jk", rows, rows, optimize=False)
    count = features.shape[1]
    gram[np.diag_indices(count)] += _RIDGE * np.trace(gram) / len(gram) + np.finfo(float).tiny
    for k in range(count):  # Gauss and Jordan
        pivot = gram[k] / gram[k, k]
        gram -= gram[:, k, None] * pivot
        gram[k] = pivot
    weights = np.rint(np.nan_to_num(gram[:count, -1]) / _UNIT) + _HALF_RANGE
    return np.clip(weights, 0, 2 * _HALF_RANGE - 1).astype(np.int64)


def weights_of(integers: Int64Array) -> Float64Array:
    """Return the weights that `fit_weights` gave as integers."""
    return (integers - _HALF_RANGE).astype(np.float64) * _UNIT


def distance_weights(offsets: tuple[tuple[int, int, int], ...]) -> Float64Array:
    """Return weights of neighbours by distance, which sum up to 1."""
    squares = np.array([z * z + y * y + x * x for z, y, x in offsets], np.int64)
    weights = np.ldexp(1.0, -np.minimum(4, (squares - 1) // 2)).astype(np.float64)
    return weights / weights.sum()
