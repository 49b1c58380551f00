"""Pictures of a quality report: where a decoded map differs from its original, and by how much.

Figures are drawn without pyplot, so that they can be made in any thread and leave no state behind;
matplotlib is loaded by the first picture, not by this module. Positions are in Å from the corner
of the box.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..errors import MapError
from ..maps.density_map import DensityMap
from . import charts
from .histograms import Densities, density_histogram, error_histogram
from .quality_report import QualityReport
from .slices import HEAD, draw_slices, slices_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

_DPI = 110
_WIDTH, _HEIGHT = 6.4, 4.4  # inches of a single chart


def slices_figure(original: DensityMap, decoded: Densities, report: QualityReport) -> Figure:
    """Original, decoded map and signed error in one plane along each of z, y and x.

    The planes pass through the centre of mass above the contour, or through the middle of the box
    where nothing is above it. All six grey pictures share one scale, and so do the three errors.

    Parameters
    ----------
    decoded : densities of the same shape (z, y, x).

    Raises
    ------
    MapError
        if the shapes differ.
    """
    _check_shapes(original, decoded)
    size = slices_size(original)
    figure = _new_figure(*size, arranged=False)
    draw_slices(figure, size, original, decoded, report.contour)
    return figure


def fsc_figure(report: QualityReport) -> Figure:
    """The FSC against spatial frequency, with the resolutions where it falls below 0.99 and 0.5."""
    figure = _new_figure(_WIDTH, _HEIGHT)
    charts.draw_fsc(figure, report)
    return figure


def error_figure(original: DensityMap, decoded: Densities, report: QualityReport) -> Figure:
    """Histogram of error and density above the contour, with the paper's band of 20 %.

    Parameters and errors are those of `slices_figure`.
    """
    _check_shapes(original, decoded)
    figure = _new_figure(_WIDTH, _HEIGHT)
    _draw_errors(figure, original, decoded, report)
    return figure


def density_figure(original: DensityMap, decoded: Densities, report: QualityReport) -> Figure:
    """Histograms of the densities of both maps, with the contour marked.

    Parameters and errors are those of `slices_figure`.
    """
    _check_shapes(original, decoded)
    figure = _new_figure(_WIDTH, _HEIGHT)
    counts = density_histogram(original, decoded, report.contour)
    charts.draw_densities(figure, counts)
    return figure


def overview_figure(original: DensityMap, decoded: Densities, report: QualityReport) -> Figure:
    """Slices, FSC and error against density in one picture.

    Parameters and errors are those of `slices_figure`.
    """
    _check_shapes(original, decoded)
    width, height = slices_size(original)
    height = max(height, 2 * _HEIGHT)
    figure = _new_figure(width + _WIDTH, HEAD + height)
    head, body = figure.subfigures(2, 1, squeeze=False, height_ratios=(HEAD, height)).flat
    left, right = body.subfigures(1, 2, squeeze=False, width_ratios=(width, _WIDTH)).flat
    upper, lower = right.subfigures(2, 1, squeeze=False).flat
    # A constant map has no PSNR whatever its error.
    psnr = "" if report.psnr is None else f"PSNR {report.psnr:.2f} dB, "
    head.text(
        0.5,
        0.3,
        f"{_drawable(original.name)}: {psnr}NRMSE {report.nrmse:.3g}",
        ha="center",
        va="center",
        fontsize=13,
        parse_math=False,
    )
    draw_slices(left, (width, height), original, decoded, report.contour)
    charts.draw_fsc(upper, report)
    _draw_errors(lower, original, decoded, report)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _new_figure(width: float, height: float, arranged: bool = True) -> Figure:
    """An empty figure of this size in inches; unless arranged, things stay where they are put."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08) if arranged else None
    figure = Figure((width, height), dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _check_shapes(original: DensityMap, decoded: Densities) -> None:
    if original.data.shape != decoded.shape:
        raise MapError(
            f"shapes differ: {original.data.shape} and {decoded.shape}; draw maps on one grid"
        )


def _drawable(name: str) -> str:
    """A name in letters that every font has, of a length that fits a heading."""
    plain = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in name)
    return plain if len(plain) <= 80 else f"{plain[:77]}..."


def _draw_errors(
    figure: FigureBase, original: DensityMap, decoded: Densities, report: QualityReport
) -> None:
    counts = error_histogram(original, decoded, report.contour)
    charts.draw_errors(figure, counts, report.contour)
