"""A losslessly stored volume as a representation: decoded once, then there."""

from __future__ import annotations

from ...progress import Clock, Steps
from ...support.array_types import BoolArray, Float32Array, Float64Array, Region
from ..interpolation import spline_through
from .lossless_stream import decode_steps


class LosslessRepresentation:
    """See `napari_cryoinr.models.base.Representation`; the stream is decoded as a whole."""

    batch = 1 << 16
    pointwise = False

    def __init__(self, stream: bytes, shape: tuple[int, int, int], mode: int) -> None:
        self._stream = stream
        self._shape = shape
        self._mode = mode
        self._volume: Float32Array | None = None

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float32Array]:
        """The voxels of a region, exactly."""
        if self._volume is None:
            self._volume = yield from decode_steps(self._stream, self._shape, self._mode, clock)
        return self._volume[region].copy()

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> None:
        """A mean has no shorter way than all its voxels."""

    def evaluate(self, positions: Float64Array) -> Float64Array:
        """Cubic B-spline through the voxels."""
        return spline_through(self, self._shape, positions)
