"""What is measured of a map: regimes of comparison, and the cases of one map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import models
from ..errors import SettingsError
from ..maps.density_map import DensityMap
from ..maps.envelope import soft_mask
from ..maps.map_statistics import statistics
from ..maps.resolution import resolution_steps
from ..maps.threshold import resolve_threshold
from ..models.base import Target
from ..progress import Clock, drain
from ..settings import Settings


@dataclass(frozen=True)
class Regime:
    """What counts as the same error, and what each codec is given to reach it."""

    keep: str  # of our settings
    goal: str  # of our settings, the error that is asked for
    unit: str  # of the error
    errors: tuple[float, ...]  # that are asked for by default
    inputs: tuple[str, ...]  # what peers are given, see `error_measure.peer_input`
    rising: bool  # whether more is better
    note: str  # for readers of a table


_TUNED = (
    " SPERR promises a PSNR of what it is given, SZ3 and ZFP a largest error of each voxel; this is"
    " bisected until the error of the table is ours."
)
REGIMES = {
    "fsc": Regime(
        "envelope",
        "target_fsc",
        "lowest FSC",
        (0.9, 0.95, 0.98, 0.99, 0.999),
        ("full", "masked", "low-passed"),
        True,
        "Lowest FSC: the lowest Fourier shell correlation, up to the resolution, of original and"
        " decoded map, both times the soft mask of the original (the density above the contour,"
        " without dust, extended by 3 voxels, with an edge of 3). cinr is given the map as it is"
        " and promises this correlation, and the background outside the mask. Peers are given the"
        " map as it is (full), times the soft mask (masked), and that without what lies beyond the"
        " resolution (low-passed)." + _TUNED,
    ),
    "contour": Regime(
        "contour",
        "target_nrmse",
        "NRMSE",
        (0.02, 0.04, 0.06, 0.1, 0.2),
        ("full", "masked", "clipped"),
        False,
        "NRMSE: RMS error of the voxels of the original above the contour, over their standard"
        " deviation. cinr is given the map as it is and promises this error. Peers are given the"
        " map as it is (full), with zeros at and below the contour (masked), and with the contour"
        " wherever the density lies below it (clipped)." + _TUNED,
    ),
    "whole": Regime(
        "volume",
        "target_psnr",
        "PSNR, dB",
        (30.0, 35.0, 40.0, 45.0, 50.0),
        ("full",),
        True,
        "PSNR: over all voxels, with the range of the original. All codecs are given the map as it"
        " is, and cinr promises this error." + _TUNED,
    ),
    "lossless": Regime(
        "volume",
        "lossless",
        "largest error",
        (0.0,),
        ("",),
        False,
        "Largest error: all codecs are given the voxels in the type of the file, and promise every"
        " bit.",
    ),
}
LOSSY = tuple(name for name in REGIMES if name != "lossless")
_REGIME_OF = {REGIMES[name].keep: name for name in LOSSY}


@dataclass(frozen=True)
class Case:
    """One error of one map."""

    regime: str  # one of `REGIMES`
    threshold: float | None  # a density, in the regimes "fsc" and "contour"
    asked: float | None  # the error; None lets the model do what it can
    resolution: float | None = None  # Å, in the regime "fsc"

    @property
    def measured(self) -> str:
        """What the error is, and over what."""
        unit = REGIMES[self.regime].unit
        if self.threshold is None:
            return unit
        if self.resolution is None:
            return f"{unit} above {self.threshold:.5g}"
        return f"{unit} to {self.resolution:.4g} Å in the mask at {self.threshold:.5g}"

    def settings(self, base: Settings) -> Settings:
        """Return the settings of our encoder for this case."""
        regime = REGIMES[self.regime]
        goal: dict[str, Any] = {}
        if self.asked is not None:
            goal[regime.goal] = self.asked if self.regime in LOSSY else True
        threshold = "none" if self.threshold is None else self.threshold
        resolution = "auto" if self.resolution is None else self.resolution
        chosen = replace(base, threshold=threshold, resolution=resolution, **goal)
        # What is implied is left out, as users do: files hold the settings that were given.
        return chosen if chosen.kept() == regime.keep else replace(chosen, keep=regime.keep)


def cases_for(
    density_map: DensityMap,
    threshold: float | str | None = None,
    regime: str = "auto",
    errors: Sequence[float] | None = None,
    *,
    resolution: float | str | None = None,
    lossless: bool = False,
    model: str = models.AUTO,
) -> list[Case]:
    """Choose the cases of one map.

    The threshold and the resolution, as in `Settings`, are automatic by default; there is no
    threshold in the regime "whole". The regime "auto" measures what the model keeps where nothing
    is said. By default there are five errors; models that aim at no such error get one case
    without. With `lossless` there is one more case, in which every voxel comes back bit for bit.

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
    level, chosen = None, regime
    if regime != "whole":
        setting = "auto" if threshold is None else threshold
        level = resolve_threshold(setting, statistics(density_map))
    if regime == "auto":
        kept = "volume" if level is None else Settings(model=model).kept()
        chosen = _REGIME_OF[kept]
    elif level is None and regime != "whole":
        raise SettingsError(f"--regime {regime} needs a threshold: a density, Nsigma or auto")
    if resolution is not None and chosen != "fsc":
        raise SettingsError(
            f"--resolution {resolution}: belongs to the regime fsc only, and this one is {chosen}"
        )
    limit = None
    if chosen == "fsc":
        assert level is not None
        limit = _resolution(density_map, level, "auto" if resolution is None else resolution)
    if REGIMES[chosen].goal in models.aims(model):
        asked: Sequence[float | None] = REGIMES[chosen].errors if errors is None else errors
    elif errors is None:
        asked = (None,)
    else:
        raise SettingsError(f"--errors: the model {model} takes no such error; leave them out")
    cases = [Case(chosen, level, error, limit) for error in asked]
    for case in cases:
        case.settings(Settings())  # refuses errors out of range before anything is measured
    return cases + ([Case("lossless", None, 0.0)] if lossless else [])


def _resolution(density_map: DensityMap, threshold: float, setting: float | str) -> float:
    """Return the resolution in Å, which peers need as a number, as our encoder would choose it."""
    wanted = Settings(resolution=setting).resolution
    if not isinstance(wanted, str):
        return wanted
    target = Target.inside(density_map, soft_mask(density_map.data, threshold), threshold)
    steps = resolution_steps(
        density_map.data, target.weight, density_map.voxel_size, target.background, Clock()
    )
    return drain(steps).angstrom
