"""The automatic threshold and the kind of every map of a folder, as a table and as pictures.

Usage: python benchmarks/thresholds.py MAPS [--contours NAME=DENSITY ...] [--pictures FILE.png]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.maps.auto_threshold import auto_threshold, least_voxels
from napari_cryoinr.maps.density_map import COMPRESSIONS, MAP_SUFFIXES
from napari_cryoinr.maps.map_statistics import statistics
from napari_cryoinr.maps.volume_kinds import kind_of


@dataclass(frozen=True)
class Row:
    """What was found for one map."""

    name: str
    shape: tuple[int, ...]
    kind: str
    threshold: float
    kept: float  # share of the voxels
    least: float  # share of the voxels
    contour: float | None
    kept_by_contour: float | None

    def line(self) -> str:
        """Return it as a line of a table in Markdown."""
        contour = "-" if self.contour is None else f"{self.contour:g}"
        by_contour = "-" if self.kept_by_contour is None else f"{100 * self.kept_by_contour:.2f} %"
        shape = " × ".join(map(str, self.shape))
        return (
            f"| {self.name} | {shape} | {self.kind} | {self.threshold:.3g} |"
            f" {100 * self.kept:.2f} % | {100 * self.least:.2f} % | {contour} | {by_contour} |"
        )


def measured(density_map: cryoinr.DensityMap, contour: float | None) -> Row:
    """Return what is chosen for a map, and beside it the share above a known contour."""
    stats = statistics(density_map)
    threshold = float(np.float32(auto_threshold(stats)))
    data = density_map.data
    return Row(
        density_map.name,
        data.shape,
        kind_of(density_map, stats),
        threshold,
        float(np.mean(data > threshold)),
        least_voxels(stats) / data.size,
        contour,
        None if contour is None else float(np.mean(data > np.float32(contour))),
    )


def draw(axes: Any, density_map: cryoinr.DensityMap, row: Row) -> None:
    """Draw the section with most voxels above the threshold, and the depth of the surface."""
    data = density_map.data
    above = data > row.threshold
    section = data[int(np.argmax(above.sum((1, 2))))]
    low, high = np.quantile(data, [0.005, 0.998])
    axes[0].imshow(section, cmap="gray", vmin=low, vmax=high)
    axes[0].contour(section, [row.threshold], colors="red", linewidths=0.8)
    if row.contour is not None:
        axes[0].contour(section, [row.contour], colors="cyan", linewidths=0.6)
    depth = np.where(above.any(0), np.argmax(above, 0), np.nan)
    axes[1].imshow(depth, cmap="viridis_r")
    axes[0].set_title(f"{row.name[:18]}: {row.threshold:.3g}", fontsize=8)
    axes[1].set_title(f"{100 * row.kept:.2f} %, {row.kind}", fontsize=8)


def main() -> None:
    """Measure the maps of a folder."""
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path, help="folder of maps")
    parser.add_argument("--contours", nargs="*", default=[], metavar="NAME=DENSITY", help="known")
    parser.add_argument("--pictures", type=Path, help="picture of sections and surfaces")
    options = parser.parse_args()
    known = {name: float(text) for name, text in (item.split("=") for item in options.contours)}
    suffixes = tuple(s + c for s in MAP_SUFFIXES for c in ("", *COMPRESSIONS))
    paths = sorted(p for p in options.maps.iterdir() if p.name.lower().endswith(suffixes))
    axes = None
    if options.pictures:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(16, 2 * -(-len(paths) // 4)), layout="constrained")
        axes = figure.subplots(-(-len(paths) // 4), 8).reshape(-1, 2)
        for one in axes.flat:
            one.axis("off")
    rows = []
    for number, path in enumerate(paths):
        density_map = cryoinr.read_map(path)
        rows.append(measured(density_map, known.get(density_map.name)))
        if axes is not None:
            draw(axes[number], density_map, rows[-1])
    if axes is not None:
        figure.savefig(options.pictures, dpi=80)
    head = (
        "| map | voxels | kind | auto | above it | least | contour | above it |",
        "|---|---|---|---|---|---|---|---|",
    )
    lines = [*head, *(row.line() for row in rows)]
    print("\n".join(lines))
    write_results("thresholds", [vars(row) for row in rows], ["# Automatic thresholds", "", *lines])


if __name__ == "__main__":
    main()
