"""`cryoinr compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .common_options import PATH, comparison_options, echo, member_option, quiet_option
from .inputs import compared


@click.command("compare")
@click.argument("original", type=PATH, metavar="A")
@click.argument("decoded", type=PATH, metavar="B")
@member_option
@comparison_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@quiet_option
def command(original: Path, decoded: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Print the quality report of map B against its original A (MRC or .cinr each)."""
    result = compared(original, decoded, quiet=quiet, **given)
    if as_json:
        model = {} if result.model is None else {"model": result.model.to_dict()}
        echo(json.dumps(result.report.to_dict() | model, indent=1))
        return
    echo(result.report.text())
    if result.model is not None:
        echo(f"\n{result.model.text()}")
