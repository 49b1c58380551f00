"""Point groups whose operations map the voxel grid onto itself.

An operation takes the voxel p = (z, y, x) to R p + t: R is a rotation that permutes and negates
axes, t a triple of integers. A finite group of these has a common centre, at a voxel or half-way
between voxels. Everything here is done in integers, so that every machine agrees on it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..maps.density_map import slabs
from ..support.array_types import AnyArray, BoolArray, Int64Array, Region
from ..support.regions import region_shape

Shape = tuple[int, ...]
Operation = tuple[int, int, int, int]
"""The number of a rotation, 0 to 23 (0 is the identity), and the translation (z, y, x)."""

MAX_TRANSLATION = 2 * 65536
_OUTSIDE = np.int64(1) << 60  # above every index; three of them still fit an int64


ROTATIONS = tuple(
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
    if math.prod(signs) == (-1) ** sum(a > b for a, b in itertools.combinations(axes, 2))
)
"""(axes, signs) of each rotation: coordinate i of the image is signs[i] * p[axes[i]].

Their order is what files mean by the number of a rotation.
"""

_NUMBERS = {rotation: number for number, rotation in enumerate(ROTATIONS)}
IDENTITY: Operation = (0, 0, 0, 0)


def compose(second: Operation, first: Operation) -> Operation:
    """Return the operation that does `first`, then `second`."""
    (axes, signs), (inner_axes, inner_signs) = ROTATIONS[second[0]], ROTATIONS[first[0]]
    number = _NUMBERS[
        tuple(inner_axes[a] for a in axes),
        tuple(s * inner_signs[a] for a, s in zip(axes, signs, strict=True)),
    ]
    z, y, x = (s * first[1 + a] + t for a, s, t in zip(axes, signs, second[1:], strict=True))
    return number, z, y, x


def closure(generators: Iterable[Operation]) -> frozenset[Operation]:
    """Return the group that the operations generate; at most 24 operations.

    Raises
    ------
    ValueError
        if they generate an infinite group: an operation, or a product of some, is a translation
        (a screw axis, or axes that do not meet).
    """
    generators = tuple(generators)
    found = {0: IDENTITY}
    queue = [IDENTITY]
    while queue:
        first = queue.pop()
        for generator in generators:
            product = compose(generator, first)
            known = found.get(product[0])
            if known is None:
                found[product[0]] = product
                queue.append(product)
            elif known != product:
                raise ValueError(
                    f"symmetry: the operations {generators} generate translations; a point group"
                    " leaves one point in place"
                )
    return frozenset(found.values())


@dataclass(frozen=True)
class GridSymmetry:
    """A point group of the voxel grid.

    Attributes
    ----------
    operations : all of its operations, the identity too, in ascending order.

    Raises
    ------
    ValueError
        if a translation is longer than `MAX_TRANSLATION`.
    """

    operations: tuple[Operation, ...] = (IDENTITY,)

    def __post_init__(self) -> None:
        longest = max(abs(t) for _, *vector in self.operations for t in vector)
        if longest > MAX_TRANSLATION:
            raise ValueError(f"symmetry: translation {longest}: at most {MAX_TRANSLATION} voxels")

    def __len__(self) -> int:
        return len(self.operations)

    @classmethod
    def generated_by(cls, generators: Iterable[Operation]) -> GridSymmetry:
        """Return the group that these operations generate; ValueError as in `closure`."""
        return cls(tuple(sorted(closure(generators))))

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> GridSymmetry:
        """Invert `to_ints`.

        Raises
        ------
        ValueError
            unless they are four integers for each of at most two operations that generate a
            point group with translations of at most `MAX_TRANSLATION`.
        """
        if len(values) not in (0, 4, 8):
            raise ValueError("symmetry: four integers for each of at most two operations")
        if not all(0 <= rotation < len(ROTATIONS) for rotation in values[::4]):
            raise ValueError(f"symmetry: {values}: rotations are 0 to {len(ROTATIONS) - 1}")
        return cls.generated_by(zip(*[iter(values)] * 4, strict=True))

    def to_ints(self) -> tuple[int, ...]:
        """Return four integers for each of the first operations, at most two, that generate it."""
        for count in (0, 1, 2):
            for generators in itertools.combinations(self.operations[1:], count):
                if len(closure(generators)) == len(self):
                    return tuple(itertools.chain.from_iterable(generators))
        raise AssertionError("two operations generate every point group of the grid")

    def representatives(self, region: Region, shape: Shape) -> Int64Array:
        """Return the index of the first voxel of the orbit of each voxel of a region.

        Parameters
        ----------
        region : slices (z, y, x) with step 1 inside the volume.
        shape : of the volume.

        Returns
        -------
        Indices into the volume in C order, shape (z, y, x) of the region, int64: for each voxel
        the smallest index among its images that lie inside the volume. Takes twice its own memory.
        """
        best: Int64Array | None = None
        for operation in self.operations:
            z, y, x = _image_indices(operation, region, shape)
            image = z[:, None, None] + (y[:, None] + x)
            best = image if best is None else np.minimum(best, image, out=best)
        assert best is not None
        return best

    def is_representative(self, region: Region, shape: Shape) -> BoolArray:
        """Return which voxels of a region stand for themselves, shape (z, y, x) of the region."""
        first = _image_indices(IDENTITY, region, shape)
        own = np.ones(region_shape(region), bool)
        for operation in self.operations:
            if operation == IDENTITY:
                continue
            images = _image_indices(operation, region, shape)
            z, y, x = (image - mine for image, mine in zip(images, first, strict=True))
            own &= y[:, None] + x >= -z[:, None, None]  # none has an image of a smaller index
        return own

    def asymmetric_unit(self, shape: Shape) -> BoolArray:
        """Return which voxels of a volume stand for themselves: one of each orbit."""
        mask = np.empty(shape, bool)
        for part in slabs(shape):
            mask[part] = self.is_representative(
                (part, slice(0, shape[1]), slice(0, shape[2])), shape
            )
        return mask


def box_of(indices: Int64Array, shape: Shape) -> Region:
    """Return the smallest region that holds all voxels with these indices in C order."""
    if indices.size == 0:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    places = np.unravel_index(indices, shape)
    z, y, x = (slice(int(place.min()), int(place.max()) + 1) for place in places)
    return z, y, x


def _image_indices(operation: Operation, region: Region, shape: Shape) -> list[Int64Array]:
    """Return vectors for z, y and x of a region whose sum is the index of the image of a voxel.

    The sum is at least `_OUTSIDE` where the image is not in the volume.
    """
    axes, signs = ROTATIONS[operation[0]]
    strides = (shape[1] * shape[2], shape[2], 1)
    terms = [np.empty(0, np.int64)] * 3
    for i, axis in enumerate(axes):
        along = np.arange(region[axis].start, region[axis].stop, dtype=np.int64)
        image = signs[i] * along + operation[1 + i]
        inside = (image >= 0) & (image < shape[i])
        terms[axis] = np.where(inside, image * strides[i], _OUTSIDE)
    return terms


def image_view(volume: AnyArray, operation: Operation, region: Region) -> tuple[Region, AnyArray]:
    """Return the volume as an operation sees it: at the voxel p the value of the image R p + t.

    Returns
    -------
    The part of the region whose images lie inside the volume, relative to the region, and a view
    of the volume of that shape.
    """
    axes, signs = ROTATIONS[operation[0]]
    turned = volume[tuple(slice(None, None, sign) for sign in signs)].transpose(np.argsort(axes))
    box, source = [], []
    for axis, part in enumerate(region):
        i = axes.index(axis)
        shift = operation[1 + i] if signs[i] == 1 else volume.shape[i] - 1 - operation[1 + i]
        low = max(part.start, -shift)
        high = max(low, min(part.stop, volume.shape[i] - shift))
        box.append(slice(low - part.start, high - part.start))
        source.append(slice(low + shift, high + shift))
    return (box[0], box[1], box[2]), turned[tuple(source)]
