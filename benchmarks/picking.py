#!/usr/bin/env python3
"""How well and how fast particles are found: networks, few clicks, corrections, noise, emptiness.

    python benchmarks/picking.py OUT_NAME MICROGRAPHS... --labels FOLDER --box PX --radius PX
        [--region X0 Y0 X1 Y1] [--border 0.5] [--train 3] [--clicks 10 30] [--seeds 3]
        [--networks modern deepem] [--diameters Å ...] [--simulated MAP=CONTOUR ...] [--noise 2]
        [--noisy FILE=MICROGRAPH ...] [--empty FILE ...] [--large 4096]

MICROGRAPHS are files or folders; those without labels in FOLDER are left out. The first ones by
name are trained on, the others are tested, with the model's threshold. A noisy FILE shows the
particles of a MICROGRAPH, which is then not trained on. With `--diameters` all labelled micrographs
are picked before any training. Of each MAP five micrographs are simulated, see
`synthetic_particles`: the last two are picked, before a training and after one on the first three,
and then some with a tenth as many particles. The best F1 is that at the best of all thresholds.
Picks are at least `--border` boxes from the edge. The table goes to
benchmarks/results/OUT_NAME.json and .md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import parser_for, write_results
from scipy.spatial import cKDTree
from synthetic_particles import simulated

import napari_cryoinr as cryoinr
from napari_cryoinr import (
    Example,
    Micrograph,
    Particles,
    PickerModel,
    SelectionSettings,
    TrainingSettings,
    pretrained_picker,
)
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.picking.calibration import NEAR
from napari_cryoinr.picking.coordinates import find_coordinates
from napari_cryoinr.picking.evaluation import agreement, match
from napari_cryoinr.picking.micrographs import find_micrographs
from napari_cryoinr.picking.picking_settings import NETWORKS

TITLES = (
    *("trained and tested", "F1", "best F1", "AP", "precision", "recall", "F1 of the micrographs"),
    *("off by, px", "training, s", "picking, s"),
)

THRESHOLDS = np.linspace(0.02, 0.98, 49)
SPARSE = 6  # particles of a micrograph, where others have 60
USUAL = object()  # the region of the command line


class Bench:
    """Labelled micrographs, the first of which are trained on, and the rows of the table."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rows: list[dict[str, Any]] = []
        self.paths: list[Path] = []
        self.examples: list[Example] = []
        for path in find_micrographs(args.micrographs):
            labels = find_coordinates(path, args.labels)
            if labels is not None:
                particles = cryoinr.read_coordinates(labels, micrograph=path)
                self.paths.append(path)
                self.examples.append(Example(cryoinr.read_micrograph(path), particles))
        if len(self.paths) <= args.train:
            raise SystemExit(f"{len(self.paths)} micrographs with labels: none is left to test")

    def train_and_test(
        self,
        what: str,
        shown: list[Example],
        tested: list[Example],
        seed: int,
        network: str = "modern",
        start: PickerModel | None = None,
    ) -> PickerModel:
        """Add a row: a model of some examples, tested on others; returns the model."""
        settings = TrainingSettings(box=self.args.box, network=network, seed=seed)
        began = time.perf_counter()
        model = cryoinr.drain(cryoinr.train_picker_steps(shown, settings, start))
        trained = time.perf_counter()
        self.test(f"{what}, seed {seed}", model, tested, trained - began, self.args.radius)
        return model

    def test(
        self,
        what: str,
        model: PickerModel,
        tested: list[Example],
        training: float,
        radius: float,
        region: Any = USUAL,
    ) -> None:
        """Add a row: picks of a model, against labels of particles of a radius, pixels."""
        began = time.perf_counter()
        picks = [picks_of(one.micrograph, model, self.args.border) for one in tested]
        picking = (time.perf_counter() - began) / len(tested)
        counted = self.args.region if region is USUAL else region
        matched = [
            match(some, one.particles, radius, counted)
            for some, one in zip(picks, tested, strict=True)
        ]
        row = {
            "what": what,
            **agreement(matched, model.threshold)._asdict(),
            "f1_best": max(agreement(matched, threshold).f1 for threshold in THRESHOLDS),
            "f1_each": [agreement([one], model.threshold).f1 for one in matched],
            "training": training,
            "picking": picking,
            "threshold": model.threshold,
        }
        self.rows.append(row)
        print(json.dumps(row), flush=True)

    def before_a_training(self) -> None:
        """Pick all labelled micrographs, with the diameter alone."""
        for diameter in self.args.diameters:
            sizes = {one.micrograph.pixel_size for one in self.examples}
            model = pretrained_picker(diameter, sizes.pop())
            what = f"modern, {diameter:g} Å, no click"
            self.test(what, model, self.examples, 0.0, self.args.radius)

    def simulated(self) -> None:
        """Pick simulated micrographs, before a training and after one."""
        for text in self.args.simulated:
            path, contour = text.rsplit("=", 1)
            made = simulated(cryoinr.read_map(path), float(contour), 5, self.args.noise)
            pixel_size = made.examples[0].micrograph.pixel_size
            shown, tested = made.examples[:3], made.examples[3:]
            model = pretrained_picker(made.diameter, pixel_size)
            radius = made.diameter / pixel_size / 2
            self.test(f"{made.name}, no click", model, tested, 0.0, radius, None)
            began = time.perf_counter()
            settings = TrainingSettings(box=model.box)
            trained = cryoinr.train_picker(shown, settings)
            seconds = time.perf_counter() - began
            self.test(f"{made.name}, first 3", trained, tested, seconds, radius, None)
            few = simulated(
                cryoinr.read_map(path), float(contour), 5, self.args.noise, 1, particles=SPARSE
            )
            for what, one in (("no click", model), ("first 3", trained)):
                name = f"{made.name}, a tenth as many, {what}"
                self.test(name, one, few.examples, 0.0, radius, None)

    def networks(self) -> dict[str, PickerModel]:
        """Train each network on the first micrographs; returns the models of the first seed."""
        models: dict[str, PickerModel] = {}
        count = self.args.train
        shown, tested = self.examples[:count], self.examples[count:]
        for network in self.args.networks:
            for seed in range(self.args.seeds):
                what = f"{network}, first {count}"
                model = self.train_and_test(what, shown, tested, seed, network)
                models.setdefault(network, model)
        return models

    def few_clicks(self) -> None:
        """Train on some particles of one micrograph, then on what is wrong in a second one too."""
        first, second = self.examples[:2]
        tested, labels = self.examples[self.args.train :], first.particles
        for clicks, seed in itertools.product(self.args.clicks, range(self.args.seeds)):
            clicked = np.random.default_rng(seed).permutation(len(labels))[:clicks]
            known = Example(first.micrograph, Particles(labels.xy[clicked], None, labels.box))
            what = f"modern, {clicks} clicks in one"
            model = self.train_and_test(what, [known], tested, seed)
            # Wrong picks of the second micrograph are rejected, missing particles are added.
            picks = picks_of(second.micrograph, model, self.args.border).above(model.threshold)
            far = cKDTree(second.particles.xy).query(picks.xy)[0] > NEAR * self.args.box
            corrected = replace(second, rejected=Particles(picks.xy[far]))
            what = "the same, one more corrected"
            self.train_and_test(what, [known, corrected], tested, seed, start=model)

    def noisy(self) -> None:
        """Test noisier images of micrographs that the model has not seen."""
        for pair in self.args.noisy:
            path, name = pair.rsplit("=", 1)
            hidden = next(n for n, one in enumerate(self.paths) if one.name.startswith(name))
            shown = [one for n, one in enumerate(self.examples) if n != hidden][: self.args.train]
            tested = [replace(self.examples[hidden], micrograph=cryoinr.read_micrograph(path))]
            for seed in range(self.args.seeds):
                self.train_and_test(f"modern, on {Path(path).stem}", shown, tested, seed)

    def seconds_of_a_large_one(self, model: PickerModel) -> float:
        """Time the picking of a large micrograph that is made of the first one."""
        side, data = self.args.large, self.examples[0].micrograph.data
        image = Micrograph(np.tile(data, [-(-side // n) for n in data.shape])[:side, :side].copy())
        began = time.perf_counter()
        picks_of(image, model, self.args.border)
        return time.perf_counter() - began


def picks_of(micrograph: Micrograph, model: PickerModel, border: float) -> Particles:
    return cryoinr.pick(micrograph, model, SelectionSettings(border=border))


def cells_of(row: dict[str, Any]) -> list[str]:
    each = row["f1_each"]
    spread = f"{min(each):.3f} to {max(each):.3f} (± {np.std(each):.3f})"
    names = ("f1", "f1_best", "average_precision", "precision", "recall")
    figures = [f"{row[name]:.3f}" for name in names]
    times = [f"{row['distance']:.1f}", f"{row['training']:.0f}", f"{row['picking']:.2f}"]
    return [row["what"], *figures, spread, *times]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("out_name")
    parser.add_argument("micrographs", type=Path, nargs="+")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--box", type=float, required=True)
    parser.add_argument("--radius", type=float, required=True)
    parser.add_argument("--region", type=float, nargs=4)
    parser.add_argument("--train", type=int, default=3)
    parser.add_argument("--border", type=float, default=SelectionSettings().border)
    parser.add_argument("--clicks", type=int, nargs="*", default=[10, 30])
    parser.add_argument("--diameters", type=float, nargs="*", default=[])
    parser.add_argument("--simulated", nargs="*", default=[])
    parser.add_argument("--noise", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--noisy", nargs="*", default=[])
    parser.add_argument("--empty", type=Path, nargs="*", default=[])
    parser.add_argument("--large", type=int, default=4096)
    args = parser.parse_args()
    bench = Bench(args)
    models = bench.networks()
    bench.before_a_training()
    bench.few_clicks()
    bench.noisy()
    bench.simulated()
    lines = [f"# Particles in micrographs ({args.out_name})", ""]
    lines += markdown_table(TITLES, map(cells_of, bench.rows))
    empty = []
    for path in args.empty:
        image = cryoinr.read_micrograph(path)
        for network, model in models.items():
            picks = picks_of(image, model, args.border).above(model.threshold)
            empty.append([path.name, network, str(len(picks))])
    if empty:
        lines += markdown_table(["micrograph without particles", "network", "picks"], empty)
    data = {"rows": bench.rows, "empty": empty}
    if "modern" in models:
        data["large"] = seconds = bench.seconds_of_a_large_one(models["modern"])
        size = f"{args.large} × {args.large}"
        lines += [f"Picking {size} pixels with modern: {seconds:.1f} s.", ""]
    write_results(args.out_name, data, lines)


if __name__ == "__main__":
    main()
