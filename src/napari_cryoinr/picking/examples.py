"""What a picker is trained on: micrographs with particles, and with places that are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MicrographError
from .micrographs import Micrograph
from .particles import Particles


@dataclass(frozen=True, eq=False)
class Example:
    """One micrograph and what is known of it.

    Attributes
    ----------
    micrograph : Micrograph
        The image.
    particles : Particles
        Where particles are; not necessarily all of them.
    rejected : Particles
        Where there are none, although a picker may have found some.

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
        """The same without what lies outside the image."""
        return Example(
            self.micrograph,
            _inside(self.particles, self.micrograph.data.shape),
            _inside(self.rejected, self.micrograph.data.shape),
        )


def _inside(particles: Particles, shape: tuple[int, ...]) -> Particles:
    x, y = particles.xy.T
    kept = (x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1)
    return Particles(particles.xy[kept], None, particles.box, particles.pixel_size)


def checked_examples(examples: list[Example], box: float) -> list[Example]:
    """Examples that a network can learn from.

    Raises
    ------
    MicrographError
        if there is no particle in any, or a box does not fit into its micrograph.
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
    """Refuse a box that is larger than the micrograph.

    Raises
    ------
    MicrographError
        if it is.
    """
    smallest = min(micrograph.data.shape)
    if box >= smallest:
        raise MicrographError(
            f"{micrograph.name}: a box of {box:g} pixels does not fit into {smallest}; give the"
            " side of the square around one particle"
        )
