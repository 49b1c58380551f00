"""Slices through a decoded map beside its original, on one scale, with their difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..maps.density_map import DensityMap, Triple

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

Densities = npt.NDArray[np.float32]

_COLUMN = 2.3  # inches of the longest side of a slice
_THINNEST = 0.6  # inches; thinner slices are stretched to it
_LEFT, _GAP, _RIGHT = 0.8, 0.35, 0.3  # inches beside and between the columns of slices
HEAD, _TITLE, _FOOT, _BARS = 0.4, 0.3, 0.45, 0.8  # inches above and below the rows of slices


def slices_size(original: DensityMap) -> tuple[float, float]:
    """(width, height) in inches that `draw_slices` needs."""
    z, y, _ = _sides(original)
    rows = y + 2 * z + 3 * (_TITLE + _FOOT)
    return _LEFT + 3 * _COLUMN + 2 * _GAP + _RIGHT, HEAD + rows + _BARS


def draw_slices(
    figure: FigureBase,
    size: tuple[float, float],
    original: DensityMap,
    decoded: Densities,
    contour: float | None,
) -> None:
    """Fill a figure with three rows (planes along z, y, x) of original, decoded map and error.

    Every place is computed, in inches, so that nothing clashes whatever the shape of the box.

    Parameters
    ----------
    size : (width, height) of the figure in inches, at least `slices_size`; filled from the top.
    decoded : densities of the same shape (z, y, x).
    contour : the planes pass through the centre of mass above it; None: through the middle.
    """
    from matplotlib.ticker import MaxNLocator

    width, height = size
    sides, centre = _sides(original), _centre(original, contour)
    chosen = [(slice(None),) * axis + (centre[axis],) for axis in range(3)]
    planes = [(original.data[where], decoded[where]) for where in chosen]
    rows = [np.stack((a, b, b.astype(np.float64) - a)) for a, b in planes]
    low, high, extend = _grey_range(np.concatenate([row[:2].ravel() for row in rows]))
    reach = max(float(np.abs(row[2]).max()) for row in rows)
    scales = [("gray", low, high)] * 2 + [("RdBu_r", -(reach or 1.0), reach or 1.0)]
    lefts = [_LEFT + column * (_COLUMN + _GAP) for column in range(3)]
    for left, text in zip(lefts, ("original", "decoded", "decoded - original"), strict=True):
        figure.text(
            (left + _COLUMN / 2) / width,
            1 - 0.6 * HEAD / height,
            text,
            ha="center",
            va="center",
            fontsize=11,
        )
    top = height - HEAD
    images = []
    for axis, row in enumerate(rows):
        up, across = (other for other in range(3) if other != axis)
        where = f"{'zyx'[axis]} = {(centre[axis] + 0.5) * original.voxel_size[axis]:.1f} Å"
        bottom = top - _TITLE - sides[up]
        figure.text(_LEFT / width, (top - 0.2) / height, where, va="center", fontsize=9)
        for column, (left, plane, scale) in enumerate(zip(lefts, row, scales, strict=True)):
            axes = figure.add_axes(
                (left / width, bottom / height, sides[across] / width, sides[up] / height)
            )
            ends = [plane.shape[i] * original.voxel_size[a] for i, a in enumerate((up, across))]
            images.append(
                axes.imshow(
                    plane,
                    cmap=scale[0],
                    vmin=scale[1],
                    vmax=scale[2],
                    origin="lower",
                    extent=(0, ends[1], 0, ends[0]),
                    aspect="auto",
                )
            )
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
        axes = figure.add_axes(
            (
                (lefts[column] + 0.2) / width,
                (top - 0.22) / height,
                (span - 0.4) / width,
                0.12 / height,
            )
        )
        bar = figure.colorbar(
            images[column],
            cax=axes,
            orientation="horizontal",
            extend=arrows,
            ticks=MaxNLocator(int(span / 0.6)),
        )
        bar.ax.tick_params(labelsize=8)
        bar.set_label(label, fontsize=9, labelpad=2)


def _centre(original: DensityMap, contour: float | None) -> tuple[int, int, int]:
    """Indices (z, y, x) of the planes to show."""
    data = original.data
    middle = data.shape[0] // 2, data.shape[1] // 2, data.shape[2] // 2
    if contour is None:
        return middle
    mass = [np.zeros(n) for n in data.shape]
    for part in original.slabs():
        # Mass counts from the contour, so that it is positive for a negative contour too.
        above = np.maximum(data[part].astype(np.float64) - contour, 0.0)
        mass[0][part] = above.sum(axis=(1, 2))
        plane = above.sum(axis=0)
        mass[1] += plane.sum(axis=1)
        mass[2] += plane.sum(axis=0)
    if mass[0].sum() <= 0:
        return middle
    z, y, x = (round(float((np.arange(m.size) * m).sum() / m.sum())) for m in mass)
    return z, y, x


def _sides(original: DensityMap) -> Triple:
    """Inches of the box's sides (z, y, x) in the pictures of slices."""
    z, y, x = (n * v for n, v in zip(original.data.shape, original.voxel_size, strict=True))
    scale = _COLUMN / max(z, y, x)
    return max(z * scale, _THINNEST), max(y * scale, _THINNEST), max(x * scale, _THINNEST)


def _grey_range(values: npt.NDArray[np.float64]) -> tuple[float, float, str]:
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
