"""Weights of the linear prediction of a phase, fitted by the encoder to a sample of its voxels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .lattice import Lattice, Offset, known_offsets

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

MOST = 160  # neighbours
SAMPLES = 24_000
_FEWEST = 64  # voxels that a fit is made for
_RIDGE = 1e-14  # relative to the mean of the diagonal: rounding errors are of this size
_BITS = 48  # that a weight costs
_TYPICAL = 1.6  # mean error over geometric mean error, between Gaussian and Laplacian


def fit_weights(
    lattice: Lattice, phase: Offset, places: Ints, target: Doubles, scale: Doubles, count: int
) -> tuple[Doubles, float]:
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
    features = np.empty((places.size, len(offsets) + 1))
    features[:, :-1] = lattice.gather(phase, places, offsets)
    features[:, -1] = target
    features *= importance[:, None]
    top = np.abs(features).max()
    if not top > 0:
        return np.zeros(0), 1.0
    features /= top
    gram = features.T @ features
    ridge = _RIDGE * np.trace(gram) / len(gram)
    gram[np.diag_indices(len(gram))] += ridge
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:  # more neighbours than the data tell apart
        return np.zeros(0), 1.0
    # The squares of the errors with the first k neighbours, for every k at once.
    along = lower[-1, :-1]
    left = np.maximum(gram[-1, -1] - np.cumsum(along**2), ridge)
    costs = 0.5 * count * np.log2(left) + _BITS * np.arange(1, along.size + 1)
    best = int(np.argmin(costs)) + 1
    weights = np.linalg.solve(lower[:best, :best].T, along[:best])
    errors = np.abs(features[:, -1] - features[:, :best] @ weights) * (top / importance)
    return weights, _ratio(errors, scale)


def _ratio(errors: Doubles, expected: Doubles) -> float:
    usable = errors > 0
    if not usable.any():
        return 1.0
    octaves = np.log2(errors[usable]) - np.log2(expected[usable])
    return float(_TYPICAL * 2.0 ** np.clip(octaves.mean(), -60, 60))
