"""`cryoinr sample`."""

from __future__ import annotations

from pathlib import Path

import click

from .common_options import PATH, echo, overwrite_option


@click.command("sample")
@click.argument("out", type=PATH, metavar="OUT.mrc")
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=64,
    show_default=True,
    help="Voxels along each axis.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed, another molecule."
)
@overwrite_option
def command(out: Path, size: int, seed: int, overwrite: bool) -> None:
    """Write a synthetic map: a molecule of pseudo-atoms in solvent noise."""
    from ..maps.map_writing import check_map_output, write_map
    from ..maps.synthetic_maps import synthetic_map

    check_map_output(out, overwrite=overwrite)
    density_map = synthetic_map(size, seed=seed)
    label = "napari-cryoinr: synthetic map of pseudo-atoms"
    write_map(density_map, out, label=label, overwrite=overwrite)
    echo(f"{out}: {size}³ voxels of {density_map.voxel_size[0]:g} Å")
