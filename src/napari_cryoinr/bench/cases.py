"""What is measured of a map, and what "the same error" means: three regimes of comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import models
from ..errors import SettingsError
from ..maps.density_map import DensityMap
from ..maps.threshold import resolve_threshold, statistics
from ..settings import Settings
from ..support.array_types import AnyArray, BoolArray, Float32Array

REGIMES = ("contour", "whole", "lossless")
ERRORS = {"contour": (0.02, 0.04, 0.06, 0.1, 0.2), "whole": (30.0, 35.0, 40.0, 45.0, 50.0)}
_LEAST_RMS = 1e-300  # of a map that came back exactly: its PSNR is large, but a number


@dataclass(frozen=True)
class Case:
    """One error of one map."""

    regime: str  # "contour", "whole" or "lossless", see `ErrorMeasure`
    threshold: float | None  # a density, in the regime "contour"
    asked: float | None  # NRMSE or PSNR in dB; None lets the model do what it can

    def settings(self, base: Settings) -> Settings:
        """Return the settings of our encoder for this case."""
        threshold = "none" if self.threshold is None else self.threshold
        goal: dict[str, Any] = {}
        if self.regime == "lossless":
            goal["lossless"] = True
        elif self.asked is not None:
            goal["target_nrmse" if self.regime == "contour" else "target_psnr"] = self.asked
        return replace(base, threshold=threshold, **goal)


def cases_for(
    density_map: DensityMap,
    threshold: float | str | None = None,
    regime: str = "auto",
    errors: Sequence[float] | None = None,
    *,
    lossless: bool = False,
    model: str = models.AUTO,
) -> list[Case]:
    """Choose the cases of one map.

    The threshold, as in `Settings`, is automatic by default, and none in the regime "whole"; the
    regime "auto" is contour where the threshold is a density. The errors are NRMSE (contour) or
    PSNR in dB (whole), by default five of them; models that aim at no error get one case without.
    With `lossless` there is one more case, in which every voxel comes back bit for bit.

    Raises
    ------
    SettingsError
        For settings that contradict each other, and thresholds above all densities.
    """
    if regime == "whole" and threshold not in (None, "none"):
        raise SettingsError(
            f"--threshold {threshold} with --regime whole: that regime counts all voxels; give one"
            " of the two"
        )
    level = None
    if regime != "whole":
        level = resolve_threshold(
            "auto" if threshold is None else threshold, statistics(density_map)
        )
    if regime == "contour" and level is None:
        raise SettingsError("--regime contour needs a threshold: a density, Nsigma or auto")
    chosen = "whole" if level is None else "contour"
    if "target_nrmse" in models.aims(model):
        asked: Sequence[float | None] = ERRORS[chosen] if errors is None else errors
    elif errors is None:
        asked = (None,)
    else:
        raise SettingsError(f"--errors: the model {model} takes no error; leave them out")
    cases = [Case(chosen, level, error) for error in asked]
    for case in cases:
        case.settings(Settings())  # refuses errors out of range before anything is measured
    return cases + ([Case("lossless", None, 0.0)] if lossless else [])


class ErrorMeasure:
    """The error of decoded voxels against one original.

    - contour: RMS error over the voxels above the threshold, over the standard deviation of the
      original there (NRMSE).
    - whole: PSNR over all voxels in dB; the range is the largest density less the smallest.
    - lossless: the largest difference, which must be 0.

    The original has the shape (z, y, x); a threshold is given in the regime "contour" only. It is a
    `SettingsError` if the densities that count are all the same: no error has a scale there.
    """

    def __init__(self, original: Float32Array, regime: str, threshold: float | None):
        self.regime = regime
        self._inside: slice | BoolArray = slice(None)
        if threshold is not None:
            self._inside = original > np.float32(threshold)
        self._values = original[self._inside]
        if regime == "lossless":
            return
        if regime == "contour":
            self._scale = float(self._values.std(dtype=np.float64)) if self._values.size else 0.0
        else:
            self._scale = float(original.max()) - float(original.min())
        if not self._scale > 0:
            raise SettingsError(
                f"{self._values.size} voxels count and all have one density: no error has a scale;"
                " choose another threshold"
            )

    def of(self, decoded: AnyArray) -> float:
        """Measure the error of decoded voxels of the shape of the original."""
        difference = self._values - decoded[self._inside].astype(np.float64)
        if self.regime == "lossless":
            return float(np.abs(difference).max())
        rms = math.sqrt(float(np.mean(np.square(difference))))
        if self.regime == "contour":
            return rms / self._scale
        return 20 * math.log10(self._scale / max(rms, _LEAST_RMS))

    def meets(self, error: float, limit: float) -> bool:
        """Return whether an error is no worse than a limit."""
        return error >= limit if self.regime == "whole" else error <= limit
