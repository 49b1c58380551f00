"""The asymmetric unit of a problem: what is to be fitted where the map has a symmetry.

A symmetry is accepted if the map that has it exactly is near enough to the original for the goal:
measured on all voxels of the original, all copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..maps.density_map import slabs
from ..progress import Clock, Steps
from ..support.array_types import Float32Array, Float64Array, Triple
from ..support.regions import bounding_box
from ..symmetry.continuous import Symmetry
from ..symmetry.orbit_means import OrbitMeans, orbit_means_steps
from ..symmetry.search import candidates_steps
from .problem import Folding, Problem
from .scaled_problem import ScaledProblem
from .shell_measure import ShellMeasure

_SHARE = 0.5  # of the squared error that is allowed
_OF_SHELLS = 0.5  # of the loss that is allowed in each shell
_OF_SPREAD = 0.02  # where the size is the goal: share of the standard deviation


def symmetric_steps(
    scaled: ScaledProblem, voxel_size: Triple, wanted: str, clock: Clock
) -> Steps[ScaledProblem | None]:
    """Return the problem of the asymmetric unit; None where there is no symmetry to be used.

    `wanted` : "auto", or the name of a group.
    """
    problem = scaled.problem
    group = None if wanted == "auto" else wanted
    density = problem.data - np.float32(problem.base)
    # Noise outside a particle has no symmetry.
    none = problem.counts <= 0 if problem.counts is not None else np.abs(density) < density.std()
    density[none] = 0
    queue = yield from candidates_steps(density, voxel_size, clock, group)
    del density
    tried: set[Symmetry] = set()
    while queue:
        symmetry = queue.pop(0)
        tried.add(symmetry)
        means = yield from orbit_means_steps(
            symmetry, problem.data, problem.counts, problem.base, clock
        )
        spent = yield from _spent_steps(problem, scaled.measure, symmetry, means, clock)
        if spent is not None:
            return replace(scaled, problem=_folded(problem, symmetry, means, spent))
        if group is None:
            queue += [one for one in symmetry.subgroups() if one not in tried]
            queue.sort(key=lambda one: -one.order)
    return None


def _spent_steps(
    problem: Problem,
    measure: ShellMeasure | None,
    symmetry: Symmetry,
    means: OrbitMeans,
    clock: Clock,
) -> Steps[float | Float64Array | None]:
    """Return the share of what is allowed that the symmetry takes; None if that is too much.

    Of each shell, where shells are the goal.
    """
    allowed = problem.allowed
    if allowed is None:  # the size is the goal
        spread = float(problem.values(problem.box).std(dtype=np.float64))
        allowed = problem.total * (_OF_SPREAD * spread) ** 2 / _SHARE
    if measure is None and means.rms**2 * problem.total > 2 * _SHARE * allowed:
        return None  # which the voxels themselves would say too, later
    support = np.ones(problem.data.shape, bool) if problem.counts is None else problem.counts > 0
    unfolded = yield from means.unfolded_steps(symmetry, support, problem.base, clock)
    if measure is None:
        wrong = np.square(unfolded - problem.data, dtype=np.float64)
        if problem.counts is not None:
            wrong *= problem.counts
        share = float(wrong.sum()) / max(allowed, 1e-300)
        return share if share <= _SHARE else None

    def parts() -> Iterator[tuple[slice, Float32Array]]:
        z, y, x = problem.frame
        for part in slabs(problem.shape):
            slab = np.full((part.stop - part.start, *problem.shape[1:]), np.float32(problem.base))
            low, high = max(part.start, z.start), min(part.stop, z.stop)
            if low < high:
                own = unfolded[low - z.start : high - z.start]
                slab[low - part.start : high - part.start, y, x] = own
            yield part, slab

    if measure.measure_slabs(parts()) > _OF_SHELLS:
        return None
    return measure.losses.clip(0)


def _folded(
    problem: Problem, symmetry: Symmetry, means: OrbitMeans, spent: float | Float64Array
) -> Problem:
    """Return the problem of the asymmetric unit."""
    largest = float(means.weight.max())
    counts = np.divide(means.weight, np.float32(largest))
    allowed = problem.allowed
    if allowed is not None:
        left = 1 - spent if isinstance(spent, float) else 1.0
        allowed *= left * float(means.weight.sum(dtype=np.float64)) / problem.total / largest
    z, y, x = (
        slice(own.start + frame.start, own.stop + frame.start)
        for own, frame in zip(means.box, problem.frame, strict=True)
    )
    inside = bounding_box(counts > 0)
    box = tuple(
        slice(own.start + frame.start, own.stop + frame.start)
        for own, frame in zip(inside, (z, y, x), strict=True)
    )
    return replace(
        problem,
        data=means.mean,
        counts=counts,
        frame=(z, y, x),
        box=(box[0], box[1], box[2]),
        allowed=allowed,
        folded=Folding(
            symmetry.moved([s.start for s in problem.frame]),
            means.own,
            problem,
            spent,
            means.on_grid,
        ),
    )
