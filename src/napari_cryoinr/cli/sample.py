"""`cryoinr sample`."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import SettingsError
from .common_options import PATH, echo, overwrite_option


@click.command("sample")
@click.argument("out", type=PATH, metavar="OUT.mrc")
@click.option(
    "--size", type=click.IntRange(16, 1024), help="Voxels along each axis.  [default: 64]"
)
@click.option("--seed", type=int, help="Another seed, another molecule.  [default: 0]")
@click.option("--real", is_flag=True, help="Write EMD-6824, which comes with the package, instead.")
@overwrite_option
def command(out: Path, size: int | None, seed: int | None, real: bool, overwrite: bool) -> None:
    """Write a map to try things on: a synthetic molecule in solvent noise, or a real map."""
    from ..maps.map_writing import check_map_output, write_map
    from ..maps.synthetic_maps import synthetic_map
    from ..progress import drain
    from ..samples import real_map_steps

    if real and not (size is None and seed is None):
        raise SettingsError("--size and --seed are of a synthetic map: leave them out, or --real")
    check_map_output(out, overwrite=overwrite)
    if real:
        density_map, label = drain(real_map_steps()), "napari-cryoinr: sample EMD-6824"
    else:
        density_map = synthetic_map(size or 64, seed=seed or 0)
        label = "napari-cryoinr: synthetic map of pseudo-atoms"
    write_map(density_map, out, label=label, overwrite=overwrite)
    echo(f"{out}: {len(density_map.data)}³ voxels of {density_map.voxel_size[0]:g} Å")
