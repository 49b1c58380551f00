"""The mean of the known particles, as two filters.

In white noise, as in a single frame, the best linear detector of a known shape is the matched
filter (North 1963, "An analysis of the factors which determine signal/noise discrimination in
pulsed-carrier systems"). In a clear micrograph the disturbance is other particles, and the
frequencies of the shape are divided by the power of the micrograph (Rickgauer, Grigorieff and Denk
2017, "Single-protein detection in crowded molecular environments in cryo-EM images"). Both are
computed, because a network takes long to learn them. They are radially symmetric, as particles lie
at any angle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from ....support.array_types import Float32Array, Float64Array
from ...preprocessing import SIDE
from ...training_crops import Field

COUNT = 2
RADIUS = 7 * SIDE // 8  # pixels of the prepared image
_FADES = 0.7  # share of the radius at which they begin to fade
_RINGS = 46  # of frequencies, up to the corners of the spectrum
_PER_FREQUENCY = _RINGS * np.sqrt(2)
_FINE = 0.3  # periods per pixel: above, nearly everything is noise
_LEAST = 0.01  # of the highest power: the least to divide by


def particle_filters(fields: Sequence[Field]) -> Float32Array:
    """Return the two filters, shape (COUNT, 2 RADIUS + 1, 2 RADIUS + 1).

    Their mean is 0 and their squares add up to 1, so that white noise keeps its variance. The
    fields have at least one particle.
    """
    plain = _finished(_mean(fields))
    return np.stack([plain, _finished(_divided(plain, _power(fields)))]).astype(np.float32)


def _mean(fields: Sequence[Field]) -> Float64Array:
    """Average the particles over all angles; shape (2 RADIUS + 1, 2 RADIUS + 1)."""
    total = np.zeros((2 * RADIUS + 1, 2 * RADIUS + 1))
    for field in fields:
        around = np.pad(field.image, RADIUS, mode="reflect")
        places = np.clip(np.rint(field.particles).astype(int), 0, np.array(field.image.shape) - 1)
        for y, x in places:
            total += around[y : y + 2 * RADIUS + 1, x : x + 2 * RADIUS + 1]
    distance = _distance()
    ring = np.rint(distance).astype(int).ravel()
    means = np.bincount(ring, total.ravel()) / np.bincount(ring)
    return np.interp(distance, np.arange(len(means)), means)


def _power(fields: Sequence[Field]) -> Float64Array:
    """Average the power of the fields in each ring of frequencies."""
    total = np.zeros(_RINGS)
    for field in fields:
        image = field.image
        ring = np.floor(_rings_of(image.shape)).astype(int).ravel()
        power = np.square(np.abs(fft.fft2(image, workers=-1))).ravel() / image.size
        count = np.bincount(ring, minlength=_RINGS)
        total += np.bincount(ring, power, minlength=_RINGS) / np.maximum(count, 1)
    return total / len(fields)


def _divided(values: Float64Array, power: Float64Array) -> Float64Array:
    """Divide the frequencies of values, shape (2 RADIUS + 1, 2 RADIUS + 1), by a power."""
    noise = power[int(_FINE * _PER_FREQUENCY) :].mean()
    power = np.maximum(power, max(noise, _LEAST * power.max(), 1e-30))
    side = fft.next_fast_len(4 * len(values))
    padded = np.zeros((side, side))
    padded[: len(values), : len(values)] = values
    among = np.interp(_rings_of(padded.shape), np.arange(_RINGS) + 0.5, power)
    return fft.ifft2(fft.fft2(padded) / among).real[: len(values), : len(values)]


def _rings_of(shape: tuple[int, ...]) -> Float64Array:
    """Return the fractional ring number of each frequency of an image of this shape."""
    y, x = (fft.fftfreq(n) for n in shape)
    return np.minimum(_PER_FREQUENCY * np.hypot(y[:, None], x[None]), _RINGS - 1e-6)


def _finished(values: Float64Array) -> Float64Array:
    """Fade values out at the edge, and make their mean in the circle 0 and their norm 1."""
    distance = _distance()
    inside = distance <= RADIUS
    values = values * np.clip((1 - distance / RADIUS) / (1 - _FADES), 0, 1)
    values = values - inside * values[inside].mean()
    return values / max(float(np.linalg.norm(values)), 1e-30)


def _distance() -> Float64Array:
    """Return the distance from the middle, pixels."""
    axis = np.arange(-RADIUS, RADIUS + 1)
    return np.hypot(axis[:, None], axis[None])
