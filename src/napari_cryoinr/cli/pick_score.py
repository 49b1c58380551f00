"""The table that `cryoinr pick --score` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import MicrographError
from ..picking.coordinates import find_coordinates, read_coordinates
from ..picking.evaluation import Agreement, Matched, Region, agreement, match
from .common_options import echo

_TITLES = ("micrograph", "labels", "picks", "precision", "recall", "F1", "AP", "median px")


def print_score(
    picks: Mapping[Path, Path], labels: Path, radius: float, region: Region | None, threshold: float
) -> None:
    """Compare picks with labels, each micrograph and all of them together.

    Parameters
    ----------
    picks : for each micrograph the file of its picks.
    labels : folder of labels, found like the coordinates of a training.

    Raises
    ------
    MicrographError
        if there are labels for none of them.
    """
    rows: list[tuple[str, Matched]] = []
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
