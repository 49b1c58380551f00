"""`cryoinr verify`."""

from __future__ import annotations

from pathlib import Path

import click

from .common_options import PATH, echo, quiet_option
from .progress_bar import show


@click.command("verify")
@click.argument("archive", type=PATH, metavar="IN.cinr")
@quiet_option
def command(archive: Path, quiet: bool) -> None:
    """Check every checksum of IN.cinr and decode all its maps."""
    from ..archive import open_archive

    for member in open_archive(archive):
        show(member.check_steps(), quiet)
        if not quiet:
            echo(f"{archive}: {member.name}: all checksums are right")
