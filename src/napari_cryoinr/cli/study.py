"""`cryoinr study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..study.study_settings import PARTS, StudySettings
from .common_options import PATH, echo, quiet_option
from .options import given_values, options_of
from .progress_bar import show

if TYPE_CHECKING:
    from ..study.entries import Entry


@click.command("study")
@click.argument("maps", nargs=-1, required=True, type=PATH, metavar="MAP...")
@click.option("--out", required=True, type=PATH, help="Folder of the rows, tables, plots and page.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    help="What to measure; may be given again.  [default: everything]",
)
@options_of(StudySettings)
@quiet_option
def command(
    maps: tuple[Path, ...], out: Path, parts: tuple[str, ...], quiet: bool, **given: Any
) -> int:
    """Measure what the source of the model paper claims, and leaves open, on any maps.

    Every row is stored at once: a study that was stopped goes on where it was. study.html in OUT
    has each claim beside what was measured.
    """
    from ..study import study_steps
    from ..study.pages import PAGE

    settings = StudySettings(**given_values(StudySettings, given))
    report = None if quiet else _tell
    found = show(study_steps(maps, out, settings, parts=parts or PARTS, report=report), quiet)
    for name, why in found.failed:
        echo(f"error: {name}: {why}", err=True)
    if not quiet:
        count = len(found.entries)
        failed = sum(entry.measured is None for entry in found.entries)
        echo(f"{count} rows, {found.stored} of them not measured again, {failed} failed")
        echo(f"{out / PAGE}")
    return int(bool(found.failed))


def _tell(entry: Entry) -> None:
    """Print a row as soon as it is there."""
    m = entry.measured
    text = f"failed: {entry.error}"
    if m is not None:
        text = f"{m.ratio:.2f} : 1, {m.within:.2%} within 20 %, mean relative error {m.error:.2%}"
    echo(f"{entry.part}  {entry.name}  {entry.variant}  {text}")
