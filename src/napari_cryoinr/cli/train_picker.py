"""`cryoinr train-picker`."""

from __future__ import annotations

from pathlib import Path

import click

from ..picking.picking_settings import NETWORKS, TrainingSettings
from ..support.output_paths import check_output
from .common_options import DEVICES, PATH, echo, overwrite_option, quiet_option
from .progress_bar import show


@click.command("train-picker")
@click.argument("micrographs", nargs=-1, required=True, type=PATH)
@click.option(
    "--coordinates",
    required=True,
    type=PATH,
    help="Folder of coordinates: for A.mrc or A_avg.mrc the first of A.csv, A_gt.csv, A.box,"
    " A_gt.box, A.star, A_gt.star.",
)
@click.option("--box", required=True, type=float, help="Side of the square around a particle, px.")
@click.option("--out", required=True, type=PATH, help="The model, *.h5.")
@click.option("--network", type=click.Choice(NETWORKS), default="modern", show_default=True)
@click.option("--model", type=PATH, help="A model to go on from.")
@click.option("--iterations", type=int, help="Training steps; by default the network's own number.")
@click.option(
    "--held-out",
    type=float,
    default=0.15,
    show_default=True,
    help="Share of each micrograph that is only tested on; nothing is where few are known.",
)
@click.option("--device", type=DEVICES, default="auto")
@click.option("--seed", type=int, default=0, show_default=True)
@overwrite_option
@quiet_option
def command(
    micrographs: tuple[Path, ...],
    coordinates: Path,
    box: float,
    out: Path,
    network: str,
    model: Path | None,
    iterations: int | None,
    held_out: float,
    device: str,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Train a particle picker on MICROGRAPHS (files or folders) whose particles are known.

    Not all particles need be known; twenty are enough to begin with.
    """
    inputs = micrographs if model is None else (*micrographs, model)
    check_output(out, suffixes=(".h5", ".hdf5"), inputs=inputs, overwrite=overwrite)
    settings = TrainingSettings(
        box=box, network=network, iterations=iterations, held_out=held_out, device=device, seed=seed
    )

    from ..picking.folder_picking import examples_from
    from ..picking.micrographs import find_micrographs
    from ..picking.picker import train_picker_steps
    from ..picking.picker_model import PickerModel

    start = None if model is None else PickerModel.load(model)
    examples = examples_from(find_micrographs(micrographs), coordinates)
    trained = show(train_picker_steps(examples, settings, start), quiet)
    trained.save(out, overwrite=overwrite)
    if not quiet:
        last = trained.rounds[-1]
        echo(
            f"{out}: {network}, box {box:g} px, {last.particles} particles in {last.micrographs}"
            f" micrographs, {last.seconds:.0f} s"
        )
        if last.held_out:
            echo(f"of {last.held_out} others that are known it finds {last.found}")
