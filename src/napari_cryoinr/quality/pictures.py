"""Pictures of a quality report: where a decoded map differs from its original, and by how much.

Figures are drawn without pyplot, so that they can be made in any thread and leave no state behind;
matplotlib is loaded by the first picture, not by this module. Positions are in Å from the corner
of the box. All functions raise `MapError` if the shapes of the maps differ.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array
from . import charts
from .histograms import density_histogram, error_histogram
from .quality_report import QualityReport
from .slices import HEAD, draw_slices, slices_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110
_CHART = 6.4, 4.4  # inches of a single chart


def slices_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Original, decoded map and signed error in one plane along each of z, y and x.

    The planes pass through the centre of mass above the contour, or through the middle of the box
    where nothing is above it. All six grey pictures share one scale, and so do the three errors.

    Parameters
    ----------
    original : DensityMap
    decoded : ndarray of float32
        Densities of the same shape (z, y, x).
    report : QualityReport
    """
    size = slices_size(original)
    figure = _new_figure(size, arranged=False)
    draw_slices(figure, size, original, decoded, report.contour)
    return figure


def fsc_figure(report: QualityReport) -> Figure:
    """The FSC against spatial frequency, with the resolutions where it falls below 0.99 and 0.5."""
    figure = _new_figure(_CHART)
    charts.draw_fsc(figure, report)
    return figure


def error_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Histogram of error and density above the contour, with the paper's band of 20 %."""
    figure = _new_figure(_CHART)
    counts = error_histogram(original, decoded, report.contour)
    charts.draw_errors(figure, counts, report.contour)
    return figure


def density_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Histograms of the densities of both maps, with the contour marked."""
    figure = _new_figure(_CHART)
    charts.draw_densities(figure, density_histogram(original, decoded, report.contour))
    return figure


def overview_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Slices, FSC and error against density in one picture, below the verdict."""
    width, height = slices_size(original)
    height = max(height, 2 * _CHART[1])
    figure = _new_figure((width + _CHART[0], HEAD + height))
    head, body = figure.subfigures(2, 1, squeeze=False, height_ratios=(HEAD, height)).flat
    left, right = body.subfigures(1, 2, squeeze=False, width_ratios=(width, _CHART[0])).flat
    upper, lower = right.subfigures(2, 1, squeeze=False).flat
    psnr = "" if report.psnr is None else f", PSNR {report.psnr:.2f} dB over all voxels"
    title = f"{_drawable(original.name)}: {report.verdict()}{psnr}"
    place = {"ha": "center", "va": "center", "fontsize": 13, "parse_math": False}
    head.text(0.5, 0.3, title, **place)
    draw_slices(left, (width, height), original, decoded, report.contour)
    charts.draw_fsc(upper, report)
    counts = error_histogram(original, decoded, report.contour)
    charts.draw_errors(lower, counts, report.contour)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _new_figure(size: tuple[float, float], arranged: bool = True) -> Figure:
    """An empty figure of this (width, height) in inches; unless arranged, nothing is moved."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08) if arranged else None
    figure = Figure(size, dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _drawable(name: str) -> str:
    """A name in letters that every font has, of a length that fits a heading."""
    plain = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in name)
    return plain if len(plain) <= 40 else f"{plain[:37]}..."
