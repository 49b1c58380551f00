"""Which pyramid suits a map, by short trainings, and the whole training on that."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ...errors import GoalMissed, SettingsError
from ...progress import Clock, Steps
from ...support.array_types import Region
from ...support.devices import available
from ...support.memory import default_memory_limit
from ..problem import Problem
from ..scaled_problem import ScaledProblem
from ..shell_measure import ShellMeasure
from ..shown_planes import ShownPlanes
from .encoder import Encoder, Work
from .encoding import Coder, Encoding
from .inr_settings import InrSettings
from .lattice import UNIT
from .parts import boxes_of, by_parts_steps
from .pyramid import Pyramid, Rest, costs_of, spacing_for, usual_spacing
from .rate import ContextNetwork
from .reference import Reference

_TRIAL = {"fast": 0, "balanced": 30, "best": 60}  # steps for each pyramid that is tried
_OF_REFERENCE = 1.03  # what the cost of a trial with a reference is multiplied by
_TRIES = 3  # of finer and finer pyramids, where one misses the goal
# Spacings in voxels and degrees that are tried where no shells say how fine the map is.
_PYRAMIDS = ((1.0, 3), (1.5, 3), (2.25, 3), (3.25, 3), (1.0, 1))


# Copies ask for places between voxels, of which finer ones know too little.
_PYRAMIDS_OF_UNITS = ((1.25, 3), (1.5, 3), (2.25, 3), (3.25, 3))


class _Choice(NamedTuple):
    spacing: int  # of the finest lattice, in its unit
    degree: int
    corrects: bool  # whether a network corrects the sums of the levels
    refers: bool = False  # whether an earlier member tells about this one


def search_steps(
    scaled: ScaledProblem, reference: Reference | None, limit: int | None, device: str, clock: Clock
) -> Steps[Encoding]:
    """Return the smallest encoding that meets the goal.

    Parameters
    ----------
    reference : an earlier member that may tell about this one.
    limit : bytes that the stream may take; None where the error is the goal.

    Raises
    ------
    GoalMissed
        if training does not meet the goal.
    """
    problem, measure, request = scaled.problem, scaled.measure, scaled.request
    own: InrSettings = request.own
    effort = request.effort_on(device if request.unasked else None)
    steps = own.training_steps(effort, device, problem.total_in(problem.box))
    choices = _choices(problem, measure, own, effort)
    if reference is not None:
        choices = choices + [choice._replace(refers=True) for choice in choices]
    trial = min(_TRIAL[effort], steps) if len(choices) > 1 else 0
    memory = _memory(device)
    planned = (len(choices) * trial if trial else 0) + 1.2 * steps
    work = Work(clock, planned, ShownPlanes(request.shows), exponent=scaled.exponent)

    def coder(choice: _Choice) -> Coder:
        pyramid = Pyramid.over(
            problem.shape, problem.box, choice.spacing, choice.degree, own.levels
        )
        return Coder(problem, measure, pyramid, reference if choice.refers else None)

    def encoder_of(
        by: Coder,
        corrects: bool,
        part: Problem,
        pyramid: Pyramid,
        rest: Rest | None = None,
        network: ContextNetwork | None = None,
    ) -> Encoder:
        costs = costs_of(
            part,
            measure,
            pyramid,
            network or ContextNetwork.from_integers(by.known.network),
            device,
            request.seed,
            corrects=corrects,
            own=own,
            reference=by.reference,
            rest=rest,
        )
        share = part.total_in(part.box) / max(problem.total_in(problem.box), 1e-30)
        return Encoder(costs, work, None if limit is None else int(share * limit))

    def encoder(choice: _Choice, part: Problem) -> Encoder:
        by = coder(choice)
        pyramid = Pyramid.over(part.shape, part.box, choice.spacing, choice.degree, own.levels)
        return encoder_of(by, choice.corrects, part, pyramid)

    if trial:
        finest = min(choice.spacing for choice in choices)
        sample = _sample(problem, boxes_of(problem, finest, memory))
        costs: dict[_Choice, float] = {}
        for alike in _alike(choices):
            before = math.inf
            for choice in alike:
                costs[choice] = yield from encoder(choice, sample).trial_steps(trial)
                if costs[choice] > before:  # finer ones are worse still, and take longest
                    break
                before = costs[choice]
        # A short training has to promise more than it is off by for one map to depend on another.
        own_way = {c: cost * (_OF_REFERENCE if c.refers else 1) for c, cost in costs.items()}
        choices = [min(own_way, key=lambda choice: own_way[choice])]
    choice = choices[0]
    for _ in range(_TRIES):
        by = coder(choice)
        boxes = boxes_of(problem, choice.spacing, memory)
        if len(boxes) > 1:
            if own.synthesis == "network":
                raise SettingsError(
                    "synthesis = network: this map does not fit into memory and is trained part by"
                    " part, which knows no such network; choose none or auto"
                )
            work.planned += 1.2 * steps * (len(boxes) - 1)
            costing = partial(encoder_of, by, False)
            found = yield from by_parts_steps(by, boxes, costing, steps)
        else:
            found = yield from encoder(choice, problem).whole_steps(steps, by)
        finer = _finer(choice, problem.voxel, own, _between_voxels(problem))
        needed = limit is None and request.goal != "max_error" and not found.meets
        if not needed or finer == choice:
            break
        choice = finer
    if limit is not None and len(found.stream) > limit:
        raise GoalMissed(
            f"the ratio asked for leaves {limit} bytes for the densities, which is too few;"
            " nothing written"
        )
    if limit is None and not found.meets and request.goal != "max_error":
        remedy = "let it train longer" if work.enough else "choose another effort"
        raise GoalMissed(
            f"training came to {found.loss:.3g} times the error that is allowed; nothing written:"
            f" {remedy}, or the model field"
        )
    return found


def _memory(device: str) -> int:
    """Return how many bytes training may take."""
    free = next((one.free_bytes for one in available() if one.name == device), None)
    return default_memory_limit() if free is None else free * 4 // 5


def _sample(problem: Problem, boxes: Sequence[Region]) -> Problem:
    """Return the part of a problem that holds most, or all of it where there is one box."""
    box = max(boxes, key=problem.total_in)
    if len(boxes) == 1:
        return problem
    share = problem.total_in(box) / max(problem.total_in(problem.box), 1e-30)
    allowed = None if problem.allowed is None else share * problem.allowed
    return replace(problem, box=box, allowed=allowed)


def _alike(choices: Sequence[_Choice]) -> list[list[_Choice]]:
    """Return choices that differ in their lattices alone together, the coarsest first."""
    groups: dict[tuple[bool, bool], list[_Choice]] = {}
    for choice in sorted(choices, key=lambda choice: (-choice.spacing, -choice.degree)):
        groups.setdefault((choice.corrects, choice.refers), []).append(choice)
    return list(groups.values())


def _finer(choice: _Choice, voxel: float, own: InrSettings, between: bool = False) -> _Choice:
    """Return a finer pyramid, as a coarse one cannot hold every map; the same if none may be."""
    if own.spacing is not None:
        return choice
    least = round(_PYRAMIDS_OF_UNITS[0][0] * UNIT) if between else UNIT // 2
    if own.finest is not None:
        least = max(least, spacing_for(own.finest, voxel))
    return choice._replace(spacing=max(choice.spacing * 3 // 16 * 4, min(least, choice.spacing)))


def _between_voxels(problem: Problem) -> bool:
    """Return whether copies of voxels lie between voxels."""
    return problem.folded is not None and not problem.folded.on_grid


def _choices(
    problem: Problem, measure: ShellMeasure | None, own: InrSettings, effort: str
) -> list[_Choice]:
    """Return what is worth a try, the likeliest first."""
    if measure is not None:
        usual = [(usual_spacing(measure), 3)]
    else:
        listed = _PYRAMIDS_OF_UNITS if _between_voxels(problem) else _PYRAMIDS
        usual = [(round(spacing * UNIT), degree) for spacing, degree in listed]
    networks = [own.synthesis == "network"]
    if own.synthesis == "auto" and effort == "best":
        networks = [False, True]
    out: list[_Choice] = []
    for (spacing, degree), corrects in itertools.product(usual, networks):
        if own.finest is not None:
            spacing = max(spacing, spacing_for(own.finest, problem.voxel))
        wanted = spacing if own.spacing is None else round(own.spacing * UNIT)
        choice = _Choice(wanted, own.degree or degree, corrects)
        if choice not in out:
            out.append(choice)
    return out
