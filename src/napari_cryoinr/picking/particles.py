"""Particles: their positions in a micrograph, and their scores.

Coordinates are pixels of the micrograph. x counts columns and y counts rows, in the order in which
the file stores them: y = 0 is the first row of the file. The centre of the first pixel is (0, 0),
as in napari, whose points are (y, x).

RELION and EMAN count the rows in the order of the file too ("The origin is the first element in the
2D array of an MRC file": RELION documentation, Reference, Conventions). They display that row at
the top (RELION, napari) or at the bottom (EMAN, IMOD), which changes no number. Some programs count
from the last row, and some, RELION among them, flip TIFF images when they read them:
`Particles.flipped` gives their y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import MicrographError
from ..support.array_types import Float64Array


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles of one micrograph.

    Attributes
    ----------
    xy : array of float64, shape (n, 2)
        Centres, x then y, pixels of the micrograph.
    score : array of float64, shape (n,), or None
        How probable each one is, usually 0 to 1; None if there are no scores.
    box : float or None
        Side of the square that holds a particle, pixels; None if unknown.
    pixel_size : float or None
        Å per pixel of the micrograph; None if unknown.

    Raises
    ------
    MicrographError
        For arrays of another shape, numbers that are not finite, and sizes that are not positive.

    Examples
    --------
    >>> particles = Particles([[10, 20], [30, 40]], [0.9, 0.2], box=84)
    >>> particles.above(0.5).xy
    array([[10., 20.]])
    """

    xy: Float64Array
    score: Float64Array | None = None
    box: float | None = None
    pixel_size: float | None = None

    def __post_init__(self) -> None:
        xy = _numbers(self.xy, "xy")
        if xy.size == 0:
            xy = xy.reshape(0, 2)
        if xy.ndim != 2 or xy.shape[1] != 2:
            raise MicrographError(
                f"particles: xy has the shape {xy.shape}: must be (n, 2), x and y"
            )
        object.__setattr__(self, "xy", xy)
        if self.score is not None:
            score = _numbers(self.score, "score")
            if score.shape != (len(xy),):
                raise MicrographError(
                    f"particles: score has the shape {score.shape}: must be ({len(xy)},), one for"
                    " each particle"
                )
            object.__setattr__(self, "score", score)
        for name in ("box", "pixel_size"):
            size = getattr(self, name)
            if size is not None and not 0 < size < np.inf:
                raise MicrographError(
                    f"particles: {name} = {size}: must be positive, or None where it is not known"
                )
            object.__setattr__(self, name, None if size is None else float(size))

    def __len__(self) -> int:
        return len(self.xy)

    def above(self, threshold: float) -> Particles:
        """Keep those with a score of at least the threshold; all if there are no scores."""
        if self.score is None:
            return self
        kept = self.score >= threshold
        return replace(self, xy=self.xy[kept], score=self.score[kept])

    def flipped(self, height: int) -> Particles:
        """Count y from the last of `height` rows."""
        return replace(self, xy=np.column_stack([self.xy[:, 0], height - 1 - self.xy[:, 1]]))


def _numbers(values: Any, name: str) -> Float64Array:
    try:
        array = np.ascontiguousarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise MicrographError(f"particles: {name} is no array of numbers ({error})") from error
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise MicrographError(f"particles: {bad} numbers of {name} are infinite or NaN")
    return array
