"""A member of an archive that tells about another one, such as the other half-map of a particle.

Its levels, each times a gain, are added to the density of the other one: what both share fades
with the frequency, and what they do not, the noise, does not. The context network of the other one
starts from that of this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...maps.density_map import slabs
from ...support.array_types import Float32Array, Float64Array, Region
from ...support.regions import region_shape
from ..problem import Problem
from .representation import InrRepresentation

_LEAST_SHARE = 0.01  # of the power of a map that its reference has to explain, to be worth a try
_RIDGE = 1e-9


@dataclass(frozen=True, eq=False)
class Reference:
    """Member `number` of an archive, for a fit of densities that are the map's times `scale`.

    `gains`, one for each level of this one, multiply what it adds.
    """

    number: int
    representation: InrRepresentation
    scale: float
    gains: tuple[float, ...]

    @classmethod
    def of(
        cls, number: int, representation: InrRepresentation, scale: float, problem: Problem
    ) -> Reference | None:
        """Return a reference with the gains that suit a problem; None if it explains too little."""
        products: Float64Array | float = 0.0
        shared: Float64Array | float = 0.0
        power = 0.0
        for part, sums in _parts(representation, problem.box):
            values = problem.values(part).astype(np.float64).ravel()
            weights = problem.weights(part)
            counted = np.ones(values.size)
            if weights is not None:
                counted = weights.astype(np.float64).ravel()
            columns = scale * sums
            products = products + (columns * counted) @ columns.T
            shared = shared + (columns * counted) @ values
            power += float((counted * values) @ values)
        square = np.asarray(products)
        square = square + _RIDGE * np.trace(square) * np.eye(len(square)) + 1e-300
        found = np.linalg.lstsq(square, np.asarray(shared), rcond=None)[0]
        gains = tuple(float(f"{gain:.4g}") for gain in np.clip(found, -16, 16))
        explained = 2 * np.dot(gains, shared) - np.dot(gains, np.asarray(products) @ gains)
        if not explained > _LEAST_SHARE * power:
            return None
        return cls(number, representation, scale, gains)

    @property
    def scaled_gains(self) -> tuple[float, ...]:
        """The gains from its densities to those of the fit."""
        return tuple(self.scale * gain for gain in self.gains)

    def predicted(self, box: Region) -> Float32Array:
        """Return what is added in a box of voxels, in the densities of the fit."""
        out = np.empty(region_shape(box), np.float32)
        for part, sums in _parts(self.representation, box):
            start = part[0].start - box[0].start
            added = np.array(self.scaled_gains) @ sums
            out[start : start + len(range(part[0].start, part[0].stop))] = added.reshape(
                region_shape(part)
            )
        return out


def _parts(representation: InrRepresentation, box: Region) -> Iterator[tuple[Region, Float64Array]]:
    """Yield (region, sums of the levels there, shape (levels, voxels)) for slabs of a box."""
    z, y, x = box
    for slab in slabs(region_shape(box)):
        part = slice(z.start + slab.start, z.start + slab.stop), y, x
        sums = representation.level_sums(part)
        yield part, np.stack([own.ravel() for own in sums])
