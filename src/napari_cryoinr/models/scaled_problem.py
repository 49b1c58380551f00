"""Problems of maps with densities of any scale: a fit sees magnitudes that float32 can square."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..maps.density_map import DensityMap
from ..progress import Clock, Steps
from .base import FitRequest, Target
from .problem import Problem, problem_steps
from .shell_measure import ShellMeasure

_USUAL_DENSITIES = (1e-15, 1e15)  # largest magnitudes that a fit takes as they are


@dataclass(frozen=True, eq=False)
class ScaledProblem:
    """A problem whose densities are those of the map times a power of two.

    Attributes
    ----------
    problem, request : of the densities as they are fitted.
    measure : where Fourier shells are the goal.
    exponent : of two; the map's densities are the fitted ones times that power.
    """

    problem: Problem
    request: FitRequest
    measure: ShellMeasure | None
    exponent: int

    def density(self, fitted: float) -> float:
        """Return a fitted density as one of the map."""
        return math.ldexp(fitted, self.exponent)


def scaled_problem_steps(
    target: Target, request: FitRequest, clock: Clock, *, symmetric: bool
) -> Steps[ScaledProblem]:
    """Return what is to be fitted to a map; where `symmetric`, its symmetry is looked for."""
    exponent = _exponent(target.map)
    if exponent:
        target = target.scaled(-exponent)
        if request.goal == "max_error":
            request = replace(request, amount=math.ldexp(request.amount, -exponent))
    measure = None if target.shells is None else ShellMeasure(target)
    problem = yield from problem_steps(target, request, clock, measure, symmetric=symmetric)
    return ScaledProblem(problem, request, measure, exponent)


def _exponent(density_map: DensityMap) -> int:
    """Return the power of two for densities whose squares leave float32, to about 1; others 0."""
    parts = (density_map.data[part] for part in density_map.slabs())
    largest = max(float(np.abs(part).max()) for part in parts)
    usual = largest == 0 or _USUAL_DENSITIES[0] <= largest <= _USUAL_DENSITIES[1]
    return 0 if usual else math.frexp(largest)[1]
