"""The resolution up to which a map holds signal, from the map itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Float64Array, Region, Triple
from ..support.regions import bounding_box, grown
from .density_map import slabs
from .envelope import squared_distances
from .fourier_shells import FourierShells
from .masked_volume import MaskedVolume

WEAK = 1e-4
"""Of the power of the strongest shell: what counts as beyond the resolution."""
# An FSC of 0.143 between half-maps: the final map's signal has a third of the power of its noise.
_OVER_SOLVENT = 4 / 3
_OVER_ROUNDING = 100.0  # the power of a shell that can be kept, over that of rounding errors
_FALLEN = math.log(6)  # below what was to be expected: a filter has more than halved amplitudes
_STEEP = 2.0  # as a logarithm: the edge of a filter falls at least so far below
_TREND = (0.5, 0.85)  # of a frequency: those that tell what to expect at it
_FEWEST = 8  # shells below which no edge is looked for
_GAP, _REACH = 2, 12  # voxels from the mask between which solvent is looked at
_TAPER = 0.1  # of the box, over which volumes fade to its faces
_ENOUGH_SOLVENT = 0.1  # of the mask
_CONTRAST = 10.0  # least power of the strongest shell over that of what can be solvent
_MOST = 0.75  # of the shells beyond a limit are below it too
_SMOOTHED = 2  # shells on either side, for the comparison with the solvent


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean power by Fourier shell, for a voxel: of what lies in a mask, and of the solvent.

    Attributes
    ----------
    shells : those of the map.
    power : of shell 1, 2, ...
    noise : the same of the solvent around the mask; None where there is not enough.
    """

    shells: FourierShells
    power: Float64Array
    noise: Float64Array | None


@dataclass(frozen=True)
class Resolution:
    """A resolution, and where it comes from.

    Attributes
    ----------
    angstrom : Å.
    source : a key of `terms.SOURCES`.
    """

    angstrom: float
    source: str


def resolution_steps(
    data: Float32Array,
    weight: Float32Array | None,
    voxel_size: Triple,
    background: float,
    clock: Clock,
    grain: float = 0.0,
) -> Steps[Resolution]:
    """Find the resolution up to which a map holds signal, as a generator of progress.

    It is the coarsest of three: where the power in the mask falls to 4/3 of that of the solvent
    around it, for each voxel, which stands for an FSC of 0.143 between half-maps (Rosenthal &
    Henderson, J. Mol. Biol. 333, 2003); the edge of a low-pass filter, where the power falls to a
    sixth of what the shells before let expect; and where shells hold next to nothing.

    Parameters
    ----------
    data : ndarray of float32
        Densities, shape (z, y, x).
    weight : ndarray of float32 or None
        The soft mask, 0 to 1, of the same shape; None where the whole volume counts.
    voxel_size : tuple of float
        Å, (z, y, x).
    background : float
        Density of the solvent.
    clock : Clock
        Gives the seconds of the records.
    grain : float
        Distance of the densities that voxels can hold, 1 for integers: shells in which rounding to
        them is more than a hundredth of the power are beyond the resolution.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_cryoinr.progress import drain
    >>> noise = np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)
    >>> drain(resolution_steps(noise, None, (2.0, 2.0, 2.0), 0.0, Clock()))
    Resolution(angstrom=4.0, source='grid')
    """
    shells = FourierShells(data.shape, voxel_size)
    scaled = _scaled(data, background)
    taper = _Taper(data.shape)
    powers: list[Float64Array] = []
    for mask in (weight, None, taper):
        yield Progress("resolution", len(powers), 5, clock.seconds)
        powers.append(shells.power(shells.spectrum(MaskedVolume(scaled, 0.0, mask)))[1:])
    found = [(shells.nyquist, "grid")]
    # A mask and the faces of the box only add power beyond an edge: the least tells most.
    power = np.min(powers, axis=0)
    strongest = int(np.argmax(power))
    weak = np.flatnonzero(power[strongest:] < WEAK * power[strongest])
    last, edge = (
        strongest + int(weak[0]) if weak.size else 0,
        _filter_edge(power / shells.counts[1:]),
    )
    if 0 < edge <= last + 1 or not last:
        # A sharp edge leaves next to nothing: it is the reason, but such shells are beyond it.
        found.append((min(edge, last or edge), "filter"))
    else:
        found.append((last, "weak"))
    if weight is not None:
        spectrum = yield from _spectrum_steps(scaled, weight, taper, shells, clock)
        found.append((_solvent_limit(spectrum), "solvent"))
    if grain:
        counted = data.size if weight is None else float(np.square(weight).sum(dtype=np.float64))
        scale = float(np.ptp(scaled)) / max(float(np.ptp(data)), 1e-30)
        rounding = (grain * scale) ** 2 / 12 * counted * shells.counts[1:]
        coarse = np.flatnonzero(powers[0] < _OVER_ROUNDING * rounding)
        if coarse.size:
            found.append((max(int(coarse[0]), 1), "values"))
    last, source = min((last, source) for last, source in found if last)
    return Resolution(shells.resolution(last), source)


def spectrum_steps(
    data: Float32Array, weight: Float32Array | None, voxel_size: Triple, background: float
) -> Steps[Spectrum]:
    """Measure the power of a map, relative to its largest density, by Fourier shell.

    Parameters
    ----------
    data, weight, voxel_size, background : as for `resolution_steps`.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_cryoinr.progress import drain
    >>> noise = np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)
    >>> spectrum = drain(spectrum_steps(noise, None, (2.0, 2.0, 2.0), 0.0))
    >>> len(spectrum.power), spectrum.noise is None
    (16, True)
    """
    shells, scaled = FourierShells(data.shape, voxel_size), _scaled(data, background)
    taper = _Taper(data.shape)
    if weight is None:
        yield Progress("resolution", 0, 1)
        power = shells.power(shells.spectrum(MaskedVolume(scaled, 0.0, taper)))
        size = taper.square_sum
        return Spectrum(shells, (power / shells.counts)[1:] / size, None)
    found = yield from _spectrum_steps(scaled, weight, taper, shells, Clock())
    counts = shells.counts[1:]
    noise = None if found.noise is None else found.noise / counts
    return Spectrum(shells, found.power / counts, noise)


def _filter_edge(power: Float64Array) -> int:
    """Return the shell where a low-pass filter has more than halved amplitudes, 0 if nowhere.

    Spectra of molecules fall as exp(-B k² / 2), smoothly: the shells from half of a frequency on
    tell what to expect there.

    Parameters
    ----------
    power : mean of each shell from shell 1.
    """
    logs = np.log(np.maximum(power, power.max(initial=0) * 1e-20 + 1e-300))
    squares = np.arange(1, len(power) + 1, dtype=np.float64) ** 2
    start = 0
    for shell in range(_FEWEST, len(power) + 1):
        low, high = (round(share * shell) for share in _TREND)
        before, level = squares[low - 1 : high], logs[low - 1 : high]
        slope = min(float(np.polyfit(before, level, 1)[0]), 0.0)
        expected = level.mean() + slope * (squares[shell - 1] - before.mean())
        missing = float(expected - logs[shell - 1])
        if missing <= _FALLEN:
            start = 0
        elif not start:
            start = shell
        if start and missing > _STEEP:
            return start
    return 0


def _spectrum_steps(
    scaled: Float32Array, weight: Float32Array, taper: _Taper, shells: FourierShells, clock: Clock
) -> Steps[Spectrum]:
    """Return the sums of shells, smoothed over some of them."""
    box = grown(bounding_box(weight > 0), _REACH, scaled.shape)
    distances = squared_distances(weight[box] > 0, _REACH)
    around = _soft((distances > _GAP**2) & (distances <= _REACH**2)) * taper[box]
    del distances
    inside, solvent = _Product(weight, taper), _InBox(around, box, scaled.shape)
    sizes = [
        sum(float(np.square(mask[p], dtype=np.float64).sum()) for p in slabs(scaled.shape))
        for mask in (inside, solvent)
    ]
    enough = sizes[1] > _ENOUGH_SOLVENT * sizes[0] and np.ptp(scaled[box][around > 0]) > 0
    level = float(np.average(scaled[box], weights=around)) if enough else 0.0
    smoothing = np.ones(2 * _SMOOTHED + 1)
    powers: list[Float64Array] = []
    masks = (inside, solvent) if enough else (inside,)
    for mask, size in zip(masks, sizes, strict=False):
        yield Progress("resolution", 3 + len(powers), 5, clock.seconds)
        power = shells.power(shells.spectrum(MaskedVolume(scaled, level, mask)))[1:]
        powers.append(np.convolve(power, smoothing)[_SMOOTHED:-_SMOOTHED] / size)
    return Spectrum(shells, powers[0], powers[1] if enough else None)


def _solvent_limit(spectrum: Spectrum) -> int:
    """Return the last shell before the power inside falls to that of the solvent, 0 if nowhere."""
    if spectrum.noise is None:
        return 0
    ratio = spectrum.power / np.maximum(spectrum.noise, 1e-300)
    below = ratio < _OVER_SOLVENT
    for last in np.flatnonzero(below):  # shells are counted from 1: this is the one before
        if below[last:].mean() > _MOST and ratio[:last].max(initial=0) >= _CONTRAST:
            return int(last)
    return 0


def _soft(mask: BoolArray) -> Float32Array:
    """Return 1 in a mask, falling to 0 at its border over three voxels."""
    steps = 0.5 - 0.5 * np.cos(math.pi * np.sqrt(np.arange(17)) / 4)
    return steps.astype(np.float32)[squared_distances(~mask, 3)]


class _Taper:
    """Weights that fade to the faces of a box, made when they are indexed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._axes = []
        for size in shape:
            place = np.arange(size) + 0.5
            depth = np.minimum(place, size - place) / max(1.0, _TAPER * size)
            weights = 0.5 - 0.5 * np.cos(math.pi * np.minimum(depth, 1))
            self._axes.append(weights.astype(np.float32))

    def __getitem__(self, region: slice | Region) -> Float32Array:
        parts = region if isinstance(region, tuple) else (region, slice(None), slice(None))
        z, y, x = (axis[part] for axis, part in zip(self._axes, parts, strict=True))
        return np.asarray(z[:, None, None] * y[:, None] * x)

    @property
    def square_sum(self) -> float:
        """Sum of the squares of all weights."""
        return math.prod(float(np.square(axis, dtype=np.float64).sum()) for axis in self._axes)


class _Product:
    """Weights times those of a taper, made when planes are indexed."""

    def __init__(self, weight: Float32Array, taper: _Taper) -> None:
        self._weight, self._taper = weight, taper

    def __getitem__(self, planes: slice) -> Float32Array:
        return self._weight[planes] * self._taper[planes]


class _InBox:
    """Weights of a box of a volume, 0 outside it; planes are made when they are indexed."""

    def __init__(self, weight: Float32Array, box: Region, shape: tuple[int, ...]) -> None:
        self._weight, self._box, self._shape = weight, box, shape

    def __getitem__(self, planes: slice) -> Float32Array:
        out = np.zeros((planes.stop - planes.start, *self._shape[1:]), np.float32)
        z, y, x = self._box
        low, high = max(z.start, planes.start), min(z.stop, planes.stop)
        if low < high:
            own = self._weight[low - z.start : high - z.start]
            out[low - planes.start : high - planes.start, y, x] = own
        return out


def _scaled(data: Float32Array, level: float) -> Float32Array:
    """Return densities less a level, with a largest magnitude of 1: no square leaves float32."""
    largest = max(abs(float(data.max()) - level), abs(float(data.min()) - level)) or 1.0
    out = np.empty(data.shape, np.float32)
    for part in slabs(data.shape):
        out[part] = (data[part].astype(np.float64) - level) / largest
    return out
