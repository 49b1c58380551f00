#!/usr/bin/env python3
"""Pictures of maps beside what a default archive keeps of them: a slice, and the surface.

    python benchmarks/side_by_side.py FOLDER MAP [MAP ...] [--threshold T] [--resolution Å]

MAP is an MRC/CCP4 file; its picture is FOLDER/side-by-side-NAME.png, 1200 pixels wide. The slice
lies in the middle of what is kept, whose edge is drawn dotted. The surface is that at the contour,
seen by parallel rays along a diagonal of the box.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser_for
from matplotlib.figure import Figure
from PIL import Image
from scipy import ndimage
from scipy.spatial.transform import Rotation

import napari_cryoinr as cryoinr
from napari_cryoinr.quality.pictures import png_bytes

_DPI = 100
_WIDTH = 12.0  # inches
_VIEW = Rotation.from_euler("zyx", (25, 35, 20), degrees=True)
_LIGHT = np.array((-0.74, -0.42, -0.52))  # where it comes from: depth, down, right
_PIXELS = 560
_STEPS = 0.5  # voxels along a ray


def surface_picture(data: Any, voxel_size: Any, contour: float, centre: Any, width: float) -> Any:
    """Return the surface at a contour in grey (0 to 1), with a white background.

    `centre` (z, y, x) and `width` of what the picture shows are in Å. Rays go in steps of half a
    voxel to the first crossing; shades follow from the gradient of the density there.
    """
    size = np.array(voxel_size)
    step = _STEPS * size.min()
    reach = 0.6 * np.linalg.norm(size * data.shape)  # the box, and some for its centre
    along = np.arange(-reach, reach, step)
    side = (np.arange(_PIXELS) + 0.5) / _PIXELS * width - width / 2
    start = np.stack(np.meshgrid([0.0], side, side, indexing="ij"), -1).reshape(-1, 3)

    def densities(of: Any, rays: Any, depth: Any) -> Any:
        points = start[rays] + np.stack((depth, 0 * depth, 0 * depth), -1)
        places = (_VIEW.apply(points) + centre) / size
        return ndimage.map_coordinates(of, places.T, order=1, cval=data.min())

    found = np.full(len(start), np.nan)
    rays = np.arange(len(start))
    before = densities(data, rays, np.full(len(rays), along[0] - step))
    for depth in along:
        now = densities(data, rays, np.full(len(rays), depth))
        hit = now > contour
        share = (now[hit] - contour) / np.maximum(now[hit] - before[hit], 1e-30)
        found[rays[hit]] = depth - step * np.clip(share, 0, 1)
        rays, before = rays[~hit], now[~hit]
    rays = np.flatnonzero(~np.isnan(found))
    slopes = [densities(g, rays, found[rays]) for g in np.gradient(data, *voxel_size)]
    normals = -_VIEW.inv().apply(np.stack(slopes, -1))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    nearness = 1 - 0.35 * (found[rays] - found[rays].min()) / max(np.ptp(found[rays]), 1e-30)
    picture = np.ones(len(start))
    picture[rays] = nearness * (0.2 + 0.75 * np.clip(normals @ _LIGHT, 0, 1))
    return picture.reshape(_PIXELS, _PIXELS)


def side_by_side(density_map: cryoinr.DensityMap, settings: cryoinr.Settings) -> Figure:
    """Return the figure of a map and of what an archive with these settings keeps of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.cinr"
        report = cryoinr.compress(density_map, path, settings)
        with cryoinr.open_archive(path) as archive:
            decoded = archive[0].read()
            weight = archive[0].promised_weight(density_map.data)
    original, size = density_map.data, np.array(density_map.voxel_size)
    kept = np.argwhere(weight >= 0.5) * size
    low, high = kept.min(axis=0), kept.max(axis=0)
    middle = round(float(np.mean((low[0], high[0])) / size[0]))
    width = 2.04 * np.abs(_VIEW.inv().apply(kept - (low + high) / 2)[:, 1:]).max()
    planes = original[middle], decoded[middle]
    grey = dict(zip(("vmin", "vmax"), np.percentile(planes, (0.2, 99.8)), strict=True))
    extent = (0, size[2] * original.shape[2], 0, size[1] * original.shape[1])
    aspect = extent[3] / extent[1]
    figure = Figure((_WIDTH, _WIDTH / 2 * (aspect + 1) + 0.6), dpi=_DPI, layout="constrained")
    figure.suptitle(f"{density_map.name}\n{report.verdict()}", fontsize=11, parse_math=False)
    axes = figure.subplots(2, 2, height_ratios=(aspect, 1))
    places = [
        np.arange(n) * v + v / 2 for n, v in zip(original.shape[:0:-1], size[:0:-1], strict=True)
    ]
    for column, name in enumerate(("original", "decoded")):
        slices, surface = axes[:, column]
        slices.imshow(planes[column], cmap="gray", origin="lower", extent=extent, **grey)
        slices.contour(
            *places, weight[middle], (0.5,), colors="white", linestyles=":", linewidths=0.8
        )
        slices.set_title(f"{name}, z = {(middle + 0.5) * size[0]:.1f} Å", fontsize=11)
        shaded = surface_picture(
            (original, decoded)[column], size, report.contour, (low + high) / 2, width
        )
        surface.imshow(shaded, cmap="gray", vmin=0, vmax=1)
        surface.set_title(f"{name}, surface at {report.contour:.4g}", fontsize=11)
        surface.set_axis_off()
        slices.set(xticks=(), yticks=())
    return figure


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("maps", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--resolution", type=float)
    args = parser.parse_args()
    given = {"threshold": args.threshold, "resolution": args.resolution}
    settings = cryoinr.Settings(**{name: one for name, one in given.items() if one is not None})
    for path in args.maps:
        density_map = cryoinr.read_map(path)
        figure = side_by_side(density_map, settings)
        out = args.folder / f"side-by-side-{density_map.name}.png"
        # Everything is grey: one byte for a pixel.
        Image.open(io.BytesIO(png_bytes(figure))).convert("L").save(out, optimize=True)
        print(out, flush=True)


if __name__ == "__main__":
    main()
