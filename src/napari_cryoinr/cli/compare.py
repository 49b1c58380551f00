"""`cryoinr compare`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .common_options import PATH, contour_option, echo, member_option, quiet_option
from .inputs import compared


@click.command("compare")
@click.argument("original", type=PATH, metavar="A")
@click.argument("decoded", type=PATH, metavar="B")
@member_option
@contour_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@quiet_option
def command(
    original: Path,
    decoded: Path,
    member: str | None,
    threshold: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the quality report of map B against its original A (MRC or .cinr each)."""
    _, _, report = compared(original, decoded, member, threshold, quiet)
    echo(json.dumps(report.to_dict(), indent=1) if as_json else report.text())
