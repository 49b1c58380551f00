#!/usr/bin/env python3
"""Train the network `modern` on synthetic micrographs, for what it knows before the first click.

    python pretraining/picker/train.py OUT.npz [--minutes 60] [--models FILE ...]
        [--maps FILE=CONTOUR ...] [--shapes 500] [--seed 0]

A second process makes micrographs all the time; every crop of training is from one of the last
ones. Half of the crops come with the mean particle of their micrograph, from a few to many known
particles, as after some clicks, the others with the mean of all. The scores are calibrated on
micrographs of shapes that were not trained on. OUT.npz holds the weights, as float16, and the
calibration. With `--minutes 0` the weights of `--start` are only calibrated.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import queue
import time
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import particle_shapes
import torch
from synthetic_micrographs import BOX, Synthetic, synthetic

from napari_cryoinr import Micrograph, drain, read_map
from napari_cryoinr.picking.calibration import fit_calibration, label_maxima
from napari_cryoinr.picking.networks.modern.filters import particle_filters
from napari_cryoinr.picking.networks.modern.modern_network import (
    ModernNetwork,
    fresh_layers,
    loss_of,
)
from napari_cryoinr.picking.preprocessing import SIDE, focused, prepare
from napari_cryoinr.picking.selection import maxima
from napari_cryoinr.picking.training_crops import STRIDE, UNKNOWN, Field, batch_of, field_of
from napari_cryoinr.progress import Clock

IMAGE = 384  # pixels along the sides of a micrograph
POOL = 80  # micrographs that crops come from
REST, FILLING = 1.5, 60  # the maker of micrographs rests so many times its work, after seconds
VIEWS = 24
BATCH = 16
RATE, DECAY, WARM_UP = 4e-3, 1e-2, 0.05
OWN = 0.6  # share of the crops with the mean particle of their micrograph
CALIBRATION = 60  # micrographs
NEAR_UNKNOWN = 0.4  # boxes
NOISE = (0.7, 7.0)  # the most, at the beginning and later
EASY = 0.35  # share of a training from nothing until there is as much noise as ever


def field_from(made: Synthetic) -> Field:
    """Return the field of a micrograph."""
    prepared = prepare(Micrograph(made.image.astype(np.float32)), BOX)
    field = field_of(prepared, made.particles[:, ::-1], np.empty((0, 2)))
    target = field.target.copy()
    y, x = (STRIDE * np.arange(n) for n in target.shape)
    for row, column in made.unknown:
        near = np.hypot(y[:, None] - row, x[None] - column) < NEAR_UNKNOWN * SIDE
        target[near] = UNKNOWN
    return replace(field, target=target)


def clicked(field: Field, rng: np.random.Generator) -> Any:
    """Return the filters of some of the particles of a field; None where it has none."""
    count = len(field.particles)
    if count < 3:
        return None
    few = int(np.exp(rng.uniform(math.log(3), math.log(count + 1))))
    some = field.particles[rng.choice(count, min(few, count), replace=False)]
    return particle_filters([replace(field, particles=some)])


def produce(out: Any, views: Any, easy: float, seed: int) -> None:
    """Put fields and filters into a queue for ever; in the first seconds they have less noise."""
    torch.set_num_threads(1)
    os.nice(5)
    rng, began = np.random.default_rng(seed), time.monotonic()
    while True:
        share = min((time.monotonic() - began) / easy, 1) if easy else 1.0
        most = math.exp((1 - share) * math.log(NOISE[0]) + share * math.log(NOISE[1]))
        start = time.monotonic()
        field = field_from(synthetic(views[rng.integers(len(views))], views, IMAGE, rng, most))
        out.put((field, clicked(field, rng)))
        if time.monotonic() - began > FILLING:
            time.sleep(REST * (time.monotonic() - start))


def trained(views: Any, minutes: float, seed: int, kept: Path | None, start: Path | None) -> Any:
    """Return trained layers; those on the way go to the file `kept`."""
    rng = np.random.default_rng(seed)
    layers = fresh_layers(seed)
    if start is not None:
        before = np.load(start)
        names = [name for name in before.files if name != "calibration"]
        layers.load_state_dict({name: torch.from_numpy(before[name]) for name in names})
    if not minutes:
        return layers.eval()
    context = multiprocessing.get_context("fork")
    made: Any = context.Queue(8)
    easy = 60 * minutes * EASY if start is None else 0.0
    maker = context.Process(target=produce, args=(made, views, easy, seed + 1), daemon=True)
    maker.start()
    fields, own = map(list, zip(*(made.get() for _ in range(POOL)), strict=True))
    common = torch.from_numpy(particle_filters([one for one in fields if len(one.particles)]))
    layers.filters.copy_(common)
    layers.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(layers.parameters(), RATE, weight_decay=DECAY)
    began, step, mean = time.monotonic(), 0, math.nan
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        while True:
            try:
                place = int(rng.integers(POOL))
                fields[place], own[place] = made.get_nowait()
            except queue.Empty:
                break
        batch = batch_of(fields, BATCH, rng)
        filters = []
        for owner in batch.owners:
            mine = own[owner] if rng.random() < OWN else None
            filters.append(common if mine is None else torch.from_numpy(mine))
        loss = loss_of(layers(batch.images, batch.grades, torch.stack(filters)), batch.targets)
        low = share / WARM_UP if share < WARM_UP else 0.5 * (1 + math.cos(math.pi * share))
        for group in optimiser.param_groups:
            group["lr"] = RATE * low
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimiser.step()
        value = loss.item()
        mean = value if math.isnan(mean) else 0.995 * mean + 0.005 * value
        step += 1
        if step % 200 == 0:
            print(f"{step} {time.monotonic() - began:.0f} s loss {mean:.4f}", flush=True)
        if step % 1000 == 0 and kept is not None:
            np.savez(kept, **{name: v.numpy() for name, v in layers.state_dict().items()})
    maker.terminate()
    return layers.to(memory_format=torch.contiguous_format).eval()


def calibrated(layers: Any, views: Any, seed: int) -> Any:
    """Return the calibration of scores on micrographs of other shapes."""
    rng = np.random.default_rng(seed)
    network, found = ModernNetwork(BOX, layers), []
    for _ in range(CALIBRATION):
        made = synthetic(views[rng.integers(len(views))], views, IMAGE, rng, NOISE[1])
        if len(made.unknown):
            continue
        micrograph = Micrograph(made.image.astype(np.float32))
        prepared = focused(prepare(micrograph, BOX), made.particles[:, ::-1])
        scored = drain(network.score_steps(micrograph, prepared, "cpu", Clock()))
        places, logits = maxima(scored, BOX, 0.5 * BOX)
        contrast = prepared.powers.contrast
        centres = made.particles[:, ::-1] if len(made.particles) else np.full((1, 2), -1e3)
        [one] = label_maxima([(contrast, places, logits)], centres, BOX)
        found.append(one._replace(particles=float(one.known.sum())))
    # Micrographs that are picked may have any share of particles, and any contrast.
    return replace(fit_calibration(ModernNetwork.prior, found), typical=0.0, faintest=0.0)


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--maps", nargs="*", default=[])
    parser.add_argument("--shapes", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path, help="file of weights to go on from")
    parser.add_argument("--kept", type=Path, help="file of the weights after every 1000 steps")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    given = [particle_shapes.model_shape(path) for path in args.models]
    for text in args.maps:
        path, contour = text.rsplit("=", 1)
        given.append(particle_shapes.map_shape(read_map(path).data, float(contour)))
    # The given ones count for more: they are real.
    views = particle_shapes.library([*given] * 4, args.shapes, VIEWS, rng)
    print(f"{len(views)} shapes, {len(given)} of them given", flush=True)
    layers = trained(views, args.minutes, args.seed, args.kept, args.start)
    others = particle_shapes.library([], 40, VIEWS, np.random.default_rng(args.seed + 100))
    calibration = calibrated(layers, others, args.seed + 200)
    weights = {name: value.numpy() for name, value in layers.state_dict().items()}
    np.savez_compressed(args.out, calibration=np.array(astuple(calibration)), **weights)
    print(calibration, flush=True)


if __name__ == "__main__":
    main()
