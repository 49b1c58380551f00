"""One map of an archive, read lazily."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import models
from ..errors import CinrError, DamagedArchive, OutOfMemory
from ..maps.density_map import DensityMap
from ..maps.mrc_header import HEADER_BYTES, VOXEL_TYPES, MrcHeader, new_header
from ..progress import Clock, Progress, Steps, drain, reported_steps
from ..quality.quality_report import QualityReport
from ..support import records
from ..support.array_types import BoolArray, Float32Array, Float64Array, Triple
from ..support.checksums import VoxelDigest
from ..support.regions import as_box, region_shape
from ..support.streams import NamedStreams
from .damage import damaged
from .header import MemberHeader, ModelHeader
from .mrc_fields import decode_extended_header, header_of

# What decodes is loaded when it is first needed: whoever reads the header alone does without.
if TYPE_CHECKING:
    from ..models.base import Model, Stored
    from .decoding import Decoder

_MASK_BYTES = 8  # for each voxel, while a mask is decoded

TakeSlab = Callable[[slice, Float32Array], None]
"""Is called with a slice along z and the voxels of that slab."""


class Member:
    """A map inside an archive.

    Nothing is decoded before it is read; the mask and the model are kept then. Arrays are in the
    order (z, y, x), lengths in Å. Several threads may read.

    Examples
    --------
    >>> import numpy as np, napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> _ = cryoinr.compress(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> with cryoinr.open_archive("a.cinr") as archive:
    ...     archive[0].read(np.s_[4:8, :, 0]).shape, archive[0].read(level=1).shape
    ((4, 16), (8, 8, 8))
    """

    def __init__(
        self,
        header: MemberHeader,
        model: ModelHeader,
        streams: NamedStreams,
        memory_limit: int,
        device: str,
        members: Sequence[Member],
    ) -> None:
        # `members` are those of the archive, of which those before this one may be needed.
        if header.mode not in VOXEL_TYPES:
            raise DamagedArchive(f"{header.name}: MRC mode {header.mode} is none of a map")
        if header.limits is not None and header.limits[0] > header.limits[1]:
            raise DamagedArchive(
                f"{header.name}: limits = {header.limits}: the lowest density comes first"
            )
        self.header = header
        self._model_header = ModelHeader("lossless") if header.lossless else model
        self._streams = streams
        self._memory_limit = memory_limit
        self._device = device
        self._members, self._number = members, len(members)
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """Name of the map."""
        return self.header.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.header.shape
        return z, y, x

    @property
    def raw_bytes(self) -> int:
        """Bytes of the voxels as float32."""
        return 4 * math.prod(self.shape)

    @property
    def threshold(self) -> float | None:
        """Density that every occupied voxel exceeds; None if the whole volume is stored."""
        return self.header.threshold

    @property
    def contour(self) -> float | None:
        """Contour level for display."""
        return self.header.threshold if self.header.contour is None else self.header.contour

    @property
    def contrast_limits(self) -> tuple[float, float]:
        """Densities for black and white."""
        low, high = self.header.contrast_limits
        return low, high

    @property
    def quality(self) -> QualityReport | None:
        """What was lost, as measured when the file was made."""
        return self.header.quality

    @property
    def symmetry(self) -> str:
        """The symmetry whose asymmetric unit is stored alone, in words; empty where none is."""
        config = _record(self._model.member_type, self.header.config)
        return "" if config is None else self._model.symmetry(config)

    @property
    def symmetry_axes(self) -> list[tuple[Triple, Triple]]:
        """Both ends of axes of that symmetry, the main one first; Å, (z, y, x).

        They are as long as the map's longest edge, and meet in the centre. None of a symmetry that
        is stored as rotations of the voxel grid.
        """
        config = _record(self._model.member_type, self.header.config)
        one = None if config is None else self._model.point_group(config)
        if one is None:
            return []
        size = np.array(self.voxel_size)
        centre = np.array(one.to_floats()[0]) * size + self.origin
        half = (size * self.shape).max() / 2
        ends = [(centre - half * np.array(a), centre + half * np.array(a)) for a in one.axes]
        return [(_triple(low), _triple(high)) for low, high in ends]

    @property
    def levels(self) -> int:
        """How many levels are worth reading: the last is at most 64 voxels along each axis."""
        return 1 + max(0, math.ceil(math.log2(max(self.shape) / 64)))

    @cached_property
    def mrc(self) -> MrcHeader:
        """The MRC header of the original, extended header included.

        Raises
        ------
        DamagedArchive
            If a stream is damaged, or the header is not that of such a map.
        """
        head, extended = self.header, b""
        with damaged(f"{self.name}: the MRC header"):
            if head.mrc is None:
                raw = self._streams["mrc"]
            else:
                raw = header_of(head.mrc, self.shape, head.mode, head.byte_order)
            if len(raw) != HEADER_BYTES:
                raise ValueError(f"it has {len(raw)} bytes")
            if "mrc_extended" in self._streams:
                data = self._streams["mrc_extended"]
                extended = decode_extended_header(data, self._allow)
            header = MrcHeader(raw, extended, ">" if head.byte_order == ">" else "<")
            if header.mode != head.mode:
                raise ValueError(f"mode {header.mode} where the member says {head.mode}")
        return header

    @property
    def voxel_size(self) -> Triple:
        """Å per voxel, (z, y, x); 1 where the original states none."""
        size = self.mrc.cell_voxel_size
        return size if all(math.isfinite(s) and s > 0 for s in size) else (1.0, 1.0, 1.0)

    @property
    def origin(self) -> Triple:
        """Position of the first voxel, Å, (z, y, x)."""
        return self.mrc.origin(self.voxel_size)

    @property
    def decoder(self) -> Decoder:
        """What decodes the voxels; reads and checks the streams of model and mask."""
        with self._lock:  # one of them, which keeps what it decoded
            return self._decoder

    @cached_property
    def _decoder(self) -> Decoder:
        from ..support.devices import choose_device
        from .decoding import Decoder
        from .residual import Residual

        head, mask, residual = self.header, None, None
        with damaged(self.name):
            if "mask" in self._streams:
                self._allow(_MASK_BYTES * math.prod(self.shape))
                mask = self._model.decode_mask(self._streams["mask"], self.shape)
            self._check_kept(mask)
            representation = self._model.load(self._stored(), choose_device(self._device))
            if head.residual is not None:
                residual = Residual(self._streams, head.residual, self.shape, head.mode)
        return Decoder(head, mask, representation, residual)

    def _check_kept(self, mask: BoolArray | None) -> None:
        """Raise `ValueError` unless the header says what is kept."""
        head = self.header
        if head.threshold is None and (
            (head.keep == "contour" or (head.keep == "envelope" and mask is None))
            or (head.residual is not None and head.residual.kind == "surface")
        ):
            raise ValueError(f"it keeps the {head.keep} and has neither threshold nor mask for it")

    @cached_property
    def _model(self) -> Model:
        return models.get(self._model_header.name)

    def _stored(self) -> Stored:
        """Return what the model needs of this member."""
        from ..models.base import Stored

        model, shared = self._model, self._model_header
        config = _record(model.config_type, shared.config)
        self._allow(model.load_bytes(config))
        return Stored(
            config,
            {name: self._streams[name] for name in model.shared_streams},
            _record(model.member_type, self.header.config),
            self._streams,
            self.shape,
            self.header.mode,
            self._earlier,
        )

    def _earlier(self, number: int) -> Stored:
        if not 0 <= number < self._number:
            raise ValueError(f"member {number} does not come before this one")
        other = self._members[number]
        if other.shape != self.shape:
            raise ValueError(f"member {number} has another shape")
        return other._stored()

    def _allow(self, wanted: int) -> None:
        if wanted > self._memory_limit:
            raise OutOfMemory(
                f"{self.name}: {wanted:,} bytes are needed and the limit is"
                f" {self._memory_limit:,}; read a smaller region or a coarser level, or raise"
                " memory_limit"
            )

    def read(self, region: Any = None, level: int = 0) -> Float32Array:
        """Decode voxels.

        Parameters
        ----------
        region : index
            An index as numpy takes it (slices, integers, an ellipsis) into the level's grid; by
            default the whole volume.
        level : int
            0 is full resolution, each level halves it. A voxel of a coarser level is the mean of
            its block, as the model has it where there is a short way: `field` averages low
            frequencies (not in maps with symmetry, a mask or a residual stream), and `paper` takes
            its density at the centre of the block for the mean over the occupied voxels, unless
            there is a residual stream.

        Returns
        -------
        numpy.ndarray
            float32, shape (z, y, x) less the axes that were indexed by an integer.

        Raises
        ------
        DamagedArchive
            If a stream that is needed is damaged.
        OutOfMemory
            If more memory would be needed than the limit.
        CinrError
            If the level or the index is out of range.
        """
        return drain(self.read_steps(region, level))

    def read_steps(self, region: Any = None, level: int = 0) -> Steps[Float32Array]:
        """`read` as a generator of progress."""
        from .decoding import coarse_bytes, coarse_steps, level_shape

        clock = Clock()
        box, rest = as_box(region, level_shape(self.shape, level))
        self._allow(4 * math.prod(region_shape(box)))
        decoder = self.decoder
        with damaged(self.name):
            if level == 0:
                self._allow(decoder.bytes_for(box))
                values = yield from decoder.read_steps(box, clock)
            else:
                self._allow(coarse_bytes(decoder, box, level))
                values = yield from coarse_steps(decoder, box, level, clock)
        return values[rest]

    def promised_weight(self, original: Float32Array) -> Float32Array | None:
        """Return the soft mask in which densities of the original are promised, 0 to 1.

        Parameters
        ----------
        original : numpy.ndarray
            Densities that the member was made from, shape (z, y, x).

        Returns
        -------
        numpy.ndarray or None
            float32, of the same shape; None where voxels above a contour, or all, are promised.
        """
        from .fading import promised_weight

        return promised_weight(original, self.decoder.mask, self.header)

    def sample(self, points: npt.ArrayLike) -> Float32Array:
        """Return densities at any points: the representation is continuous.

        Parameters
        ----------
        points : array-like
            Positions in Å, shape (n, 3), order (z, y, x), in the frame of `origin`.

        Returns
        -------
        numpy.ndarray
            float32, shape (n,); at the voxels themselves the result is that of `read`. Where the
            whole volume is kept it is the model's own function, elsewhere the cubic spline through
            the decoded voxels; points among voxels of the background, or outside the volume, have
            the background density.

        Raises
        ------
        DamagedArchive
            If a stream that is needed is damaged.
        CinrError
            If the points have another shape, or more memory would be needed than the limit.
        """
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise CinrError(f"points of shape {points.shape}: must be (n, 3), in Å, order z, y, x")
        positions = (points - self.origin) / self.voxel_size
        out = np.full(len(points), np.float32(self.header.background))
        nearest = np.rint(positions)
        inside = ((nearest >= 0) & (nearest < self.shape)).all(axis=1)
        decoder = self.decoder
        whole = decoder.residual is None and self.header.keep == "volume"
        with damaged(self.name):
            if whole:
                self._allow(decoder.bytes_at(positions[inside]))
                out[inside] = decoder.at(positions[inside])
            elif inside.any():
                out[inside] = self._between(positions[inside])
        return out

    def _between(self, positions: Float64Array) -> Float32Array:
        """Return the spline through the decoded voxels at positions (n, 3) in voxels."""
        from scipy.ndimage import map_coordinates

        box = self.decoder.representation.box_around(positions)
        self._allow(2 * self.decoder.bytes_for(box))
        voxels = self.read(box)
        places = positions - [part.start for part in box]
        out = map_coordinates(voxels, places.T, np.float32, order=3, mode="mirror")
        if self.header.limits is not None:
            np.clip(out, *map(np.float32, self.header.limits), out=out)
        # A spline swings about the background next to the density: none of that is signal.
        low = np.clip(np.floor(places).astype(np.intp), 0, np.array(voxels.shape) - 1)
        high = np.minimum(low + 1, np.array(voxels.shape) - 1)
        empty = np.ones(len(out), bool)
        for corner in itertools.product((0, 1), repeat=3):
            at = np.where(corner, high, low)
            empty &= voxels[tuple(at.T)] == np.float32(self.header.background)
        out[empty] = np.float32(self.header.background)
        return np.asarray(out, np.float32)

    def to_map_steps(self, level: int = 0) -> Steps[DensityMap]:
        """`to_map` as a generator of progress."""
        data = yield from self.read_steps(level=level)
        if level == 0:
            return DensityMap(data, self.voxel_size, self.origin, self.mrc, self.name)
        side = 2**level
        z, y, x = self.voxel_size
        origin = tuple(o + s * (side - 1) / 2 for o, s in zip(self.origin, (z, y, x), strict=True))
        size = (z * side, y * side, x * side)
        place = (origin[0], origin[1], origin[2])
        return DensityMap(data, size, place, new_header(data.shape, size, place), self.name)

    def to_map(self, level: int = 0) -> DensityMap:
        """Decode the member as a `DensityMap`.

        Parameters
        ----------
        level : int
            0 is full resolution, with the header of the original; a coarser level has its own voxel
            size and origin.

        Returns
        -------
        DensityMap
        """
        return drain(self.to_map_steps(level))

    def check_steps(self, take: TakeSlab | None = None) -> Steps[None]:
        """Decode everything slab by slab and compare checksums, as a generator of progress.

        Of large volumes little is in memory at a time, except where a model decodes all of it at
        once (`field` with symmetry, and all others).

        Parameters
        ----------
        take : callable, optional
            Is called with each slab: a slice along z and its voxels, float32, shape (z, y, x).

        Raises
        ------
        DamagedArchive
            If any stream is damaged, or the voxels are not those that were written; the latter is
            found at the end.
        OutOfMemory
            If more memory would be needed than the limit.
        """
        for name in self._streams:
            self._streams.check(name)
        _ = self.mrc
        clock, digest, depth = Clock(), VoxelDigest(), self.shape[0]
        for part in self.decoder.slabs():
            share = part.start / depth
            now = Progress("decoding", part.start, depth, clock.seconds, share=share)
            voxels = yield from reported_steps(self.read_steps(part), now)
            digest.add(voxels)
            if take is not None:
                take(part, voxels)
        yield Progress("decoding", depth, depth, clock.seconds, share=1.0)
        if digest.text != self.header.decoded_checksum:
            raise DamagedArchive(f"{self.name}: the decoded voxels differ from those written")

    def verify_steps(self, take: TakeSlab | None = None) -> Steps[Float32Array]:
        """Decode everything and compare checksums, as a generator of progress.

        Parameters
        ----------
        take : callable, optional
            As for `check_steps`.

        Returns
        -------
        numpy.ndarray
            The voxels, float32, shape (z, y, x).

        Raises
        ------
        DamagedArchive
            If any stream is damaged, or the voxels are not those that were written.
        """
        self._allow(4 * math.prod(self.shape))
        voxels = np.empty(self.shape, np.float32)

        def keep(part: slice, slab: Float32Array) -> None:
            voxels[part] = slab
            if take is not None:
                take(part, slab)

        yield from self.check_steps(keep)
        return voxels

    def __repr__(self) -> str:
        return f"Member({self.name!r}, shape={self.shape})"


def _triple(place: Float64Array) -> Triple:
    z, y, x = place.tolist()
    return z, y, x


def _record(kind: type | None, data: dict[str, Any] | None) -> Any:
    """Return the model's configuration as its own record; None where it has none."""
    return None if kind is None else records.from_dict(kind, data, DamagedArchive)
