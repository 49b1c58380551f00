"""`cryoinr verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import MapError
from .common_options import PATH, echo, quiet_option
from .progress_bar import show

if TYPE_CHECKING:
    from ..archive import Archive, Member
    from ..maps.density_map import DensityMap


@click.command("verify")
@click.argument("archive", type=PATH, metavar="IN.cinr")
@click.option(
    "--reference", type=PATH, help="The original map: print the quality report against it too."
)
@click.option("--member", help="Name or number of the map that the reference is.")
@quiet_option
def command(archive: Path, reference: Path | None, member: str | None, quiet: bool) -> None:
    """Check every checksum of IN.cinr and decode all its maps."""
    from ..archive import open_archive
    from ..maps.map_reading import read_map
    from ..quality import compare_steps

    opened = open_archive(archive)
    original = read_map(reference) if reference is not None else None
    chosen = _member_for(original, opened, member) if original is not None else None
    for item in opened:
        voxels = show(item.verify_steps(), quiet)
        if not quiet:
            echo(f"{archive}: {item.name}: all checksums are right")
        if item is chosen and original is not None and not quiet:
            same = _same_original(item, original)
            report = show(compare_steps(original, voxels, item.threshold, item.contour), quiet)
            report = report.with_size(opened.bytes, opened.raw_bytes)
            echo(f"against {reference}" + ("" if same else " (not the map it was made from)"))
            echo(report.text())


def _member_for(original: DensityMap, archive: Archive, key: str | None) -> Member:
    """The member that the reference is: named, the only one, or the one with its checksum."""
    if key is not None or len(archive) == 1:
        return archive.member(key or "0")
    for member in archive:
        if _same_original(member, original):
            return member
    names = ", ".join(member.name for member in archive)
    raise MapError(f"{original.name}: which map is it? choose with --member among {names}")


def _same_original(member: Member, original: DensityMap) -> bool:
    from ..support.checksums import voxel_checksum

    parts = (original.data[part] for part in original.slabs())
    return voxel_checksum(parts) == member.header.original_checksum
