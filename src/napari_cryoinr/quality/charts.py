"""The charts of a quality report, drawn from its numbers and from what was counted before.

No chart needs the voxels themselves: it can be drawn again, in another size or in other colours, in
no time. matplotlib is loaded by the first chart, not by this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .comparison import RELATIVE_ERROR
from .histograms import DensityHistogram, ErrorHistogram
from .quality_report import QualityReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


@dataclass(frozen=True)
class Style:
    """Colours and sizes of a chart; the defaults are those of the pictures in files.

    Attributes
    ----------
    face, text : colours of the paper, and of all letters and axes.
    first, second, mark : colours of the curves and of lines that mark a level; told apart by
        colour-blind readers too.
    palest : where on the colour scale of counts (0 to 1) a single voxel is; a dark paper needs
        more than 0.
    title, label, small : points of the letters.
    narrow : there is room for a few ticks, short lines and one column of a legend only.
    """

    face: str = "white"
    text: str = "black"
    first: str = "#1f5fa8"
    second: str = "#d9601a"
    mark: str = "#444444"
    palest: float = 0.0
    title: float = 11.0
    label: float = 10.0
    small: float = 9.0
    narrow: bool = False


FILE_STYLE = Style()


def draw_fsc(figure: FigureBase, report: QualityReport, style: Style = FILE_STYLE) -> None:
    """The FSC against spatial frequency, with the resolutions where it falls below 0.99 and 0.5.

    Where a report has no curve, those resolutions alone are drawn.
    """
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot()
    axes.set_title("Fourier shell correlation")
    last = 1 / report.nyquist
    if report.fsc and report.fsc_step is not None:
        last = len(report.fsc) * report.fsc_step
        frequency = report.fsc_step * np.arange(1, len(report.fsc) + 1)
        marker = "o" if len(report.fsc) < 3 else ""
        axes.plot(frequency, report.fsc, color=style.first, marker=marker)
    else:
        text = "the curve was not recorded"
        axes.text(0.5, 0.25, text, ha="center", transform=axes.transAxes, fontsize=style.label)
    for level, resolution, line in ((0.99, report.fsc_099, "--"), (0.5, report.fsc_05, ":")):
        at = f"{resolution:.2f} Å" if resolution else f"nowhere down to {report.nyquist:.2f} Å"
        label = f"below {level:g}: {at}"
        axes.axhline(level, color=style.mark, linestyle=line, linewidth=1, label=label)
        if resolution:
            axes.plot([1 / resolution], [level], "o", color=style.second, markersize=5)
            axes.axvline(1 / resolution, color=style.second, linestyle=line, linewidth=1)
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(min(-0.02, min(report.fsc or (0.0,)) - 0.05), 1.05)
    ticks = [t for t in MaxNLocator(5).tick_values(0, last) if 0 < t <= last * 1.02]
    axes.set_xlabel("spatial frequency (1/Å)")
    axes.set_ylabel("FSC")
    _ease(axes, style)
    resolutions = axes.secondary_xaxis("top")
    resolutions.set_xticks(ticks, [f"{1 / t:.3g}" for t in ticks])
    resolutions.set_xlabel("resolution (Å)")
    apply_style(axes, style)
    apply_style(resolutions, style)
    resolutions.xaxis.label.set_fontsize(style.small)
    _legend(figure, style, 2)


def draw_errors(
    figure: FigureBase,
    counts: ErrorHistogram | None,
    contour: float | None,
    style: Style = FILE_STYLE,
) -> None:
    """Histogram of error and density above the contour, with the paper's band of 20 %."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm

    axes = figure.add_subplot()
    where = "all voxels" if contour is None else f"voxels above {contour:.6g}"
    axes.set_title(f"Error against density,{_gap(style)}{where}")
    if counts is None:
        _say(axes, "no voxel is above the contour", style)
        return
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
    for sign in (-1, 1):
        axes.plot(
            density,
            sign * RELATIVE_ERROR * np.abs(density),
            color=style.second,
            linewidth=1.2,
            label="20 % of the density" if sign > 0 else None,
        )
    axes.set(xlim=(low, high), ylim=(-counts.limit, counts.limit))
    axes.set_xlabel("density of the original")
    axes.set_ylabel("decoded - original")
    _ease(axes, style)
    bar = figure.colorbar(image, ax=axes, label=_counted(counts.stride, style))
    apply_style(axes, style)
    apply_style(bar.ax, style)
    _legend(figure, style, 1)


def draw_densities(figure: FigureBase, counts: DensityHistogram, style: Style = FILE_STYLE) -> None:
    """Histograms of the densities of both maps, with the contour marked."""
    axes = figure.add_subplot()
    for values, color, line, label in (
        (counts.original, style.first, "-", "original"),
        (counts.decoded, style.second, "--", "decoded"),
    ):
        axes.stairs(values, counts.edges, baseline=None, color=color, linestyle=line, label=label)
    if counts.contour is not None:
        label = f"contour {counts.contour:.6g}"
        axes.axvline(counts.contour, color=style.mark, linestyle=":", label=label)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)  # a bin of one voxel shows, an empty one does not
    axes.set_title("Densities of both maps")
    axes.set_xlabel("density")
    _ease(axes, style)
    axes.set_ylabel(_counted(counts.stride, style))
    apply_style(axes, style)
    _legend(figure, style, 3)


def draw_band_errors(figure: FigureBase, report: QualityReport, style: Style = FILE_STYLE) -> None:
    """Mean relative error by density band: what a report tells of errors without the voxels."""
    axes = figure.add_subplot()
    axes.set_title("Mean relative error by density")
    if not report.bands:
        _say(axes, "no voxel is above the contour", style)
        return
    errors = [100 * band.mean_relative_error for band in report.bands]
    bars = _draw_bands(axes, report, errors, style)
    axes.bar_label(bars, fmt="{:.2g}", padding=1, fontsize=style.small - 1)
    axes.margins(y=0.1)
    limit = 100 * RELATIVE_ERROR
    label = f"{limit:g} % of the density"
    axes.axhline(limit, color=style.second, linewidth=1.2, linestyle="--", label=label)
    axes.set_ylabel("mean relative error (%)")
    apply_style(axes, style)
    _legend(figure, style, 1)


def draw_band_voxels(figure: FigureBase, report: QualityReport, style: Style = FILE_STYLE) -> None:
    """Voxels by density band: what a report tells of densities without the voxels."""
    axes = figure.add_subplot()
    axes.set_title("Densities of the original")
    if not report.bands:
        _say(axes, "no voxel is above the contour", style)
        return
    _draw_bands(axes, report, [band.voxels for band in report.bands], style)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    axes.set_ylabel("voxels")
    apply_style(axes, style)


def draw_message(figure: FigureBase, text: str, style: Style = FILE_STYLE) -> None:
    """A chart that says why there is none."""
    _say(figure.add_subplot(), text, style)


def _draw_bands(axes: Axes, report: QualityReport, heights: list[float], style: Style) -> Any:
    """A bar for each density band, all of one width; returns the bars."""
    edges = sorted({edge for band in report.bands for edge in (band.low, band.high)})
    lows = [edges.index(band.low) for band in report.bands]
    bars = axes.bar(lows, heights, 1, align="edge", color=style.first, edgecolor=style.face)
    axes.set_xlim(0, len(edges) - 1)
    axes.set_xticks(range(len(edges)), [f"{edge:g}" for edge in edges])
    axes.set_xlabel("density, share of the largest magnitude")
    return bars


def apply_style(axes: Any, style: Style) -> None:
    """Colours and sizes of everything around a chart; `axes` may be a secondary axis too."""
    axes.set_facecolor(style.face)
    for spine in axes.spines.values():
        spine.set_edgecolor(style.text)
    axes.tick_params(which="both", color=style.text, labelcolor=style.text, labelsize=style.label)
    axes.title.set(color=style.text, fontsize=style.title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=style.text, fontsize=style.label)
        axis.get_offset_text().set(color=style.text, fontsize=style.label)
    for text in axes.texts:
        text.set_color(style.text)


def _ease(axes: Axes, style: Style) -> None:
    """Few ticks, and no power of ten apart from them, where there is no room for more."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    if not style.narrow:
        return
    few = MaxNLocator(4), MaxNLocator(8, steps=[1, 2, 5, 10])
    for axis, locator in zip((axes.xaxis, axes.yaxis), few, strict=True):
        if axis.get_scale() == "linear":
            axis.set_major_locator(locator)
            axis.set_major_formatter(StrMethodFormatter("{x:.6g}"))


def _legend(figure: FigureBase, style: Style, columns: int) -> None:
    figure.legend(
        loc="outside lower center",
        ncols=1 if style.narrow else columns,
        frameon=False,
        fontsize=style.small,
        labelcolor=style.text,
    )


def _say(axes: Axes, text: str, style: Style) -> None:
    """Let an empty chart say why it is empty."""
    axes.set(xticks=(), yticks=())
    axes.text(
        0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=style.label
    )
    apply_style(axes, style)


def _counted(stride: int, style: Style) -> str:
    return "voxels" if stride == 1 else f"voxels{_gap(style)}(1 in {stride} counted)"


def _gap(style: Style) -> str:
    """Between two parts of a text that may be too long for a narrow chart."""
    return "\n" if style.narrow else " "
