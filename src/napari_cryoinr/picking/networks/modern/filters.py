"""The mean of the known particles, as two filters.

Nothing linear finds a known shape better than a filter of that shape, where all else is noise
(North 1963, "An analysis of the factors which determine signal/noise discrimination in
pulsed-carrier systems"): so it is in a single frame. In a clear micrograph it is the other
particles that disturb, and the shape's frequencies are to be divided by the power that the
micrograph has there (Rickgauer, Grigorieff and Denk 2017, "Single-protein detection in crowded
molecular environments in cryo-EM images"). Both are measured, for it takes a network long to learn
them. Particles lie at any angle, so that the filters are round.
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
_FADES = 0.7  # from this share of the radius on
_RINGS = 46  # of frequencies, up to the corners of the spectrum
_FINE = 0.3  # periods per pixel: above, nearly everything is noise
_LEAST = 0.01  # of the highest power is the least that is divided by


def particle_filters(fields: Sequence[Field]) -> Float32Array:
    """The filters.

    Parameters
    ----------
    fields : with at least one particle in all.

    Returns
    -------
    Shape (COUNT, 2 RADIUS + 1, 2 RADIUS + 1): the one against noise and the one against all else.
    Their mean is 0 and their squares add up to 1, so that white noise keeps its variance.
    """
    plain = _finished(_mean(fields))
    return np.stack([plain, _finished(_divided(plain, _power(fields)))]).astype(np.float32)


def _mean(fields: Sequence[Field]) -> Float64Array:
    """Of the particles, over all angles; shape (2 RADIUS + 1, 2 RADIUS + 1)."""
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
    """Mean power of the fields in each ring of frequencies."""
    total = np.zeros(_RINGS)
    for field in fields:
        image = field.image
        ring = np.floor(_rings_of(image.shape)).astype(int).ravel()
        power = np.square(np.abs(fft.fft2(image, workers=-1))).ravel() / image.size
        count = np.bincount(ring, minlength=_RINGS)
        total += np.bincount(ring, power, minlength=_RINGS) / np.maximum(count, 1)
    return total / len(fields)


def _divided(values: Float64Array, power: Float64Array) -> Float64Array:
    """Values, shape (2 RADIUS + 1, 2 RADIUS + 1), whose frequencies are divided by a power."""
    noise = power[int(_FINE * _per_frequency()) :].mean()
    power = np.maximum(power, max(noise, _LEAST * power.max(), 1e-30))
    side = fft.next_fast_len(4 * len(values))
    padded = np.zeros((side, side))
    padded[: len(values), : len(values)] = values
    among = np.interp(_rings_of(padded.shape), np.arange(_RINGS) + 0.5, power)
    return fft.ifft2(fft.fft2(padded) / among).real[: len(values), : len(values)]


def _rings_of(shape: tuple[int, ...]) -> Float64Array:
    """For each frequency of an image of this shape, in which ring it is, and how far."""
    y, x = (fft.fftfreq(n) for n in shape)
    return np.minimum(_per_frequency() * np.hypot(y[:, None], x[None]), _RINGS - 1e-6)


def _per_frequency() -> float:
    """Rings per unit of frequency."""
    return _RINGS * np.sqrt(2)


def _finished(values: Float64Array) -> Float64Array:
    """Faded out, of mean 0 in the circle, and of norm 1."""
    distance = _distance()
    inside = distance <= RADIUS
    values = values * np.clip((1 - distance / RADIUS) / (1 - _FADES), 0, 1)
    values = values - inside * values[inside].mean()
    return values / max(float(np.linalg.norm(values)), 1e-30)


def _distance() -> Float64Array:
    """From the middle, pixels."""
    axis = np.arange(-RADIUS, RADIUS + 1)
    return np.hypot(axis[:, None], axis[None])
