"""Extremes, mean and standard deviation of densities that are seen part by part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..support.array_types import Float32Array


@dataclass
class Moments:
    """Running extremes and moments, in float64."""

    low: float = math.inf
    high: float = -math.inf
    count: int = 0
    mean: float = 0.0
    _squares: float = 0.0  # of the distances from the mean

    @property
    def deviation(self) -> float:
        """Standard deviation; 0 of nothing."""
        return math.sqrt(self._squares / max(self.count, 1))

    def add(self, part: Float32Array) -> None:
        """Count the densities of a part."""
        self.low = min(self.low, float(part.min()))
        self.high = max(self.high, float(part.max()))
        # Sums about the mean of each part: those about zero lose small deviations.
        own, count = float(part.mean(dtype=np.float64)), self.count + part.size
        self._squares += float(np.square(part - np.float64(own)).sum())
        self._squares += (own - self.mean) ** 2 * self.count * part.size / count
        self.mean += (own - self.mean) * part.size / count
        self.count = count
