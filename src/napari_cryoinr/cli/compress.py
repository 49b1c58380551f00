"""`cryoinr compress`."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import click

from ..errors import SettingsError
from ..settings import Settings
from ..support.output_paths import check_output
from .common_options import PATH, echo, overwrite_option, quiet_option
from .options import CommandWithModels, settings_from, settings_options
from .progress_bar import show


@click.command("compress", cls=CommandWithModels)
@click.argument("maps", nargs=-1, required=True, type=PATH, metavar="MAP...")
@click.argument("out", type=PATH, metavar="OUT.cinr")
@settings_options
@click.option(
    "--settings",
    "settings_file",
    type=PATH,
    help="JSON file of settings, as `cryoinr info --json` shows them; other options override it.",
)
@click.option(
    "--mask",
    "mask_files",
    type=PATH,
    multiple=True,
    help="Soft mask, 0 to 1, that is kept in place of the one round the structure: one for all maps"
    " or, given again, one for each.",
)
@click.option(
    "--half-maps",
    "half_map_files",
    type=PATH,
    nargs=2,
    multiple=True,
    metavar="HALF1 HALF2",
    help="Half-maps: in each Fourier shell the error stays below a tenth of their noise; one pair"
    " for each map.",
)
@click.option("--strict", is_flag=True, help="Refuse maps whose header is wrong in any way.")
@overwrite_option
@quiet_option
def command(
    maps: tuple[Path, ...],
    out: Path,
    settings_file: Path | None,
    mask_files: tuple[Path, ...],
    half_map_files: tuple[tuple[Path, Path], ...],
    strict: bool,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compress one map or several (MRC2014/CCP4, plain, .gz or .bz2) into OUT.cinr.

    Several maps in one archive share what they have in common. The quality report is printed at
    the end. Ctrl-C during a training finishes with what was reached, a second one cancels.
    """
    base = Settings()
    if settings_file is not None:
        try:
            base = Settings.from_dict(json.loads(settings_file.read_text()))
        except (ValueError, RecursionError) as error:  # neither JSON nor text
            raise SettingsError(f"{settings_file}: not JSON ({error})") from error
    settings = settings_from(base, given)
    if len(mask_files) not in (0, 1, len(maps)):
        raise SettingsError(f"{len(mask_files)} masks for {len(maps)} maps: give one, or as many")
    inputs = [*maps, *mask_files, *itertools.chain(*half_map_files)]
    if settings_file is not None:
        inputs.append(settings_file)
    check_output(out, suffixes=(".cinr",), inputs=inputs, overwrite=overwrite)

    from .. import models
    from ..codec.compression import compress_steps
    from ..maps.map_reading import read_map

    loaded = [read_map(path, strict=strict) for path in maps]
    advice = models.get(settings.model_name).size_advice(
        settings.request().own, sum(density_map.raw_bytes for density_map in loaded)
    )
    if advice is not None:
        warnings.warn(advice, stacklevel=2)
    masks = [read_map(path).data for path in mask_files]
    halves = [(read_map(one), read_map(other)) for one, other in half_map_files]
    steps = compress_steps(
        loaded,
        out,
        settings,
        masks=masks * len(loaded) if len(masks) == 1 else masks or None,
        half_maps=halves or None,
        overwrite=overwrite,
    )
    reports = show(steps, quiet, may_finish=True)
    if quiet:
        return
    for density_map, report in zip(loaded, reports, strict=True):
        echo(f"{density_map.name}\n{report.text()}\n")
    echo(f"{out}: {reports[0].bytes:,} bytes, {reports[0].ratio:.2f} : 1")
