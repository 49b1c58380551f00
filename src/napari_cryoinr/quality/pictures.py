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

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

    from ..maps import Triple

Densities = npt.NDArray[np.float32]

SAMPLE_VOXELS = 2_000_000  # more voxels than this change no histogram visibly
_DPI = 110
_WIDTH, _HEIGHT = 6.4, 4.4  # inches of a single chart
_BINS = 160
_COLUMN = 2.3  # inches of the longest side of a slice
_THINNEST = 0.6  # inches; thinner slices are stretched to it
_LEFT, _GAP, _RIGHT = 0.8, 0.35, 0.3  # inches beside and between the columns of slices
_HEAD, _TITLE, _FOOT, _BARS = 0.4, 0.3, 0.45, 0.8  # inches above and below the rows of slices
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
    size = _slices_size(original)
    figure = _new_figure(*size, layout=None)
    _draw_slices(figure, size, original, decoded, report)
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
    width, height = _slices_size(original)
    height = max(height, 2 * _HEIGHT)
    figure = _new_figure(width + _WIDTH, _HEAD + height)
    head, body = figure.subfigures(2, 1, height_ratios=(_HEAD, height))
    left, right = body.subfigures(1, 2, width_ratios=(width, _WIDTH))
    upper, lower = right.subfigures(2, 1)
    # A constant map has no PSNR whatever its error.
    psnr = "" if report.psnr is None else f"PSNR {report.psnr:.2f} dB, "
    head.text(
        0.5, 0.3, f"{_drawable(original.name)}: {psnr}NRMSE {report.nrmse:.3g}",
        ha="center", va="center", fontsize=13, parse_math=False,
    )
    _draw_slices(left, (width, height), original, decoded, report)
    _draw_fsc(upper, report)
    _draw_error(lower, original, decoded, report)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _new_figure(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """An empty figure of this size in inches; layout None leaves everything where it is put."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0.1, h_pad=0.08)
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


def _slices_size(original: DensityMap) -> tuple[float, float]:
    """(width, height) in inches that `_draw_slices` needs."""
    z, y, _ = _sides(original)
    rows = y + 2 * z + 3 * (_TITLE + _FOOT)
    return _LEFT + 3 * _COLUMN + 2 * _GAP + _RIGHT, _HEAD + rows + _BARS


def _draw_slices(
    figure: FigureBase,
    size: tuple[float, float],
    original: DensityMap,
    decoded: Densities,
    report: QualityReport,
) -> None:
    """Fill a figure of this size (inches) from its top; every place is computed, so none clash."""
    from matplotlib.ticker import MaxNLocator

    width, height = size
    sides, centre = _sides(original), _centre(original, report.contour)
    chosen = [(slice(None),) * axis + (centre[axis],) for axis in range(3)]
    planes = [(original.data[where], decoded[where]) for where in chosen]
    rows = [(a, b, b.astype(np.float64) - a) for a, b in planes]
    low, high, extend = _grey_range(np.concatenate([p.ravel() for row in rows for p in row[:2]]))
    reach = max(float(np.abs(row[2]).max()) for row in rows)
    scales = [("gray", low, high)] * 2 + [("RdBu_r", -(reach or 1.0), reach or 1.0)]
    lefts = [_LEFT + column * (_COLUMN + _GAP) for column in range(3)]
    for left, text in zip(lefts, ("original", "decoded", "decoded - original"), strict=True):
        figure.text(
            (left + _COLUMN / 2) / width, 1 - 0.6 * _HEAD / height, text,
            ha="center", va="center", fontsize=11,
        )
    top = height - _HEAD
    images = []
    for axis, row in enumerate(rows):
        up, across = (other for other in range(3) if other != axis)
        where = f"{'zyx'[axis]} = {(centre[axis] + 0.5) * original.voxel_size[axis]:.1f} Å"
        bottom = top - _TITLE - sides[up]
        figure.text(_LEFT / width, (top - 0.2) / height, where, va="center", fontsize=9)
        for column, (left, plane, scale) in enumerate(zip(lefts, row, scales, strict=True)):
            axes = figure.add_axes((
                left / width, bottom / height, sides[across] / width, sides[up] / height,
            ))
            ends = [plane.shape[i] * original.voxel_size[a] for i, a in enumerate((up, across))]
            images.append(axes.imshow(
                plane, cmap=scale[0], vmin=scale[1], vmax=scale[2], origin="lower",
                extent=(0, ends[1], 0, ends[0]), aspect="auto",
            ))
            axes.xaxis.set_major_locator(MaxNLocator(max(1, int(sides[across] / 0.5))))
            axes.yaxis.set_major_locator(MaxNLocator(max(1, int(sides[up] / 0.3))))
            axes.tick_params(labelsize=8, labelleft=column == 0)
            axes.set_xlabel(f"{'zyx'[across]} (Å)", fontsize=9, labelpad=1)
            if column == 0:
                axes.set_ylabel(f"{'zyx'[up]} (Å)", fontsize=9)
        top = bottom - _FOOT
    error_label = "error (density)" if reach else "error (density): none in these planes"
    for column, span, label, arrows in (
        (0, 2 * _COLUMN + _GAP, "density", extend), (2, _COLUMN, error_label, "neither"),
    ):
        axes = figure.add_axes((
            (lefts[column] + 0.2) / width, (top - 0.22) / height, (span - 0.4) / width, 0.12 / height,
        ))
        bar = figure.colorbar(
            images[column], cax=axes, orientation="horizontal", extend=arrows,
            ticks=MaxNLocator(int(span / 0.6)),
        )
        bar.ax.tick_params(labelsize=8)
        bar.set_label(label, fontsize=9, labelpad=2)


def _grey_range(values: Densities) -> tuple[float, float, str]:
    """Ends of the grey scale, and which of them some voxels exceed, in matplotlib's words."""
    low, high = (float(v) for v in np.percentile(values, (0.2, 99.8)))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        return low - (abs(low) or 1.0), high + (abs(high) or 1.0), "neither"
    below, above = values.min() < low, values.max() > high
    return low, high, {(0, 0): "neither", (1, 0): "min", (0, 1): "max"}.get((below, above), "both")


def _draw_fsc(figure: FigureBase, report: QualityReport) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot()
    axes.set_title("Fourier shell correlation", fontsize=11)
    if not report.fsc or report.fsc_step is None:
        _say(figure, "the curve was not recorded")
        return
    last = len(report.fsc) * report.fsc_step
    frequency = report.fsc_step * np.arange(1, len(report.fsc) + 1)
    axes.plot(frequency, report.fsc, color=_FIRST, marker="o" if len(report.fsc) < 3 else "")
    for level, resolution, style in ((0.99, report.fsc_099, "--"), (0.5, report.fsc_05, ":")):
        at = f"{resolution:.2f} Å" if resolution else f"nowhere down to {report.nyquist:.2f} Å"
        axes.axhline(level, color=_MARK, linestyle=style, linewidth=1, label=f"below {level:g}: {at}")
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

    u, v, stride = _sample(original.data, decoded, report.contour)
    if not u.size:
        figure.add_subplot().set_title("Error against density", fontsize=11)
        _say(figure, "no voxel is above the contour")
        return
    error = v - u
    reach, band = float(np.abs(error).max()), RELATIVE_ERROR * float(np.abs(u).max())
    # The band shows how small the errors are, but must not squeeze them into one line.
    limit = 1.1 * (min(max(band, reach), 4 * reach) if reach else band or 1.0)
    low, high = _widened(float(u.min()), float(u.max()))
    spread = reach or limit
    counts, *edges = np.histogram2d(u, error, (_BINS, _BINS + 1), ((low, high), (-spread, spread)))
    axes = figure.add_subplot()
    image = axes.pcolormesh(
        edges[0], edges[1], np.ma.masked_equal(counts.T, 0), cmap="viridis",
        norm=LogNorm(1, max(10.0, float(counts.max()))), rasterized=True,
    )
    density = np.linspace(low, high, 201)
    for sign in (-1, 1):
        axes.plot(
            density, sign * RELATIVE_ERROR * np.abs(density), color=_SECOND, linewidth=1.2,
            label="20 % of the density" if sign > 0 else None,
        )
    axes.set(xlim=(low, high), ylim=(-limit, limit))
    where = "all voxels" if report.contour is None else f"voxels above {report.contour:.6g}"
    axes.set_title(f"Error against density, {where}", fontsize=11)
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
        (u, _FIRST, "-", "original"), (v, _SECOND, "--", "decoded"),
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


def _say(figure: FigureBase, text: str) -> None:
    """An empty chart that says why it is empty."""
    axes = figure.axes[-1]
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
