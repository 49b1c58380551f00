"""One map of an archive, read lazily."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import models
from ..errors import CinrError, DamagedArchive
from ..maps.density_map import DensityMap, slabs
from ..maps.mrc_header import HEADER_BYTES, VOXEL_TYPES, MrcHeader, new_header
from ..maps.occupancy import Mask
from ..models.base import Representation
from ..progress import Clock, Steps, drain
from ..quality.quality_report import QualityReport
from ..support import records
from ..support.array_types import Triple
from ..support.checksums import voxel_checksum
from ..support.indexing import as_box
from .container import FileStreams, MemoryStreams, damaged
from .decoding import Decoder
from .header import MemberHeader, ModelHeader
from .levels import coarse_steps, level_shape
from .mrc_packing import unpack_mrc_header
from .residual import Residual

Floats = npt.NDArray[np.float32]


class Member:
    """A map inside an archive.

    Nothing is decoded before it is asked for; the occupancy and the network are kept once they
    are. All arrays are (z, y, x), all lengths Å.
    """

    def __init__(
        self,
        header: MemberHeader,
        model: ModelHeader,
        streams: FileStreams | MemoryStreams,
        memory_limit: int,
        device: str,
        earlier: Sequence[Member] = (),
    ) -> None:
        if header.mode not in VOXEL_TYPES:
            raise DamagedArchive(f"{header.name}: MRC mode {header.mode} is none of a map")
        self.header = header
        self._model = model
        self._streams = streams
        self._memory_limit = memory_limit
        self._device = device
        self._earlier = earlier

    @property
    def name(self) -> str:
        return self.header.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.header.shape
        return z, y, x

    @property
    def raw_bytes(self) -> int:
        """Bytes of the voxels as float32."""
        return 4 * int(np.prod(self.shape, dtype=object))

    @property
    def threshold(self) -> float | None:
        """Density that every occupied voxel exceeds; None if the whole volume is stored."""
        return self.header.threshold

    @property
    def contour(self) -> float | None:
        """Contour level for display."""
        return self.header.contour

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
    def levels(self) -> int:
        """How many levels are worth reading: the last is at most 64 voxels along each axis."""
        return 1 + max(0, int(np.ceil(np.log2(max(self.shape) / 64))))

    @cached_property
    def mrc(self) -> MrcHeader:
        """The MRC header of the original, extended header included."""
        with damaged(f"{self.name}: the MRC header"):
            from zlib import decompressobj

            if "mrc" in self._streams:
                raw = unpack_mrc_header(self._streams.get("mrc"))
            else:  # format version 1
                packed = self._streams.get("mrc_header")
                raw = decompressobj().decompress(packed, HEADER_BYTES + 1)
            if len(raw) != HEADER_BYTES:
                raise ValueError("its length is wrong")
            extended = b""
            if "mrc_extended" in self._streams:
                data = self._streams.get("mrc_extended")
                length = int.from_bytes(data[:4], "little")
                extended = decompressobj().decompress(data[4:], length + 1)
                if len(extended) != length:
                    raise ValueError("the length of the extended header is wrong")
            return MrcHeader(raw, extended, ">" if self.header.byte_order == ">" else "<")

    @property
    def voxel_size(self) -> Triple:
        """Å per voxel, (z, y, x); 1 where the original states none."""
        size = self.mrc.cell_voxel_size
        return size if all(np.isfinite(s) and s > 0 for s in size) else (1.0, 1.0, 1.0)

    @property
    def origin(self) -> Triple:
        """Position of the first voxel, Å, (z, y, x)."""
        return self.mrc.origin(self.voxel_size)

    @cached_property
    def decoder(self) -> Decoder:
        """What decodes the voxels; reads and checks the streams of model and occupancy."""
        head = self.header
        self._allow(self.shape, 1)
        with damaged(self.name):
            mask = self._mask()
            representation = self._representation()
            residual = (
                Residual(self._streams, head.residual, self.shape, head.mode)
                if head.residual
                else None
            )
        return Decoder(
            self.shape,
            mask,
            head.threshold,
            head.background,
            head.density_scale,
            head.mode,
            representation,
            residual,
        )

    def _mask(self) -> Mask | None:
        """The stored occupancy; None where the model alone says what a voxel is."""
        if "mask" in self._streams:
            model = models.get(self._model.name)
            return model.decode_mask(self._streams.get("mask"), self.shape)
        return None

    def _representation(self) -> Representation:
        model = models.get(self._model.name)
        return model.load(
            _record(model.config_type, self._model.config),
            {stream.name: self._streams.get(stream.name) for stream in self._model.streams},
            _record(model.member_type, self.header.config),
            {name: self._streams.get(name) for name in model.member_streams},
            self.shape,
            self.header.mode,
            self._chosen_device(),
            self._sibling,
        )

    def _sibling(self, number: int) -> tuple[Any, dict[str, bytes]]:
        """What an earlier member has for the model: its record, its streams."""
        if not 0 <= number < len(self._earlier):
            raise ValueError(f"member {number} does not come before this one")
        other, model = self._earlier[number], models.get(self._model.name)
        if other.shape != self.shape:
            raise ValueError(f"member {number} has another shape")
        record = _record(model.member_type, other.header.config)
        return record, {name: other._streams.get(name) for name in model.member_streams}

    def _chosen_device(self) -> str:
        if self._device == "cpu":
            return "cpu"  # without loading torch
        from ..support.devices import choose_device

        return choose_device(self._device)

    def _allow(self, shape: tuple[int, ...], item: int = 4) -> None:
        wanted = int(np.prod(shape, dtype=object)) * item
        if wanted > self._memory_limit:
            raise CinrError(
                f"{self.name}: {wanted:,} bytes are needed and the limit is"
                f" {self._memory_limit:,}; read a smaller region or a coarser level, or raise"
                " memory_limit"
            )

    def read(self, region: Any = None, level: int = 0) -> Floats:
        """Decode voxels.

        Parameters
        ----------
        region : an index as numpy takes it (slices, integers, an ellipsis) into the level's grid;
            by default the whole volume.
        level : 0 is full resolution, each level halves it. A voxel of a coarser level is the mean
            of its block, as the model has it where there is a short way: `field` averages low
            frequencies (not in maps with symmetry, a mask or a residual stream), and `paper`
            takes its density at the centre of the block for the mean over the occupied voxels,
            unless there is a residual stream.

        Returns
        -------
        float32 array (z, y, x), less the axes that were indexed by an integer.

        Raises
        ------
        DamagedArchive
            if a stream that is needed is damaged.
        CinrError
            if the level is out of range or the result would exceed the memory limit.
        """
        return drain(self.read_steps(region, level))

    def read_steps(self, region: Any = None, level: int = 0) -> Steps[Floats]:
        """`read` as a generator of progress."""
        clock = Clock()
        box, rest = as_box(region, level_shape(self.shape, level))
        self._allow(tuple(s.stop - s.start for s in box))
        with damaged(self.name):
            if level == 0:
                values = yield from self.decoder.read_steps(box, clock)
            else:
                values = yield from coarse_steps(self.decoder, box, level, clock)
        return values[rest]

    def sample(self, points: npt.ArrayLike) -> Floats:
        """Densities at any points: the representation is continuous.

        Parameters
        ----------
        points : shape (n, 3), Å, order (z, y, x), in the frame of `origin`.

        Returns
        -------
        shape (n,), float32. Points whose nearest voxel is not occupied, or that lie outside the
        volume, have the background density. Where there is a residual stream, that of the nearest
        voxel is added: at the voxels themselves the result is that of `read`.

        Raises
        ------
        CinrError
            if the points have another shape.
        """
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise CinrError(f"points of shape {points.shape}: must be (n, 3), in Å, order z, y, x")
        positions = (points - self.origin) / self.voxel_size
        decoder = self.decoder
        out = np.full(len(points), np.float32(decoder.background))
        nearest = np.rint(positions)
        inside = ((nearest >= 0) & (nearest < self.shape)).all(axis=1)
        voxel = nearest[inside].astype(np.intp)
        occupied = np.zeros(len(points), bool)
        occupied[inside] = True if decoder.mask is None else decoder.mask[tuple(voxel.T)]
        if decoder.residual is None:
            out[occupied] = decoder.at(positions[occupied])
            return out
        with damaged(self.name):
            out[inside] = self._refined(positions[inside], voxel, occupied[inside])
        return out

    def _refined(
        self, positions: npt.NDArray[np.float64], voxel: npt.NDArray[np.intp], occupied: Any
    ) -> Floats:
        """The model's continuous density plus what `read` differs from it at the nearest voxel."""
        if not len(voxel):
            return np.empty(0, np.float32)
        low, high = voxel.min(axis=0), voxel.max(axis=0) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        self._allow(tuple(s.stop - s.start for s in box))
        out = self.read(box)[tuple((voxel - low).T)].astype(np.float64)
        there = self.decoder.at(voxel[occupied].astype(np.float64))
        out[occupied] += self.decoder.at(positions[occupied]).astype(np.float64) - there
        return out.astype(np.float32)

    def to_map_steps(self, level: int = 0) -> Steps[DensityMap]:
        """The member as a `DensityMap`, as a generator of progress."""
        data = yield from self.read_steps(level=level)
        if level == 0:
            return DensityMap(data, self.voxel_size, self.origin, self.mrc, self.name)
        side = 2**level
        size = tuple(s * side for s in self.voxel_size)
        origin = tuple(
            o + s * (side - 1) / 2 for o, s in zip(self.origin, self.voxel_size, strict=True)
        )
        header = new_header(data.shape, size, origin)
        return DensityMap(data, size, origin, header, self.name)

    def to_map(self, level: int = 0) -> DensityMap:
        """The member as a `DensityMap`: full resolution with the header of the original, or
        a coarser level with its own voxel size and origin."""
        return drain(self.to_map_steps(level))

    def verify_steps(self) -> Steps[Floats]:
        """Decode everything and compare checksums; returns the voxels.

        Raises
        ------
        DamagedArchive
            if any stream is damaged, or the voxels are not those that were written.
        """
        for stream in (*self._model.streams, *self.header.streams):
            self._streams.get(stream.name)
        _ = self.mrc
        voxels = yield from self.read_steps()
        stored = self.header.decoded_checksum
        parts = (voxels[part] for part in slabs(voxels.shape))
        if voxel_checksum(parts, len(stored)) != (stored):
            raise DamagedArchive(f"{self.name}: the decoded voxels differ from those written")
        return voxels

    def __repr__(self) -> str:
        return f"Member({self.name!r}, shape={self.shape})"


def _record(kind: type | None, data: dict[str, Any] | None) -> Any:
    """The model's configuration as its own record; None where it has none."""
    if kind is None:
        return None
    return records.from_dict(kind, data, DamagedArchive)
