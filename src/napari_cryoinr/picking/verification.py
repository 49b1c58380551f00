"""Refusing ice, carbon, aggregates and dead regions by how much the image varies in a box.

DeepEM (Zhu, Ouyang and Mao 2017, "Particle verification") asks the user for the least and the
largest standard deviation of a box. Here both come from the particles that the user has shown, in
units of the noise level of their micrograph, so that they hold for others too.
"""

from __future__ import annotations

import numpy as np

from ..support.array_types import BoolArray, Float64Array
from .preprocessing import Prepared

_WIDTH = 5.0  # median deviations from the middle, as standard deviations
_LEAST = 1.35  # the widest that is still taken for a particle is at least this times the middle
_TO_SIGMA = 1.4826

Limits = tuple[float, float]


def spreads(prepared: Prepared, places: Float64Array) -> Float64Array:
    """Standard deviation in the box around each place, in noise levels, shape (n,).

    Parameters
    ----------
    places : shape (n, 2), x then y, pixels of the micrograph.
    """
    indices = np.round(places[:, ::-1] / prepared.step).astype(int)
    rows, columns = np.clip(indices, 0, np.array(prepared.spread.shape) - 1).T
    return prepared.spread[rows, columns].astype(np.float64)


def limits_of(spread: Float64Array) -> Limits:
    """The least and the largest spread of a particle, from those of known particles.

    The lower limit only finds what is dead: a micrograph with more noise has particles that vary
    hardly more than what is around them.
    """
    middle = float(np.median(spread))
    width = _WIDTH * _TO_SIGMA * float(np.median(np.abs(spread - middle)))
    return 0.5 * min(middle, 1.0), max(middle + width, _LEAST * middle)


def verified(spread: Float64Array, limits: Limits) -> BoolArray:
    """Which of the spreads can be a particle's."""
    low, high = limits
    return (spread >= low) & (spread <= high)
