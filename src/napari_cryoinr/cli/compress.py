"""`cryoinr compress`."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import click

from ..errors import SettingsError
from ..support.output_paths import check_output
from .common_options import PATH, echo, overwrite_option, quiet_option
from .compress_options import base_settings, compress_options
from .framing_options import Halves, framed, framing_options
from .options import CommandWithModels, settings_from
from .progress_bar import show


@click.command("compress", cls=CommandWithModels)
@click.argument("maps", nargs=-1, required=True, type=PATH, metavar="MAP...")
@click.argument("out", type=PATH, metavar="OUT.cinr")
@compress_options
@framing_options
@overwrite_option
@quiet_option
def command(
    maps: tuple[Path, ...],
    out: Path,
    settings_file: Path | None,
    mask_files: tuple[Path, ...],
    half_map_files: tuple[tuple[Path, Path], ...],
    strict: bool,
    crop: str | None,
    factor: int | None,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compress one map or several (MRC2014/CCP4, plain, .gz or .bz2) into OUT.cinr.

    Several maps in one archive share what they have in common. The quality report is printed at
    the end. Ctrl-C during a training finishes with what was reached, a second one cancels.
    """
    settings = settings_from(base_settings(settings_file), given)
    if len(mask_files) not in (0, 1, len(maps)):
        raise SettingsError(f"{len(mask_files)} masks for {len(maps)} maps: give one, or as many")
    if len(half_map_files) not in (0, len(maps)):
        raise SettingsError(
            f"{len(half_map_files)} pairs of half-maps for {len(maps)} maps: give one pair for each"
        )
    inputs = [*maps, *mask_files, *itertools.chain(*half_map_files)]
    if settings_file is not None:
        inputs.append(settings_file)
    check_output(out, suffixes=(".cinr",), inputs=inputs, overwrite=overwrite)

    from .. import models
    from ..codec.compression import compress_steps
    from ..maps.map_reading import read_map

    # A large volume is read slab by slab where it is compressed so, and else refused unread.
    smaller = crop is not None or factor is not None
    lazy = len(maps) == 1 and not mask_files and not half_map_files and not smaller
    loaded = [read_map(path, strict=strict, lazy=lazy) for path in maps]
    masks = [read_map(path) for path in mask_files]
    if len(masks) == 1:
        masks *= len(loaded)
    halves: Halves = [(read_map(one), read_map(other)) for one, other in half_map_files]
    if smaller:
        loaded, masks, halves = framed(loaded, masks, halves, crop, factor, settings.threshold)
    advice = models.get(settings.model_name).size_advice(
        settings.request().own, sum(density_map.raw_bytes for density_map in loaded)
    )
    if advice is not None:
        warnings.warn(advice, stacklevel=2)
    steps = compress_steps(
        loaded,
        out,
        settings,
        masks=[mask.data for mask in masks] or None,
        half_maps=halves or None,
        overwrite=overwrite,
    )
    reports = show(steps, quiet, may_finish=True)
    if quiet:
        return
    for density_map, report in zip(loaded, reports, strict=True):
        echo(f"{density_map.name}\n{report.text()}\n")
    echo(f"{out}: {reports[0].bytes:,} bytes, {reports[0].ratio:.2f} : 1")
