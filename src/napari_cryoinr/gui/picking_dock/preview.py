"""The preview of a micrograph, in which particles are seen: low-pass filtered and evenly grey."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft

from ...picking.session import SessionSettings
from ...progress import Progress, Steps
from ...support.array_types import Float32Array
from ..io.micrograph_layers import ContrastLimits, contrast_limits

FINEST = 2.0  # pixels; an image holds no finer detail
_LOW_PASS = 0.25  # of a box, unless the user chooses
_PIXELS_PER_PERIOD = 4.0  # of the preview, at least, for the finest detail
_SIGMA = 0.1874  # of a period: the Gaussian that halves its amplitude, sqrt(ln 2 / 2) / pi
_BACKGROUND = 0.75  # of a box: sigma of the Gaussian that is the background


class Preview(NamedTuple):
    """A filtered and binned image of shape (rows, columns)."""

    image: Float32Array
    step: int  # pixels of the micrograph per pixel of the preview, along either axis
    limits: ContrastLimits

    @property
    def offset(self) -> float:
        """Centre of the first pixel along either axis, pixels of the micrograph."""
        return (self.step - 1) / 2


def low_pass_of(settings: SessionSettings) -> float:
    """Return the finest detail to show, pixels: the user's choice, or what suits the box."""
    return settings.low_pass or max(FINEST, _LOW_PASS * settings.training.box)


def preview_steps(data: Float32Array, low_pass: float, box: float) -> Steps[Preview]:
    """Blur an image, subtract its background, and bin it as far as that makes no difference.

    The amplitude of the period `low_pass` is halved. What is larger than `box`, the side of the
    square around one particle, is background. Both are in pixels.
    """
    yield Progress("preparing the view", 0, 2)
    step = max(1, int(low_pass / _PIXELS_PER_PERIOD))
    binned = _block_means(data, step)
    yield Progress("preparing the view", 1, 2)
    spectrum = fft.dctn(binned, norm="ortho", overwrite_x=True)
    frequencies = [np.arange(n, dtype=np.float32) / (2 * n * step) for n in binned.shape]
    blur = [_gaussian(f, _SIGMA * low_pass if low_pass > FINEST else 0.0) for f in frequencies]
    background = [_gaussian(f, _BACKGROUND * box) for f in frequencies]
    spectrum *= np.outer(*blur) * (1 - np.outer(*background))
    image = np.asarray(fft.idctn(spectrum, norm="ortho", overwrite_x=True), np.float32)
    return Preview(image, step, contrast_limits(image))


def _gaussian(frequency: Float32Array, sigma: float) -> Float32Array:
    """Return the Fourier transform of a Gaussian, 1 at frequency 0."""
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2)


def _block_means(data: Float32Array, step: int) -> Float32Array:
    """Return means of squares of pixels; incomplete ones are filled with the pixels at the edge."""
    missing = [-n % step for n in data.shape]
    padded = np.pad(data, [(0, m) for m in missing], mode="edge") if any(missing) else data
    rows, columns = (n // step for n in padded.shape)
    return padded.reshape(rows, step, columns, step).mean((1, 3), dtype=np.float32)
