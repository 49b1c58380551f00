"""Keeping a part of the micrographs from the training, to see what the network makes of new ones.

A network is surer of what it was trained on than of other micrographs, and a threshold that is set
by the former is wrong for the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..support.array_types import BoolArray, Float64Array
from .examples import Example
from .particles import Particles

_HELD_OUT, _LEARNT = 30, 100  # known particles that there must be at least


@dataclass(frozen=True, eq=False)
class Split:
    """One micrograph.

    Attributes
    ----------
    whole : all of it.
    learnt : what a network is trained on: its upper part.
    first_row : of the rest, pixels; 0 where nothing is kept from the training, and the whole serves
        for both.
    """

    whole: Example
    learnt: Example
    first_row: int = 0

    def tested(self, places: Float64Array) -> BoolArray:
        """Which places, shape (n, 2), x then y, are not in the part that is trained on."""
        return places[:, 1] >= self.first_row


def split(examples: Sequence[Example], share: float, box: float) -> list[Split]:
    """Divide micrographs, if enough particles are known for both parts.

    What somebody has rejected is always learnt: a micrograph where that lies in the lower part is
    learnt from as a whole.

    Parameters
    ----------
    share : of each micrograph's rows that is not learnt from.
    box : side of the square around one particle, pixels; what is learnt from has room for it.
    """
    whole = [Split(example, example) for example in examples]
    parts = [_divided(example, share, box) for example in examples]
    learnt = sum(len(part.learnt.particles) for part in parts)
    rest = sum(int(part.tested(part.whole.particles.xy).sum()) for part in parts)
    return parts if share and learnt >= _LEARNT and rest >= _HELD_OUT else whole


def _divided(example: Example, share: float, box: float) -> Split:
    data = example.micrograph.data
    first_row = round((1 - share) * len(data))
    if first_row <= 2 * box or (example.rejected.xy[:, 1] > first_row - 1).any():
        return Split(example, example, len(data))
    upper = replace(example.micrograph, data=np.ascontiguousarray(data[:first_row]))
    known = example.particles
    above = known.xy[:, 1] <= first_row - 1
    particles = Particles(known.xy[above], None, known.box, known.pixel_size)
    return Split(example, Example(upper, particles, example.rejected), first_row)
