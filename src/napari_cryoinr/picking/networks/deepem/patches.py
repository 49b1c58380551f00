"""What DeepEM is trained on: patches of particles, and negatives.

Zhu, Ouyang and Mao (2017), "Training": the micrograph is standardised, then every patch gets mean 0
and standard deviation 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from ....errors import MicrographError
from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array, Float64Array
from ...examples import Example
from ...micrographs import Micrograph
from .deepem_layers import Layers

MOST = 800  # patches of particles, and of negatives
FLAT = 1e-3  # least standard deviation to divide by, in units of the micrograph's
_FAR = 0.5  # of a box: least distance of a negative from particles
_FLANK = 0.3, 0.6  # of a box: distances at which a particle is visible, but off-centre
_FLANKS = 0.5  # share of the random negatives at these distances
_TRIES = 40  # random places per wanted negative


def padded(micrograph: Micrograph, layers: Layers) -> Float32Array:
    """Bin a micrograph to mean 0 and standard deviation 1, and pad it by mirror images.

    The mirror images are as wide as a window, so that one around any place lies inside.
    """
    n = layers.binning
    data = micrograph.data.astype(np.float64)
    data = np.pad(data, [(0, -size % n) for size in data.shape], mode="reflect")
    rows, columns = (size // n for size in data.shape)
    data = data.reshape(rows, n, columns, n).mean((1, 3))
    data = (data - data.mean()) / max(data.std(), np.finfo(np.float32).tiny)
    return np.pad(data, layers.side, mode="symmetric").astype(np.float32)


def standardised(patches: Float32Array) -> Float32Array:
    """Shift and scale patches, shape (..., y, x), to mean 0 and standard deviation 1 each.

    Patches flatter than `FLAT` are nearly constant; they are not amplified to noise.
    """
    centred = patches - patches.mean((-2, -1), np.float64, keepdims=True)
    deviation = centred.std((-2, -1), keepdims=True)
    return (centred / np.maximum(deviation, FLAT)).astype(np.float32)


def patches_steps(
    examples: Sequence[Example], layers: Layers, rng: np.random.Generator, clock: Clock
) -> Steps[tuple[Float32Array, Float32Array]]:
    """Cut standardised patches of particles and of negatives, shape (n, side, side) each.

    There are at most 800 of each, chosen at random. Negatives are first the rejected places. The
    others are random, equally many from each micrograph: one half at least half a box from all
    known particles, the other half 0.3 to 0.6 boxes from a known particle and at least 0.3 from
    all, where the particle is off-centre, because the score should be highest at its centre. They
    lie entirely within the micrograph, as nobody marks particles that are cut off at its edge.
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
        image = padded(example.micrograph, layers)
        positives.append(_cut(image, chosen[number], layers.side))
        for places in (rejected, others):
            negatives.append(_cut(image, places[number], layers.side))
    if not sum(map(len, negatives)):
        raise MicrographError(
            "no room between the particles for negatives: give a smaller box, or reject some places"
        )
    return np.concatenate(positives), np.concatenate(negatives)


def _corners(xy: Float64Array, layers: Layers) -> Float64Array:
    """Return the first pixels of windows around places, shape (n, 2), y then x, padded."""
    n, side = layers.binning, layers.side
    return (xy[:, ::-1] - (n - 1) / 2) / n - (side - 1) / 2 + side


def _elsewhere(
    micrograph: Micrograph,
    known: Float64Array,
    count: int,
    layers: Layers,
    rng: np.random.Generator,
) -> Float64Array:
    """Choose at most `count` windows of a micrograph around no particle, shape (n, 2)."""
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
    """Keep at most so many of the places of all micrographs, at random."""
    kept = rng.permutation(sum(map(len, places))) < most
    parts = np.split(kept, np.cumsum([len(some) for some in places])[:-1])
    return [some[part] for some, part in zip(places, parts, strict=True)]


def _cut(image: Float32Array, corners: Float64Array, side: int) -> Float32Array:
    """Cut standardised windows, shape (n, side, side), at the nearest whole pixels."""
    found = [image[y : y + side, x : x + side] for y, x in np.round(corners).astype(int)]
    return standardised(np.array(found, np.float32).reshape(-1, side, side))
