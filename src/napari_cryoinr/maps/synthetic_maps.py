"""Molecule-like maps from a seed: for tests, benchmarks and trying things out without a download.

Chains of pseudo-residues fold inside an ellipsoid, helices and strands joined by sharp turns, each
turning to where there is room. Their atoms become density, which falls off with resolution as that
of real maps does, in solvent noise of the same band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError
from ..support import records
from ..support.array_types import Float32Array, Float64Array
from ..support.records import checked_field
from .density_map import DensityMap, slabs

_SMALLEST = 4  # voxels along an axis
_OCCUPIED = 0.065  # share of the box that the molecule fills
_ENVELOPE = 0.085  # share of the box inside the ellipsoid: chains leave gaps and stand out a little
_AXIS_RATIOS = np.array([1.2, 1.0, 1 / 1.2])
_RESIDUE_VOLUME = 133.0  # Å^3: 110 Da at 0.81 Da/Å^3
_CHAIN_LENGTH = 300
_FINEST_VOXEL = 2.0  # Å; coarser maps get proportionally larger residues
_DIRECTIONS = 24  # tried at each turn

# Residues, rise per residue (Å), radius (Å) and turn (°) of the C-alpha atoms; neighbours come
# out 3.8 Å apart in both.
_HELIX = (12, 1.5, 2.3, 100.0)
_STRAND = (6, 3.3, 0.95, 180.0)
_SIDE_CHAIN = 2.4  # Å from the C-alpha atom, away from the axis
_SIDE_WEIGHT = 0.7

_FALL_OFF = 8.0  # B-factor over resolution squared: amplitudes reach exp(-2) at the resolution
_NOISE_FALL_OFF = 2.0
_EDGE = (0.85, 1.15)  # the soft cut-off, as shares of the highest frequency


def synthetic_map(
    size: int | tuple[int, int, int] = 64,
    *,
    voxel_size: float = 2.0,
    resolution: float = 6.0,
    noise: float = 0.05,
    seed: int = 0,
    name: str = "synthetic",
) -> DensityMap:
    """Make a molecule-like density in solvent noise; the same for the same arguments.

    The solvent has mean 0, the whole map has standard deviation 1, and the molecule fills 5 to 8 %
    of the box.

    Parameters
    ----------
    size : int or tuple of int
        Voxels along each axis, or (z, y, x).
    voxel_size : float
        Å per voxel.
    resolution : float
        Where the densities are cut off, Å; from two voxels to the box's longest edge.
    noise : float
        Standard deviation of the solvent, as a share of the one inside the molecule.
    seed : int
        Seed of all random numbers.
    name : str
        Name of the map.

    Returns
    -------
    DensityMap
        The map, float32.

    Raises
    ------
    SettingsError
        For arguments out of range.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> cryoinr.synthetic_map(24, seed=3)
    DensityMap('synthetic', shape=(24, 24, 24), voxel_size=(2.0, 2.0, 2.0) Å, float32)
    """
    shape = size if isinstance(size, tuple) else (size,) * 3
    records.check(_Arguments(shape, voxel_size, resolution, noise, seed))
    finest, coarsest = 2 * voxel_size, max(shape) * voxel_size
    if not finest <= resolution <= coarsest:
        raise SettingsError(
            f"resolution = {resolution!r}: must be from {finest:g} Å (two voxels) to"
            f" {coarsest:g} Å (the longest edge of the box)"
        )

    random = np.random.default_rng(seed)
    atoms, weights = _molecule(np.array(shape) * voxel_size, voxel_size, random)
    data = _filtered(_splat(atoms / voxel_size, weights, shape), voxel_size, resolution, _FALL_OFF)
    inside = data > np.quantile(data, 1 - _OCCUPIED)
    solvent = random.standard_normal(shape, dtype=np.float32)
    solvent = _filtered(solvent, voxel_size, resolution, _NOISE_FALL_OFF)
    solvent *= np.float32(noise) * data[inside].std() / solvent.std()
    data += solvent
    data -= data.mean(where=~inside, dtype=np.float64)
    data /= data.std(dtype=np.float64)
    return DensityMap(data, (voxel_size,) * 3, name=name)


@dataclass(frozen=True)
class _Arguments:
    size: tuple[int, ...] = checked_field(
        "voxels along z, y, x, or one number for all", low=_SMALLEST, length=(3, 3)
    )
    voxel_size: float = checked_field("Å per voxel", above=0)
    resolution: float = checked_field("Å")
    noise: float = checked_field("standard deviation of the solvent as a share", low=0)
    seed: int = checked_field("seed of all random numbers", low=0, high=2**32 - 1)


def _molecule(
    box: Float64Array, voxel_size: float, random: np.random.Generator
) -> tuple[Float64Array, Float64Array]:
    """Return positions (n, 3) and weights (n,) of the atoms; they and `box` in Å, (z, y, x)."""
    scale = max(1.0, voxel_size / _FINEST_VOXEL)  # Å of the box in one Å of the molecule
    box = box / scale
    residues = max(1, round(_OCCUPIED * float(box.prod()) / _RESIDUE_VOLUME))
    chains = -(-residues // _CHAIN_LENGTH)
    walk = _Walk(box, chains, random)
    parts: list[Float64Array] = []
    count = 0
    while count < residues:
        parts.append(walk.extend()[: residues - count])
        count += len(parts[-1])
    atoms = np.concatenate(parts).transpose(1, 0, 2).reshape(-1, 3)
    weights = np.repeat([1.0, _SIDE_WEIGHT], count)
    return atoms * scale, weights


class _Walk:
    """Chains that grow at the same time, an element of secondary structure at each turn.

    Each chain takes the direction in which it meets the fewest residues and stays in the envelope.
    """

    def __init__(self, box: Float64Array, chains: int, random: np.random.Generator) -> None:
        self._random = random
        self._centre = box / 2
        radius = (3 * _ENVELOPE / (4 * np.pi)) ** (1 / 3)
        self._radii = radius * box * random.permutation(_AXIS_RATIOS)
        self._cell = 4.0  # Å; the crowding is counted in cells of about one residue's size
        self._crowd = np.zeros(np.ceil(box / self._cell).astype(int), np.int32)
        inside = _unit(random.normal(size=(chains, 3))) * random.random((chains, 1)) ** (1 / 3)
        self._ends = self._centre + inside * self._radii
        self._directions = _unit(random.normal(size=(chains, 3)))

    def extend(self) -> Float64Array:
        """Add one element to each chain: C-alpha atoms and side chains, shape (n, 2, 3), Å."""
        chains = len(self._ends)
        helix = self._random.random(chains) < 0.6
        length, rise, radius, turn = np.where(helix[:, None], _HELIX, _STRAND).T
        length = np.rint(length * self._random.uniform(0.6, 1.4, chains))
        self._directions = self._choose_directions(length * rise)
        first = _unit(np.cross(self._directions, self._random.normal(size=(chains, 3))))
        second = np.cross(self._directions, first)

        steps = np.arange(int(length.max()))
        angle = np.radians(turn[:, None] * steps)[..., None]
        outward = np.cos(angle) * first[:, None] + np.sin(angle) * second[:, None]
        along = (rise[:, None] * steps)[..., None] * self._directions[:, None]
        main = self._ends[:, None] + along + radius[:, None, None] * outward
        side = main + _SIDE_CHAIN * _unit(outward + self._random.normal(0, 0.3, main.shape))
        self._ends = self._ends + (rise * length)[:, None] * self._directions

        element: Float64Array = np.stack([main, side], axis=2)[steps < length[:, None]]
        np.add.at(self._crowd, self._cells(element), 1)
        return element

    def _choose_directions(self, reach: Float64Array) -> Float64Array:
        tried = _unit(
            0.5 * self._directions[:, None] + self._random.normal(size=(len(reach), _DIRECTIONS, 3))
        )
        # Four places along the way, shape (chains, directions, places, 3).
        ahead = np.linspace(0.25, 1, 4) * (reach[:, None] + self._cell)
        places = self._ends[:, None, None] + ahead[:, None, :, None] * tried[:, :, None]
        crowd = self._crowd[self._cells(places)].astype(np.float64)
        outside = np.linalg.norm((places - self._centre) / self._radii, axis=-1) - 1
        # Leaving the envelope costs more than any crowd, and the more the farther.
        cost = (crowd + 1000 * np.maximum(outside, 0)).sum(axis=2)
        best = np.argmin(cost + self._random.random(cost.shape), axis=1)
        chosen: Float64Array = tried[np.arange(len(best)), best]
        return chosen

    def _cells(self, places: Float64Array) -> tuple[npt.NDArray[np.intp], ...]:
        cells = (places / self._cell).astype(np.intp)
        return tuple(np.moveaxis(np.clip(cells, 0, np.array(self._crowd.shape) - 1), -1, 0))


def _unit(vectors: Float64Array) -> Float64Array:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12))


def _splat(
    positions: Float64Array, weights: Float64Array, shape: tuple[int, int, int]
) -> Float32Array:
    """Distribute weights over the eight voxels around each position (n, 3), periodically."""
    grid = np.zeros(shape, np.float32)
    lower = np.floor(positions).astype(np.intp)
    upper_share = positions - lower
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, upper_share, 1 - upper_share).prod(axis=1)
        place = (lower + corner) % shape
        np.add.at(grid, tuple(place.T), (weights * share).astype(np.float32))
    return grid


def _filtered(
    grid: Float32Array, voxel_size: float, resolution: float, fall_off: float
) -> Float32Array:
    """Apply a Gaussian fall-off of amplitudes (Guinier) and a soft cut-off to a grid."""
    transform = np.fft.rfftn(grid)
    # Squared frequencies as shares of the cut-off's.
    axes = [np.fft.fftfreq(n, voxel_size / resolution) ** 2 for n in grid.shape[:2]]
    axes.append(np.fft.rfftfreq(grid.shape[2], voxel_size / resolution) ** 2)
    z, y, x = np.ix_(*axes)
    for part in slabs(transform.shape):
        square = z[part] + y + x
        edge = (np.sqrt(square) - _EDGE[0]) / (_EDGE[1] - _EDGE[0])
        cut = 0.5 + 0.5 * np.cos(np.pi * np.clip(edge, 0, 1))
        transform[part] *= (np.exp(-fall_off / 4 * square) * cut).astype(np.float32)
    return np.fft.irfftn(transform, grid.shape, axes=(0, 1, 2)).astype(np.float32, copy=False)
