"""What there must be before a pyramid is written: zarr, and a place."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from ..errors import OutputError, SettingsError


def import_zarr() -> Any:
    """Import zarr; a `SettingsError` says how to install it."""
    try:
        return importlib.import_module("zarr")
    except ImportError as error:
        raise SettingsError(
            f"OME-Zarr needs zarr, which cannot be imported ({error}):"
            " python -m pip install 'napari-cryoinr[zarr]'"
        ) from error


def check_zarr_output(out: Path, path: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that is no place for a Zarr group that is made of a file.

    Raises
    ------
    OutputError
        If the name does not end in .zarr, its folder does not exist, it holds the input, or
        something is there that may not be replaced, or is no Zarr group.
    """
    if out.suffix != ".zarr":
        raise OutputError(f"{out}: the name must end in .zarr, best in .ome.zarr")
    real = Path(os.path.realpath(out))
    if not real.parent.is_dir():
        raise OutputError(f"{out}: the folder {real.parent} does not exist; make it first")
    if not os.path.lexists(out):
        return
    if real in Path(os.path.realpath(path)).parents:
        raise OutputError(f"{out}: holds the input {path}; give another name")
    if not (out / "zarr.json").is_file():
        raise OutputError(f"{out}: is there and is no Zarr group; give another name")
    if not overwrite:
        raise OutputError(
            f"{out}: exists already; give another name, or allow it to be overwritten"
            " (--overwrite; in Python overwrite=True)"
        )
