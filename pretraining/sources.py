"""The maps to learn from: files in a folder, and synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_cryoinr import DensityMap, read_map, synthetic_map
from napari_cryoinr.errors import SettingsError
from napari_cryoinr.maps.map_statistics import statistics
from napari_cryoinr.maps.threshold import resolve_threshold

LARGEST = 64  # voxels of an axis; larger maps are cut around their centre
_SIGMAS = ("auto", "3sigma", "5sigma")
_SHARES = (0.01, 0.05)
_EDGE = 1e-3  # of the density range: just above what surrounds a masked map
_LEAST, _MOST = 200, 0.3  # voxels, and share of them, above a contour
_ALIKE = 0.1  # contours with nearly the same number of voxels are one

# Seed, side, voxel (Å), resolution (Å), noise, order of a rotation about z. Two of them stand
# beside real maps: more make real ones larger.
_SYNTHETIC = ((1, 56, 1.5, 4.5, 0.05, 4), (2, 60, 2.0, 6.0, 0.05, 1))


def all_maps(folder: Path, left_out: Sequence[str]) -> list[DensityMap]:
    """Return the maps of a folder whose file name contains none of `left_out`, and two more.

    These are molecules in noise, one of them symmetric.
    """
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    used = [path for path in paths if not any(name in path.name for name in left_out)]
    maps = [_cut(read_map(path)) for path in used]
    for seed, side, voxel, resolution, noise, order in _SYNTHETIC:
        made = synthetic_map(side, voxel_size=voxel, resolution=resolution, noise=noise, seed=seed)
        turns = range(0, 4, 4 // order)
        data = np.mean([np.rot90(made.data, turn, (1, 2)) for turn in turns], axis=0)
        maps.append(replace(made, data=data.astype(np.float32), name=f"synthetic{seed}"))
    return maps


def _cut(density_map: DensityMap) -> DensityMap:
    starts = [max(0, (n - LARGEST) // 2) for n in density_map.data.shape]
    cut = tuple(slice(start, start + LARGEST) for start in starts)
    return replace(density_map, data=np.ascontiguousarray(density_map.data[cut]))


def contours(density_map: DensityMap) -> list[float]:
    """Choose plausible contours of the map, highest first.

    They are: the one that the package chooses, 3 and 5 standard deviations above the mean, those
    that 1 % and 5 % of the voxels exceed, and the edge of a map that is masked. Contours with too
    few or too many voxels above them are left out, and so are those much like another one.
    """
    stats = statistics(density_map)
    data = density_map.data
    levels = [float(np.quantile(data, 1 - share)) for share in _SHARES]
    for rule in _SIGMAS:
        try:
            density = resolve_threshold(rule, stats)
        except SettingsError:  # no voxel is above
            continue
        if density is not None:
            levels.append(density)
    if stats.flat is not None:
        levels.append(stats.flat + _EDGE * (stats.high - stats.flat))
    kept: list[float] = []
    before = 0
    for density in sorted(set(levels), reverse=True):
        count = int(np.count_nonzero(data > density))
        if _LEAST <= count <= _MOST * data.size and count > (1 + _ALIKE) * before:
            kept.append(density)
            before = count
    return kept
