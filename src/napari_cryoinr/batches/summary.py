"""The summary of a batch: a table as CSV, and as one HTML page with a picture of each map."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from ..quality.html_report import html_image, html_page
from ..quality.verdict import size_text, verdict_of
from ..settings import Settings
from ..support import atomic_files, records
from ..workers.map_jobs import MapResult

CSV_NAME, HTML_NAME = "summary.csv", "summary.html"
CSV_HEADER = (
    "name",
    "input",
    "file",
    "status",
    "verdict",
    "summary",
    "bytes",
    "raw_bytes",
    "ratio",
    "seconds",
    "error",
    "warnings",
)
"""Titles of the columns of the CSV file."""
HEAD = ("map", "verdict", "bytes", "ratio", "seconds")
"""Titles of the columns of `summary_row`."""

_STYLE = (
    "<style>td img { width: 11rem; image-rendering: pixelated; } td { padding: .4rem; }</style>"
)


def write_summary(folder: Path, results: Sequence[MapResult], settings: Settings) -> None:
    """Write `summary.csv` and `summary.html` into the folder of a batch; files are replaced.

    Paths in them are relative to the folder.
    """
    write_table(folder / CSV_NAME, results)
    atomic_files.write_bytes(folder / HTML_NAME, _html(folder, results, settings))


def write_table(path: Path, results: Sequence[MapResult]) -> None:
    """Write the summary as CSV alone; paths in it are relative to its folder."""
    atomic_files.write_bytes(path, _csv(path.parent, results))


def summary_row(result: MapResult) -> tuple[str, str, str, str, str]:
    """Return the row of a map for people; see `HEAD`. Of one that failed, the error."""
    seconds = f"{result.seconds:,.1f}"
    report = result.report
    if report is None or report.bytes is None or report.ratio is None:
        return result.name, f"failed: {result.error}", "", "", seconds
    there = "; was there already" if result.resumed else ""
    size = f"{report.bytes:,}", f"{report.ratio:,.2f}"
    return result.name, report.verdict() + there, *size, seconds


def summary_line(results: Sequence[MapResult]) -> str:
    """Return how many maps were compressed, and to how much, in one line."""
    done = [result.report for result in results if result.report is not None]
    size = sum(report.bytes or 0 for report in done)
    raw = sum(report.raw_bytes or 0 for report in done)
    line = f"{len(done)} of {len(results)} maps compressed"
    kept = sum(result.resumed for result in results)
    if kept:
        line += f" ({kept} of them before)"
    return f"{line}: {size_text(raw)} to {size_text(size)}, {raw / size:,.1f} : 1" if size else line


def _csv(folder: Path, results: Sequence[MapResult]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_HEADER)
    for result in results:
        report = result.report
        where = result.name, _relative(result.source, folder)
        seconds, warnings = f"{result.seconds:.2f}", "; ".join(result.warnings)
        if report is None:
            empty = [""] * 5
            writer.writerow([*where, "", "failed", *empty, seconds, result.error, warnings])
            continue
        status = "there already" if result.resumed else "done"
        file = _relative(result.target, folder)
        said = verdict_of(report), report.verdict()
        size = report.bytes, report.raw_bytes, f"{report.ratio or 0:.4f}"
        writer.writerow([*where, file, status, *said, *size, seconds, "", warnings])
    # File names that are no valid Unicode reach here as lone surrogates.
    return text.getvalue().encode("utf-8", "replace")


def _html(folder: Path, results: Sequence[MapResult], settings: Settings) -> bytes:
    from .. import __version__

    changed = json.dumps(records.to_dict(settings, defaults=False))
    parts = [
        _STYLE,
        f'<p class="verdict">{escape(summary_line(results))}</p>',
        f"<p>Made by napari-cryoinr {escape(__version__)}.</p>",
        f"<p>Settings that are not the usual ones: <code>{escape(changed)}</code></p>",
        "<p>Pictures show a plane of the original, and the same plane as decoded.</p>",
        "<table><thead><tr>",
        *(f'<th scope="col">{title}</th>' for title in ("picture", *HEAD)),
        "</tr></thead><tbody>",
        *(_html_row(folder, result) for result in results),
        "</tbody></table>",
    ]
    return html_page("Summary of a batch", parts)


def _html_row(folder: Path, result: MapResult) -> str:
    name, verdict, *numbers = (escape(text) for text in summary_row(result))
    picture = html_image(result.picture, f"{result.name}, decoded") if result.picture else ""
    if result.report is not None:
        link = quote(_relative(result.target, folder), errors="replace")
        name = f'<a href="{link}">{name}</a>'
    warned = "".join(f"<br>{escape(text)}" for text in result.warnings)
    cells = "".join(f"<td>{text}</td>" for text in (verdict + warned, *numbers))
    return f'<tr><td>{picture}</td><th scope="row">{name}</th>{cells}</tr>'


def _relative(path: Path, folder: Path) -> str:
    if not path.is_absolute():  # the name of a map that is in no file
        return path.as_posix()
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()
