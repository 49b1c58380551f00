"""Options of the commands that compress maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import SettingsError
from ..settings import Settings
from .common_options import PATH
from .options import settings_options

F = TypeVar("F", bound=Callable[..., Any])

_FILES = (
    click.option(
        "--settings",
        "settings_file",
        type=PATH,
        help="JSON file of settings, as `cryoinr info --json` shows them; other options override"
        " it.",
    ),
    click.option(
        "--mask",
        "mask_files",
        type=PATH,
        multiple=True,
        help="Soft mask, 0 to 1, that is kept in place of the one round the structure: one for all"
        " maps or, given again, one for each.",
    ),
    click.option(
        "--half-maps",
        "half_map_files",
        type=PATH,
        nargs=2,
        multiple=True,
        metavar="HALF1 HALF2",
        help="Half-maps: in each Fourier shell the error stays below a tenth of their noise; one"
        " pair for each map.",
    ),
    click.option("--strict", is_flag=True, help="Refuse maps whose header is wrong in any way."),
)


def compress_options(function: F) -> F:
    """Add the options of settings, and those of the files that belong to a map."""
    for option in reversed(_FILES):
        function = option(function)
    return settings_options(function)


def base_settings(file: Path | None) -> Settings:
    """Return the settings in a JSON file, which options override; the usual ones without a file."""
    if file is None:
        return Settings()
    try:
        return Settings.from_dict(json.loads(file.read_text()))
    except (ValueError, RecursionError) as error:  # neither JSON nor text
        raise SettingsError(f"{file}: not JSON ({error})") from error
