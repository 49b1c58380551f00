"""`cryoinr batch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .batch_bars import batch_bars
from .common_options import PATH, echo, escaped, overwrite_option, quiet_option
from .compress_options import base_settings, compress_options
from .options import CommandWithModels, settings_from
from .progress_bar import show

if TYPE_CHECKING:
    from ..workers.map_jobs import MapResult

_WIDTH = 200  # of the table where it is not shown on a terminal


@click.command("batch", cls=CommandWithModels)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--out", required=True, type=PATH, help="Folder of the .cinr files and the summary.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Maps at a time on this machine, each in a process of its own.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS|FILE",
    help="Of a Dask cluster whose workers do the work; needs Dask, which napari-cryoinr[cluster]"
    " installs.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Of each job. Files of trained models may depend on it.  [default: one per processor]",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="How often a map is done again whose process died.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Keep files that are there, sound, and of the same map and settings; make the others.",
)
@compress_options
@overwrite_option
@quiet_option
def command(
    inputs: tuple[str, ...],
    out: Path,
    jobs: int,
    scheduler: str | None,
    threads: int | None,
    retries: int,
    resume: bool,
    settings_file: Path | None,
    mask_files: tuple[Path, ...],
    half_map_files: tuple[tuple[Path, Path], ...],
    strict: bool,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> int:
    """Compress many maps, each into a .cinr file of its own in the folder OUT.

    INPUT is a file, a folder with all its sub-folders, or a pattern. A map that fails does not stop
    the others. summary.csv and summary.html in OUT have a row for each map.
    """
    settings = settings_from(base_settings(settings_file), given)

    from ..batches.running import batch_steps
    from ..batches.summary import CSV_NAME, HTML_NAME, summary_line

    steps = batch_steps(
        inputs,
        out,
        settings,
        jobs=jobs,
        scheduler=scheduler,
        threads=threads,
        retries=retries,
        masks=mask_files,
        half_maps=half_map_files,
        strict=strict,
        resume=resume,
        overwrite=overwrite,
        report=_tell,
    )
    results = show(steps, quiet, bars=batch_bars)
    if not quiet:
        _print_table(results)
        echo(summary_line(results))
        echo(f"{out / CSV_NAME}, {HTML_NAME}")
    return int(any(result.error for result in results))


def _tell(result: MapResult) -> None:
    """Say at once what went wrong with a map."""
    for text in result.warnings:
        echo(f"warning: {result.name}: {text}", err=True)
    if result.error:
        echo(f"error: {result.name}: {result.error}", err=True)


def _print_table(results: list[MapResult]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..batches.summary import HEAD, summary_row

    table = Table(box=None, pad_edge=False)
    for title in HEAD:
        right = title in ("bytes", "ratio", "seconds")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for result in results:
        style = "red" if result.error else ""
        table.add_row(*(Text(escaped(text), style) for text in summary_row(result)))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(table)
