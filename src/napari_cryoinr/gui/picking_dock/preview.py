"""A micrograph in which particles are seen: without fine noise, and evenly grey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from ...picking.session import SessionSettings
from ...progress import Progress, Steps
from ..io.micrograph_layers import ContrastLimits, contrast_limits

FINEST = 2.0  # pixels; finer detail is in no image
_USUAL = 0.25  # of a box
_PER_PIXEL = 4.0  # a period of the finest detail has at least this many pixels of the preview
_SIGMA = 0.1874  # of a period: the Gaussian that halves its amplitude, sqrt(ln 2 / 2) / pi
_BACKGROUND = 0.75  # sigma of what is taken for background, in boxes

Image = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Preview:
    """A binned image.

    Attributes
    ----------
    image : shape (rows, columns), float32.
    step : pixels of the micrograph in a pixel of the preview, along either axis.
    limits : contrast limits.
    """

    image: Image
    step: int
    limits: ContrastLimits

    @property
    def offset(self) -> float:
        """Where the first pixel's centre is, pixels of the micrograph."""
        return (self.step - 1) / 2


def low_pass_of(settings: SessionSettings) -> float:
    """The finest detail that is shown, pixels: what the user has chosen, or what fits the box."""
    return settings.low_pass or max(FINEST, _USUAL * settings.training.box)


def preview_steps(data: Image, low_pass: float, box: float) -> Steps[Preview]:
    """Blur an image, take away its background, and bin it as far as that shows no difference.

    Parameters
    ----------
    low_pass : the period whose amplitude is halved, pixels.
    box : side of the square around one particle, pixels; the background is what is larger.
    """
    yield Progress("preparing the view", 0, 2)
    step = max(1, int(low_pass / _PER_PIXEL))
    binned = _block_means(data, step)
    yield Progress("preparing the view", 1, 2)
    waves = fft.dctn(binned, norm="ortho", overwrite_x=True)
    frequencies = [np.arange(n, dtype=np.float32) / (2 * n * step) for n in binned.shape]
    blur = [_gaussian(f, _SIGMA * low_pass if low_pass > FINEST else 0.0) for f in frequencies]
    background = [_gaussian(f, _BACKGROUND * box) for f in frequencies]
    waves *= np.outer(*blur) * (1 - np.outer(*background))
    image = np.asarray(fft.idctn(waves, norm="ortho", overwrite_x=True), np.float32)
    return Preview(image, step, contrast_limits(image))


def _gaussian(frequency: Image, sigma: float) -> Image:
    """The Fourier transform of a Gaussian, 1 at frequency 0."""
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2)


def _block_means(data: Image, step: int) -> Image:
    """Means of squares of pixels; the last ones are filled up with the pixels at the edge."""
    missing = [-n % step for n in data.shape]
    padded = np.pad(data, [(0, m) for m in missing], mode="edge") if any(missing) else data
    rows, columns = (n // step for n in padded.shape)
    return padded.reshape(rows, step, columns, step).mean((1, 3), dtype=np.float32)
