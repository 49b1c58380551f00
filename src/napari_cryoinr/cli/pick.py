"""`cryoinr pick`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import MicrographError, OutputError, SettingsError
from ..picking.picking_settings import SelectionSettings
from .common_options import DEVICES, PATH, echo, overwrite_option, quiet_option
from .options import given_values, options_of
from .progress_bar import show

if TYPE_CHECKING:
    from ..picking.evaluation import Agreement, Region

_TITLES = ("micrograph", "labels", "picks", "precision", "recall", "F1", "AP", "median px")


@click.command("pick")
@click.argument("micrographs", nargs=-1, required=True, type=PATH)
@click.option("--model", "model_file", type=PATH, help="A trained picker.")
@click.option("--out", required=True, type=PATH, help="Folder of the coordinates.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(("csv", "box", "star")),
    default="csv",
    show_default=True,
    help="Of the coordinates. csv: x, y, score; box: EMAN; star: RELION.",
)
@click.option(
    "--threshold", help="Least score, 0 to 1; none: all candidates.  [default: the model's own]"
)
@options_of(SelectionSettings)
@click.option("--device", type=DEVICES, default="auto", help="Where to compute.")
@overwrite_option
@click.option(
    "--score",
    "labels",
    type=PATH,
    help="Folder of labels: compare the picks with them; without --model those in --out.",
)
@click.option("--radius", type=float, help="Of a particle, px, for --score.  [default: box / 2.64]")
@click.option("--region", type=float, nargs=4, help="x0 y0 x1 y1, px: what counts for --score.")
@quiet_option
def command(
    micrographs: tuple[Path, ...],
    model_file: Path | None,
    out: Path,
    kind: str,
    threshold: str | None,
    device: str,
    overwrite: bool,
    labels: Path | None,
    radius: float | None,
    region: tuple[float, float, float, float] | None,
    quiet: bool,
    **given: Any,
) -> int:
    """Find particles in MICROGRAPHS (files or folders).

    One that fails does not stop the rest, and one whose coordinates are in the folder already is
    left as it is without --overwrite.
    """
    if model_file is None and labels is None:
        raise SettingsError("pick: give --model, a trained picker, or --score, a folder of labels")

    from ..picking.folder_picking import pick_folder_steps
    from ..picking.micrographs import find_micrographs, micrograph_name
    from ..picking.picker_model import PickerModel

    paths = find_micrographs(micrographs)
    if model_file is None:
        assert labels is not None
        found = {path: out / f"{micrograph_name(path)}.{kind}" for path in paths}
        there = {path: picks for path, picks in found.items() if picks.exists()}
        if not there:
            raise MicrographError(
                f"{out}: no *.{kind} of these micrographs to compare; give --model"
            )
        if radius is None:
            raise SettingsError("pick: without --model, --score needs --radius, px")
        _print_score(there, labels, radius, region, _threshold(threshold, 0.0) or 0.0)
        return 0
    if labels is not None and out.exists() and out.samefile(labels):
        raise OutputError(f"--out {out} is the folder of the labels; give another folder")
    selection = SelectionSettings(**given_values(SelectionSettings, given))
    model = PickerModel.load(model_file)
    least = _threshold(threshold, model.threshold)
    steps = pick_folder_steps(
        paths, model, out, f".{kind}", least, selection, device, overwrite=overwrite
    )
    outcomes = show(steps, quiet)
    for outcome in outcomes:
        if outcome.error is not None:
            echo(f"error: {outcome.error}", err=True)
        elif not quiet:
            exists = "exists already, left as it is (--overwrite picks it once more)"
            text = exists if outcome.picked is None else f"{outcome.picked} particles"
            echo(f"{outcome.out}: {text}")
    if labels is not None:
        done = {outcome.path: outcome.out for outcome in outcomes if outcome.out is not None}
        above = model.threshold if least is None else least
        _print_score(done, labels, radius or model.box / 2.64, region, above)
    return int(any(outcome.error is not None for outcome in outcomes))


def _threshold(text: str | None, usual: float) -> float | None:
    if text is None:
        return usual
    if text == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise MicrographError(f"--threshold {text}: must be 0 to 1, or none for all candidates")
    return value


def _print_score(
    picks: Mapping[Path, Path], labels: Path, radius: float, region: Region | None, threshold: float
) -> None:
    """Compare picks with labels, each micrograph and all of them together.

    `picks` has for each micrograph the file of its picks; labels are found in their folder like the
    coordinates of a training.
    """
    from ..picking.coordinates import find_coordinates, read_coordinates
    from ..picking.evaluation import agreement, match

    rows = []
    for micrograph, path in picks.items():
        truth = find_coordinates(micrograph, labels)
        if truth is None:
            echo(f"warning: {labels}: no labels for {micrograph.name}", err=True)
            continue
        known = read_coordinates(truth, micrograph=micrograph)
        found = read_coordinates(path, micrograph=micrograph)
        rows.append((path.stem, match(found, known, radius, region)))
    if not rows:
        raise MicrographError(f"{labels}: no labels for any of the micrographs")
    echo("  ".join((f"{_TITLES[0]:32}", *(f"{title:>9}" for title in _TITLES[1:]))))
    for name, matched in rows:
        echo(_line(name, agreement([matched], threshold)))
    echo(_line("all", agreement([matched for _, matched in rows], threshold)))


def _line(name: str, found: Agreement) -> str:
    numbers = (found.precision, found.recall, found.f1, found.average_precision)
    cells = [f"{found.labels:9}", f"{found.picks:9}", *(f"{number:9.3f}" for number in numbers)]
    return "  ".join((f"{name[:32]:32}", *cells, f"{found.distance:9.1f}"))
