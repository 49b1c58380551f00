"""Which helix a map may have about an axis: a step along it with a turn about it.

From the harmonics about the axis comes the correlation of the density with itself after every step
and turn, over the part of the map where both are. The smallest step that fits as well as any is the
rise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..support.array_types import Float64Array
from .harmonics import Harmonics
from .refinement import Guess

_ANGLES = 720  # turns that are compared
_LEAST_SHARE = 0.35  # of the density that both parts hold
_LEAST_FIT = 0.7  # correlation
_NEARLY = 0.85  # of the best correlation
_MOST = 6  # steps that are looked at


def helices(harmonics: Harmonics, centre: Float64Array) -> Iterator[Guess]:
    """Yield helices about an axis, the smallest rise first, in voxels of the harmonics' volume."""
    fits = _fits(harmonics)
    if fits is None:
        return
    peaks = _peaks(fits)
    best = max((fits[place] for place in peaks), default=0.0)
    good = [place for place in peaks if fits[place] > max(_LEAST_FIT, _NEARLY * best)]
    unit = float(harmonics.heights[1] - harmonics.heights[0])
    for step, turn in good[:_MOST]:
        along = step + _vertex(*fits[step - 1 : step + 2, turn])
        # Between -1/2 and 1/2: a helix of either hand. Angles of harmonics grow the other way.
        twist = 0.5 - (turn / _ANGLES + 0.5) % 1
        yield Guess("C1", centre, harmonics.frame, along * unit, 2 * math.pi * twist)


def _fits(harmonics: Harmonics) -> Float64Array | None:
    """Return correlations by (step in heights, turn in 1/`_ANGLES`); None if there is nothing."""
    waves = harmonics.waves.copy()
    waves[..., 0] -= waves[..., 0].mean(axis=0)  # a rod fits at every step
    factors = np.full(waves.shape[2], 2.0)
    factors[0] = 1
    power = np.einsum("hrm,r,m->h", np.abs(waves) ** 2, harmonics.weights, factors)
    total = float(power.sum())
    if total <= 0:
        return None
    rows = []
    for step in range(len(waves) - 1):
        ahead, behind = waves[step:], waves[: len(waves) - step]
        both = math.sqrt(float(power[step:].sum()) * float(power[: len(waves) - step].sum()))
        if both < _LEAST_SHARE * total:
            break
        product = np.einsum("hrm,hrm,r->m", ahead, behind.conj(), harmonics.weights)
        spectrum = np.zeros(_ANGLES, complex)
        spectrum[: len(product)] = product * factors
        # A turn by an angle multiplies a harmonic by its phase.
        rows.append(np.fft.fft(spectrum).real / both)
    return np.array(rows) if len(rows) > 2 else None


def _peaks(fits: Float64Array) -> list[tuple[int, int]]:
    """Return where correlations are largest among their neighbours, the smallest steps first."""
    out = []
    for step in range(1, len(fits) - 1):
        near = np.max([np.roll(fits[step - 1 : step + 2], by, axis=1) for by in (-1, 0, 1)], axis=0)
        for turn in np.flatnonzero(fits[step] >= near.max(axis=0)):
            out.append((step, int(turn)))
    return out


def _vertex(before: float, here: float, after: float) -> float:
    """Return where the parabola through three values is highest, from the middle one."""
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
