"""Pictures of a quality report: where a decoded map differs from its original, and by how much.

Figures are drawn without pyplot, so that they can be made in any thread and leave no state behind;
matplotlib is loaded by the first picture, not by this module. Positions are in Å from the corner
of the box. All functions raise `MapError` if the shapes of the maps differ.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array, Float64Array
from . import charts
from .histograms import error_histogram
from .map_pairs import check_same_shape
from .quality_report import QualityReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

_DPI = 110
_CHART = 6.4, 4.4  # inches of a single chart
_HEAD = 0.6  # inches of name and verdict above an overview
_COLUMN = 2.3  # inches of the longest side of a slice
_AROUND = 12  # voxels on each side of a place
_THINNEST = 0.6  # inches; thinner slices are stretched to it
_COLUMNS = ("original", "decoded", "decoded - original")


def slices_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Draw original, decoded map and signed error in one plane along each of z, y and x.

    The planes pass through the centre of mass above the contour, or through the middle of the box
    where nothing is above it. All six grey pictures share one scale, and so do the three errors.
    """
    figure = _new_figure(_slices_size(original))
    _draw_slices(figure, original, decoded, report.contour)
    return figure


def places_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Draw both maps around the places of the lowest local correlation, in planes along z.

    Each place is a column, with the original above the decoded map, on the grey scale of the two.
    Positions are those of the map's frame, its origin included.
    """
    check_same_shape(original.data.shape, decoded.shape)
    count = len(report.worst)
    figure = _new_figure((count * _COLUMN + 1.2, 2 * _COLUMN + 1.4))
    all_axes = figure.subplots(2, count, squeeze=False)
    (_, vy, vx), (_, oy, ox) = original.voxel_size, original.origin
    for column, place in enumerate(report.worst):
        z, y, x = place.voxel
        (low_y, high_y), (low_x, high_x) = (
            (max(i - _AROUND, 0), min(i + _AROUND + 1, n))
            for i, n in zip((y, x), original.data.shape[1:], strict=True)
        )
        part = np.s_[z, low_y:high_y, low_x:high_x]
        across = (ox + (edge - 0.5) * vx for edge in (low_x, high_x))
        extent = (*across, *(oy + (edge - 0.5) * vy for edge in (low_y, high_y)))
        planes = original.data[part], decoded[part]
        low, high, _ = grey_range(np.concatenate([plane.ravel() for plane in planes]))
        for row, plane in enumerate(planes):
            axes = all_axes[row, column]
            axes.imshow(
                plane, origin="lower", extent=extent, cmap="gray", vmin=low, vmax=high, aspect=1
            )
            axes.plot(ox + x * vx, oy + y * vy, "+", color="#d9601a", markersize=12)
            axes.tick_params(labelsize=8)
            axes.locator_params(nbins=4)
            if column == 0:
                axes.set_ylabel(f"{_COLUMNS[row]}\ny (Å)", fontsize=9)
        title = f"correlation {place.correlation:.3f}\nz = {place.position[0]:.1f} Å"
        all_axes[0, column].set_title(title, fontsize=9)
        all_axes[1, column].set_xlabel("x (Å)", fontsize=9)
    return figure


def chart_figure(draw: Callable[..., None], *content: Any) -> Figure:
    """Return a figure with one chart, which `draw(figure, *content)` draws."""
    figure = _new_figure(_CHART)
    draw(figure, *content)
    return figure


def overview_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Return slices, FSC and error against density in one picture, below the verdict."""
    width, height = _slices_size(original)
    height = max(height, 2 * _CHART[1])
    figure = _new_figure((width + _CHART[0], _HEAD + height))
    head, body = figure.subfigures(2, 1, squeeze=False, height_ratios=(_HEAD, height)).flat
    left, right = body.subfigures(1, 2, squeeze=False, width_ratios=(width, _CHART[0])).flat
    upper, lower = right.subfigures(2, 1, squeeze=False).flat
    name = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in original.name)
    name = name if len(name) <= 40 else f"{name[:37]}..."  # letters that every font has, and few
    place = {"ha": "center", "va": "center", "fontsize": 12, "parse_math": False}
    head.text(0.5, 0.4, f"{name}\n{report.verdict()}", **place)
    _draw_slices(left, original, decoded, report.contour)
    charts.draw_fsc(upper, report)
    counts = error_histogram(original, decoded, report.contour)
    charts.draw_errors(lower, counts, report.contour)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _new_figure(size: tuple[float, float]) -> Figure:
    """Make an empty figure of this (width, height) in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(size, dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _slices_size(original: DensityMap) -> tuple[float, float]:
    """Return the (width, height) in inches that the slices need."""
    z, y, _ = _sides(original)
    return 3 * _COLUMN + 1.8, y + 2 * z + 3.5


def _draw_slices(
    figure: FigureBase, original: DensityMap, decoded: Float32Array, contour: float | None
) -> None:
    """Fill a figure with three rows (planes along z, y, x) of original, decoded map and error."""
    from matplotlib.ticker import MaxNLocator

    check_same_shape(original.data.shape, decoded.shape)
    sides, centre = _sides(original), centre_planes(original, contour)
    lengths = [n * v for n, v in zip(original.data.shape, original.voxel_size, strict=True)]
    chosen = [(slice(None),) * axis + (centre[axis],) for axis in range(3)]
    planes = [(original.data[where], decoded[where]) for where in chosen]
    rows = [np.stack((a, b, b.astype(np.float64) - a)) for a, b in planes]
    low, high, extend = grey_range(np.concatenate([row[:2].ravel() for row in rows]))
    reach = max(float(np.abs(row[2]).max()) for row in rows)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": low, "vmax": high}
    scales = (grey, grey, {"cmap": "RdBu_r", "vmin": -(reach or 1.0), "vmax": reach or 1.0})
    all_axes = figure.subplots(3, 3, height_ratios=(sides[1], sides[0], sides[0]), squeeze=False)
    for axis, row in enumerate(rows):
        up, across = (other for other in range(3) if other != axis)
        for column, (axes, plane, scale) in enumerate(
            zip(all_axes[axis], row, scales, strict=True)
        ):
            extent = (0, lengths[across], 0, lengths[up])
            axes.imshow(plane, origin="lower", extent=extent, aspect="auto", **scale)
            axes.set_box_aspect(sides[up] / sides[across])
            axes.xaxis.set_major_locator(MaxNLocator(max(1, int(sides[across] / 0.5))))
            axes.yaxis.set_major_locator(MaxNLocator(max(1, int(sides[up] / 0.3))))
            axes.tick_params(labelsize=8, labelleft=column == 0)
            axes.set_xlabel(f"{'zyx'[across]} (Å)", fontsize=9, labelpad=1)
            if axis == 0:
                axes.set_title(f"{_COLUMNS[column]}\n", fontsize=11)
        position = (centre[axis] + 0.5) * original.voxel_size[axis]
        all_axes[axis, 0].set_title(f"{'zyx'[axis]} = {position:.1f} Å", fontsize=9, loc="left")
        all_axes[axis, 0].set_ylabel(f"{'zyx'[up]} (Å)", fontsize=9)
    error_label = "error (density)" if reach else "error (density): none in these planes"
    for columns, label, arrows in (
        (slice(0, 2), "density", extend),
        (slice(2, 3), error_label, "neither"),
    ):
        shown = all_axes[:, columns]
        bar = figure.colorbar(
            shown[0, 0].images[0],
            ax=shown,
            location="bottom",
            aspect=16 * shown.shape[1],
            extend=arrows,
        )
        bar.ax.xaxis.set_major_locator(MaxNLocator(4 * shown.shape[1]))
        bar.ax.tick_params(labelsize=8)
        bar.set_label(label, fontsize=9, labelpad=2)


def centre_planes(original: DensityMap, contour: float | None) -> tuple[int, ...]:
    """Find the indices (z, y, x) of the planes to show."""
    shape = original.data.shape
    if contour is not None:
        mass = [np.zeros(n) for n in shape]
        for part in original.slabs():
            # Mass counts from the contour, so that it is positive for a negative contour too.
            above = np.maximum(original.data[part].astype(np.float64) - contour, 0.0)
            mass[0][part] = above.sum(axis=(1, 2))
            plane = above.sum(axis=0)
            mass[1] += plane.sum(axis=1)
            mass[2] += plane.sum(axis=0)
        if mass[0].sum() > 0:
            return tuple(round(float(np.average(np.arange(m.size), weights=m))) for m in mass)
    return tuple(n // 2 for n in shape)


def _sides(original: DensityMap) -> list[float]:
    """Inches of the box's sides (z, y, x) in the pictures of slices."""
    sides = [n * v for n, v in zip(original.data.shape, original.voxel_size, strict=True)]
    return [max(side * _COLUMN / max(sides), _THINNEST) for side in sides]


def grey_range(values: Float64Array) -> tuple[float, float, str]:
    """Return the ends of the grey scale, and which of them some voxels exceed, for matplotlib.

    A few extreme voxels (0.2 % on each side) are left outside, as they would grey out the rest.
    """
    low, high = (float(v) for v in np.percentile(values, (0.2, 99.8)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        return low - (abs(low) or 1.0), high + (abs(high) or 1.0), "neither"
    below, above = values.min() < low, values.max() > high
    if below and above:
        return low, high, "both"
    return low, high, "min" if below else "max" if above else "neither"
