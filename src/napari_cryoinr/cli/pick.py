"""`cryoinr pick`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
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
    from ..picking.folder_picking import Outcome
    from ..picking.picker_model import PickerModel

_TITLES = ("micrograph", "labels", "picks", "precision", "recall", "F1", "AP", "median px")
_BOX_PER_RADIUS = 2.64


@click.command("pick")
@click.argument("micrographs", nargs=-1, required=True, type=PATH)
@click.option("--model", "model_file", type=PATH, help="A trained picker.")
@click.option(
    "--diameter",
    type=click.FloatRange(min=0, min_open=True),
    help="Of a particle, Å, its longest extent: pick with the picker that comes with the package.",
)
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    help="Of all micrographs, Å.  [default: what each file says]",
)
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
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Micrographs at a time, each in a process of its own.",
)
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
    diameter: float | None,
    pixel_size: float | None,
    out: Path,
    kind: str,
    threshold: str | None,
    device: str,
    jobs: int,
    overwrite: bool,
    labels: Path | None,
    radius: float | None,
    region: tuple[float, float, float, float] | None,
    quiet: bool,
    **given: Any,
) -> int:
    """Find particles in MICROGRAPHS (files or folders, with their sub-folders).

    One that fails does not stop the rest, and one whose coordinates are in the folder already is
    left as it is without --overwrite. The sub-folders of a folder are kept.
    """
    if model_file is not None and diameter is not None:
        raise SettingsError("pick: --model and --diameter contradict each other: give one of them")
    picked = model_file is not None or diameter is not None
    if not picked and labels is None:
        raise SettingsError(
            "pick: give --model, a trained picker, or --diameter, Å, or --score, a folder of labels"
        )

    from ..picking.micrographs import micrographs_below

    found = micrographs_below(micrographs)
    outs = {path: out / f"{result}.{kind}" for path, result in found.items()}
    if not picked:
        assert labels is not None
        there = {path: picks for path, picks in outs.items() if picks.exists()}
        if not there:
            raise MicrographError(
                f"{out}: no *.{kind} of these micrographs to compare; give --model"
            )
        if radius is None:
            raise SettingsError("pick: without --model, --score needs --radius, px")
        _print_score(there, found, labels, radius, region, _threshold(threshold, 0.0) or 0.0)
        return 0
    if labels is not None and out.exists() and out.samefile(labels):
        raise OutputError(f"--out {out} is the folder of the labels; give another folder")

    from ..picking.folder_picking import PickJob
    from ..workers.picking_jobs import pick_jobs_steps

    selection = SelectionSettings(**given_values(SelectionSettings, given))
    model = _model(model_file, diameter)
    least = _threshold(threshold, model.threshold)
    job = partial(
        PickJob,
        threshold=least,
        selection=selection,
        device=device,
        overwrite=overwrite,
        pixel_size=pixel_size,
        needs_pixel_size=diameter is not None,
    )
    steps = pick_jobs_steps([job(path, to) for path, to in outs.items()], model, jobs, _tell)
    outcomes = show(steps, quiet)
    if not quiet:
        for outcome in outcomes:
            if outcome.error is None:
                echo(f"{outcome.out}: {_picked(outcome, model)}")
    if labels is not None:
        done = {outcome.path: outcome.out for outcome in outcomes if outcome.out is not None}
        above = model.threshold if least is None else least
        boxes = (outcome.box for outcome in outcomes if outcome.box is not None)
        usual = next(boxes, model.box) / _BOX_PER_RADIUS
        _print_score(done, found, labels, radius or usual, region, above)
    return int(any(outcome.error is not None for outcome in outcomes))


def _model(file: Path | None, diameter: float | None) -> PickerModel:
    """Return a trained picker, or that of the package for particles of a diameter, Å."""
    from ..picking.picker_model import PickerModel

    if file is not None:
        return PickerModel.load(file)
    assert diameter is not None
    from ..picking.pretrained_picker import coarsest_pixel_size, pretrained_picker

    # Each micrograph has a size of its own; coarser ones than this are resampled to it.
    return pretrained_picker(diameter, coarsest_pixel_size(diameter))


def _tell(outcome: Outcome) -> None:
    """Say at once what went wrong with a micrograph."""
    if outcome.error is not None:
        echo(f"error: {outcome.error}", err=True)


def _picked(outcome: Outcome, model: PickerModel) -> str:
    if outcome.picked is None:
        return "exists already, left as it is (--overwrite picks it once more)"
    text = f"{outcome.picked} particles"
    if outcome.box is not None and not math.isclose(outcome.box, model.box, rel_tol=0.01):
        text += f" (box {outcome.box:.4g} px of {outcome.pixel_size:.4g} Å)"
    return text


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
    picks: Mapping[Path, Path],
    results: Mapping[Path, Path],
    labels: Path,
    radius: float,
    region: Region | None,
    threshold: float,
) -> None:
    """Compare picks with labels, each micrograph and all of them together.

    `picks` has for each micrograph the file of its picks; labels are found in their folder like the
    coordinates of a training, with `results` from `micrographs_below`.
    """
    from ..picking.coordinates import read_coordinates
    from ..picking.evaluation import agreement, match
    from ..picking.folder_picking import coordinates_of

    rows = []
    for micrograph, path in picks.items():
        truth = coordinates_of(micrograph, results[micrograph], labels)
        if truth is None:
            echo(f"warning: {labels}: no labels for {micrograph.name}", err=True)
            continue
        known = read_coordinates(truth, micrograph=micrograph)
        found = read_coordinates(path, micrograph=micrograph)
        rows.append((str(results[micrograph]), match(found, known, radius, region)))
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
