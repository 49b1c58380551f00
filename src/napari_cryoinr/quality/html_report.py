"""Quality reports as files: one self-contained HTML page, or one picture."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..maps.density_map import DensityMap
from ..progress import Clock, Progress, Steps, drain
from ..support import atomic_files
from ..support.array_types import Float32Array
from ..support.output_paths import check_output
from . import charts, pictures
from .histograms import density_histogram, error_histogram
from .model_report import RESIDUE_HEAD, ModelReport
from .quality_report import BAND_HEAD, QualityReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem;
  background: #ffffff; color: #1c1c1e; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
table { border-collapse: collapse; margin: 1rem 0; max-width: 100%; }
caption { text-align: left; font-weight: 600; }
th, td { padding: 0.25rem 1.2rem 0.25rem 0; border-bottom: 1px solid #8883; text-align: left;
  vertical-align: top; font-weight: normal; }
.verdict { font-size: 1.15rem; font-weight: 600; }
td { font-variant-numeric: tabular-nums; }
thead th { font-weight: 600; }
thead th, td { overflow-wrap: break-word; } /* no column is narrower than its words */
figure { margin: 1.5rem 0; }
img { display: block; max-width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
figcaption { font-size: 0.9rem; opacity: 0.85; margin-top: 0.4rem; }
@media (max-width: 34rem) { body { font-size: 14px; padding: 0.6rem; }
  th, td { padding-right: 0.6rem; } }
@media (prefers-color-scheme: dark) { body { background: #17181a; color: #e8e8ea; } }
"""


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
{sections}
</body>
</html>
"""


@dataclass(frozen=True, eq=False)
class Section:
    """One map of a report."""

    name: str  # heading of the section
    # original, decoded: maps of one shape (z, y, x); without both, the section has no pictures
    original: DensityMap | None
    decoded: Float32Array | None
    report: QualityReport
    note: str = ""  # a sentence shown above the table; may be empty
    model: ModelReport | None = None  # an atomic model against both maps

    @property
    def pictures(self) -> int:
        """How many pictures it has."""
        if self.original is None or self.decoded is None:
            return 0
        return 4 + bool(self.report.worst) + (self.model is not None)


def write_report(
    path: str | os.PathLike[str],
    sections: Sequence[Section],
    title: str,
    *,
    overwrite: bool = False,
) -> None:
    """Write a quality report of several maps as one HTML file; see `report_steps`."""
    drain(report_steps(path, sections, title, overwrite=overwrite))


def report_steps(
    path: str | os.PathLike[str],
    sections: Sequence[Section],
    title: str,
    *,
    overwrite: bool = False,
) -> Steps[None]:
    """Write a quality report of several maps as one HTML file that refers to nothing outside it.

    A generator of progress, with a record for each section and picture. A file that exists is
    replaced only with `overwrite`, once the report is complete.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MapError
        If a decoded map's shape is not that of its original; nothing is written then.
    OSError
        If the file cannot be written.
    """
    path = check_output(path, suffixes=(".html",), overwrite=overwrite)
    clock = Clock()
    done, total = 0, len(sections) + sum(section.pictures for section in sections)
    parts = []
    for section in sections:
        parts.append("<section>")
        for part in _section_parts(section):
            parts.append(part)
            done += 1
            yield Progress("drawing", done, total, clock.seconds)
        parts.append("</section>")
    atomic_files.write_bytes(path, html_page(title, parts))


def html_page(title: str, parts: Sequence[str]) -> bytes:
    """Return an HTML page with this title and content, in the style of the reports."""
    page = _PAGE.format(title=escape(title), style=_STYLE, sections="\n".join(parts))
    # File names that are no valid Unicode reach here as lone surrogates.
    return page.encode("utf-8", "replace")


def html_image(png: bytes, text: str) -> str:
    """Return an image element that holds a PNG file; `text` stands in its place where need be."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(text)}">'


def write_picture(
    path: str | os.PathLike[str],
    original: DensityMap,
    decoded: Float32Array,
    report: QualityReport,
    *,
    overwrite: bool = False,
) -> None:
    """Write slices, FSC and error against density as one PNG file.

    `decoded`, shape (z, y, x), are the densities beside those of the original. Errors are those of
    `report_steps`.
    """
    path = check_output(path, suffixes=(".png",), overwrite=overwrite)
    figure = pictures.overview_figure(original, decoded, report)
    atomic_files.write_bytes(path, pictures.png_bytes(figure))


def _section_parts(section: Section) -> Iterator[str]:
    """Yield the page of a map, verdict first, in as many parts as it has pictures and one more."""
    lines = [f"<h2>{escape(section.name)}</h2>"]
    lines.append(f'<p class="verdict">{escape(section.report.verdict())}</p>')
    if section.note:
        lines.append(f"<p>{escape(section.note)}</p>")
    lines += [f"<p>{escape(note)}</p>" for note in section.report.notes()]
    for item in _contents(section):
        if isinstance(item, str):
            lines.append(item)
            continue
        figure, caption = item
        image = html_image(pictures.png_bytes(figure), caption)
        lines.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
        yield "\n".join(lines)
        lines = []
    yield "\n".join(lines)


def _contents(section: Section) -> Iterator[str | tuple[Figure, str]]:
    """Yield tables, and pictures as (figure, caption): a figure takes more memory than its PNG."""
    report, model = section.report, section.model
    original, decoded = section.original, section.decoded
    pictured = original is not None and decoded is not None
    if original is not None and decoded is not None:
        through = "the middle of the box" if report.contour is None else "the centre of mass"
        caption = f"Planes through {through}, with positions in Å from the corner of the box."
        yield pictures.slices_figure(original, decoded, report), caption
        caption = (
            f"Fourier shell correlation with the original {report.shells_where}, and where it falls"
            " below 0.99 and 0.5."
        )
        yield pictures.chart_figure(charts.draw_fsc, report), caption
        if report.worst:
            caption = (
                "The places where both maps agree least: planes along z through the places of the"
                " lowest correlation in a sphere, with positions in Å that count the map's origin."
            )
            yield pictures.places_figure(original, decoded, report), caption
    if model is not None:
        yield html_table("Atomic model", (), model.rows())
        if pictured:
            caption = "Fourier shell correlation of the atomic model with both maps."
            yield pictures.chart_figure(charts.draw_model_fsc, model), caption
        if model.most_changed:
            caption = f"Residues whose correlation changed most, of {len(model.residues):,}"
            yield html_table(caption, RESIDUE_HEAD, model.residue_rows())
    yield html_table("Quality", (), report.rows())
    if report.bands:
        caption = "By density, as a share of the largest magnitude"
        yield html_table(caption, BAND_HEAD, report.band_rows())
    if original is not None and decoded is not None:
        counts = error_histogram(original, decoded, report.contour)
        caption = (
            "Error against density. Voxels between the lines are within 20 % of their density."
        )
        yield pictures.chart_figure(charts.draw_errors, counts, report.contour), caption
        densities = density_histogram(original, decoded, report.contour)
        caption = "Densities of the original and the decoded map, all voxels."
        yield pictures.chart_figure(charts.draw_densities, densities), caption


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first cell of each row is its title, and all are plain text."""
    lines = [f"<table><caption>{escape(caption)}</caption>"]
    if head:
        cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    lines.append("<tbody>")
    for first, *others in rows:
        cells = "".join(f"<td>{escape(text)}</td>" for text in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody></table>"])
