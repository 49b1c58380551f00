"""Maps of any size, tile by tile: no more than a row of tiles is in memory.

What the whole map would decide follows from a sample: the basis, the quantisation step, and the
mean magnitudes that the coder begins with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from ...maps.density_map import DensityMap
from ...progress import Clock, Progress, Steps, TaskRunner, changed_steps, reported_steps
from ...support.array_types import Float32Array, Int64Array, Region
from ..base import FitRequest
from .encoder import Encoder, Work
from .field_settings import FieldConfig
from .lapped import Basis
from .latent_contexts import band_magnitudes, last_bands
from .latent_stream import encode_tile_steps, join_tiles, tile_side
from .pretrained import pretrained
from .sample_encoder import SampleEncoder, cube_problem, sample_regions
from .search import Effort, Goal, bases_for, best_basis_steps, effort_for, first_step, short_step
from .tile_analysis import TileAnalysis

_SLOPE = 1.4 / 2  # d log(RMS error) / d log(step)
_SLOPES = (0.3, 1.0)  # that are believed
_AIM = 0.985  # of the squared error that is allowed: a sample is not the whole
_TILES = 4  # whose magnitudes are those of all


@dataclass(frozen=True, eq=False)
class SlabFit:
    """How a map is coded, as its sample has it."""

    map: DensityMap
    base: float
    basis: Basis
    step: float
    effort: Effort
    device: str

    def analysis(self) -> TileAnalysis:
        """Return what analyses the map tile by tile."""
        strip = _Strip(self.map, self.base)
        return TileAnalysis(strip.read, self.map.data.shape, self.basis, self.device)

    def nearer(self, allowed: float, found: Sequence[tuple[float, float]]) -> SlabFit:
        """Return a fit whose RMS error should be what is allowed.

        `found` are the steps so far with their RMS errors, the last one that of this fit.
        """
        slope, rms = _SLOPE, found[-1][1]
        if len(found) > 1:
            (other, first), (step, last) = found[-2:]
            slope = math.log(last / first) / math.log(step / other)
        factor = (_AIM**0.5 * allowed / rms) ** (1 / min(max(slope, _SLOPES[0]), _SLOPES[1]))
        return replace(self, step=short_step(self.step * factor))


def sample_fit_steps(
    density_map: DensityMap,
    base: float,
    allowed: float,
    request: FitRequest,
    device: str,
    clock: Clock,
) -> Steps[SlabFit]:
    """Find basis and step for a map from some cubes of it.

    Parameters
    ----------
    base : density where all latents are 0.
    allowed : RMS error over all voxels.
    """
    regions = sample_regions(density_map.data.shape)
    effort = effort_for(request, device, every_voxel=True)
    bases = bases_for(request.own, effort)
    work = Work(clock, effort.work(len(bases)) * len(regions))
    square = _AIM * allowed**2
    cubes = [density_map.data[region] for region in regions]
    problems = [cube_problem(cube, base, density_map.mode, square) for cube in cubes]
    goal = Goal(square * sum(cube.size for cube in cubes), by_size=False, strict=False)

    def encoder(basis: Basis) -> SampleEncoder:
        return SampleEncoder(
            [
                Encoder(problem, basis, device, request.own, effort.passes, work)
                for problem in problems
            ]
        )

    step = first_step(allowed, every_voxel=True)
    found = (yield from best_basis_steps(encoder, bases, goal, step, effort)).config
    basis = Basis(found.block, found.shape, found.edition)
    return SlabFit(density_map, base, basis, found.step, effort, device)


def code_steps(fit: SlabFit, run: TaskRunner, clock: Clock) -> Steps[tuple[FieldConfig, bytes]]:
    """Code all tiles of a map: what its header says, and the stream.

    Rows of tiles along x are tasks for `run`.
    """
    basis, tiles = fit.basis, fit.analysis().tiles
    count = len(tiles)
    start = Progress("coding", 0, count, clock.seconds, share=0.0)
    yield start
    magnitudes = yield from reported_steps(_magnitudes_steps(fit), start)
    tasks = [partial(_row_steps, fit, magnitudes, row) for row in _rows(tiles)]

    def numbered(now: Progress) -> Progress:
        step, seconds = int((now.share or 0.0) * count), clock.seconds
        return replace(now, phase="coding", step=step, steps=count, seconds=seconds)

    rows = yield from changed_steps(run(tasks), numbered)
    coded: list[bytes] = [tile for row in rows for tile in row]
    side = tile_side(basis.block, fit.map.data.shape)
    config = FieldConfig(basis.edition, basis.block, basis.shape, side, fit.step, fit.base)
    size = sum(map(len, coded))
    yield Progress("coding", count, count, clock.seconds, bytes_so_far=size, share=1.0)
    return config, join_tiles(coded, magnitudes)


def _rows(tiles: Sequence[Region]) -> Iterator[range]:
    """Yield the numbers of the tiles of each row along x."""
    for _, row in groupby(range(len(tiles)), lambda number: tiles[number][:2]):
        numbers = list(row)
        yield range(numbers[0], numbers[-1] + 1)


def _row_steps(fit: SlabFit, magnitudes: Int64Array, row: range) -> Steps[list[bytes]]:
    """Code the tiles of a row."""
    analysis, trained = fit.analysis(), pretrained(fit.basis.edition)
    coded: list[bytes] = []
    size = 0
    for done, number in enumerate(row):
        now = Progress("coding", done, len(row), bytes_so_far=size, share=done / len(row))
        latents = analysis.latents(analysis.tiles[number])
        yield now
        rounding = analysis.rounded_steps(latents, fit.step, fit.effort.passes)
        rounded = yield from reported_steps(rounding, now)
        coding = encode_tile_steps(rounded, fit.basis.block, magnitudes, trained)
        coded.append((yield from reported_steps(coding, now)))
        size += len(coded[-1])
    yield Progress("coding", len(row), len(row), bytes_so_far=size, share=1.0)
    return coded


def _magnitudes_steps(fit: SlabFit) -> Steps[Int64Array]:
    """Return the magnitudes of the bands in some tiles, see `band_magnitudes`."""
    analysis = fit.analysis()
    block, clock, found = fit.basis.block, Clock(), []
    places = np.linspace(0, len(analysis.tiles) - 1, min(_TILES, len(analysis.tiles)))
    for place in places.astype(int):
        latents = analysis.latents(analysis.tiles[place])
        yield Progress("coding", 0, 1, clock.seconds)
        rounded = yield from analysis.rounded_steps(latents, fit.step, fit.effort.passes)
        found.append(rounded.latents)
    those = np.concatenate(found)
    return band_magnitudes(those, last_bands(those, block), block)


class _Strip:
    """Reads a map by strips along x, so that a file is read in long parts, each once."""

    def __init__(self, density_map: DensityMap, base: float) -> None:
        self._data, self._base = density_map.data, np.float32(base)
        self._rows: tuple[slice, slice] | None = None
        self._voxels: Float32Array

    def read(self, region: Region) -> Float32Array:
        z, y, x = region
        if self._rows != (z, y):
            self._rows = z, y
            self._voxels = self._data[z, y, :] - self._base
        return self._voxels[:, :, x]
