"""`cryoinr report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SettingsError
from .inputs import load, single_member
from .progress_bar import show

if TYPE_CHECKING:
    from ..quality.html_report import Section


@click.command("report")
@click.argument("decoded", type=click.Path(path_type=Path), metavar="IN.cinr|MAP")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.html|OUT.png")
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="The original map; without it, what the .cinr file recorded is shown.",
)
@click.option("--member", help="Name or number of the map, where the .cinr holds several.")
@click.option(
    "--threshold",
    default=None,
    help="Contour: a density, Nsigma, auto or none; by default that of the .cinr, or auto.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    decoded: Path,
    out: Path,
    reference: Path | None,
    member: str | None,
    threshold: str | None,
    quiet: bool,
) -> None:
    """Write the quality report as one self-contained HTML file, or as a PNG picture."""
    from ..quality.html_report import write_picture, write_report

    if out.suffix.lower() not in (".html", ".png"):
        raise SettingsError(f"{out}: the name of a report ends in .html or .png")
    sections = (
        _recorded(decoded, member)
        if reference is None
        else [_measured(decoded, reference, member, threshold, quiet)]
    )
    if out.suffix.lower() == ".html":
        write_report(out, sections, f"Quality report of {decoded.name}")
    else:
        first = sections[0]
        if first.original is None or first.decoded is None:
            raise SettingsError("a picture needs the original map: give it with --reference")
        write_picture(out, first.original, first.decoded, first.report)
    if not quiet:
        for section in sections:
            click.echo(f"{section.name}: {section.report.verdict()}")
        click.echo(f"{out}: {out.stat().st_size:,} bytes")


def _recorded(path: Path, member: str | None) -> list[Section]:
    """A section for each map, or the one that was named, from what the archive recorded."""
    from ..archive import open_archive
    from ..quality.html_report import Section

    archive = open_archive(path)
    chosen = list(archive) if member is None else [archive.member(member)]
    return [
        Section(
            item.name,
            None,
            None,
            item.quality.with_size(archive.bytes, archive.raw_bytes),
            "As recorded when the file was made; the original was not at hand.",
        )
        for item in chosen
        if item.quality is not None
    ]


def _measured(
    path: Path, reference: Path, member: str | None, threshold: str | None, quiet: bool
) -> Section:
    from ..archive import open_archive
    from ..archive.container import looks_like_cinr
    from ..maps.statistics import statistics
    from ..maps.threshold import resolve_threshold
    from ..quality import compare_steps
    from ..quality.html_report import Section

    original = load(reference, quiet)
    if not looks_like_cinr(path):
        voxels, size, level = load(path, quiet).data, None, None
        contour = resolve_threshold(threshold or "auto", statistics(original))
    else:
        archive = open_archive(path)
        item = single_member(archive, member)
        voxels, size = show(item.read_steps(), quiet), (archive.bytes, archive.raw_bytes)
        contour, level = item.threshold, item.contour
        if threshold is not None:
            contour, level = resolve_threshold(threshold, statistics(original)), None
    report = show(compare_steps(original, voxels, contour, level), quiet)
    if size is not None:
        report = report.with_size(*size)
    return Section(original.name, original, voxels, report, f"{path.name} against {reference.name}")
