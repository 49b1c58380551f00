"""The residual stream: what the model leaves out, where a goal needs it.

Two kinds: `max_error` stores quantised differences of the voxels above the threshold, so that none
is off by more than the error asked for; `lossless` stores the differences of the voxel codes of
all voxels. Both are coded brick by brick, so that a region can be read without the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .. import coding
from ..coding.neighbour_contexts import CONTEXTS
from ..errors import DamagedArchive, SettingsError
from ..maps import voxel_types
from ..maps.density_map import DensityMap
from ..maps.mrc_header import INTEGER_MODES
from ..maps.occupancy import Mask
from ..progress import Clock, Progress, Steps
from ..support.checksums import brick_checksum
from ..support.records import checked_field

BRICK = 64
_INDEX = struct.Struct("<IQ")  # length and checksum of a brick

Region = tuple[slice, slice, slice]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ResidualConfig:
    """What the decoder must know of a residual stream."""

    kind: str = checked_field("what the residual restores", choices=("max_error", "lossless"))
    step: float = checked_field("size of a quantisation step, density; 1 where lossless", above=0)


class PartReader(Protocol):
    """Streams by name, whole or in part."""

    def get(self, name: str) -> bytes: ...

    def part(self, name: str, start: int, length: int) -> bytes: ...


def config_for(max_error: float | None, density_map: DensityMap) -> ResidualConfig:
    """The residual that meets the goal: a step for the error, or lossless where it is None.

    Raises
    ------
    SettingsError
        if the error is below what the number format of the voxels can express.
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


def brick_regions(shape: tuple[int, ...]) -> list[Region]:
    """The bricks of a volume in coding order."""
    starts = [range(0, n, BRICK) for n in shape]
    return [
        (
            slice(z, min(z + BRICK, shape[0])),
            slice(y, min(y + BRICK, shape[1])),
            slice(x, min(x + BRICK, shape[2])),
        )
        for z in starts[0]
        for y in starts[1]
        for x in starts[2]
    ]


def encode_steps(
    density_map: DensityMap, base: Floats, mask: Mask | None, config: ResidualConfig, clock: Clock
) -> Steps[dict[str, bytes]]:
    """Code what separates the map from the model's densities `base`; shapes (z, y, x).

    Returns the streams residual_tables, residual_index and residual.
    """
    regions = brick_regions(base.shape)
    counts = np.zeros((1, 1), np.int64)
    work = 2 * len(regions)
    for number, region in enumerate(regions):
        values, coded = _differences(density_map, base, mask, region, config)
        counts = counts + coding.gather_counts(values, coded)
        yield Progress("residual", number + 1, work, clock.seconds)
    tables = coding.Tables.from_counts(counts)
    table_bytes = tables.to_bytes()
    # The decoder sees the stored tables only, so the encoder uses those.
    tables = coding.Tables.from_bytes(table_bytes, CONTEXTS)
    bricks, size = [], 0
    for number, region in enumerate(regions):
        values, coded = _differences(density_map, base, mask, region, config)
        bricks.append(coding.encode_brick(values, coded, tables) if coded.any() else b"")
        size += len(bricks[-1])
        yield Progress(
            "residual", len(regions) + number + 1, work, clock.seconds, bytes_so_far=size
        )
    index = b"".join(_INDEX.pack(len(b), brick_checksum(b)) for b in bricks)
    return {"residual_tables": table_bytes, "residual_index": index, "residual": b"".join(bricks)}


def _differences(
    density_map: DensityMap, base: Floats, mask: Mask | None, region: Region, config: ResidualConfig
) -> tuple[npt.NDArray[np.int64], Mask]:
    """(integers, where they are coded) of one brick."""
    original, predicted = density_map.data[region], base[region]
    if config.kind == "lossless":
        mode = density_map.mode
        difference = voxel_types.to_codes(original, mode) - voxel_types.to_codes(predicted, mode)
        return difference, np.ones(original.shape, bool)
    error = original.astype(np.float64) - predicted
    coded = np.ones(original.shape, bool) if mask is None else mask[region]
    return np.rint(error / config.step).astype(np.int64), coded


class Residual:
    """Reads a residual stream, brick by brick."""

    def __init__(
        self, streams: PartReader, config: ResidualConfig, shape: tuple[int, ...], mode: int
    ) -> None:
        self._streams = streams
        self._config = config
        self._mode = mode
        self._regions = brick_regions(shape)
        index = streams.get("residual_index")
        if len(index) != _INDEX.size * len(self._regions):
            raise DamagedArchive(f"residual: the index does not fit a volume of {shape}")
        self._entries = list(_INDEX.iter_unpack(index))
        self._starts = np.cumsum([0, *(length for length, _ in self._entries)])
        self._tables = coding.Tables.from_bytes(streams.get("residual_tables"), CONTEXTS)

    @property
    def exact(self) -> bool:
        """Whether it restores every voxel bit for bit."""
        return self._config.kind == "lossless"

    def bricks_in(self, region: Region) -> Iterator[int]:
        """Numbers of the bricks that touch a region."""
        for number, brick in enumerate(self._regions):
            pairs = zip(brick, region, strict=True)
            if all(b.start < r.stop and r.start < b.stop for b, r in pairs):
                yield number

    def add(self, values: Floats, region: Region, mask: Mask | None, number: int) -> None:
        """Add brick `number` to the model's densities of a region, in place.

        `mask` is that of the whole volume; None where all voxels are occupied.
        """
        brick = self._regions[number]
        length, checksum = self._entries[number]
        if not length:
            return
        data = self._streams.part("residual", int(self._starts[number]), length)
        if brick_checksum(data) != checksum:
            raise DamagedArchive(f"residual: brick {number} is damaged (checksum)")
        coded = np.ones([s.stop - s.start for s in brick], bool)
        if mask is not None and not self.exact:
            coded = mask[brick]
        integers = coding.decode_brick(data, coded, self._tables)
        common = [
            slice(max(b.start, r.start), min(b.stop, r.stop))
            for b, r in zip(brick, region, strict=True)
        ]
        inside = tuple(
            slice(c.start - b.start, c.stop - b.start) for c, b in zip(common, brick, strict=True)
        )
        target = tuple(
            slice(c.start - r.start, c.stop - r.start) for c, r in zip(common, region, strict=True)
        )
        view = values[target]
        if self.exact:
            codes = voxel_types.to_codes(view, self._mode) + integers[inside]
            values[target] = voxel_types.from_codes(codes, self._mode)
        else:
            sums = view.astype(np.float64) + integers[inside] * self._config.step
            # Untouched voxels keep their exact value: snapping is for the occupied ones.
            values[target] = np.where(coded[inside], voxel_types.snap(sums, self._mode), view)
