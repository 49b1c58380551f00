"""The pyramid of one problem: its lattices, where it has latents, and what these cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...support.array_types import AnyArray, BoolArray, Float32Array, Region
from ...support.regions import grown, intersection, region_shape, relative_to
from ..problem import Problem
from ..shell_measure import ShellMeasure
from .costs import Loss, MapCosts
from .inr_settings import InrSettings
from .latent_stream import bricks_of, in_bricks
from .lattice import UNIT, Lattice, lattices_of
from .losses import PlainLoss, ShellLoss, soft_mask
from .rate import ContextNetwork
from .reference import Reference
from .synthesis import Synthesis
from .tiles import Tile, tiles_of

_MOST_LEVELS = 5
TILE = 128
_USUAL_ERROR = 0.1  # of the RMS density
_OF_HALF = 0.87  # of half the finest wavelength: cubic splines are weak near their limit
_LEAST_REACH = 0.01  # share of a function that must be where something counts


@dataclass(frozen=True)
class Pyramid:
    """The lattices of a map, and the nodes whose functions can reach a box.

    Attributes
    ----------
    lattices : the finest first.
    windows : nodes of each level.
    tiles : of the map, cut to the windows; those without nodes are left out.
    map_tiles : of the map.
    """

    lattices: tuple[Lattice, ...]
    windows: tuple[Region, ...]
    tiles: tuple[Tile, ...]
    map_tiles: tuple[Tile, ...]
    _whole_tiles: tuple[Tile, ...]  # of the map, those that `tiles` were cut from

    @classmethod
    def over(
        cls, shape: tuple[int, int, int], box: Region, spacing: int, degree: int, levels: int | None
    ) -> Pyramid:
        """Return the pyramid of a map of some shape over a box of it."""
        if levels is None:
            # The coarsest level has a few nodes along the longest side of the box.
            side = max(region_shape(box)) * UNIT / spacing
            levels = min(_MOST_LEVELS, max(1, int(math.log2(max(side / 4, 1))) + 1))
        lattices = lattices_of(shape, spacing, degree, levels)
        coarsest, windows = lattices[-1], []
        spans = [coarsest.touching(s.start, s.stop - 1) for s in box]
        for level, lattice in enumerate(lattices):
            factor = 1 << (levels - 1 - level)
            z, y, x = (
                slice(
                    max(lattice.first, first * factor),
                    min((last - 1) * factor + 1, lattice.first + count),
                )
                for (first, last), count in zip(spans, lattice.counts, strict=True)
            )
            windows.append((z, y, x))
        map_tiles = tiles_of(lattices, TILE)
        cuts = [tuple(map(intersection, tile.regions, windows)) for tile in map_tiles]
        some = [all(math.prod(region_shape(region)) for region in cut) for cut in cuts]
        return cls(
            tuple(lattices),
            tuple(windows),
            tuple(Tile(cut) for cut, any_ in zip(cuts, some, strict=True) if any_),
            tuple(map_tiles),
            tuple(tile for tile, any_ in zip(map_tiles, some, strict=True) if any_),
        )

    def in_whole_bricks(self, active: Sequence[BoolArray]) -> list[BoolArray]:
        """Return nodes of the windows with all others of their bricks."""
        out = [own.copy() for own in active]
        for cut, tile in zip(self.tiles, self._whole_tiles, strict=True):
            for level, window in enumerate(self.windows):
                whole = tile.regions[level]  # where bricks begin
                nodes = np.zeros(region_shape(whole), bool)
                inside = relative_to(cut.regions[level], whole)
                at = relative_to(cut.regions[level], window)
                nodes[inside] = active[level][at]
                out[level][at] = in_bricks(bricks_of(nodes), nodes.shape)[inside]
        return out

    def whole(self, levels: Sequence[AnyArray]) -> list[AnyArray]:
        """Return latents of the windows as those of all nodes."""
        out = []
        for lattice, window, own in zip(self.lattices, self.windows, levels, strict=True):
            full = np.zeros(lattice.counts, np.int32)
            full[tuple(slice(s.start - lattice.first, s.stop - lattice.first) for s in window)] = (
                own
            )
            out.append(full)
        return out


@dataclass(frozen=True)
class Rest:
    """What is known of a map of which a part is trained.

    Attributes
    ----------
    unit : density that is 1 for the loss.
    fixed : which nodes of the windows have latents that stay.
    steps : of the levels, in densities; None where nothing has been trained yet.
    densities : returns what the latents that stay add up to in a box.
    """

    unit: float
    fixed: list[BoolArray]
    steps: Sequence[float] | None
    densities: Callable[[Region], Float32Array]


def unit_of(problem: Problem) -> float:
    """Return what makes densities about 1 in magnitude."""
    values = problem.values(problem.box)
    return float(f"{np.sqrt(np.mean(np.square(values, dtype=np.float64))):.5g}") or 1.0


def usual_error(problem: Problem) -> float:
    """Return the squared error of an NRMSE of 0.1, for goals that are not an error."""
    return _USUAL_ERROR**2 * unit_of(problem) ** 2 * problem.total


def usual_spacing(measure: ShellMeasure) -> int:
    """Return the spacing of the finest lattice for shells, in 1/64 voxel."""
    finest = measure.shells.edge / len(measure.allowed)
    return spacing_for(finest, min(measure.shells.voxel_size))


def spacing_for(finest: float, voxel: float) -> int:
    """Return the spacing that represents detail of a size in Å, voxels of so many Å."""
    spacing = _OF_HALF * finest / 2 / voxel * UNIT
    return int(np.clip(round(spacing / 4) * 4, UNIT // 2, 8 * UNIT))


def costs_of(
    problem: Problem,
    measure: ShellMeasure | None,
    pyramid: Pyramid,
    network: ContextNetwork,
    device: str,
    seed: int,
    *,
    corrects: bool = False,
    own: InrSettings | None = None,
    reference: Reference | None = None,
    rest: Rest | None = None,
) -> MapCosts:
    """Return the costs of latents of a problem on a pyramid over its box.

    `rest` is what is known where only a part of a map is trained.
    """
    # Beyond the voxels that count, nothing may look like density.
    lattice, unit = pyramid.lattices[0], unit_of(problem) if rest is None else rest.unit
    box = grown(problem.box, -(-lattice.spacing // UNIT), problem.shape)
    synthesis = Synthesis(pyramid.lattices, pyramid.windows, box, device)
    loss: Loss
    if measure is not None:
        loss = ShellLoss(problem, measure, box, unit, device, part=rest is not None)
        weights: AnyArray | None = soft_mask(problem, measure, box)
    else:
        allowed = problem.allowed if problem.allowed is not None else usual_error(problem)
        loss = PlainLoss(problem, allowed, box, unit, device, own)
        weights = problem.weights(box)
    if weights is None:
        weights = np.ones(region_shape(box), np.float32)
    reach = synthesis.reach(weights)
    active = pyramid.in_whole_bricks([own > _LEAST_REACH for own in reach])
    predicted = None if reference is None else reference.predicted(box)
    steps = None
    if rest is not None:
        active = [own & ~fixed for own, fixed in zip(active, rest.fixed, strict=True)]
        if rest.steps is not None:
            steps = [step / unit for step in rest.steps]
            known = rest.densities(box)
            predicted = known if predicted is None else predicted + known
    return MapCosts(
        synthesis,
        loss,
        pyramid.tiles,
        pyramid.windows,
        active,
        reach,
        lattice.degree,
        network,
        device,
        seed,
        unit=unit,
        corrects=corrects,
        predicted=None if predicted is None else predicted / np.float32(unit),
        steps=steps,
    )
