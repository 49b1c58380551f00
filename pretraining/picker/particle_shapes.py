"""Particles of random shapes, and projections of them from all sides.

Shapes are domains of Gaussians in a compact random walk, copied by a point group, some of them
hollow; or densities that are given, as of atomic models and of maps. Each is scaled so that its
longest extent is a number of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

Volume = NDArray[np.float32]

SIDE = 48  # voxels of a volume, and pixels of a projection
EXTENT = 28.0  # voxels: the longest extent of every particle, without faint tails
_HOLLOW = 0.25  # share of the random shapes
_INSIDE = 0.9  # share of the mass that lies within half of the extent
_GROUPS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "D2", "D3", "D4", "D7", "T", "O", "I")
_CHANCES = np.array([8, 4, 2, 2, 1, 1, 1, 3, 2, 1, 1, 2, 3, 1], float)


def random_shape(rng: np.random.Generator) -> Volume:
    """Return a random particle, shape (SIDE, SIDE, SIDE), about the middle."""
    return _hollow(rng) if rng.random() < _HOLLOW else _of_domains(rng)


def _hollow(rng: np.random.Generator) -> Volume:
    """Return a cage or a short tube: ferritin, capsids and rings look like this."""
    count = int(rng.integers(1500, 6000))
    directions = rng.standard_normal((count, 3))
    tube = rng.random() < 0.3
    if tube:
        directions[:, 0] = 0
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    thickness = rng.uniform(0.03, 0.2)
    points = directions * (1 + thickness * rng.standard_normal(count))[:, None]
    if tube:
        points[:, 0] = rng.uniform(0.15, 1.2) * rng.uniform(-1, 1, count)
    points *= np.exp(rng.normal(0, 0.1 * (rng.random() < 0.3), 3))
    # Subunits: some directions have more mass than others.
    hearts = rng.standard_normal((int(rng.integers(3, 40)), 3))
    hearts /= np.linalg.norm(hearts, axis=1, keepdims=True)
    near = (directions @ hearts.T).max(1)
    weights = 1 + rng.uniform(0, 3) * (near > np.quantile(near, rng.uniform(0.3, 0.7)))
    return _gridded(points, weights)


def _of_domains(rng: np.random.Generator) -> Volume:
    group = Rotation.create_group(str(rng.choice(_GROUPS, p=_CHANCES / _CHANCES.sum())))
    count = int(rng.integers(2, 25) if rng.random() < 0.6 else rng.integers(1, 5))
    sizes = rng.uniform(0.6, 1.4, count)
    steps = rng.standard_normal((count, 3))
    steps *= (sizes * rng.uniform(0.4, 1.1) / np.linalg.norm(steps, axis=1))[:, None]
    domains = np.cumsum(steps, axis=0)
    domains -= domains.mean(0)
    # How far the first copy lies from the axes: far ones make rings and shells.
    domains *= np.exp(rng.normal(0, 0.35, 3)) if rng.random() < 0.4 else 1.0
    away = rng.standard_normal(3)
    spread = count ** (1 / 3) * len(group) ** rng.uniform(0.2, 0.5)
    away *= rng.uniform(0.2, 1.0) * spread / np.linalg.norm(away)
    if len(group) > 1:
        domains = domains + away
    weights = rng.uniform(0.6, 1.2, count)
    # Points at random in every domain: structure finer than the domains.
    each = max(2, int(600 / count))
    points = domains[:, None] + rng.standard_normal((count, each, 3)) * (0.5 * sizes)[:, None, None]
    strengths = np.repeat(weights * sizes**3, each)
    copies = np.concatenate([turn.apply(points.reshape(-1, 3)) for turn in group])
    return _gridded(copies, np.tile(strengths, len(group)))


def model_shape(path: str) -> Volume:
    """Return the atoms of a model (PDB or mmCIF) as a volume."""
    structure = gemmi.read_structure(path)
    structure.remove_waters()
    atoms = [(*cra.atom.pos.tolist(), cra.atom.element.atomic_number) for cra in structure[0].all()]
    table = np.array(atoms)
    return _gridded(table[:, :3], table[:, 3])


def map_shape(densities: Volume, contour: float) -> Volume:
    """Return the densities of a map above a contour as a volume."""
    places = np.argwhere(densities > contour).astype(float)
    return _gridded(places, densities[densities > contour].astype(float))


def _gridded(points: NDArray[np.float64], weights: NDArray[np.float64]) -> Volume:
    """Return weighted points as densities, scaled to the extent and smooth."""
    points = points - np.average(points, axis=0, weights=weights)
    distance = np.linalg.norm(points, axis=1)
    ordered = np.argsort(distance)
    mass = np.cumsum(weights[ordered])
    # Faint tails do not count for how large a particle is.
    reach = distance[ordered[np.searchsorted(mass, _INSIDE * mass[-1])]]
    places = points * (0.5 * (EXTENT - 2) / reach) + SIDE / 2
    edges = [np.arange(SIDE + 1)] * 3
    volume, _ = np.histogramdd(places, edges, weights=weights)
    volume = ndimage.gaussian_filter(volume, 1.0)
    # Protein has about one density: no domain is much denser than the others.
    dense = 0.4 * np.quantile(volume[volume > 0.05 * volume.max()], 0.9)
    return np.tanh(volume / dense).astype(np.float32)


def projections(volume: Volume, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return projections along random directions, shape (count, SIDE, SIDE), of mean square 1.

    The mean square is that of the pixels inside the extent; every projection of a particle is
    divided by the same number.
    """
    found = []
    for turn in Rotation.random(count, rng=rng):
        matrix = turn.as_matrix()
        middle = np.full(3, (SIDE - 1) / 2)
        turned = ndimage.affine_transform(volume, matrix, middle - matrix @ middle, order=1)
        found.append(turned.sum(0))
    made = np.array(found, np.float32)
    y, x = np.ogrid[:SIDE, :SIDE]
    inside = np.hypot(y - SIDE / 2, x - SIDE / 2) < EXTENT / 2
    return made / np.sqrt(np.square(made[:, inside]).mean())


def library(
    given: Sequence[Volume], shapes: int, views: int, rng: np.random.Generator
) -> NDArray[np.float16]:
    """Return projections of given and random shapes, shape (n, views, SIDE, SIDE)."""
    volumes = [*given, *(random_shape(rng) for _ in range(shapes))]
    return np.array([projections(volume, views, rng) for volume in volumes], np.float16)
