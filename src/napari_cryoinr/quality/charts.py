"""The charts of a quality report, drawn from its numbers and from histograms.

No chart needs the voxels themselves, so that it can be redrawn at once in another size or other
colours. matplotlib is loaded by the first chart, not by this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .histograms import DensityHistogram, ErrorHistogram
from .map_pairs import RELATIVE_ERROR
from .model_report import ModelReport
from .quality_report import QualityReport
from .two_maps import LEVELS, Likeness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


@dataclass(frozen=True)
class Style:
    """Colours and sizes of a chart; the defaults are those of the pictures in files."""

    # face, text: colours of the background, and of all letters and axes
    face: str = "white"
    text: str = "black"
    # first, second, mark: colours of the curves and of lines that mark a level, which colour-blind
    # readers can distinguish
    first: str = "#1f5fa8"
    second: str = "#d9601a"
    mark: str = "#444444"
    # where on the colour scale of counts (0 to 1) a single voxel is; above 0 for dark backgrounds
    palest: float = 0.0
    # title, label, small: font sizes in points
    title: float = 11.0
    label: float = 10.0
    small: float = 9.0
    # whether there is room for a few ticks and one column of a legend only
    narrow: bool = False


FILE_STYLE = Style()
_NO_VOXEL = "no voxel is above the contour"


def draw_fsc(figure: FigureBase, report: QualityReport, style: Style = FILE_STYLE) -> None:
    """Draw the FSC, with the resolutions where it falls below 0.99 and 0.5.

    Where a report has no curve, those resolutions alone are drawn.
    """
    axes = figure.add_subplot()
    last = 1 / report.nyquist
    if report.fsc and report.fsc_step is not None:
        last = len(report.fsc) * report.fsc_step
        frequency = report.fsc_step * np.arange(1, len(report.fsc) + 1)
        marker = "o" if len(report.fsc) < 3 else ""
        axes.plot(frequency, report.fsc, color=style.first, marker=marker)
    else:
        _write_on(axes, 0.25, "the curve was not recorded", style)
    for level, resolution, line in ((0.99, report.fsc_099, "--"), (0.5, report.fsc_05, ":")):
        label = f"below {level:g}: {report.resolution_text(resolution)}"
        axes.axhline(level, color=style.mark, linestyle=line, linewidth=1, label=label)
        if resolution:
            axes.plot([1 / resolution], [level], "o", color=style.second, markersize=5)
            axes.axvline(1 / resolution, color=style.second, linestyle=line, linewidth=1)
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(min(-0.02, min(report.fsc or (0.0,)) - 0.05), 1.05)
    if report.resolution:
        label = f"resolution {report.resolution:.2f} Å"
        axes.axvline(1 / report.resolution, color=style.mark, linewidth=1, label=label)
    _finish_fsc(figure, axes, style, f"Fourier shell correlation\n{report.shells_where}", last)


def draw_model_fsc(figure: FigureBase, model: ModelReport, style: Style = FILE_STYLE) -> None:
    """Draw the FSC of an atomic model with the original and with the decoded map."""
    axes = figure.add_subplot()
    last = len(model.fsc_before) * model.fsc_step
    frequency = model.fsc_step * np.arange(1, len(model.fsc_before) + 1)
    for values, color, line, label in (
        (model.fsc_before, style.first, "-", "with the original"),
        (model.fsc_after, style.second, "--", "with the decoded map"),
    ):
        axes.plot(frequency, values, color=color, linestyle=line, label=label)
    axes.axhline(0.5, color=style.mark, linestyle=":", linewidth=1)
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(min(-0.02, *model.fsc_before, *model.fsc_after) - 0.05, 1.05)
    _finish_fsc(figure, axes, style, f"FSC of the atomic model,\n{model.where}", last)


def draw_likeness(figure: FigureBase, likeness: Likeness, style: Style = FILE_STYLE) -> None:
    """Draw the FSC of two maps, in their mask and in the whole volume."""
    axes = figure.add_subplot()
    looks = ((style.first, "-"), (style.second, "--"))
    last = lowest = 0.0
    for (where, curve), (colour, line) in zip(likeness.curves(), looks, strict=False):
        frequency = curve.step * np.arange(1, len(curve.values) + 1)
        axes.plot(frequency, curve.values, color=colour, linestyle=line, label=where)
        last, lowest = max(last, float(frequency[-1])), min(lowest, float(curve.values.min()))
    for level in LEVELS:
        axes.axhline(level, color=style.mark, linestyle=":", linewidth=1, label=f"{level}")
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(lowest - 0.05, 1.05)
    _finish_fsc(figure, axes, style, "Fourier shell correlation\nof two maps", last)


def _finish_fsc(figure: FigureBase, axes: Axes, style: Style, title: str, last: float) -> None:
    """Set titles, the axis of resolutions up to the frequency `last`, and the legend."""
    from matplotlib.ticker import MaxNLocator

    _finish(axes, style, title, "spatial frequency (1/Å)", "FSC")
    ticks = [t for t in MaxNLocator(5).tick_values(0, last) if 0 < t <= last * 1.02]
    resolutions = axes.secondary_xaxis("top")
    resolutions.set_xticks(ticks, [f"{1 / t:.3g}" for t in ticks])
    resolutions.set_xlabel("resolution (Å)")
    apply_style(resolutions, style)
    resolutions.xaxis.label.set_fontsize(style.small)
    _add_legend(figure, style, 2)


def draw_errors(
    figure: FigureBase,
    counts: ErrorHistogram | None,
    contour: float | None,
    style: Style = FILE_STYLE,
) -> None:
    """Draw a histogram of error and density above the contour, with the paper's band of 20 %."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    where = "all voxels" if contour is None else f"voxels above {contour:.6g}"
    title = f"Error against density,\n{where}"
    if counts is None:
        draw_message(figure, _NO_VOXEL, style, title)
        return
    axes = figure.add_subplot()
    image = axes.pcolormesh(
        counts.densities,
        counts.errors,
        np.ma.masked_equal(counts.counts.T, 0),
        cmap=ListedColormap(colormaps["viridis"](np.linspace(style.palest, 1, 256))),
        norm=LogNorm(1, max(10.0, float(counts.counts.max()))),
        rasterized=True,
    )
    low, high = counts.densities[[0, -1]]
    density = np.linspace(low, high, 201)
    band = RELATIVE_ERROR * np.abs(density)
    for sign, label in ((-1, None), (1, "20 % of the density")):
        axes.plot(density, sign * band, color=style.second, linewidth=1.2, label=label)
    axes.set(xlim=(low, high), ylim=(-counts.limit, counts.limit))
    _finish(axes, style, title, "density of the original", "decoded - original")
    bar = figure.colorbar(image, ax=axes, label=_voxels_label(counts.stride))
    apply_style(bar.ax, style)
    _add_legend(figure, style, 1)


def draw_densities(figure: FigureBase, counts: DensityHistogram, style: Style = FILE_STYLE) -> None:
    """Draw histograms of the densities of both maps, with the contour marked."""
    axes = figure.add_subplot()
    for values, color, line, label in (
        (counts.original, style.first, "-", "original"),
        (counts.decoded, style.second, "--", "decoded"),
    ):
        axes.stairs(values, counts.edges, baseline=None, color=color, linestyle=line, label=label)
    if counts.contour is not None:
        label = f"contour {counts.contour:.6g}"
        axes.axvline(counts.contour, color=style.mark, linestyle=":", label=label)
    axes.set(yscale="log", ylim=(0.5, None))  # a bin of one voxel shows, an empty one does not
    _finish(axes, style, "Densities of both maps", "density", _voxels_label(counts.stride))
    _add_legend(figure, style, 3)


def draw_message(figure: FigureBase, text: str, style: Style = FILE_STYLE, title: str = "") -> None:
    """Draw an empty chart with a text that says why."""
    axes = figure.add_subplot()
    axes.set(xticks=(), yticks=(), title=title)
    _write_on(axes, 0.5, text, style)
    apply_style(axes, style)


def apply_style(axes: Any, style: Style) -> None:
    """Set colours and sizes of everything around a chart; `axes` may be a secondary axis too."""
    axes.set_facecolor(style.face)
    for spine in axes.spines.values():
        spine.set_edgecolor(style.text)
    axes.tick_params(which="both", color=style.text, labelcolor=style.text, labelsize=style.label)
    axes.title.set(color=style.text, fontsize=style.title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=style.text, fontsize=style.label)
        axis.get_offset_text().set(color=style.text, fontsize=style.label)


def _finish(axes: Axes, style: Style, title: str, x_label: str, y_label: str) -> None:
    """Set title, labels and style; few ticks without powers of ten where there is little room."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    apply_style(axes, style)
    if not style.narrow:
        return
    few = MaxNLocator(4), MaxNLocator(8, steps=[1, 2, 5, 10])
    for axis, locator in zip((axes.xaxis, axes.yaxis), few, strict=True):
        if axis.get_scale() == "linear":
            axis.set_major_locator(locator)
            axis.set_major_formatter(StrMethodFormatter("{x:.6g}"))


def _add_legend(figure: FigureBase, style: Style, columns: int) -> None:
    figure.legend(
        loc="outside lower center",
        ncols=1 if style.narrow else columns,
        frameon=False,
        fontsize=style.small,
        labelcolor=style.text,
    )


def _write_on(axes: Axes, height: float, text: str, style: Style) -> None:
    """Write on a chart, `height` (0 to 1) above its lower end."""
    place: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, height, text, color=style.text, fontsize=style.label, **place)


def _voxels_label(stride: int) -> str:
    return "voxels" if stride == 1 else f"voxels\n(1 in {stride} counted)"
