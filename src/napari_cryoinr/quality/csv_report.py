"""Quality reports as CSV files, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..support import atomic_files, records
from ..support.output_paths import check_output
from .quality_report import QualityReport
from .two_maps import Likeness

HEADER = ("part", "name", "low", "high", "value", "unit")
# What is not named here is a plain number, and shares are between 0 and 1.
_UNITS = {"psnr": "dB", "fsc_step": "1/angstrom", "bits_per_voxel": "bits"}
_UNITS |= dict.fromkeys(("voxels", "kept_voxels"), "voxels")
_UNITS |= dict.fromkeys(("max_error", "level", "contour"), "density")
_UNITS |= dict.fromkeys(("nyquist", "fsc_099", "fsc_05", "resolution"), "angstrom")
_UNITS |= dict.fromkeys(("bytes", "raw_bytes"), "bytes")
_IOU = ("iou_0.9", "iou_1", "iou_1.1")

Row = tuple[Any, Any, Any, Any, Any, Any]


def write_csv(
    path: str | os.PathLike[str],
    report: QualityReport,
    about: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a report as one table, RFC 4180, UTF-8; replace a file only with `overwrite`.

    The parts of the table are ``about``, such as the names of the maps and the verdict; ``number``,
    the numbers of the report by their names in `QualityReport`; ``place``, where the local
    correlation is lowest; ``band``, three rows for each density band, `low`
    and `high` as shares of the largest magnitude; and ``fsc``, a row for each shell, `low` and
    `high` its borders in 1/Å. Numbers have all their digits; what the report lacks has no row.
    """
    _write(path, _numbers(report), about, overwrite)


def write_likeness_csv(
    path: str | os.PathLike[str],
    likeness: Likeness,
    about: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write the Fourier shell correlations of two maps as a table like that of `write_csv`.

    The column `name` of a shell has what the curve is measured over.
    """
    _write(path, _shells(likeness), about, overwrite)


def _write(
    path: str | os.PathLike[str],
    rows: Iterable[Row],
    about: Mapping[str, str] | None,
    overwrite: bool,
) -> None:
    path = check_output(path, overwrite=overwrite)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(("about", name, "", "", value, "") for name, value in (about or {}).items())
    writer.writerows(rows)
    # File names that are no valid Unicode reach here as lone surrogates.
    atomic_files.write_bytes(path, text.getvalue().encode("utf-8", "replace"))


def _shells(likeness: Likeness) -> Iterator[Row]:
    for name, value in likeness.rows():
        yield "about", name, "", "", value, ""
    for where, curve in likeness.curves():
        for shell, value in enumerate(curve.values.tolist(), start=1):
            borders = (shell - 0.5) * curve.step, (shell + 0.5) * curve.step
            yield "fsc", f"{where}, shell {shell}", *borders, value, ""


def _numbers(report: QualityReport) -> Iterator[Row]:
    for name, value in report.to_dict().items():
        if name == "iou":
            for level, overlap in zip(_IOU, value, strict=True):
                yield "number", level, "", "", overlap, ""
        elif name == "worst":
            for number, place in enumerate(report.worst, 1):
                for axis, length in zip("zyx", place.position, strict=True):
                    yield "place", f"place {number}, {axis}", "", "", length, "angstrom"
                yield "place", f"place {number}, correlation", "", "", place.correlation, ""
        elif isinstance(value, str):
            yield "about", name, "", "", value, ""
        elif name not in ("bands", "fsc"):
            yield "number", name, "", "", value, _UNITS.get(name, "")
    for band in report.bands:
        for name, value in records.to_dict(band).items():
            if name not in ("low", "high"):
                yield "band", name, band.low, band.high, value, _UNITS.get(name, "")
    step = report.fsc_step or 0.0
    for shell, value in enumerate(report.fsc or (), start=1):
        yield "fsc", f"shell {shell}", (shell - 0.5) * step, (shell + 0.5) * step, value, ""
