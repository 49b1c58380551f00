"""What DeepEM is trained on: patches of particles and of what is none.

Zhu, Ouyang and Mao (2017), "Training": the micrograph is standardised, then every patch gets mean 0
and standard deviation 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ....errors import MicrographError
from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array, Float64Array
from ...examples import Example
from ...micrographs import Micrograph
from .deepem_layers import Layers

MOST = 800  # patches of particles, and of what is none
FLAT = 1e-3  # least standard deviation that is divided by, in that of the micrograph
_FAR = 0.5  # of a box: no particle's centre is nearer to a patch that is none
_FLANK = 0.3, 0.6  # of a box: where a particle is seen, but not in the middle
_FLANKS = 0.5  # share of the random patches that come from there
_TRIES = 40  # places tried for each that is wanted


@dataclass(frozen=True, eq=False)
class PaddedImage:
    """A binned micrograph of mean 0 and standard deviation 1, continued by its mirror image.

    Attributes
    ----------
    image : shape (rows + 2 side, columns + 2 side), float32, of which the mirror images are `side`
        pixels wide: a window around any place of the micrograph lies inside.
    rows, columns : pixels of the binned micrograph.
    """

    image: Float32Array
    rows: int
    columns: int


def padded(micrograph: Micrograph, layers: Layers) -> PaddedImage:
    """A micrograph as the network sees it."""
    n = layers.binning
    data = micrograph.data.astype(np.float64)
    data = np.pad(data, [(0, -size % n) for size in data.shape], mode="reflect")
    rows, columns = (size // n for size in data.shape)
    data = data.reshape(rows, n, columns, n).mean((1, 3))
    data = (data - data.mean()) / max(data.std(), np.finfo(np.float32).tiny)
    image = np.pad(data, layers.side, mode="symmetric").astype(np.float32)
    return PaddedImage(image, rows, columns)


def standardised(patches: Float32Array) -> Float32Array:
    """Patches, shape (..., y, x), with mean 0 and standard deviation 1 each.

    What is flatter than `FLAT` is as good as constant: it is not blown up to noise.
    """
    centred = patches - patches.mean((-2, -1), np.float64, keepdims=True)
    deviation = centred.std((-2, -1), keepdims=True)
    return (centred / np.maximum(deviation, FLAT)).astype(np.float32)


def patches_steps(
    examples: Sequence[Example], layers: Layers, rng: np.random.Generator, clock: Clock
) -> Steps[tuple[Float32Array, Float32Array]]:
    """Patches of particles and of what is none, shape (n, side, side) each, standardised.

    At most 800 of each, at random where there are more. What was rejected comes first among those
    that are none. The others are sampled at random, as many from each micrograph: one half from
    anywhere that is at least half a box from all known particles, another half from the flanks of
    known particles, 0.3 to 0.6 boxes from one and 0.3 or more from all: seen there, a particle is
    not in the middle, and the score shall be highest where it is. They lie within the micrograph as
    a whole, for nobody marks particles that are cut off at its edge.

    Raises
    ------
    MicrographError
        if particles leave no room for anything else.
    """
    particles = [_corners(example.particles.xy, layers) for example in examples]
    rejected = _some([_corners(example.rejected.xy, layers) for example in examples], MOST, rng)
    missing = MOST - sum(map(len, rejected))
    others = [
        _elsewhere(example.micrograph, known, -(-missing // len(examples)), layers, rng)
        for example, known in zip(examples, particles, strict=True)
    ]
    others = _some(others, missing, rng)
    chosen = _some(particles, MOST, rng)
    positives, negatives = [], []
    for number, example in enumerate(examples):
        yield Progress("preparing", number, len(examples), clock.seconds)
        image = padded(example.micrograph, layers).image
        positives.append(_cut(image, chosen[number], layers.side))
        for places in (rejected, others):
            negatives.append(_cut(image, places[number], layers.side))
    if not sum(map(len, negatives)):
        raise MicrographError(
            "no room between the particles for what is none: give a smaller box, or reject some"
            " places"
        )
    return np.concatenate(positives), np.concatenate(negatives)


def _corners(xy: Float64Array, layers: Layers) -> Float64Array:
    """First pixels of windows around places of the micrograph, shape (n, 2), y then x, padded."""
    n, side = layers.binning, layers.side
    return (xy[:, ::-1] - (n - 1) / 2) / n - (side - 1) / 2 + side


def _elsewhere(
    micrograph: Micrograph,
    known: Float64Array,
    count: int,
    layers: Layers,
    rng: np.random.Generator,
) -> Float64Array:
    """Windows of one micrograph that are around no particle, shape (n, 2), at most `count`."""
    side = layers.side
    room = [-(-size // layers.binning) - side + 1 for size in micrograph.data.shape]
    places = side + rng.integers(0, room, (_TRIES * count, 2)).astype(float)
    if not len(known):
        return places[:count]
    distance = cKDTree(known).query(places)[0] / side
    low, high = _FLANK
    flanks = places[(low <= distance) & (distance <= high)][: round(_FLANKS * count)]
    far = places[distance >= _FAR][: count - len(flanks)]
    return np.concatenate([flanks, far])


def _some(places: list[Float64Array], most: int, rng: np.random.Generator) -> list[Float64Array]:
    """All places of all micrographs, or so many of them at random."""
    total = sum(map(len, places))
    kept = np.zeros(total, bool)
    kept[rng.permutation(total)[:most]] = True
    parts = np.split(kept, np.cumsum([len(some) for some in places])[:-1])
    return [some[part] for some, part in zip(places, parts, strict=True)]


def _cut(image: Float32Array, corners: Float64Array, side: int) -> Float32Array:
    """Standardised windows, shape (n, side, side), at the nearest whole pixels."""
    found = [image[y : y + side, x : x + side] for y, x in np.round(corners).astype(int)]
    return standardised(np.array(found, np.float32).reshape(-1, side, side))
