"""Voxels that are infinite or NaN: where they are, and a map without them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import MapError
from .auto_threshold import auto_threshold
from .density_map import DensityMap, slabs
from .map_statistics import statistics
from .threshold import background_density


@dataclass(frozen=True)
class NoDensity:
    """Voxels of a volume that hold no density.

    Attributes
    ----------
    nan, infinite : how many are NaN, and how many infinite.
    first : the first of them, (z, y, x).
    """

    nan: int
    infinite: int
    first: tuple[int, int, int]

    @property
    def text(self) -> str:
        """Say how many there are, and where the first is.

        Examples
        --------
        >>> NoDensity(7, 0, (1, 2, 3)).text
        '7 voxels are NaN, the first at (z, y, x) = (1, 2, 3)'
        >>> NoDensity(0, 1, (1, 2, 3)).text
        'Voxel (z, y, x) = (1, 2, 3) is infinite'
        """
        what = " or ".join(w for w, n in (("NaN", self.nan), ("infinite", self.infinite)) if n)
        count, place = self.nan + self.infinite, f"(z, y, x) = {self.first}"
        if count == 1:
            return f"Voxel {place} is {what}"
        return f"{count:,} voxels are {what}, the first at {place}"


def find_no_density(data: Any) -> NoDensity | None:
    """Return which voxels of a volume (z, y, x) are infinite or NaN; None if none is."""
    nan = infinite = 0
    first: tuple[int, int, int] | None = None
    for part in slabs(data.shape):
        slab = np.asarray(data[part])
        wrong = ~np.isfinite(slab)
        if not wrong.any():
            continue
        nan += int(np.count_nonzero(np.isnan(slab)))
        infinite += int(np.count_nonzero(np.isinf(slab)))
        if first is None:
            z, y, x = np.argwhere(wrong)[0].tolist()
            first = part.start + z, y, x
    return None if first is None else NoDensity(nan, infinite, first)


def fill_no_density(density_map: DensityMap) -> DensityMap:
    """Return a map whose infinite voxels and NaN are replaced by the density of the background.

    That is the median of the voxels below the automatic threshold.

    Raises
    ------
    MapError
        If no voxel holds a density.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> m.data[3, 4, 5] = np.nan
    >>> bool(np.isfinite(cryoinr.fill_no_density(m).data).all())
    True
    """
    finite = np.isfinite(density_map.data)
    if not finite.any():
        raise MapError(f"{density_map.name}: no voxel holds a density")
    if finite.all():
        return density_map
    known = density_map.data[finite]
    step = -(-known.size // 1_000_000)
    data = np.where(finite, density_map.data, np.median(known[::step]))
    filled = replace(density_map, data=data)
    inside = data > np.float32(auto_threshold(statistics(filled)))
    data[~finite] = background_density(filled, inside | ~finite, always=True)
    return filled.with_fitting_mode()
