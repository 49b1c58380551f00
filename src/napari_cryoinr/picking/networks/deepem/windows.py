"""Where the windows lie that DeepEM looks at, and what their means and standard deviations are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .deepem_layers import POOLS, Layers
from .patches import Padded

_SHARE = 10  # of the box: about the distance of windows

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Where the windows of a micrograph lie, along y and along x.

    Attributes
    ----------
    side : pixels of a window.
    stride : pixels from one window to the next.
    count : how many.
    first : first pixels of the first window in the padded image. The margins that the centres
        leave at opposite edges are the same, if they can be.
    """

    side: int
    stride: int
    count: tuple[int, int]
    first: tuple[int, int]

    @classmethod
    def over(cls, image: Padded, layers: Layers) -> Windows:
        """The windows whose centres lie in the micrograph."""
        stride = stride_of(layers)
        (rows, top), (columns, left) = (
            divmod(size - 1, stride) for size in (image.rows, image.columns)
        )
        first = ((top + layers.side + 1) // 2, (left + layers.side + 1) // 2)
        return cls(layers.side, stride, (rows + 1, columns + 1), first)


def stride_of(layers: Layers) -> int:
    """Pixels of the input from one window to the next: about a tenth of the box.

    DeepEM's own step is 20 pixels, a fourteenth of KLH's box and an eighth of 19S's. This one is a
    multiple of the first pool's side.
    """
    return POOLS[0] * max(1, round(layers.side / _SHARE / POOLS[0]))


def statistics(image: npt.NDArray[np.float32], windows: Windows) -> tuple[Floats, Floats]:
    """Mean and standard deviation of every window, shape (rows, columns) of windows each."""
    side = windows.side
    rows, columns = (
        first + windows.stride * np.arange(count)
        for first, count in zip(windows.first, windows.count, strict=True)
    )
    found = []
    for power in (1, 2):
        sums = np.zeros([size + 1 for size in image.shape])
        np.cumsum(np.cumsum(image.astype(np.float64) ** power, 0), 1, out=sums[1:, 1:])
        strips = sums[rows + side] - sums[rows]
        found.append((strips[:, columns + side] - strips[:, columns]) / side**2)
    mean, square = found
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
