"""Training a picker and picking with it: where everything comes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import MicrographError
from ..progress import Clock, Progress, Steps
from .calibration import THRESHOLD, calibrated, scored
from .examples import Example, check_box, checked
from .micrographs import Micrograph
from .model import PickerModel, Round
from .networks import network_class
from .networks.base import ScoreMap
from .particles import Particles
from .preparing import prepare, with_noise
from .selection import maxima
from .settings import SelectionSettings, TrainingSettings
from .verification import limits_of, spreads, verified

_COPIES = 3  # of each micrograph that the calibration is made with, the first without noise
_DISTANCE = SelectionSettings().distance


def train_steps(
    examples: Sequence[Example], settings: TrainingSettings, start: PickerModel | None = None
) -> Steps[PickerModel]:
    """Train a picker.

    Parameters
    ----------
    examples : micrographs with particles, of which not all need be known. What was rejected in
        them is learnt from too.
    start : a model whose training goes on: give it all examples, the old ones and the new.

    Raises
    ------
    MicrographError
        if there is no particle, if the box does not fit into a micrograph, or if `start` is of
        another network or box.
    """
    clock = Clock()
    given = checked(list(examples), settings.box)
    if start is not None:
        if start.network.name != settings.network:
            raise MicrographError(
                f"the model is a {start.network.name}, not a {settings.network}: name that network"
                " or start afresh"
            )
        if start.box != settings.box:
            raise MicrographError(
                f"the model has a box of {start.box:g} pixels, not {settings.box:g}: use that box"
                " or start afresh"
            )
    kind = network_class(settings.network)
    before = None if start is None else start.network
    network = yield from kind.train_steps(given, settings, before, clock)
    shown = [example for example in given if len(example.particles)]
    found, spread = [], []
    for number, example in enumerate(shown):
        micrograph, particles = example.micrograph, example.particles.xy
        prepared = prepare(micrograph, settings.box)
        spread.append(spreads(prepared, particles))
        copies = []
        for contrast in np.geomspace(prepared.powers.contrast, prepared.powers.faintest, _COPIES):
            yield Progress("calibrating", number, len(shown), clock.seconds)
            copy = with_noise(micrograph, prepared, contrast, settings.seed)
            score_map = yield from network.score_steps(copy, settings.device, clock)
            places, logits = maxima(score_map, settings.box, _DISTANCE * settings.box)
            copies.append((contrast, places, logits))
        found += scored(copies, particles, settings.box)
    calibration = calibrated(kind.usual, found)
    this = Round(
        micrographs=len(given),
        particles=sum(len(example.particles) for example in shown),
        rejected=sum(len(example.rejected) for example in given),
        seconds=clock.seconds,
    )
    rounds = () if start is None else start.rounds
    limits = limits_of(np.concatenate(spread))
    return PickerModel(network, calibration, limits, THRESHOLD, (*rounds, this))


def pick_steps(
    micrograph: Micrograph,
    model: PickerModel,
    selection: SelectionSettings | None = None,
    device: str = "auto",
) -> Steps[Particles]:
    """All candidates of a micrograph with their scores, the highest first.

    A score is the probability that there is a particle. `Particles.above(threshold)` are those
    that count, with the model's threshold unless somebody chooses another.

    Raises
    ------
    MicrographError
        if the model's box does not fit into the micrograph.
    """
    clock = Clock()
    selection = selection or SelectionSettings()
    check_box(micrograph, model.box)
    score_map = yield from model.network.score_steps(micrograph, device, clock)
    yield Progress("selecting", 0, 1, clock.seconds)
    places, logits = maxima(score_map, model.box, selection.distance * model.box)
    prepared = prepare(micrograph, model.box)
    kept = verified(spreads(prepared, places), model.limits)
    border, shape = selection.border * model.box, np.array(micrograph.data.shape[::-1])
    kept &= ((places >= border) & (places <= shape - 1 - border)).all(1)
    score = model.calibration.probability(logits[kept], prepared.powers.contrast)
    return Particles(places[kept], score, model.box, micrograph.pixel_size)


def score_map_steps(
    micrograph: Micrograph, model: PickerModel, device: str = "auto"
) -> Steps[ScoreMap]:
    """How probable it is that there is a particle, everywhere: values from 0 to 1.

    Raises
    ------
    MicrographError
        if the model's box does not fit into the micrograph.
    """
    check_box(micrograph, model.box)
    score_map = yield from model.network.score_steps(micrograph, device, Clock())
    contrast = prepare(micrograph, model.box).powers.contrast
    values = model.calibration.probability(score_map.values.astype(np.float64), contrast)
    return replace(score_map, values=values.astype(np.float32))
