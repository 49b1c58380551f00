"""Positional encoding by additions and multiplications alone.

The sine of a math library differs in its last bit from machine to machine. IEEE additions and
multiplications do not, so the encoding is built from them: a Taylor series for a small angle, then
double-angle steps, which are needed for the frequencies 2^0, 2^1, ... anyway. The same code runs on
numpy arrays (decoding) and torch tensors (training).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...support.array_types import Float64Array, Int64Array

# The series is used for angles up to pi / 32, where seven terms exceed double precision.
_HALVINGS = 5
_TERMS = 7


def normalised(positions: Float64Array | Int64Array, shape: tuple[int, ...]) -> Float64Array:
    """Return positions in voxels as coordinates in [-1, 1]: the first voxel at -1, the last at 1.

    An axis of one voxel has the coordinate 0.
    """
    last = np.array([max(n - 1, 1) for n in shape], np.float64)
    shift = np.array([1.0 if n > 1 else 0.0 for n in shape])
    return positions * (2.0 / last) - shift


def encode(points: Any, frequencies: int, library: Any) -> Any:
    """Return the encoding of normalised coordinates (n, 3), in arrays of the module numpy or torch.

    It has the shape (n, 3 + 6 * frequencies): the coordinates, then for each octave k the three
    sines and the three cosines of 2^k * pi * coordinate.
    """
    parts = [points]
    if frequencies:
        small = points * (math.pi / 2**_HALVINGS)
        square = small * small
        sine, cosine = small * 0.0 + 1.0, small * 0.0 + 1.0
        for n in range(_TERMS, 0, -1):  # Horner's rule
            sine = 1.0 - square * sine * (1.0 / (2 * n * (2 * n + 1)))
            cosine = 1.0 - square * cosine * (1.0 / ((2 * n - 1) * 2 * n))
        sine = small * sine
        for octave in range(_HALVINGS + frequencies):
            if octave >= _HALVINGS:
                parts += [sine, cosine]
            sine, cosine = 2.0 * (sine * cosine), 1.0 - 2.0 * (sine * sine)
    return library.concatenate(parts, 1)
