"""What an encoding is judged by: how far it is from the goal, and which of two is better."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from ..base import FitRequest
from .encoder import SMALLEST_STEP, Encoding
from .problem import Problem

_FIRST_STEP = (6.0, 3.0)  # in RMS errors: every voxel counts, some do


class Goal(ABC):
    """How far an encoding is from what is asked for: 1 is there, more is beyond it."""

    slope: float
    window: tuple[float, float]
    first_step: float
    strict = True  # whether nothing else could make up for missing it

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.count = max(problem.total, 1e-6)

    @abstractmethod
    def ratio(self, found: Encoding) -> float:
        """Of an encoding's error or size to the one that is allowed."""

    @abstractmethod
    def better(self, one: Encoding, other: Encoding) -> bool:
        """Whether one of two encodings that meet the goal is to be preferred."""

    def meets(self, found: Encoding) -> bool:
        return self.ratio(found) <= self.window[1]

    def prefers(self, one: Encoding, other: Encoding) -> bool:
        """Whether one is better, or meets the goal where the other does not."""
        if self.meets(one) != self.meets(other):
            return self.meets(one)
        return self.better(one, other)

    @abstractmethod
    def missed(self) -> str:
        """The sentence for a map that can't reach the goal."""

    def next_step(self, step: float, found: Encoding) -> float:
        """A step nearer to the goal, after one encoding."""
        factor = (0.98 / max(self.ratio(found), 1e-12)) ** (1 / self.slope)
        return short_step(step * min(max(factor, 0.05), 20.0))


class _ErrorGoal(Goal):
    slope = 1.4  # d log(squared error) / d log(step)
    window = (0.985, 0.9995)  # NRMSE within 1 %

    def __init__(self, problem: Problem, strict: bool) -> None:
        super().__init__(problem)
        assert problem.allowed is not None
        self.allowed = max(problem.allowed, 0.0)
        self.strict = strict
        rms = math.sqrt(self.allowed / self.count)
        self.first_step = short_step(
            max(rms, SMALLEST_STEP) * _FIRST_STEP[problem.counts is not None]
        )

    def ratio(self, found: Encoding) -> float:
        if found.squared_error <= 0:
            return 0.0
        return found.squared_error / max(self.allowed, 1e-300)

    def better(self, one: Encoding, other: Encoding) -> bool:
        return len(one.stream) < len(other.stream)

    def missed(self) -> str:
        return "no quantisation step reaches the error that is asked for; nothing written"


class _SizeGoal(Goal):
    slope = -0.6  # d log(bytes) / d log(step)
    window = (0.985, 0.9995)

    def __init__(self, problem: Problem, limit: int) -> None:
        super().__init__(problem)
        self.limit = max(limit, 1)
        self.first_step = short_step(problem.spread() or problem.largest or 1.0)

    def ratio(self, found: Encoding) -> float:
        return len(found.stream) / self.limit

    def better(self, one: Encoding, other: Encoding) -> bool:
        return one.squared_error < other.squared_error

    def missed(self) -> str:
        return (
            f"the ratio asked for leaves {self.limit} bytes for the densities, which is too few at"
            " any quality; nothing written"
        )


def goal_of(problem: Problem, request: FitRequest, limit: int | None) -> Goal:
    """The goal of the request; `limit` is in bytes, None where the error is the goal."""
    if limit is not None:
        return _SizeGoal(problem, limit)
    # A residual stream makes up for what the latents leave of a maximum error.
    return _ErrorGoal(problem, strict=request.goal != "max_error")


def short_step(step: float) -> float:
    """Five digits: more would only make the header longer."""
    return float(f"{step:.5g}")
