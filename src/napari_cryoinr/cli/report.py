"""`cryoinr report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SettingsError
from ..support.output_paths import check_output
from .common_options import PATH, echo, member_option, overwrite_option, quiet_option
from .inputs import load_map, single_member
from .progress_bar import show

if TYPE_CHECKING:
    from ..quality.html_report import Section


@click.command("report")
@click.argument("decoded", type=PATH, metavar="IN.cinr|MAP")
@click.argument("out", type=PATH, metavar="OUT.html|OUT.png")
@click.option(
    "--reference",
    type=PATH,
    help="The original map; without it, what the .cinr file recorded is shown.",
)
@member_option
@click.option(
    "--threshold",
    default=None,
    help="Contour: a density, Nsigma, auto or none; by default that of the .cinr, or auto.",
)
@overwrite_option
@quiet_option
def command(
    decoded: Path,
    out: Path,
    reference: Path | None,
    member: str | None,
    threshold: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the quality report as one self-contained HTML file, or as a PNG picture."""
    from ..quality.html_report import write_picture, write_report

    inputs = [decoded] if reference is None else [decoded, reference]
    check_output(out, suffixes=(".html", ".png"), inputs=inputs, overwrite=overwrite)
    sections = (
        _recorded(decoded, member)
        if reference is None
        else [_measured(decoded, reference, member, threshold, quiet)]
    )
    if out.suffix.lower() == ".html":
        write_report(out, sections, f"Quality report of {decoded.name}", overwrite=overwrite)
    else:
        first = sections[0]
        if first.original is None or first.decoded is None:
            raise SettingsError("a picture needs the original map: give it with --reference")
        write_picture(out, first.original, first.decoded, first.report, overwrite=overwrite)
    if not quiet:
        for section in sections:
            echo(f"{section.name}: {section.report.verdict()}")
        echo(f"{out}: {out.stat().st_size:,} bytes")


def _recorded(path: Path, member: str | None) -> list[Section]:
    """Make a section for each map, or the one that was named, of what the archive recorded."""
    from ..archive import open_archive
    from ..quality.html_report import Section

    archive = open_archive(path)
    note = "As recorded when the file was made; the original was not at hand."
    return [
        Section(
            item.name, None, None, item.quality.with_size(archive.bytes, archive.raw_bytes), note
        )
        for item in (archive if member is None else [archive.member(member)])
        if item.quality is not None
    ]


def _measured(
    path: Path, reference: Path, member: str | None, threshold: str | None, quiet: bool
) -> Section:
    """Make a section that compares a map, or a member of an archive, with the original."""
    from ..archive import open_archive
    from ..archive.hdf5_file import looks_like_cinr
    from ..maps.statistics import statistics
    from ..maps.threshold import resolve_threshold
    from ..quality import compare_steps
    from ..quality.html_report import Section

    original = load_map(reference, quiet)
    archive = open_archive(path) if looks_like_cinr(path) else None
    if archive is None:
        voxels, contour, level = load_map(path, quiet).data, None, None
    else:
        item = single_member(archive, member)
        voxels = show(item.read_steps(), quiet)
        contour, level = item.threshold, item.contour
    if archive is None or threshold is not None:
        contour, level = resolve_threshold(threshold or "auto", statistics(original)), None
    report = show(compare_steps(original, voxels, contour, level), quiet)
    if archive is not None:
        report = report.with_size(archive.bytes, archive.raw_bytes)
    return Section(original.name, original, voxels, report, f"{path.name} against {reference.name}")
