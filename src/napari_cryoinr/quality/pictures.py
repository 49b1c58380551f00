"""Pictures of a quality report: where a decoded map differs from its original, and by how much.

Figures are drawn without pyplot, so that they can be made in any thread and leave no state behind;
matplotlib is loaded by the first picture, not by this module. Positions are in Å from the corner
of the box.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import MapError
from ..maps import DensityMap, slabs
from .measure import RELATIVE_ERROR
from .report import QualityReport
from .slices import HEAD, draw_slices, slices_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

Densities = npt.NDArray[np.float32]

SAMPLE_VOXELS = 2_000_000  # more voxels than this change no histogram visibly
_DPI = 110
_WIDTH, _HEIGHT = 6.4, 4.4  # inches of a single chart
_BINS = 160
_FIRST, _SECOND, _MARK = "#1f5fa8", "#d9601a", "#444444"  # told apart by colour-blind readers too


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
    _draw_fsc(figure, report)
    return figure


def error_figure(original: DensityMap, decoded: Densities, report: QualityReport) -> Figure:
    """Histogram of error and density above the contour, with the paper's band of 20 %.

    Parameters and errors are those of `slices_figure`.
    """
    _check_shapes(original, decoded)
    figure = _new_figure(_WIDTH, _HEIGHT)
    _draw_error(figure, original, decoded, report)
    return figure


def density_figure(original: DensityMap, decoded: Densities, report: QualityReport) -> Figure:
    """Histograms of the densities of both maps, with the contour marked.

    Parameters and errors are those of `slices_figure`.
    """
    _check_shapes(original, decoded)
    figure = _new_figure(_WIDTH, _HEIGHT)
    _draw_densities(figure, original, decoded, report)
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
    _draw_fsc(upper, report)
    _draw_error(lower, original, decoded, report)
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


def _draw_fsc(figure: FigureBase, report: QualityReport) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot()
    axes.set_title("Fourier shell correlation", fontsize=11)
    if not report.fsc or report.fsc_step is None:
        _say(axes, "the curve was not recorded")
        return
    last = len(report.fsc) * report.fsc_step
    frequency = report.fsc_step * np.arange(1, len(report.fsc) + 1)
    axes.plot(frequency, report.fsc, color=_FIRST, marker="o" if len(report.fsc) < 3 else "")
    for level, resolution, style in ((0.99, report.fsc_099, "--"), (0.5, report.fsc_05, ":")):
        at = f"{resolution:.2f} Å" if resolution else f"nowhere down to {report.nyquist:.2f} Å"
        label = f"below {level:g}: {at}"
        axes.axhline(level, color=_MARK, linestyle=style, linewidth=1, label=label)
        if resolution:
            axes.plot([1 / resolution], [level], "o", color=_SECOND, markersize=5)
            axes.axvline(1 / resolution, color=_SECOND, linestyle=style, linewidth=1)
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(min(-0.02, min(report.fsc) - 0.05), 1.05)
    ticks = [t for t in MaxNLocator(5).tick_values(0, last) if 0 < t <= last * 1.02]
    axes.set_xlabel("spatial frequency (1/Å)")
    axes.set_ylabel("FSC")
    resolutions = axes.secondary_xaxis("top")
    resolutions.set_xticks(ticks, [f"{1 / t:.3g}" for t in ticks])
    resolutions.set_xlabel("resolution (Å)", fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _draw_error(
    figure: FigureBase, original: DensityMap, decoded: Densities, report: QualityReport
) -> None:
    from matplotlib.colors import LogNorm

    axes = figure.add_subplot()
    where = "all voxels" if report.contour is None else f"voxels above {report.contour:.6g}"
    axes.set_title(f"Error against density, {where}", fontsize=11)
    u, v, stride = _sample(original.data, decoded, report.contour)
    if not u.size:
        _say(axes, "no voxel is above the contour")
        return
    error = v - u
    reach, band = float(np.abs(error).max()), RELATIVE_ERROR * float(np.abs(u).max())
    # The band shows how small the errors are, but must not squeeze them into one line.
    limit = 1.1 * (min(max(band, reach), 4 * reach) if reach else band or 1.0)
    low, high = _widened(float(u.min()), float(u.max()))
    spread = reach or limit
    counts, *edges = np.histogram2d(u, error, (_BINS, _BINS + 1), ((low, high), (-spread, spread)))
    image = axes.pcolormesh(
        edges[0],
        edges[1],
        np.ma.masked_equal(counts.T, 0),
        cmap="viridis",
        norm=LogNorm(1, max(10.0, float(counts.max()))),
        rasterized=True,
    )
    density = np.linspace(low, high, 201)
    for sign in (-1, 1):
        axes.plot(
            density,
            sign * RELATIVE_ERROR * np.abs(density),
            color=_SECOND,
            linewidth=1.2,
            label="20 % of the density" if sign > 0 else None,
        )
    axes.set(xlim=(low, high), ylim=(-limit, limit))
    axes.set_xlabel("density of the original")
    axes.set_ylabel("decoded - original")
    counted = "voxels" if stride == 1 else f"voxels (1 in {stride} counted)"
    figure.colorbar(image, ax=axes, label=counted)
    figure.legend(loc="outside lower center", frameon=False, fontsize=9)


def _draw_densities(
    figure: FigureBase, original: DensityMap, decoded: Densities, report: QualityReport
) -> None:
    u, v, stride = _sample(original.data, decoded, None)
    low, high = _widened(float(min(u.min(), v.min())), float(max(u.max(), v.max())))
    axes = figure.add_subplot()
    for values, color, style, label in (
        (u, _FIRST, "-", "original"),
        (v, _SECOND, "--", "decoded"),
    ):
        counts, edges = np.histogram(values, _BINS, (low, high))
        axes.stairs(counts, edges, baseline=None, color=color, linestyle=style, label=label)
    if report.contour is not None:
        axes.axvline(
            report.contour, color=_MARK, linestyle=":", label=f"contour {report.contour:.6g}"
        )
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)  # a bin of one voxel shows, an empty one does not
    axes.set_title("Densities of both maps", fontsize=11)
    axes.set_xlabel("density")
    axes.set_ylabel("voxels" if stride == 1 else f"voxels (1 in {stride} counted)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)


def _say(axes: Axes, text: str) -> None:
    """Let an empty chart say why it is empty."""
    axes.set(xticks=(), yticks=())
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    pad = 0.0 if high > low else 0.5 * abs(low) or 0.5
    return low - pad, high + pad


def _sample(
    a: Densities, b: Densities, contour: float | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
    """Densities of both maps (n,) in the voxels where a > contour, at most `SAMPLE_VOXELS`.

    Returns
    -------
    The densities of a, those of b, and the stride s: one voxel in s was taken. Each is drawn at
    random from its s neighbours (with a fixed seed): a plain stride would meet the same columns of
    the map in every row.
    """
    parts = list(slabs(a.shape))
    level = -np.inf if contour is None else np.float32(contour)
    count = sum(int(np.count_nonzero(a[part] > level)) for part in parts)
    stride = max(1, -(-count // SAMPLE_VOXELS))
    random = np.random.default_rng(0)
    taken = []
    for part in parts:
        places = np.flatnonzero(a[part] > level)
        if stride > 1:
            starts = np.arange(0, places.size - stride + 1, stride)
            places = places[starts + random.integers(stride, size=starts.size)]
        taken.append((a[part].ravel()[places], b[part].ravel()[places]))
    u, v = (np.concatenate([pair[i] for pair in taken]).astype(np.float64) for i in (0, 1))
    return u, v, stride
