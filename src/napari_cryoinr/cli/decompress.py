"""`cryoinr decompress`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..maps.mrc_header import MODE_NAMES
from ..support.output_paths import file_stems
from .common_options import DEVICES, PATH, echo, member_option, overwrite_option, quiet_option
from .inputs import single_member
from .progress_bar import show

if TYPE_CHECKING:
    from ..archive import Archive


@click.command("decompress")
@click.argument("archive", type=PATH, metavar="IN.cinr")
@click.argument("out", type=PATH, metavar="OUT.mrc|FOLDER")
@member_option
@click.option("--level", type=int, default=0, help="0 is full resolution, each level halves it.")
@click.option(
    "--mode",
    type=click.Choice(tuple(MODE_NAMES.values())),
    help="Voxel mode of the file; by default that of the original.",
)
@click.option(
    "--device",
    type=DEVICES,
    default="cpu",
    help="Where to decode; the voxels are the same everywhere.",
)
@overwrite_option
@quiet_option
def command(
    archive: Path,
    out: Path,
    member: str | None,
    level: int,
    mode: str | None,
    device: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write a map of IN.cinr as OUT.mrc (also .map, .ccp4, .rec, .st, and .gz or .bz2 after them).

    If OUT is a folder, every map (or the chosen one) goes there under its own name. The voxels are
    compared with the stored checksum.
    """
    from ..archive import open_archive
    from ..codec.decompression import decompress_steps
    from ..maps.map_writing import check_map_output

    opened = open_archive(archive)
    if out.is_dir():
        wanted = _in_folder(opened, member, out)
    else:
        wanted = {out: single_member(opened, member).name}
    for path in wanted:  # all of them before the first is written
        check_map_output(path, inputs=[archive], overwrite=overwrite)
    for path, name in wanted.items():
        steps = decompress_steps(
            archive, path, name, level, mode, device, lazy=True, overwrite=overwrite
        )
        result = show(steps, quiet)
        if not quiet:
            echo(f"{path}: {' × '.join(map(str, result.data.shape))} voxels (z, y, x)")


def _in_folder(archive: Archive, member: str | None, folder: Path) -> dict[Path, str]:
    """Return the name of the map for each file to be written."""
    chosen = None if member is None else archive.member(member).name
    names = [item.name for item in archive]
    files = {}
    for name, stem in zip(names, file_stems(names), strict=True):
        if file_stems([name]) != [stem]:
            warnings.warn(
                f"{name} is written as {stem}.mrc: another map has its file name", stacklevel=2
            )
        if chosen in (None, name):
            files[folder / f"{stem}.mrc"] = name
    return files
