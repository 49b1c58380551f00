"""The residual stream: what the model leaves out, where a goal needs it.

Three kinds: `max_error` stores quantised differences of the voxels that are kept, so that none is
off by more than the error asked for; `lossless` stores the differences of the voxel codes of all
voxels; `surface` stores which voxels near the threshold are on the wrong side of it. All are coded
brick by brick, so that a region can be read without the rest.
"""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np

from .. import coding
from ..coding.bricks import CONTEXTS
from ..coding.tiled_stream import Parts, entries_of
from ..errors import SettingsError
from ..maps import voxel_types
from ..maps.density_map import DensityMap
from ..maps.mrc_header import INTEGER_MODES
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Int64Array, Region
from ..support.regions import intersection, region_shape, relative_to
from ..support.streams import NamedStreams
from .residual_config import ResidualConfig

BRICK = 64
STREAMS = ("residual_tables", "residual_index", "residual")


def brick_regions(shape: tuple[int, ...]) -> list[Region]:
    """Return the voxels of each brick of a volume, in C order."""
    z, y, x = ([slice(a, min(a + BRICK, n)) for a in range(0, n, BRICK)] for n in shape)
    return list(itertools.product(z, y, x))


def brick_aligned(region: Region, shape: tuple[int, ...]) -> Region:
    """Return the region of all bricks that touch a region."""
    z, y, x = (
        slice(s.start // BRICK * BRICK, min(-(-s.stop // BRICK) * BRICK, n))
        for s, n in zip(region, shape, strict=True)
    )
    return z, y, x


def config_for(max_error: float | None, density_map: DensityMap) -> ResidualConfig:
    """Return the residual that meets the goal: a step for the error; lossless where it is None.

    Raises
    ------
    SettingsError
        If the error is below what the number format of the voxels can express.
    """
    if max_error is None:
        return ResidualConfig("lossless", 1.0)
    largest = max(float(np.abs(density_map.data[part]).max()) for part in density_map.slabs())
    grain = voxel_types.spacing(largest, density_map.mode)
    if density_map.mode in INTEGER_MODES:  # an odd step leaves half of it, rounded down
        return ResidualConfig("max_error", 2.0 * float(np.floor(max_error)) + 1.0)
    if max_error <= 2 * grain:
        raise SettingsError(
            f"max_error = {max_error:g}: the voxels themselves are only exact to {grain:.2g}"
            " here; choose a larger error or lossless"
        )
    return ResidualConfig("max_error", 2 * (max_error - grain))


def surface_config(
    original: Float32Array,
    base: Float32Array,
    kept: BoolArray,
    threshold: float,
    overlap: float,
    background: float,
) -> ResidualConfig | None:
    """Return the residual after which the surfaces overlap by a share; None if they do so now.

    `kept` are the voxels that count; all arrays have the shape (z, y, x). Voxels of the background
    itself are never changed.
    """
    limit = np.float32(threshold)
    own, other = original[kept] > limit, base[kept] > limit
    both, either = np.count_nonzero(own & other), np.count_nonzero(own | other)
    distances = np.sort(np.abs(base[kept] - limit)[own != other])
    # Each voxel that changes sides adds to what is common, or is no longer in either.
    missing = np.flatnonzero(own != other).size
    if either == 0 or both >= overlap * either:
        return None
    gains = np.arange(1, missing + 1)
    share = np.count_nonzero(own & ~other) / missing
    reached = (both + share * gains) / np.maximum(either - (1 - share) * gains, 1)
    needed = min(int(np.searchsorted(reached, overlap)), missing - 1)
    step = float(f"{np.nextafter(distances[needed], np.inf) * 1.02:.3g}")
    step = min(step, float(np.abs(np.float32(background) - limit)))
    return ResidualConfig("surface", step) if step > 0 else None


def encode_steps(
    density_map: DensityMap,
    base: Float32Array,
    mask: BoolArray | None,
    threshold: float | None,
    config: ResidualConfig,
    clock: Clock,
) -> Steps[dict[str, bytes]]:
    """Code what separates the map from the model's densities `base`; shapes (z, y, x).

    The streams are those of `STREAMS`.
    """
    regions = brick_regions(base.shape)
    counts = np.zeros((1, 1), np.int64)
    work = 2 * len(regions)
    for number, region in enumerate(regions):
        values, coded = _differences(density_map, base, mask, threshold, region, config)
        counts = counts + coding.gather_counts(values, coded)
        yield Progress("residual", number + 1, work, clock.seconds)
    tables = coding.Tables.from_counts(counts)
    table_bytes = tables.to_bytes()
    # The decoder sees the stored tables only, so the encoder uses those.
    tables = coding.Tables.from_bytes(table_bytes, CONTEXTS)
    bricks, size = [], 0
    for number, region in enumerate(regions):
        values, coded = _differences(density_map, base, mask, threshold, region, config)
        bricks.append(coding.encode_brick(values, coded, tables) if coded.any() else b"")
        size += len(bricks[-1])
        done = len(regions) + number + 1
        yield Progress("residual", done, work, clock.seconds, bytes_so_far=size)
    index = entries_of(bricks)
    return dict(zip(STREAMS, (table_bytes, index, b"".join(bricks)), strict=True))


def _differences(
    density_map: DensityMap,
    base: Float32Array,
    mask: BoolArray | None,
    threshold: float | None,
    region: Region,
    config: ResidualConfig,
) -> tuple[Int64Array, BoolArray]:
    """(integers, where they are coded) of one brick."""
    original, predicted = density_map.data[region], base[region]
    if config.kind == "lossless":
        mode = density_map.mode
        difference = voxel_types.to_codes(original, mode) - voxel_types.to_codes(predicted, mode)
        return difference, np.ones(original.shape, bool)
    if config.kind == "surface":
        limit = np.float32(threshold)
        wrong = (original > limit) != (predicted > limit)
        return wrong.astype(np.int64), _near(predicted, limit, config)
    error = original.astype(np.float64) - predicted
    coded = np.ones(original.shape, bool) if mask is None else mask[region]
    return np.rint(error / config.step).astype(np.int64), coded


def _near(values: Float32Array, limit: np.float32, config: ResidualConfig) -> BoolArray:
    """Return which voxels a residual of the surface codes."""
    with np.errstate(over="ignore"):
        return np.asarray(np.abs(values - limit) < np.float32(config.step))


class Residual:
    """Reads a residual stream, brick by brick.

    Raises
    ------
    DamagedArchive
        If the index is not that of such a volume.
    """

    def __init__(
        self, streams: NamedStreams, config: ResidualConfig, shape: tuple[int, ...], mode: int
    ) -> None:
        self._config = config
        self._mode = mode
        counts = [-(-n // BRICK) for n in shape]
        self._bricks = Parts(
            streams["residual_index"],
            math.prod(counts),
            partial(streams.part, "residual"),
            "residual: brick",
        )
        self._regions = brick_regions(shape)
        self._numbers = np.arange(len(self._regions)).reshape(counts)
        self._tables = coding.Tables.from_bytes(streams["residual_tables"], CONTEXTS)

    @property
    def whole_bricks(self) -> bool:
        """Whether a brick can only be added where all its voxels are known."""
        return self._config.kind == "surface"

    @property
    def exact(self) -> bool:
        """Whether it restores every voxel bit for bit."""
        return self._config.kind == "lossless"

    def bricks_in(self, region: Region) -> list[int]:
        """Return the numbers of the bricks that touch a region."""
        where = tuple(slice(s.start // BRICK, -(-s.stop // BRICK)) for s in region)
        numbers: list[int] = self._numbers[where].ravel().tolist()
        return numbers

    def add(
        self,
        values: Float32Array,
        region: Region,
        mask: BoolArray | None,
        threshold: float | None,
        number: int,
    ) -> None:
        """Add brick `number` to the model's densities of a region, in place.

        `mask` is that of the whole volume; None where all voxels are kept, or follow from the
        densities.
        """
        brick, data = self._regions[number], self._bricks[number]
        if not data:
            return
        coded = np.ones(region_shape(brick), bool)
        if self._config.kind == "surface":
            limit = np.float32(threshold)
            coded = _near(values[relative_to(brick, region)], limit, self._config)
        elif mask is not None and not self.exact:
            coded = mask[brick]
        integers = coding.decode_brick(data, coded, self._tables)
        common = intersection(brick, region)
        inside, target = relative_to(common, brick), relative_to(common, region)
        view = values[target]
        if self.exact:
            codes = voxel_types.to_codes(view, self._mode) + integers[inside]
            values[target] = voxel_types.from_codes(codes, self._mode)
        elif self._config.kind == "surface":
            limit = np.float32(threshold)
            mirrored = voxel_types.snap(2 * float(limit) - view.astype(np.float64), self._mode)
            above = np.maximum(mirrored, voxel_types.lowest_inside(float(limit), self._mode))
            below = np.minimum(mirrored, voxel_types.highest_outside(float(limit), self._mode))
            moved = np.where(view > limit, below, above)
            values[target] = np.where(coded & (integers == 1), moved, view)
        else:
            sums = view.astype(np.float64) + integers[inside] * self._config.step
            # Untouched voxels keep their exact value: snapping is for the occupied ones.
            values[target] = np.where(coded[inside], voxel_types.snap(sums, self._mode), view)
