"""Options and output that several sub-commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)
DEVICES = click.Choice(("auto", "cpu", "cuda", "mps"))

quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace an output file that exists; never an input."
)
member_option = click.option("--member", help="Name or number (from 0) of one map of several.")

contour_option = click.option(
    "--threshold",
    help="Contour: a density, Nsigma, auto or none.  [default: that of the .cinr, or auto]",
)


def echo(text: Any, *, err: bool = False) -> None:
    """Print text; control characters, which names in files may hold, are shown as escapes."""
    click.echo(escaped(str(text)), err=err)


def escaped(text: str) -> str:
    """Return the text with all that a terminal would not show written as escapes."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
