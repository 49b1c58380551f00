"""`cryoinr compare`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .common_options import PATH, echo, quiet_option
from .inputs import load_map
from .progress_bar import show


@click.command("compare")
@click.argument("original", type=PATH, metavar="A")
@click.argument("decoded", type=PATH, metavar="B")
@click.option(
    "--threshold",
    default="auto",
    help="Contour: a density of A, Nsigma, auto, or none for all voxels.  [default: auto]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@quiet_option
def command(original: Path, decoded: Path, threshold: str, as_json: bool, quiet: bool) -> None:
    """Print the quality report of map B against its original A (MRC or .cinr each)."""
    from ..maps.statistics import statistics
    from ..maps.threshold import resolve_threshold
    from ..quality import compare_steps

    a, b = load_map(original, quiet), load_map(decoded, quiet)
    contour = resolve_threshold(threshold, statistics(a))
    report = show(compare_steps(a, b.data, contour), quiet)
    echo(json.dumps(report.to_dict(), indent=1) if as_json else report.text())
