"""What follows from a map and its threshold, in the background: soft mask, spectrum, resolution."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from superqt.utils import qdebounced

from ...codec.members import HalfMaps
from ...maps.density_map import DensityMap
from ...maps.envelope import soft_mask
from ...maps.fourier_shells import FourierShells
from ...maps.framing import bin_map
from ...maps.half_maps import HalfMapNoise
from ...maps.mrc_header import INTEGER_MODES
from ...maps.resolution import Resolution, Spectrum, resolution_steps, spectrum_steps
from ...maps.threshold import background_density
from ...progress import Clock, Progress, Steps
from ...support.array_types import AnyArray, Float32Array, Triple
from ..widgets.resources import Resources

AUTOMATIC_VOXELS = 1 << 32  # of larger maps nothing is measured
BINNED_VOXELS = 1 << 26  # larger maps are binned first
_SHOWN_VOXELS = 1 << 24  # of a larger mask every second voxel is shown, or fewer
_SHOW_SECONDS = 0.3
_PAUSE = 250  # ms without a change before work begins
_KIND = "measuring the spectrum"


@dataclass(frozen=True, eq=False)
class Where:
    """What of a map is kept: the soft mask round what is above a density, or everything (None)."""

    threshold: float | None
    extend: int
    edge: int


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found.

    Attributes
    ----------
    spectrum : inside what is kept; `noise` is that of the half-maps, where they are known, else of
        the solvent.
    resolution : as `compress` finds it, where it is not given; None where it is finer than what
        was looked at.
    """

    spectrum: Spectrum
    resolution: Resolution | None


class MapAnalysis:
    """Follows a map and its threshold; a new request ends the work on the one before.

    `show_mask` is called with the soft mask, or None where the whole volume is kept, and `show`
    with the analysis, or None when what it was of is not shown any more.
    """

    def __init__(
        self,
        resources: Resources,
        show_mask: Callable[[SoftMask | None], None],
        show: Callable[[Analysis | None], None],
    ) -> None:
        self._resources, self._show_mask, self._show = resources, show_mask, show
        self._wanted: tuple[Any, ...] = ()
        self._begin_later = qdebounced(self._begin, timeout=_PAUSE)

    def request(
        self, density_map: DensityMap, where: Where, half_maps: HalfMaps | None = None
    ) -> None:
        """Begin after a pause without other requests, unless the map is too large."""
        wanted = (density_map, where.threshold, where.extend, where.edge, half_maps)
        if wanted == self._wanted:
            return
        self.stop()
        self._wanted = wanted
        self._show(None)
        if density_map.data.size <= AUTOMATIC_VOXELS:
            self._begin_later()

    def stop(self) -> None:
        """End the work without a result."""
        self._wanted = ()
        self._begin_later.cancel()
        self._resources.stop_job(_KIND)

    def _begin(self) -> None:
        density_map, threshold, extend, edge, half_maps = self._wanted
        steps = analysis_steps(density_map, Where(threshold, extend, edge), half_maps)
        self._resources.start_job(
            _KIND,
            steps,
            progress=self._on_progress,
            done=self._show,
            failed=lambda _: self._show(None),  # compressing says what is wrong
        )

    def _on_progress(self, record: Progress) -> None:
        if isinstance(record, _MaskFound):
            self._show_mask(record.mask)


@dataclass(frozen=True, eq=False)
class SoftMask:
    """A soft mask to look at.

    Attributes
    ----------
    values : 0 to 255, shape (z, y, x).
    voxel_size, origin : its own, Å.
    inside : about how many voxels of the map are inside.
    """

    values: AnyArray
    voxel_size: Triple
    origin: Triple
    inside: int

    @classmethod
    def of(cls, weight: Float32Array, density_map: DensityMap, factor: int) -> SoftMask:
        """Take that of a map, which was binned by a factor."""
        step = math.ceil((weight.size / _SHOWN_VOXELS) ** (1 / 3))
        values = np.round(255 * weight[::step, ::step, ::step]).astype(np.uint8)
        z, y, x = density_map.voxel_size
        inside = int(np.count_nonzero(weight >= 0.5)) * factor**3
        return cls(values, (step * z, step * y, step * x), density_map.origin, inside)


@dataclass(frozen=True)
class _MaskFound(Progress):
    """The soft mask, which is shown while the rest is measured."""

    mask: SoftMask | None = None

    @property
    def is_news(self) -> bool:
        """It always is."""
        return True


def analysis_steps(
    density_map: DensityMap, where: Where, half_maps: HalfMaps | None
) -> Steps[Analysis]:
    """Work out what is kept of a map, its spectrum there, and its resolution.

    Maps of more than `BINNED_VOXELS` are binned: then both say nothing beyond their resolution.
    """
    clock, mask, weight, threshold = Clock(), None, None, where.threshold
    yield Progress("measuring", 0, 2)
    factor = math.ceil((density_map.data.size / BINNED_VOXELS) ** (1 / 3))
    if factor > 1:
        density_map = bin_map(density_map, factor)
        if half_maps is not None:
            half_maps = bin_map(half_maps[0], factor), bin_map(half_maps[1], factor)
    if threshold is not None:
        extend, edge = (math.ceil(one / factor) for one in (where.extend, where.edge))
        weight = soft_mask(density_map.data, threshold, extend, edge)
        mask = SoftMask.of(weight, density_map, factor)
    yield _MaskFound("measuring", 1, 2, mask=mask)
    if density_map.data.size > _SHOWN_VOXELS:
        time.sleep(_SHOW_SECONDS)  # napari adds a layer meanwhile, for which it needs the processor
    inside = np.ones(density_map.data.shape, bool) if weight is None else weight > 0
    background = background_density(density_map, inside)
    if threshold is not None:
        background = min(background, threshold)
    data, size = density_map.data, density_map.voxel_size
    spectrum = yield from spectrum_steps(data, weight, size, background)
    if half_maps is not None:
        noise = HalfMapNoise.measure(half_maps, weight, density_map)
        shells = FourierShells(data.shape, size)
        resolution = Resolution(shells.resolution(noise.last_shell), "half-maps")
        return Analysis(_with_noise(spectrum, noise), resolution)
    grain = 1.0 if density_map.mode in INTEGER_MODES else 0.0
    resolution = yield from resolution_steps(data, weight, size, background, clock, grain)
    known = factor == 1 or resolution.source != "grid"
    return Analysis(spectrum, resolution if known else None)


def _with_noise(spectrum: Spectrum, noise: HalfMapNoise) -> Spectrum:
    count = min(len(spectrum.power), len(noise.noise_share))
    floor = spectrum.power[:count] * noise.noise_share[:count]
    return Spectrum(spectrum.shells, spectrum.power[:count], floor)
