"""`cryoinr decompress`."""

from __future__ import annotations

from pathlib import Path

import click

from ..maps.mrc_header import MODE_NAMES
from .inputs import file_name, single_member
from .progress_bar import show


@click.command("decompress")
@click.argument("archive", type=click.Path(path_type=Path), metavar="IN.cinr")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT.mrc")
@click.option("--member", help="Name or number (from 0) of the map; needed if there are several.")
@click.option("--level", type=int, default=0, help="0 is full resolution, each level halves it.")
@click.option(
    "--mode",
    type=click.Choice(tuple(MODE_NAMES.values())),
    help="Voxel mode of the file; by default that of the original.",
)
@click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda", "mps")),
    default="cpu",
    help="Where to decode; the voxels are the same everywhere.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    archive: Path,
    out: Path,
    member: str | None,
    level: int,
    mode: str | None,
    device: str,
    quiet: bool,
) -> None:
    """Write a map of IN.cinr as OUT.mrc (also .map, .ccp4, .rec, .st, and .gz or .bz2 behind them).

    If OUT is a folder, every map (or the chosen one) goes there under its own name. The voxels are
    compared with the stored checksum.
    """
    from ..archive import open_archive
    from ..codec.decompression import decompress_steps

    opened = open_archive(archive)
    if out.is_dir():
        chosen = list(opened) if member is None else [opened.member(member)]
        wanted = [(item.name, out / file_name(item)) for item in chosen]
    else:
        wanted = [(single_member(opened, member).name, out)]
    for key, path in wanted:
        result = show(decompress_steps(archive, path, key, level, mode, device), quiet)
        if not quiet:
            click.echo(f"{path}: {' × '.join(map(str, result.data.shape))} voxels (z, y, x)")
