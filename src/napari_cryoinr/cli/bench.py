"""`cryoinr bench`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import GoalMissed, SettingsError
from ..settings import Settings
from ..support.output_paths import check_output
from .common_options import PATH, echo, overwrite_option, quiet_option
from .options import given_values, options_of
from .progress_bar import show

if TYPE_CHECKING:
    from ..bench import Case, MapBench, Row


@click.command("bench")
@click.argument("maps", nargs=-1, required=True, type=PATH, metavar="MAP...")
@options_of(Settings, only=("threshold", "resolution", "model", "effort", "device"))
@click.option(
    "--errors",
    metavar="E,E,...",
    help="FSC (fsc), NRMSE (contour) or PSNR in dB (whole) to reach, with commas between them.",
)
@click.option(
    "--regime",
    type=click.Choice(("fsc", "contour", "whole", "auto")),
    default="auto",
    help="What counts: Fourier shells in the soft mask, voxels above the threshold, all voxels, or"
    " what the model keeps by default.",
)
@click.option("--lossless", is_flag=True, help="One more row: every voxel bit for bit.")
@click.option(
    "--peers",
    metavar="NAME,...",
    help="Of sperr, sz3, zfp, and for --lossless gzip, zstd, blosc2, pcodec, zfp; default: all.",
)
@click.option("--plot", type=PATH, help="Rate-distortion curves, as .png or .svg.")
@click.option("--json", "json_file", type=PATH, help="Everything measured, as JSON.")
@overwrite_option
@quiet_option
def command(
    maps: tuple[Path, ...],
    errors: str | None,
    regime: str,
    lossless: bool,
    peers: str | None,
    plot: Path | None,
    json_file: Path | None,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compare our size, time and memory with other codecs' at the same error, on any maps.

    Each map is compressed to each error, and each peer is then tuned to the error that we reached.
    The others come with imagecodecs.
    """
    from ..bench import MapBench, cases_for, chosen_peers, table
    from ..bench.plots import SUFFIXES, write_plot
    from ..maps.map_reading import read_map
    from ..support.atomic_files import write_bytes

    if plot is not None:
        check_output(plot, suffixes=SUFFIXES, inputs=maps, overwrite=overwrite)
    if json_file is not None:
        check_output(json_file, suffixes=(".json",), inputs=maps, overwrite=overwrite)
    asked = _numbers(errors)
    threshold, resolution = given.pop("threshold"), given.pop("resolution")
    base = Settings(**given_values(Settings, given))
    codecs = chosen_peers(peers.split(",") if peers else None)
    rows: list[Row] = []
    for path in maps:
        density_map = read_map(path)
        cases = cases_for(
            density_map,
            threshold,
            regime,
            asked,
            resolution=resolution,
            lossless=lossless,
            model=base.model,
        )
        rows += _rows_of(MapBench(path, density_map, codecs, base), cases, quiet)
    if not rows:
        raise GoalMissed("no error was reached; nothing to compare")
    if plot is not None:
        write_plot(plot, rows)
    if json_file is not None:
        write_bytes(json_file, (json.dumps(table.to_json(rows), indent=1) + "\n").encode())
    if not quiet:
        for text in table.mean_lines(rows):
            echo(text)


def _rows_of(bench: MapBench, cases: list[Case], quiet: bool) -> list[Row]:
    """Measure one map and print each row as soon as it is there."""
    from ..bench import table

    rows: list[Row] = []
    regime = ""
    for case in cases:
        if case.regime != regime and not quiet:
            shape = " × ".join(map(str, bench.map.data.shape))
            echo(f"{bench.path.name}: {shape} voxels, {case.measured}")
            echo(table.line())
        regime = case.regime
        try:
            rows.append(show(bench.row_steps(case), quiet))
        except GoalMissed as missed:
            warnings.warn(f"no row: {missed}", stacklevel=2)
        else:
            if not quiet:
                echo(table.line(rows[-1]))
    return rows


def _numbers(text: str | None) -> list[float] | None:
    """Parse the numbers of --errors."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise SettingsError(
            f"--errors {text!r}: give numbers with commas between them, like 0.05,0.1"
        ) from error
