"""A real map that comes with the package, for those who have no network.

`emd_6824.cinr` is entry EMD-6824 of the EMDB, a single particle at 5.8 Å, stored without loss. The
data of the EMDB are in the public domain (CC0). It was made with

    cryoinr compress --lossless emd_6824.mrc emd_6824.cinr
"""

from __future__ import annotations

from pathlib import Path

from ..archive import open_archive
from ..maps.density_map import DensityMap
from ..progress import Steps

REAL_MAP = Path(__file__).with_name("emd_6824.cinr")


def real_map_steps() -> Steps[DensityMap]:
    """Decode the real map: 70³ voxels of 2.64 Å, bit for bit those of the EMDB."""
    with open_archive(REAL_MAP) as archive:
        return (yield from archive[0].to_map_steps())
