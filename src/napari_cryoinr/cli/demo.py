"""`cryoinr demo`."""

from __future__ import annotations

from pathlib import Path

import click

from .common_options import PATH


@click.command("demo")
@click.argument("path", required=False, type=PATH, metavar="[MAP]")
def command(path: Path | None) -> None:
    """Open napari with a map, the widget Compress map and a guided tour.

    MAP is an MRC/CCP4 or .cinr file; without one it is EMD-6824, which comes with the package.
    """
    from ..errors import MapError
    from ..gui.demo_window import show

    if path is not None and not path.is_file():
        raise MapError(f"{path}: no such file")
    show(path)
