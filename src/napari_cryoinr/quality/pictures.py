"""Pictures of a quality report: where a decoded map differs from its original, and by how much.

Figures are drawn without pyplot, so that they can be made in any thread and leave no state behind;
matplotlib is loaded by the first picture, not by this module. Positions are in Å from the corner
of the box. All functions raise `MapError` if the shapes of the maps differ.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array
from . import charts
from .histograms import error_histogram
from .quality_report import QualityReport
from .slices import draw_slices, slices_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110
_CHART = 6.4, 4.4  # inches of a single chart
_HEAD = 0.4  # inches of the verdict above an overview


def slices_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Draw original, decoded map and signed error in one plane along each of z, y and x.

    The planes pass through the centre of mass above the contour, or through the middle of the box
    where nothing is above it. All six grey pictures share one scale, and so do the three errors.

    Parameters
    ----------
    original : DensityMap
    decoded : ndarray of float32
        Densities of the same shape (z, y, x).
    report : QualityReport
    """
    figure = _new_figure(slices_size(original))
    draw_slices(figure, original, decoded, report.contour)
    return figure


def chart_figure(draw: Callable[..., None], *content: Any) -> Figure:
    """Return a figure with one chart, which `draw(figure, *content)` draws."""
    figure = _new_figure(_CHART)
    draw(figure, *content)
    return figure


def overview_figure(original: DensityMap, decoded: Float32Array, report: QualityReport) -> Figure:
    """Return slices, FSC and error against density in one picture, below the verdict."""
    width, height = slices_size(original)
    height = max(height, 2 * _CHART[1])
    figure = _new_figure((width + _CHART[0], _HEAD + height))
    head, body = figure.subfigures(2, 1, squeeze=False, height_ratios=(_HEAD, height)).flat
    left, right = body.subfigures(1, 2, squeeze=False, width_ratios=(width, _CHART[0])).flat
    upper, lower = right.subfigures(2, 1, squeeze=False).flat
    psnr = "" if report.psnr is None else f", PSNR {report.psnr:.2f} dB over all voxels"
    name = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in original.name)
    name = name if len(name) <= 40 else f"{name[:37]}..."  # letters that every font has, and few
    place = {"ha": "center", "va": "center", "fontsize": 13, "parse_math": False}
    head.text(0.5, 0.3, f"{name}: {report.verdict()}{psnr}", **place)
    draw_slices(left, original, decoded, report.contour)
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
