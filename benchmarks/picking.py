#!/usr/bin/env python3
"""How well and how fast particles are found: networks, few clicks, corrections, noise, emptiness.

    python benchmarks/picking.py OUT_NAME MICROGRAPHS... --labels FOLDER --box PX --radius PX
        [--region X0 Y0 X1 Y1] [--train 3] [--clicks 30] [--seeds 3] [--networks modern deepem]
        [--noisy FILE=MICROGRAPH ...] [--empty FILE ...] [--large 4096]

MICROGRAPHS are files or folders; those without labels in FOLDER are left out. The first ones by
name are trained on, the others are tested, with the model's threshold. A noisy FILE shows the
particles of a MICROGRAPH, which is then not trained on. The table goes to
benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser_for, write_results
from scipy.spatial import cKDTree

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.picking.calibration import NEAR
from napari_cryoinr.picking.coordinates import find_coordinates, read_coordinates
from napari_cryoinr.picking.evaluation import Matched, agreement, match
from napari_cryoinr.picking.examples import Example
from napari_cryoinr.picking.micrographs import Micrograph, find_micrographs, read_micrograph
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.picker import pick_steps, train_picker_steps
from napari_cryoinr.picking.picker_model import PickerModel
from napari_cryoinr.picking.picking_settings import NETWORKS, TrainingSettings


class Bench:
    """Labelled micrographs, and the rows of the table."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.args = arguments
        self.rows: list[dict[str, Any]] = []
        self.paths, self.images, self.labels = [], [], []
        for path in find_micrographs(arguments.micrographs):
            labels = find_coordinates(path, arguments.labels)
            if labels is not None:
                self.paths.append(path)
                self.images.append(read_micrograph(path))
                self.labels.append(read_coordinates(labels, micrograph=path))
        if len(self.paths) <= arguments.train:
            raise SystemExit(f"{len(self.paths)} micrographs with labels: none is left to test")

    def examples(self, numbers: Sequence[int]) -> list[Example]:
        return [Example(self.images[n], self.labels[n]) for n in numbers]

    def train_and_test(
        self,
        what: str,
        examples: list[Example],
        pairs: list[tuple[Micrograph, Particles]],
        seed: int,
        network: str = "modern",
        start: PickerModel | None = None,
    ) -> PickerModel:
        """A row: a model of these examples on micrographs with labels; returns the model."""
        settings = TrainingSettings(box=self.args.box, network=network, seed=seed)
        times = [time.perf_counter()]
        model = cryoinr.drain(train_picker_steps(examples, settings, start))
        times.append(time.perf_counter())
        picks = [cryoinr.drain(pick_steps(image, model)) for image, _ in pairs]
        times.append(time.perf_counter())
        matched = [
            match(some, labels, self.args.radius, self.args.region)
            for some, (_, labels) in zip(picks, pairs, strict=True)
        ]
        figures = _figures(matched, model.threshold)
        self.rows.append(
            {"what": f"{what}, seed {seed}", **figures, "training": times[1] - times[0]}
            | {"picking": (times[2] - times[1]) / len(pairs), "threshold": model.threshold}
        )
        print(json.dumps(self.rows[-1]), flush=True)
        return model

    def pairs(self, without: Sequence[int]) -> list[tuple[Micrograph, Particles]]:
        kept = [n for n in range(len(self.images)) if n not in without]
        return [(self.images[n], self.labels[n]) for n in kept]

    def networks(self) -> dict[str, PickerModel]:
        """Each network, trained on the first micrographs; the models."""
        shown = range(self.args.train)
        models: dict[str, PickerModel] = {}
        for network in self.args.networks:
            for seed in range(self.args.seeds):
                what, examples = f"{network}, first {len(shown)}", self.examples(shown)
                model = self.train_and_test(what, examples, self.pairs(shown), seed, network)
                models.setdefault(network, model)
        return models

    def few_clicks(self) -> None:
        """Some particles of the first micrograph, and then what is wrong in the second."""
        pairs, labels = self.pairs(range(self.args.train)), self.labels[0]
        for seed in range(self.args.seeds):
            clicked = np.random.default_rng(seed).permutation(len(labels))[: self.args.clicks]
            known = Example(self.images[0], Particles(labels.xy[clicked], None, labels.box))
            what = f"modern, {self.args.clicks} clicks in one"
            model = self.train_and_test(what, [known], pairs, seed)
            examples = [known, self.corrected(1, model)]
            self.train_and_test("the same, one more corrected", examples, pairs, seed, start=model)

    def corrected(self, number: int, model: PickerModel) -> Example:
        """A micrograph whose wrong picks are rejected and whose missing particles are added."""
        picks = cryoinr.drain(pick_steps(self.images[number], model)).above(model.threshold)
        labels = self.labels[number]
        far = cKDTree(labels.xy).query(picks.xy)[0] > NEAR * self.args.box
        return Example(self.images[number], labels, Particles(picks.xy[far]))

    def noisy(self) -> None:
        """Noisier images of micrographs that the model has not seen."""
        for pair in self.args.noisy:
            path, name = pair.rsplit("=", 1)
            hidden = next(n for n, one in enumerate(self.paths) if one.name.startswith(name))
            shown = [n for n in range(len(self.paths)) if n != hidden][: self.args.train]
            image = read_micrograph(Path(path))
            pairs = [(image, self.labels[hidden])]
            for seed in range(self.args.seeds):
                what = f"modern, on {Path(path).stem}"
                self.train_and_test(what, self.examples(shown), pairs, seed)

    def empty(self, models: dict[str, PickerModel]) -> list[dict[str, Any]]:
        """Picks where there are no particles."""
        rows = []
        for path in self.args.empty:
            image = read_micrograph(path)
            for network, model in models.items():
                picks = cryoinr.drain(pick_steps(image, model)).above(model.threshold)
                rows.append({"micrograph": path.name, "network": network, "picks": len(picks)})
        return rows

    def large(self, model: PickerModel) -> dict[str, Any]:
        """Picking a large micrograph that is made of the first one."""
        side, data = self.args.large, self.images[0].data
        times = [-(-side // n) for n in data.shape]
        image = Micrograph(np.tile(data, times)[:side, :side].copy())
        began = time.perf_counter()
        cryoinr.drain(pick_steps(image, model))
        return {"side": side, "seconds": time.perf_counter() - began}


def _figures(matched: Sequence[Matched], threshold: float) -> dict[str, float]:
    together = agreement(matched, threshold)
    each = [agreement([one], threshold).f1 for one in matched]
    return {
        "f1": together.f1,
        "ap": together.average_precision,
        "precision": together.precision,
        "recall": together.recall,
        "f1_deviation": float(np.std(each)),
        "f1_least": min(each),
        "f1_most": max(each),
        "median_px": together.distance,
    }


TITLES = (
    *("trained and tested", "F1", "AP", "precision", "recall", "F1 of the micrographs"),
    *("off by, px", "training, s", "picking, s"),
)


def _cells(row: dict[str, Any]) -> list[str]:
    spread = f"{row['f1_least']:.3f} to {row['f1_most']:.3f} (± {row['f1_deviation']:.3f})"
    four = [f"{row[name]:.3f}" for name in ("f1", "ap", "precision", "recall")]
    times = [f"{row['median_px']:.1f}", f"{row['training']:.0f}", f"{row['picking']:.2f}"]
    return [row["what"], *four, spread, *times]


def _page(
    title: str, rows: list[dict[str, Any]], empty: list[dict[str, Any]], large: dict[str, Any]
) -> list[str]:
    lines = [f"# {title}", "", *markdown_table(list(TITLES), [_cells(row) for row in rows])]
    if empty:
        cells = [[row["micrograph"], row["network"], str(row["picks"])] for row in empty]
        titles = ["micrograph without particles", "network", "picks"]
        lines += markdown_table(titles, cells)
    if large:
        side, seconds = large["side"], large["seconds"]
        lines += [f"Picking {side} × {side} pixels with modern: {seconds:.1f} s.", ""]
    return lines


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out_name")
    parser.add_argument("micrographs", type=Path, nargs="+")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--box", type=float, required=True)
    parser.add_argument("--radius", type=float, required=True)
    parser.add_argument("--region", type=float, nargs=4)
    parser.add_argument("--train", type=int, default=3)
    parser.add_argument("--clicks", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--noisy", nargs="*", default=[])
    parser.add_argument("--empty", type=Path, nargs="*", default=[])
    parser.add_argument("--large", type=int, default=4096)
    bench = Bench(parser.parse_args())
    models = bench.networks()
    bench.few_clicks()
    bench.noisy()
    empty = bench.empty(models)
    large = bench.large(models["modern"]) if "modern" in models else {}
    title = f"Particles in micrographs ({bench.args.out_name})"
    lines = _page(title, bench.rows, empty, large)
    stored = {"rows": bench.rows, "empty": empty, "large": large}
    write_results(bench.args.out_name, stored, lines)


if __name__ == "__main__":
    main()
