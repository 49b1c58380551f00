"""`cryoinr to-zarr`."""

from __future__ import annotations

from pathlib import Path

import click

from ..settings import EFFORTS
from .common_options import DEVICES, PATH, echo, overwrite_option, quiet_option
from .progress_bar import show


class _Levels(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A number, or auto."""

    name = "n|auto"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | int:
        if value == "auto" or isinstance(value, int):
            return value
        if not value.isdecimal():
            self.fail(f"{value!r}: give a number, or auto", param, ctx)
        return int(value)


@click.command("to-zarr")
@click.argument("path", type=PATH, metavar="IN.mrc")
@click.argument("out", type=PATH, metavar="OUT.ome.zarr")
@click.option(
    "--psnr",
    type=float,
    help="dB by which the RMS error of each chunk lies below the range of the whole volume.",
)
@click.option(
    "--nrmse",
    type=float,
    help="RMS error of each chunk as a share of the standard deviation of the whole volume."
    "  [default: 0.1, without another goal]",
)
@click.option("--max-error", type=float, help="The largest error of a voxel.")
@click.option(
    "--chunk",
    type=int,
    default=96,
    show_default=True,
    help="Voxels along each axis of a chunk, 16 to 256.",
)
@click.option(
    "--levels",
    type=_Levels(),
    default="auto",
    show_default=True,
    help="Levels of the pyramid, each half the size of the one before; auto ends at one chunk.",
)
@click.option(
    "--effort",
    type=click.Choice(EFFORTS),
    default="fast",
    show_default=True,
    help="How much is tried for small chunks.",
)
@click.option("--device", type=DEVICES, default="auto", help="Where the chunks are fitted.")
@overwrite_option
@quiet_option
def command(
    path: Path,
    out: Path,
    psnr: float | None,
    nrmse: float | None,
    max_error: float | None,
    chunk: int,
    levels: int | str,
    effort: str,
    device: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write IN.mrc as an OME-Zarr pyramid, which napari, dask and zarr open.

    Each chunk is stored on its own. An uncompressed IN.mrc is read part by part. Needs zarr, which
    napari-cryoinr[zarr] installs.
    """
    from ..ome_zarr.pyramid_writing import to_zarr_steps

    steps = to_zarr_steps(
        path,
        out,
        psnr=psnr,
        nrmse=nrmse,
        max_error=max_error,
        chunk=chunk,
        levels=levels,
        effort=effort,
        device=device,
        overwrite=overwrite,
    )
    made = show(steps, quiet)
    if not quiet:
        for level, shape in enumerate(made.shapes):
            name, error = made.settings[level].goal
            size = " × ".join(map(str, shape))
            echo(f"level {level}: {size} voxels (z, y, x), {_GOALS[name]} {error:.4g}")
        ratio = made.raw_bytes / made.bytes
        echo(f"{out}: {made.bytes:,} bytes, {ratio:.2f} : 1")


_GOALS = {"rms_error": "RMS error of each chunk at most", "max_error": "largest error"}
