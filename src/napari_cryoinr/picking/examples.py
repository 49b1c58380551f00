"""What a picker is trained on, and the part of it that is held out for testing.

A network scores micrographs that it was trained on higher than others, so a threshold has to be
found on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import MicrographError
from ..support.array_types import BoolArray, Float64Array
from .micrographs import Micrograph
from .particles import Particles

_HELD_OUT, _LEARNT = 30, 100  # least numbers of known particles in the two parts


@dataclass(frozen=True, eq=False)
class Example:
    """One micrograph with known particles.

    Attributes
    ----------
    micrograph : Micrograph
        The image.
    particles : Particles
        Known particles, not necessarily all.
    rejected : Particles
        Places without a particle, although a picker may have found one.

    Examples
    --------
    >>> image = Micrograph(np.random.default_rng(0).standard_normal((64, 64)))
    >>> len(Example(image, Particles([[10, 20], [500, 20]])).inside().particles)
    1
    """

    micrograph: Micrograph
    particles: Particles
    rejected: Particles = Particles(np.empty((0, 2)))

    def inside(self) -> Example:
        """Return the example without places outside the image."""
        rows, columns = self.micrograph.data.shape

        def kept(places: Particles) -> Particles:
            inside = ((places.xy >= 0) & (places.xy <= (columns - 1, rows - 1))).all(1)
            return replace(places, xy=places.xy[inside], score=None)

        return Example(self.micrograph, kept(self.particles), kept(self.rejected))


def checked_examples(examples: Sequence[Example], box: float) -> list[Example]:
    """Return the examples without places outside their images.

    Raises MicrographError if no particle is left, or a box does not fit into its micrograph.
    """
    for example in examples:
        check_box(example.micrograph, box)
    found = [example.inside() for example in examples]
    if not any(len(example.particles) for example in found):
        raise MicrographError(
            "no particle inside the micrographs: click some, or check x, y and the names"
        )
    return found


def check_box(micrograph: Micrograph, box: float) -> None:
    """Raise MicrographError if a box does not fit into the micrograph."""
    smallest = min(micrograph.data.shape)
    if box >= smallest:
        raise MicrographError(
            f"{micrograph.name}: a box of {box:g} pixels does not fit into {smallest}; give the"
            " side of the square around one particle"
        )


class Split(NamedTuple):
    """One example in two parts; all of it is used for both where nothing is held out."""

    whole: Example
    learnt: Example  # the upper rows, which the network is trained on
    first_row: int = 0  # of the rest, pixels; 0 where nothing is held out

    def tested(self, places: Float64Array) -> BoolArray:
        """Return which places, shape (n, 2), x then y, are in the part for testing."""
        return places[:, 1] >= self.first_row


def split(examples: Sequence[Example], share: float, box: float) -> list[Split]:
    """Divide examples if enough particles are known for both parts.

    Rejected places are always learnt: an example that has some in its lower part is learnt as a
    whole. `share` of each micrograph's rows is held out; the rest has room for two boxes, pixels.
    """
    parts = [_divided(example, share, box) for example in examples]
    learnt = sum(len(part.learnt.particles) for part in parts)
    rest = sum(int(part.tested(part.whole.particles.xy).sum()) for part in parts)
    if share and learnt >= _LEARNT and rest >= _HELD_OUT:
        return parts
    return [Split(example, example) for example in examples]


def _divided(example: Example, share: float, box: float) -> Split:
    data, known = example.micrograph.data, example.particles
    first_row = round((1 - share) * len(data))
    if first_row <= 2 * box or (example.rejected.xy[:, 1] > first_row - 1).any():
        return Split(example, example, len(data))
    upper = replace(example.micrograph, data=np.ascontiguousarray(data[:first_row]))
    particles = replace(known, xy=known.xy[known.xy[:, 1] <= first_row - 1], score=None)
    return Split(example, Example(upper, particles, example.rejected), first_row)
