"""What a file will hold, in one sentence."""

from __future__ import annotations

from ...models.base import DEFAULT_FSC
from ...settings import Settings
from ..io.words import density_words
from .size_estimate import smaller


def is_free(settings: Settings) -> bool:
    """Whether nothing is asked for, so that what is kept follows from what the map is."""
    free = settings.goal is None and settings.keep == "auto" and settings.model_name != "paper"
    return free and settings.threshold in ("auto", "none")


def kept_of(settings: Settings, kind: str, by_half_maps: bool) -> str:
    """Return what is kept of a map of one of `KINDS`: envelope, contour, volume or exactly."""
    if is_free(settings) and not by_half_maps and kind != "density":
        return "exactly" if kind == "labels" else "volume"
    return settings.kept()


def promise(
    settings: Settings,
    kept: str,
    threshold: float | None,
    resolution: float | None,
    by_half_maps: bool = False,
) -> str:
    """Return what will be kept.

    Parameters
    ----------
    kept : see `kept_of`.
    threshold : the density; None for the whole volume.
    resolution : Å; None where it is not known yet.
    by_half_maps : whether the noise of half-maps is the measure.
    """
    where = _where(kept, threshold)
    reach = "the resolution" if resolution is None else f"{resolution:.3g} Å"
    if kept == "exactly" or settings.goal == "lossless":
        return "Will keep every voxel exactly"
    if by_half_maps:
        error = "an error of at most a tenth of the half-maps' noise"
        return f"Will keep every Fourier shell to {reach} {where} with {error}"
    goal = settings.goal
    if goal == "target_ratio":
        return f"Will keep as much {where} as fits into the size"
    if goal == "target_nrmse":
        return f"Will keep densities {where} with {_spread(settings.target_nrmse or 0.0)}"
    if goal == "target_psnr":
        return f"Will keep all voxels with a PSNR of at least {settings.target_psnr:g} dB"
    if goal == "max_error":
        return f"Will keep every voxel {where} within {settings.max_error:g} of its density"
    if settings.model_name == "paper":
        return f"Will train a network on the voxels {where}; no error is promised"
    if kept == "contour":
        return f"Will keep densities {where} with {_spread(0.05)}"
    correlation = settings.target_fsc or DEFAULT_FSC
    text = f"Will keep every Fourier shell to {reach} {where} at {correlation:g} or better"
    return text if goal or kept == "volume" else f"{text}, and the surface"


def with_size(text: str, size: int | None, raw: int, about: bool = True) -> str:
    """Add the size of the file to a promise, where it is known."""
    if size is None:
        return f"{text}."
    return f"{text}; {'about ' if about else ''}{smaller(size, raw)}."


def _where(kept: str, threshold: float | None) -> str:
    if kept in ("volume", "exactly") or threshold is None:
        return "in the whole volume"
    level = density_words(threshold)
    return f"above {level}" if kept == "contour" else f"inside the soft mask above {level}"


def _spread(error: float) -> str:
    return f"an RMS error of at most {100 * error:.3g} % of their spread"
