"""Streams of which a part is read without the rest: coded tiles of a volume, and their index.

The index is the side of a tile along z, y and x (int32 each), then the length (uint64) and the
checksum of every coded tile, in C order of their places; those at the end are cut off. The stream
is the coded tiles one after the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..errors import DamagedArchive
from ..support.array_types import Region
from ..support.checksums import CHECKSUM_BYTES, checksum
from ..support.regions import pieces

_ENTRY = np.dtype([("length", "<u8"), ("checksum", f"V{CHECKSUM_BYTES}")])
_SIDES = np.dtype(("<i4", 3))
_WHOLE = 1 << 22  # voxels of a volume that is one tile
_TILE = 1 << 21  # voxels of a tile, about
_LARGEST_TILE = 1 << 23  # that is read: what a few damaged bytes can ask for
_ROW = 1 << 26  # voxels of a row of tiles, which are decoded before its planes are complete
_LEAST = 8  # planes of a tile
_MOST = 128

Shape = tuple[int, int, int]


def tile_shape(shape: Sequence[int]) -> Shape | None:
    """Return the sides of the tiles of a volume, multiples of 8; None where it is one tile."""
    if math.prod(shape) <= _WHOLE:
        return None
    planes = _ROW // (shape[1] * shape[2]) // _LEAST * _LEAST
    z = min(max(planes, _LEAST), _MOST)
    side = round(math.sqrt(_TILE / z) / _LEAST) * _LEAST
    return z, side, side


def tiles_of(shape: Sequence[int], sides: Sequence[int]) -> list[Region]:
    """Return the tiles of a volume, in C order."""
    z, y, x = (pieces(n, side) for n, side in zip(shape, sides, strict=True))
    return list(itertools.product(z, y, x))


def entries_of(parts: Iterable[bytes]) -> bytes:
    """Return length and checksum of each part."""
    return np.array([(len(part), checksum(part)) for part in parts], _ENTRY).tobytes()


def index_of(sides: Sequence[int], entries: bytes) -> bytes:
    """Return the index of tiles with these sides."""
    return np.array(sides, _SIDES.base).tobytes() + entries


class Parts:
    """Reads the parts of a stream, given what `entries_of` returned for them.

    Parameters
    ----------
    read : returns bytes of the stream: start, length.
    what : the stream and its parts, for errors.

    Raises
    ------
    DamagedArchive
        If the entries are not those of `count` parts, or a part is damaged.
    """

    def __init__(
        self, entries: bytes, count: int, read: Callable[[int, int], bytes], what: str
    ) -> None:
        if len(entries) != _ENTRY.itemsize * count:
            raise DamagedArchive(f"{what}: the index does not fit such a volume")
        self._entries = np.frombuffer(entries, _ENTRY)
        self._starts = list(itertools.accumulate(self._entries["length"].tolist(), initial=0))
        self._read, self._what = read, what

    def __getitem__(self, number: int) -> bytes:
        length = int(self._entries["length"][number])
        if not length:
            return b""
        data = self._read(self._starts[number], length)
        if checksum(data) != self._entries["checksum"][number].tobytes():
            raise DamagedArchive(f"{self._what} {number} is damaged (checksum)")
        return data


class Tiles:
    """Reads the coded tiles of a volume.

    Attributes
    ----------
    sides : of a tile, z, y, x.
    regions : of all tiles.

    Raises
    ------
    DamagedArchive
        As for `Parts`.
    """

    def __init__(
        self, index: bytes, shape: Shape, read: Callable[[int, int], bytes], name: str
    ) -> None:
        head = _SIDES.itemsize
        sides = np.frombuffer(index[:head], "<i4").tolist() if len(index) >= head else []
        if len(sides) != 3 or min(sides) < 1 or math.prod(sides) > _LARGEST_TILE:
            raise DamagedArchive(f"{name}: impossible tiles")
        self._counts = [-(-n // side) for n, side in zip(shape, sides, strict=True)]
        count = math.prod(self._counts)
        self._parts = Parts(index[head:], count, read, f"{name}: tile")
        self.sides: Shape = (sides[0], sides[1], sides[2])
        self.regions = tiles_of(shape, sides)

    def __getitem__(self, number: int) -> bytes:
        return self._parts[number]

    def near(self, region: Region) -> list[int]:
        """Return the numbers of the tiles that hold some of a region, ascending."""
        spans = (
            range(part.start // side, -(-part.stop // side)) if part.start < part.stop else ()
            for part, side in zip(region, self.sides, strict=True)
        )
        _, rows, columns = self._counts
        return [(z * rows + y) * columns + x for z, y, x in itertools.product(*spans)]
