"""`cryoinr sample`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sample")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.mrc")
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
def command(out: Path, size: int, seed: int) -> None:
    """Write a synthetic map: a molecule of pseudo-atoms in solvent noise."""
    from ..maps.map_writing import write_map
    from ..maps.synthetic_maps import synthetic_map

    density_map = synthetic_map(size, seed=seed)
    write_map(density_map, out, label="napari-cryoinr: synthetic map of pseudo-atoms")
    click.echo(f"{out}: {size}³ voxels of {density_map.voxel_size[0]:g} Å")
