"""Slices through a decoded map beside its original, on one scale, with their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array, Float64Array, Triple
from .comparison import check_same_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

_COLUMN = 2.3  # inches of the longest side of a slice
_THINNEST = 0.6  # inches; thinner slices are stretched to it
_LEFT, _GAP, _RIGHT = 0.8, 0.35, 0.3  # inches beside and between the columns of slices
HEAD, _TITLE, _FOOT, _BARS = 0.4, 0.3, 0.45, 0.8  # inches above and below the rows of slices
_COLUMNS = ("original", "decoded", "decoded - original")


def slices_size(original: DensityMap) -> tuple[float, float]:
    """(width, height) in inches that `draw_slices` needs."""
    z, y, _ = _sides(original)
    rows = y + 2 * z + 3 * (_TITLE + _FOOT)
    return _LEFT + 3 * _COLUMN + 2 * _GAP + _RIGHT, HEAD + rows + _BARS


def draw_slices(
    figure: FigureBase,
    size: tuple[float, float],
    original: DensityMap,
    decoded: Float32Array,
    contour: float | None,
) -> None:
    """Fill a figure with three rows (planes along z, y, x) of original, decoded map and error.

    Every place is computed, in inches, so that nothing overlaps whatever the shape of the box.

    Parameters
    ----------
    figure : FigureBase
    size : (float, float)
        Width and height of the figure in inches, at least `slices_size`; filled from the top.
    original : DensityMap
    decoded : ndarray of float32
        Densities of the same shape (z, y, x).
    contour : float or None
        The planes pass through the centre of mass above it; None: through the middle.

    Raises
    ------
    MapError
        If the shapes differ.
    """
    from matplotlib.ticker import MaxNLocator

    check_same_shape(original.data.shape, decoded.shape)
    width, height = size
    sides, centre = _sides(original), _centre(original, contour)
    chosen = [(slice(None),) * axis + (centre[axis],) for axis in range(3)]
    planes = [(original.data[where], decoded[where]) for where in chosen]
    rows = [np.stack((a, b, b.astype(np.float64) - a)) for a, b in planes]
    low, high, extend = _grey_range(np.concatenate([row[:2].ravel() for row in rows]))
    reach = max(float(np.abs(row[2]).max()) for row in rows)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": low, "vmax": high}
    scales = (grey, grey, {"cmap": "RdBu_r", "vmin": -(reach or 1.0), "vmax": reach or 1.0})
    lefts = [_LEFT + column * (_COLUMN + _GAP) for column in range(3)]

    def write(left: float, bottom: float, text: str, **style: Any) -> None:
        figure.text(left / width, bottom / height, text, va="center", **style)

    def new_axes(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    for left, text in zip(lefts, _COLUMNS, strict=True):
        write(left + _COLUMN / 2, height - 0.6 * HEAD, text, ha="center", fontsize=11)
    top = height - HEAD
    images = []
    for axis, row in enumerate(rows):
        up, across = (other for other in range(3) if other != axis)
        position = (centre[axis] + 0.5) * original.voxel_size[axis]
        write(_LEFT, top - 0.2, f"{'zyx'[axis]} = {position:.1f} Å", fontsize=9)
        bottom = top - _TITLE - sides[up]
        ends = [row.shape[1 + i] * original.voxel_size[a] for i, a in enumerate((up, across))]
        for column, (left, plane, scale) in enumerate(zip(lefts, row, scales, strict=True)):
            axes = new_axes(left, bottom, sides[across], sides[up])
            extent = (0, ends[1], 0, ends[0])
            images.append(axes.imshow(plane, origin="lower", extent=extent, aspect="auto", **scale))
            axes.xaxis.set_major_locator(MaxNLocator(max(1, int(sides[across] / 0.5))))
            axes.yaxis.set_major_locator(MaxNLocator(max(1, int(sides[up] / 0.3))))
            axes.tick_params(labelsize=8, labelleft=column == 0)
            axes.set_xlabel(f"{'zyx'[across]} (Å)", fontsize=9, labelpad=1)
            if column == 0:
                axes.set_ylabel(f"{'zyx'[up]} (Å)", fontsize=9)
        top = bottom - _FOOT
    error_label = "error (density)" if reach else "error (density): none in these planes"
    for column, span, label, arrows in (
        (0, 2 * _COLUMN + _GAP, "density", extend),
        (2, _COLUMN, error_label, "neither"),
    ):
        bar = figure.colorbar(
            images[column],
            cax=new_axes(lefts[column] + 0.2, top - 0.22, span - 0.4, 0.12),
            orientation="horizontal",
            extend=arrows,
            ticks=MaxNLocator(int(span / 0.6)),
        )
        bar.ax.tick_params(labelsize=8)
        bar.set_label(label, fontsize=9, labelpad=2)


def _centre(original: DensityMap, contour: float | None) -> tuple[int, ...]:
    """Indices (z, y, x) of the planes to show."""
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


def _sides(original: DensityMap) -> Triple:
    """Inches of the box's sides (z, y, x) in the pictures of slices."""
    sides = [n * v for n, v in zip(original.data.shape, original.voxel_size, strict=True)]
    z, y, x = (max(side * _COLUMN / max(sides), _THINNEST) for side in sides)
    return z, y, x


def _grey_range(values: Float64Array) -> tuple[float, float, str]:
    """Ends of the grey scale, and which of them some voxels exceed, in matplotlib's words.

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
