"""Training a picker and picking with it, where all pixels have one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import MicrographError
from ..progress import Clock, Progress, Steps
from .calibration import THRESHOLD, THRESHOLD_OF_FEW, fit_calibration, label_maxima
from .examples import Example, check_box, checked_examples, split
from .micrographs import Micrograph
from .networks.network_base import ScoreMap, network_class
from .particles import Particles
from .picker_model import PickerModel, Round
from .picking_settings import SelectionSettings, TrainingSettings
from .preprocessing import Prepared, focused, prepare, with_noise
from .selection import limits_of, maxima, verified

_CLEAR = 0.1  # contrast
_BEST = 5, 10  # maxima, at which the contrast is measured; there may be fewer particles than 10
# Times the mean power, there: the power of blocks of noise varies by 12 %, and maxima are where it
# is high.
_CHANCE = 1.25
_SAME = 0.1  # difference of the logarithms of contrasts
_COPIES = 3  # of each micrograph in the calibration, the first without added noise
_DISTANCE = SelectionSettings().distance


def train_picker_steps(
    examples: Sequence[Example], settings: TrainingSettings, start: PickerModel | None = None
) -> Steps[PickerModel]:
    """Train as `scaled_picking.train_picker_steps`, on micrographs of one pixel size."""
    clock = Clock()
    given = checked_examples(examples, settings.box)
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
    network_type = network_class(settings.network)
    before = None if start is None else start.network
    view = 1.0 if start is None else start.view
    seen = replace(settings, box=settings.box * view)
    parts = split(given, settings.held_out, settings.box)
    learnt = [part.learnt for part in parts]
    network = yield from network_type.train_steps(learnt, seen, before, clock)
    shown = [part for part in parts if len(part.whole.particles)]
    found, spread = [], []
    for number, part in enumerate(shown):
        micrograph, particles = part.whole.micrograph, part.whole.particles.xy
        prepared = focused(prepare(micrograph, seen.box), particles)
        spread.append(prepared.spread_at(particles))
        copies = []
        for contrast in np.geomspace(prepared.powers.contrast, prepared.powers.faintest, _COPIES):
            yield Progress("calibrating", number, len(shown), clock.seconds)
            copy = with_noise(micrograph, prepared, contrast, settings.seed)
            ready = focused(prepare(copy, seen.box), particles)
            score_map = yield from network.score_steps(copy, ready, settings.device, clock)
            places, logits = maxima(score_map, settings.box, _DISTANCE * settings.box)
            tested = part.tested(places)
            copies.append((contrast, places[tested], logits[tested]))
        found.append(label_maxima(copies, particles[part.tested(particles)], settings.box))
    calibration = fit_calibration(network_type.prior, [copy for copies in found for copy in copies])
    held_out = [part.tested(part.whole.particles.xy) for part in shown if part.first_row]
    scores = [
        calibration.score(one.logits[one.known], one.contrast, one.logits) for one, *_ in found
    ]
    this = Round(
        micrographs=len(given),
        particles=sum(len(example.particles) for example in learnt),
        rejected=sum(len(example.rejected) for example in learnt),
        seconds=clock.seconds,
        held_out=sum(int(tested.sum()) for tested in held_out),
        found=sum(int((score >= THRESHOLD).sum()) for score in scores) if held_out else 0,
    )
    rounds = () if start is None else start.rounds
    limits = limits_of(np.concatenate(spread))
    threshold = THRESHOLD if this.held_out else THRESHOLD_OF_FEW
    return PickerModel(network, calibration, limits, threshold, (*rounds, this), view=view)


def pick_steps(
    micrograph: Micrograph,
    model: PickerModel,
    selection: SelectionSettings | None = None,
    device: str = "auto",
) -> Steps[Particles]:
    """Pick as `scaled_picking.pick_steps`, in pixels of the size that the model knows."""
    clock = Clock()
    selection = selection or SelectionSettings()
    check_box(micrograph, model.box)
    prepared, score_map = yield from scored_steps(micrograph, model, device, clock)
    yield Progress("selecting", 0, 1, clock.seconds)
    places, logits = maxima(score_map, model.box, selection.distance * model.box)
    kept = verified(prepared.spread_at(places), model.limits) & prepared.seen_at(places)
    border, shape = selection.border * model.box, np.array(micrograph.data.shape[::-1])
    kept &= ((places >= border) & (places <= shape - 1 - border)).all(1)
    score = model.calibration.score(logits[kept], prepared.powers.contrast)
    return Particles(places[kept], score, model.box, micrograph.pixel_size)


def score_map_steps(
    micrograph: Micrograph, model: PickerModel, device: str = "auto"
) -> Steps[ScoreMap]:
    """Compute the score, 0 to 1, that a particle would have at every place."""
    check_box(micrograph, model.box)
    clock = Clock()
    prepared, score_map = yield from scored_steps(micrograph, model, device, clock)
    contrast = prepared.powers.contrast
    _, among = maxima(score_map, model.box, _DISTANCE * model.box)
    values = model.calibration.score(score_map.values.astype(np.float64), contrast, among)
    return score_map._replace(values=values.astype(np.float32))


def scored_steps(
    micrograph: Micrograph, model: PickerModel, device: str, clock: Clock
) -> Steps[tuple[Prepared, ScoreMap]]:
    """Prepare and score a micrograph, with the contrast at its particles.

    Where they are is told by rough scores at the contrast of the whole micrograph, but a clear one
    at least: particles that are few are as clear as many, and stand out as such.
    """
    yield Progress("preparing", 0, 1, clock.seconds)
    prepared, network = prepare(micrograph, model.network.box), model.network
    if not model.focused:
        return prepared, (yield from network.score_steps(micrograph, prepared, device, clock))
    clear = prepared.at_least(_CLEAR)
    rough = yield from network.rough_score_steps(micrograph, clear, device, clock)
    places, _ = maxima(rough, model.box, _DISTANCE * model.box)
    kept = verified(prepared.spread_at(places), model.limits) & prepared.seen_at(places)
    several = (focused(prepared, places[kept][:count]) for count in _BEST)
    ready = max(several, key=lambda one: one.powers.contrast)
    if ready.powers.coarse < _CHANCE * prepared.powers.coarse:
        ready = prepared
    change = abs(math.log(ready.powers.contrast / clear.powers.contrast))
    if network.sees_contrast and change > _SAME:
        return ready, (yield from network.score_steps(micrograph, ready, device, clock))
    return ready, (yield from network.score_steps(micrograph, ready, device, clock, rough))
