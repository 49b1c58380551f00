"""The results of a study as files: tables, plots, and one page of claims beside figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..quality.html_report import html_image, html_page, html_table
from ..quality.pictures import chart_figure, png_bytes
from ..support import atomic_files, records
from .entries import Claim, Entry
from .parts import ALL
from .study_settings import StudySettings

PAGE, JSON = "study.html", "study.json"
FILES = [PAGE, JSON, "claims.csv", *(f"{name}.csv" for name in ALL)]
"""Names of the files, without plots."""
CLAIMS_HEAD = ("claim", "the source", "measured", "over", "holds")
"""Titles of the columns of the claims."""
_COLUMNS = (
    *("map", "resolution_angstrom", "filtered", "variant", "member", "points", "raw_bytes"),
    *("bytes", "ratio", "within_20_percent", "mean_relative_error", "nrmse", "lowest_fsc"),
    *("fsc_05_angstrom", "output_range", "seconds", "processor_seconds", "decode_seconds"),
    *("given", "tuned_to", "error", "settings"),
)
_HEAD = (
    *("map", "Å", "variant", "ratio", "within 20 %", "mean relative error", "NRMSE"),
    *("lowest FSC", "seconds", "decoding"),
)


def write_results(
    folder: Path,
    settings: StudySettings,
    parts: Sequence[str],
    entries: Sequence[Entry],
    failed: Sequence[tuple[str, str]],
) -> None:
    """Write the files of a study into its folder; those of an earlier one are replaced."""
    from .. import __version__

    of_part = {name: [e for e in entries if e.part == name] for name in parts}
    claims = {name: ALL[name].claims(own) for name, own in of_part.items()}
    about = {
        "version": __version__,
        "settings": records.to_dict(settings),
        "failed": [list(item) for item in failed],
    }
    made: dict[str, Any] = about | {
        "claims": [vars(claim) for own in claims.values() for claim in own],
        "rows": {name: [_plain(entry) for entry in own] for name, own in of_part.items()},
    }
    _write(folder / JSON, json.dumps(made, indent=1) + "\n")
    rows = (_claim_cells(claim) for own in claims.values() for claim in own)
    _write(folder / "claims.csv", _csv(CLAIMS_HEAD, rows))
    for name, own in of_part.items():
        lines = (line for entry in own for line in _lines(entry))
        _write(folder / f"{name}.csv", _csv(_COLUMNS, lines))
    parts_of_page = list(_page_parts(folder, of_part, claims, about))
    atomic_files.write_bytes(
        folder / PAGE, html_page("The study of the model paper", parts_of_page)
    )


def _page_parts(
    folder: Path,
    of_part: dict[str, list[Entry]],
    claims: dict[str, list[Claim]],
    about: dict[str, Any],
) -> Iterator[str]:
    settings = escape(json.dumps(about["settings"]))
    yield (
        "<p>What C. Zou, “Application of Deep Learning in Biological Data Compression”, arXiv"
        " 2512.12975, reports and leaves open, beside what the model <code>paper</code> and others"
        f" come to here. Made by napari-cryoinr {escape(about['version'])} with"
        f" <code>{settings}</code>. Figures of several maps are medians, with the lowest and the"
        " highest in brackets.</p>"
    )
    for name, why in about["failed"]:
        yield f"<p>{escape(name)} could not be used: {escape(why)}</p>"
    every = [_claim_cells(claim) for own in claims.values() for claim in own]
    yield html_table("Claims", CLAIMS_HEAD, every)
    for name, entries in of_part.items():
        part = ALL[name]
        yield f"<section><h2>{escape(part.title)}</h2><p>{escape(part.about)}</p>"
        for number, (caption, draw) in enumerate(part.charts(entries), 1):
            png = png_bytes(chart_figure(draw))
            atomic_files.write_bytes(folder / f"{name}_{number}.png", png)
            image = html_image(png, caption)
            yield f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
        yield html_table("All rows", _HEAD, [_cells(entry) for entry in entries])
        yield "</section>"


def _claim_cells(claim: Claim) -> tuple[str, ...]:
    holds = {True: "yes", False: "no", None: ""}[claim.holds]
    return claim.claim, claim.published, claim.measured, claim.over, holds


def _cells(entry: Entry) -> tuple[str, ...]:
    """Return an entry for people; see `_HEAD`."""
    where = entry.name, f"{entry.resolution:.3g}", entry.variant
    m = entry.measured
    if m is None:
        return (*where, f"failed: {entry.error}", *[""] * (len(_HEAD) - 4))
    lowest = [member.lowest_fsc for member in m.members if member.lowest_fsc is not None]
    return (
        *where,
        f"{m.ratio:.2f}",
        f"{m.within:.2%}",
        f"{m.error:.2%}",
        f"{max(member.nrmse for member in m.members):.3f}",
        f"{min(lowest):.3f}" if lowest else "",
        f"{m.seconds:.1f}",
        f"{m.decode_seconds:.2f}",
    )


def _lines(entry: Entry) -> Iterator[tuple[Any, ...]]:
    """Yield a line of CSV for each map of an entry; see `_COLUMNS`."""
    where = entry.original, f"{entry.resolution:.5g}", entry.filtered, entry.variant
    settings = json.dumps(entry.settings) if entry.settings else ""
    m = entry.measured
    if m is None:
        empty = [""] * (len(_COLUMNS) - 9)
        yield *where, entry.name, "", entry.raw_bytes, *empty, entry.error, settings
        return
    for one in m.members:
        quality = one.within, one.mean_relative_error, one.nrmse, one.lowest_fsc, one.fsc_05
        took = m.seconds, m.processor_seconds, m.decode_seconds
        size = m.raw_bytes, m.bytes, m.ratio
        rest = one.output_range, *took, m.given, m.tuned_to, "", settings
        yield *where, one.name, one.points, *size, *quality, *rest


def _plain(entry: Entry) -> dict[str, Any]:
    measured = None if entry.measured is None else records.to_dict(entry.measured)
    return vars(entry) | {"measured": measured}


def _csv(head: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    # File names that are no valid Unicode reach here as lone surrogates.
    atomic_files.write_bytes(path, text.encode("utf-8", "replace"))
