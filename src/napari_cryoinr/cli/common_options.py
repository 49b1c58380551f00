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

_COMPARISON = (
    click.option(
        "--threshold",
        help="Contour: a density, Nsigma, auto or none.  [default: that of the .cinr, or auto]",
    ),
    click.option(
        "--keep",
        type=click.Choice(("envelope", "contour")),
        help="What counts: the soft mask round the contour, or the voxels above it.  [default: what"
        " the .cinr keeps, or envelope]",
    ),
    click.option(
        "--mask",
        type=PATH,
        help="Soft mask, 0 to 1, that counts in place of the one round the contour.",
    ),
    click.option(
        "--resolution",
        type=click.FloatRange(min=0, min_open=True),
        help="Å up to which Fourier shells count.  [default: that of the .cinr, or from the map]",
    ),
    click.option(
        "--model",
        type=PATH,
        help="Atomic model (PDB or mmCIF, .gz too) to compare with both maps; needs gemmi, which"
        " napari-cryoinr[model] installs.",
    ),
)


def comparison_options(command: Any) -> Any:
    """Add the options that say how two maps are compared."""
    for option in reversed(_COMPARISON):
        command = option(command)
    return command


def echo(text: Any, *, err: bool = False) -> None:
    """Print text; control characters, which names in files may hold, are shown as escapes."""
    click.echo(escaped(str(text)), err=err)


def escaped(text: str) -> str:
    """Return the text with all that a terminal would not show written as escapes."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
