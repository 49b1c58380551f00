"""`cryoinr info`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import models
from .common_options import PATH, echo
from .inputs import sized_quality

if TYPE_CHECKING:
    from ..archive import Archive


@click.command("info")
@click.argument("archive", type=PATH, metavar="IN.cinr")
@click.option("--json", "as_json", is_flag=True, help="Everything the header says, as JSON.")
def command(archive: Path, as_json: bool) -> None:
    """Show what IN.cinr holds; only its header is read."""
    from ..archive import open_archive

    opened = open_archive(archive)
    if as_json:
        echo(json.dumps(describe(opened), indent=1))
        return
    echo(
        f"{archive}: {opened.bytes:,} bytes, {opened.ratio:.2f} : 1, {len(opened)} map(s), model"
        f" {_model(opened)}, written by napari-cryoinr {opened.header.package}"
    )
    for member in opened:
        size = ", ".join(f"{s:.4g}" for s in member.voxel_size)
        goal = member.header.residual
        echo(
            f"\n{member.name}: {' × '.join(map(str, member.shape))} voxels of {size} Å (z, y, x)"
            + (f", {goal.kind.replace('_', ' ')}" if goal else "")
        )
        if member.symmetry:
            echo(f"symmetry: {member.symmetry}")
        recorded = sized_quality(member, opened)
        if recorded is not None:
            echo(f"as recorded when the file was made:\n{recorded.text()}")


def _model(archive: Archive) -> str:
    """Return the model's name, and why it is that one."""
    head = archive.header
    if head.model.other is not None:
        return f"{head.model.name} (with {head.model.other} {head.model.other_bytes:,} bytes)"
    given = head.settings.get("model", models.AUTO) != models.AUTO
    return f"{head.model.name} ({'asked for' if given else 'chosen for the goal'})"


def describe(archive: Archive) -> dict[str, Any]:
    """Return the header of an archive as plain JSON data, with the sizes that follow from it."""
    from ..support import records

    header = records.to_dict(archive.header)
    for entry, member in zip(header["members"], archive, strict=True):
        entry["voxel_size"] = list(member.voxel_size)
        entry["origin"] = list(member.origin)
        recorded = sized_quality(member, archive)
        if recorded is not None:
            entry["quality"] = recorded.to_dict()
    return header | {
        "bytes": archive.bytes,
        "raw_bytes": archive.raw_bytes,
        "ratio": archive.ratio,
        "overhead_bytes": archive.bytes - archive.stream_bytes,
    }
