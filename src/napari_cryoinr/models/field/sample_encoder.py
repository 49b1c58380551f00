"""Encodings of some cubes of a map: from them follow the step and the basis for all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ...progress import Steps
from ...support.array_types import Float32Array, Region
from ...support.regions import region_shape, whole_region
from ..problem import Problem
from .encoder import PRICE, Encoder, Encoding

_SIDE = 96  # voxels: whole blocks of most sides
_COUNT = 8
_GOLDEN = (0.7548776662, 0.5698402910)  # spread evenly in a plane: powers of the plastic ratio


def sample_regions(shape: tuple[int, int, int]) -> list[Region]:
    """Return cubes that are spread over a volume, evenly along its longest axis."""
    sides = [min(n, _SIDE) for n in shape]
    room = [n - side for n, side in zip(shape, sides, strict=True)]
    count = min(_COUNT, max(1, math.prod(shape) // math.prod(sides)))
    longest = max(range(3), key=lambda axis: shape[axis])
    regions = []
    for number in range(count):
        places = [(0.5 + number * share) % 1 for share in _GOLDEN]
        places.insert(longest, number / max(count - 1, 1))
        z, y, x = (
            slice(int(place * free), int(place * free) + side)
            for place, free, side in zip(places, room, sides, strict=True)
        )
        regions.append((z, y, x))
    return regions


def cube_problem(voxels: Float32Array, base: float, mode: int, allowed: float) -> Problem:
    """Return the problem of a cube of which every voxel counts.

    `allowed` is the mean squared error.
    """
    shape = region_shape(whole_region(voxels.shape))
    return Problem(
        shape=shape,
        data=voxels,
        counts=None,
        frame=whole_region(shape),
        ceiling=math.inf,
        span=math.inf,
        lowest=np.float32(-np.inf),
        base=base,
        symmetry=None,
        allowed=allowed * voxels.size,
        mode=mode,
        box=whole_region(shape),
    )


class SampleEncoder:
    """Encodes several cubes with one step, as `Encoder` does one map: errors and bytes are sums."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self._encoders = encoders
        self.finest = max(encoder.finest for encoder in encoders)
        self.exact = all(encoder.exact for encoder in encoders)

    def encode_steps(self, step: float, iterations: int) -> Steps[Encoding]:
        """See `Encoder.encode_steps`."""
        return (yield from self._all_steps(lambda one: one.encode_steps(step, iterations)))

    def round_steps(self, step: float, price: float = PRICE) -> Steps[Encoding]:
        """See `Encoder.round_steps`."""
        return (yield from self._all_steps(lambda one: one.round_steps(step, price)))

    def _all_steps(self, steps_of: Callable[[Encoder], Steps[Encoding]]) -> Steps[Encoding]:
        found = []
        for encoder in self._encoders:
            found.append((yield from steps_of(encoder)))
        return Encoding(
            found[0].config,
            sum(one.squared_error for one in found),
            all(one.empty for one in found),
            sum(one.estimate for one in found),
            lambda: b"".join(one.stream for one in found),
        )
