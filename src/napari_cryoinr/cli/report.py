"""`cryoinr report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError
from ..support.output_paths import check_output
from .common_options import (
    PATH,
    comparison_options,
    echo,
    member_option,
    overwrite_option,
    quiet_option,
)
from .inputs import compared, sized_quality

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
@comparison_options
@overwrite_option
@quiet_option
def command(
    decoded: Path,
    out: Path,
    reference: Path | None,
    member: str | None,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write the quality report as one self-contained HTML file, or as a PNG picture."""
    from ..quality.html_report import Section, write_picture, write_report

    others = (reference, given["model"], given["mask"])
    inputs = [decoded, *(path for path in others if path is not None)]
    check_output(out, suffixes=(".html", ".png"), inputs=inputs, overwrite=overwrite)
    if reference is None:
        if out.suffix.lower() == ".png":
            raise SettingsError("a picture needs the original map: give it with --reference")
        for name in ("model", "mask"):
            if given[name] is not None:
                raise SettingsError(
                    f"a {name} needs the original map to compare: give it with --reference"
                )
        sections = _recorded(decoded, member)
    else:
        result = compared(reference, decoded, member=member, quiet=quiet, **given)
        original, voxels, report = result.original, result.decoded, result.report
        note = f"{decoded.name} against {reference.name}" + _symmetry_of(decoded, member)
        sections = [Section(original.name, original, voxels, report, note, result.model)]
        if out.suffix.lower() == ".png":
            write_picture(out, original, voxels, report, overwrite=overwrite)
    if out.suffix.lower() == ".html":
        write_report(out, sections, f"Quality report of {decoded.name}", overwrite=overwrite)
    if not quiet:
        for section in sections:
            echo(f"{section.name}: {section.report.verdict()}")
        echo(f"{out}: {out.stat().st_size:,} bytes")


def _symmetry_of(path: Path, member: str | None) -> str:
    """Return what is to be said of the symmetry that a map is stored by, if it has one."""
    from ..archive import open_archive

    if path.suffix.lower() != ".cinr":
        return ""
    archive = open_archive(path)
    text = (archive[0] if member is None else archive.member(member)).symmetry
    return f"; stored by its symmetry, {text}" if text else ""


def _recorded(path: Path, member: str | None) -> list[Section]:
    """Make a section for each map, or the one that was named, of what the archive recorded."""
    from ..archive import open_archive
    from ..quality.html_report import Section

    archive = open_archive(path)
    note = "As recorded when the file was made; the original was not at hand."
    chosen = list(archive) if member is None else [archive.member(member)]
    reports = {item.name: sized_quality(item, archive) for item in chosen}
    return [
        Section(name, None, None, report, note)
        for name, report in reports.items()
        if report is not None
    ]
