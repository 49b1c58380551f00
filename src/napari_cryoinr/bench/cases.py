"""What is measured of a map: errors above a contour or of the whole volume, or none at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import models
from ..errors import SettingsError
from ..maps.density_map import DensityMap
from ..maps.statistics import statistics
from ..maps.threshold import resolve_threshold
from ..settings import Settings

ERRORS = {"contour": (0.02, 0.04, 0.06, 0.1, 0.2), "whole": (30.0, 35.0, 40.0, 45.0, 50.0)}


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

    Parameters
    ----------
    density_map : DensityMap
    threshold, model : float or str, str
        As in `Settings`; the threshold is automatic by default, and none in the regime "whole".
    regime : str
        "contour", "whole", or "auto": contour where the threshold is a density.
    errors : sequence of float, optional
        NRMSE (contour) or PSNR in dB (whole); by default five of them. Models that
        aim at no error get one case without.
    lossless : bool
        Whether there is one more case, in which every voxel comes back bit for bit.

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
