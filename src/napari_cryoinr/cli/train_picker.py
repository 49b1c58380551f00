"""`cryoinr train-picker`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..picking.picking_settings import TrainingSettings
from ..support.output_paths import check_output
from .common_options import PATH, echo, overwrite_option, quiet_option
from .options import given_values, options_of
from .progress_bar import show


@click.command("train-picker")
@click.argument("micrographs", nargs=-1, required=True, type=PATH)
@click.option(
    "--coordinates",
    required=True,
    type=PATH,
    help="Folder of coordinates: for A.mrc or A_avg.mrc the first of A.csv, A_gt.csv, A.box,"
    " A_gt.box, A.star, A_gt.star and others; or one file for all micrographs.",
)
@click.option("--out", required=True, type=PATH, help="The model, *.h5.")
@click.option("--model", type=PATH, help="A trained model to continue from.")
@options_of(TrainingSettings)
@overwrite_option
@quiet_option
def command(
    micrographs: tuple[Path, ...],
    coordinates: Path,
    out: Path,
    model: Path | None,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a particle picker on MICROGRAPHS (files or folders) whose particles are known.

    Not all particles need be known; twenty are enough to begin with. The box is in pixels of the
    first micrograph; those of another pixel size are resampled.
    """
    inputs = micrographs if model is None else (*micrographs, model)
    check_output(out, suffixes=(".h5", ".hdf5"), inputs=inputs, overwrite=overwrite)
    settings = TrainingSettings(**given_values(TrainingSettings, given))

    from ..picking.folder_picking import examples_from
    from ..picking.micrographs import micrographs_below
    from ..picking.picker_model import PickerModel
    from ..picking.scaled_picking import train_picker_steps

    start = None if model is None else PickerModel.load(model)
    examples = examples_from(micrographs_below(micrographs), coordinates)
    trained = show(train_picker_steps(examples, settings, start), quiet)
    trained.save(out, overwrite=overwrite)
    if not quiet:
        last = trained.rounds[-1]
        echo(
            f"{out}: {settings.network}, box {settings.box:g} px, {last.particles} particles in"
            f" {last.micrographs} micrographs, {last.seconds:.0f} s"
        )
        if last.held_out:
            echo(f"finds {last.found} of the {last.held_out} particles that were held out")
