"""A quantisation step for each band of frequencies of the latents.

The bands are those of the radius of a latent's frequency: band k has those nearest to k half waves
in a block. A step is a code: 2^(code / 16) times the finest one, in eighths of it, so that all
machines compute with the same integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ...support.array_types import Int64Array, Triple

CODES_PER_OCTAVE = 16
LARGEST_CODE = 255
UNIT = 8  # integers that the finest step is divided into
CUBIC: Triple = (1.0, 1.0, 1.0)


@lru_cache(maxsize=64)
def bands_of(block: int, aspect: tuple[float, ...] = CUBIC) -> Int64Array:
    """Return the band of each latent of a block, length B^3.

    `aspect` is how fine the voxels are along (z, y, x), as a share of the finest.
    """
    axes = [np.arange(block) * share for share in aspect]
    squares = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    # Square roots are correctly rounded by IEEE 754, so that all machines get these integers.
    return np.floor(np.sqrt(squares.ravel()) + 0.5).astype(np.int64)


def factors_of(block: int, codes: Sequence[int], aspect: Sequence[float] = CUBIC) -> Int64Array:
    """Return the step of each latent of a block in units of finest step / UNIT, length B^3.

    Latents beyond the last band that has a code are zero, so that theirs does not matter.
    """
    steps = np.array([round(UNIT * 2 ** (code / CODES_PER_OCTAVE)) for code in codes], np.int64)
    return steps[np.minimum(bands_of(block, tuple(aspect)), len(codes) - 1)]
