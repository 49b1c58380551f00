"""Where a decoded map is wrong, and by how much: volumes that are computed region by region."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, ClassVar

import numpy as np

from ..errors import MapError, SettingsError
from ..maps.density_map import SLAB_VOXELS
from ..progress import Clock, Progress, Steps
from ..support.array_types import BoolArray, Float32Array, Float64Array, Region
from .map_pairs import RELATIVE_ERROR, check_same_shape

DEFAULT_WINDOW = 7  # voxels; twice the resolution of a map that is sampled well
SMALLEST_WINDOW, LARGEST_WINDOW = 3, 31

_SAMPLE_BLOCKS, _SAMPLE_SIDE = 3, 32  # blocks along an axis, one in its middle; their voxels
_ROUNDING = 1e-10  # share of the sum of squares that may be left by rounding
_RARE = 0.5  # percent of the sampled voxels that may lie outside the display limits


@dataclass(frozen=True)
class ErrorKind:
    """A measure of how wrong a voxel is."""

    name: str  # as in settings and layer names
    title: str  # what a user chooses
    unit: str  # unit of the numbers; empty where they have none
    colormap: str  # a name that napari and matplotlib know
    meaning: str  # one sentence


SIGNED = ErrorKind(
    "signed",
    "signed error",
    "density",
    "RdBu_r",
    "Decoded minus original: red where the decoded density is too high, blue where too low.",
)
ABSOLUTE = ErrorKind(
    "absolute",
    "absolute error",
    "density",
    "viridis",
    "How far the decoded density is from the original, whatever the sign.",
)
RELATIVE = ErrorKind(
    "relative",
    "relative error",
    "%",
    "viridis",
    "Absolute error in percent of the original density; only voxels above the contour have one.",
)
CORRELATION = ErrorKind(
    "local correlation",
    "local correlation",
    "",
    "plasma",
    "Pearson correlation of both maps in a sphere around each voxel; 1 is a perfect match.",
)
KINDS = {kind.name: kind for kind in (SIGNED, ABSOLUTE, RELATIVE, CORRELATION)}


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """The error of a decoded map, shape (z, y, x), float32; sliced like an array.

    Nothing is computed until it is indexed, and then that region alone, so that
    `dask.array.from_array` makes a lazy volume of it. A voxel that is infinite or NaN in one of
    the maps has the error NaN.

    Parameters
    ----------
    original, decoded : array
        Densities, shape (z, y, x), of any real type; arrays, memory-mapped files or lazy arrays.
    kind : ErrorKind
        One of `KINDS`.
    contour : float or None
        The density above which a voxel of the original counts as structure; None takes all.
    inside_only : bool
        Whether voxels of the original that are not above the contour are NaN. Relative errors
        always are, and where the original is 0.
    window : int
        Width in voxels, odd, of the sphere of the local correlation; at the edges of the map the
        sphere is clipped.

    Raises
    ------
    MapError
        If the maps are no volumes of one shape.
    SettingsError
        If the window is even or out of its range.
    """

    ndim: ClassVar[int] = 3
    dtype: ClassVar[np.dtype[np.float32]] = np.dtype(np.float32)

    original: Any
    decoded: Any
    kind: ErrorKind
    contour: float | None = None
    inside_only: bool = False
    window: int = DEFAULT_WINDOW

    def __post_init__(self) -> None:
        """Check the shapes and the window."""
        shape = tuple(self.original.shape)
        check_same_shape(shape, tuple(self.decoded.shape))
        if len(shape) != 3 or 0 in shape:
            raise MapError(f"the maps have the shape {shape}: must be volumes of voxels")
        check_window(self.window)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.original.shape
        return int(z), int(y), int(x)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole volume, were it computed."""
        return 4 * int(np.prod(self.shape))

    def __getitem__(self, index: Any) -> Float32Array:
        """Return the errors of a region, indexed as in numpy; of lists, along each axis."""
        places = index if isinstance(index, tuple) else (index,)
        places += (slice(None),) * (3 - len(places))
        asked = [np.arange(n)[place] for n, place in zip(self.shape, places, strict=True)]
        if not all(numbers.size for numbers in asked):
            return np.empty([numbers.size for numbers in asked if numbers.ndim], np.float32)
        # The region that is read contains the window of every voxel of the result.
        margin = self.window // 2 if self.kind is CORRELATION else 0
        starts = [max(int(numbers.min()) - margin, 0) for numbers in asked]
        stops = [min(int(a.max()) + 1 + margin, n) for a, n in zip(asked, self.shape, strict=True)]
        region = tuple(map(slice, starts, stops))
        errors = self._errors(
            *(np.array(data[region], np.float64) for data in (self.original, self.decoded))
        )
        inner = (np.atleast_1d(a) - start for a, start in zip(asked, starts, strict=True))
        scalars = tuple(axis for axis, numbers in enumerate(asked) if not numbers.ndim)
        return errors[np.ix_(*inner)].squeeze(scalars)

    def _errors(self, original: Float64Array, decoded: Float64Array) -> Float32Array:
        """Errors of a region, NaN where there is none."""
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if self.kind is CORRELATION:
                error = _local_correlation(original, decoded, self.window)
            else:
                error = decoded - original
                if self.kind is not SIGNED:
                    np.abs(error, out=error)
                if self.kind is RELATIVE:
                    error *= 100 / np.abs(original)
            out = error.astype(np.float32)
        out[~np.isfinite(out)] = np.nan
        if self.contour is not None and (self.inside_only or self.kind is RELATIVE):
            out[~(original > np.float32(self.contour))] = np.nan
        return out

    def compute_steps(self, clock: Clock | None = None) -> Steps[Float32Array]:
        """Compute the whole volume, as a generator of progress."""
        clock = clock or Clock()
        out = np.empty(self.shape, np.float32)
        depth = max(1, SLAB_VOXELS // out[0].size)
        if self.kind is CORRELATION:
            depth = max(depth, 2 * self.window)  # little is computed twice
        chunks = [int(data.chunks[0][0]) for data in (self.original, self.decoded) if is_lazy(data)]
        if chunks:  # each is decoded once if it lies in one slab
            depth = -(-depth // max(chunks)) * max(chunks)
        for start in range(0, len(out), depth):
            stop = min(start + depth, len(out))
            out[start:stop] = self[start:stop]
            yield Progress("computing the error", stop, len(out), clock.seconds)
        return out

    def limits_steps(self, clock: Clock | None = None) -> Steps[tuple[float, float]]:
        """Find the limits for display in blocks spread over the map, as a generator of progress."""
        clock = clock or Clock()
        samples = []
        blocks = list(_blocks(self.shape))
        for done, block in enumerate(blocks, start=1):
            errors = self[block]
            samples.append(errors[np.isfinite(errors)])
            yield Progress("sampling the error", done, len(blocks), clock.seconds)
        return display_limits(self.kind, np.concatenate(samples))


def check_window(window: int) -> None:
    """Raise `SettingsError` unless this can be the side of a window."""
    if window % 2 == 0 or not SMALLEST_WINDOW <= window <= LARGEST_WINDOW:
        raise SettingsError(
            f"window = {window} voxels: must be odd, {SMALLEST_WINDOW} to {LARGEST_WINDOW}"
        )


def is_lazy(data: Any) -> bool:
    """Return whether an array has chunks that are computed when they are read, as dask's are."""
    return bool(getattr(data, "chunks", None)) and hasattr(data, "compute")


def display_limits(kind: ErrorKind, values: Float32Array) -> tuple[float, float]:
    """Return the (low, high) that a colormap of this kind should span.

    Signed errors: symmetric about 0. Absolute errors: from 0. Relative errors: from 0 to at least
    the 20 % of the paper (arXiv 2512.12975) and at most 100 %. Local correlations: up to 1. Some
    extreme values (0.5 % at an open end) are left outside. NaN among the values does not count.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    if kind is CORRELATION:
        low = float(np.percentile(known, _RARE)) if known.size else 0.0
        return min(low, 0.99), 1.0
    reach = float(np.percentile(np.abs(known), 100 - _RARE)) if known.size else 0.0
    if kind is RELATIVE:
        return 0.0, min(max(reach, 100 * RELATIVE_ERROR), 100.0)
    if reach == 0:  # most voxels are exact: show those that are not
        reach = float(np.abs(known).max(initial=0.0)) or 1.0
    return (-reach if kind is SIGNED else 0.0), reach


def _blocks(shape: tuple[int, int, int]) -> Iterator[Region]:
    """Regions on a lattice over the map: all of a small one, 27 of a large one."""
    axes = []
    for count in shape:
        cells = min(_SAMPLE_BLOCKS, -(-count // _SAMPLE_SIDE))
        edges = [count * cell // cells for cell in range(cells + 1)]
        middle = [(max(a, (a + b - _SAMPLE_SIDE) // 2), b) for a, b in pairwise(edges)]
        axes.append([slice(a, min(a + _SAMPLE_SIDE, b)) for a, b in middle])
    yield from product(*axes)


def _local_correlation(a: Float64Array, b: Float64Array, window: int) -> Float64Array:
    """Return Pearson's correlation of densities (z, y, x) in the sphere around each voxel.

    The sphere, `window` voxels wide, is clipped at the edges of the volume. Voxels that are
    infinite or NaN in one of the volumes do not count. Where both are equal in the whole sphere the
    correlation is 1; where one of them has no spread there (and they differ), or no voxel counts,
    it is NaN.
    """
    valid = np.isfinite(a) & np.isfinite(b)
    if not valid.any():
        return np.full(a.shape, np.nan)
    p, q = _centred(a, valid), _centred(b, valid)
    n = _sums(valid.astype(np.float64), window)
    sum_p, sum_q = _sums(p, window), _sums(q, window)
    doubtful = []
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = _sums(p * q, window) - sum_p * sum_q / n
        spread = np.ones(a.shape)
        for values, total in ((p, sum_p), (q, sum_q)):
            squares = _sums(values * values, window)
            own = np.maximum(squares - total**2 / n, 0.0)
            doubtful.append(bool(((own <= _ROUNDING * squares) & (n > 1)).any()))
            spread *= np.sqrt(own)
        out = np.clip(covariance / spread, -1.0, 1.0)
    out[spread == 0] = np.nan
    # Rounding leaves a constant sphere some spread, but its smallest and largest density are equal.
    for values, look in zip((a, b), doubtful, strict=True):
        if not look:
            continue
        high = _over_spheres(np.where(valid, values, -np.inf), window, np.maximum, -np.inf)
        low = _over_spheres(np.where(valid, values, np.inf), window, np.minimum, np.inf)
        out[high <= low] = np.nan
    equal = _sums((valid & (a != b)).astype(np.float64), window) == 0
    out[equal & (n > 0)] = 1.0
    return out


def _centred(values: Float64Array, valid: BoolArray) -> Float64Array:
    """Densities less their median where they count and 0 elsewhere.

    Squares lose no small spread about a large mean then.
    """
    return np.where(valid, values - np.median(values[valid][::16]), 0.0)


def _sums(values: Float64Array, window: int) -> Float64Array:
    """Add up the sphere around each voxel, with nothing outside the volume.

    Each is added up on its own: running sums would carry rounding errors from dense parts of a map
    into the empty ones.
    """
    return _over_spheres(values, window, np.add, 0.0)


def _over_spheres(
    values: Float64Array, window: int, join: np.ufunc, nothing: float
) -> Float64Array:
    """Join the values in the sphere around each voxel, `nothing` standing for those outside.

    A sphere is made of rows along x; rows of one length are joined once, and then shifted.
    """
    radius = window // 2
    rows: dict[int, list[tuple[int, int]]] = {}
    for z, y in product(range(-radius, radius + 1), repeat=2):
        left = (radius + 0.5) ** 2 - z * z - y * y
        if left >= 0:
            rows.setdefault(math.isqrt(int(left)), []).append((z, y))
    out = np.full(values.shape, nothing)
    joined = values.copy()
    reach = 0
    for half, shifts in sorted(rows.items()):
        for shift in range(reach + 1, half + 1):
            _join_shifted(joined, values, (0, 0, shift), join)
            _join_shifted(joined, values, (0, 0, -shift), join)
        reach = half
        for z, y in shifts:
            _join_shifted(out, joined, (z, y, 0), join)
    return out


def _join_shifted(
    out: Float64Array, values: Float64Array, shift: tuple[int, int, int], join: np.ufunc
) -> None:
    """Join to each voxel, in place, the value that lies `shift` voxels from it."""
    here = tuple(
        slice(max(-s, 0), max(min(n, n - s), 0)) for s, n in zip(shift, out.shape, strict=True)
    )
    there = tuple(
        slice(max(s, 0), max(min(n, n + s), 0)) for s, n in zip(shift, out.shape, strict=True)
    )
    join(out[here], values[there], out=out[here])
