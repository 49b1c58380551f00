"""Whether what will be stored meets the goal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..archive.header import MemberHeader
from ..errors import GoalMissed
from ..maps.density_map import DensityMap
from ..maps.fourier_shells import FourierShells, ShellGoal
from ..maps.half_maps import OF_NOISE, HalfMapNoise
from ..maps.masked_volume import MaskedVolume
from ..models.base import FitRequest, Target
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support.array_types import Float32Array, Float64Array

SHELLS_LEFT = 0.99
"""Of what each shell may lose; fading and the surface take the rest."""

_MARGIN, _LEAST_LEFT = 1.2, 0.2  # of what was lost after a fit, when it is repeated


class ShellsMissed(GoalMissed):
    """A shell loses too much by what comes after the fit: `ratio` times what is allowed."""

    def __init__(self, name: str, text: str, ratio: float) -> None:
        super().__init__(f"{name}: {text}; nothing written")
        self.name = name
        self.ratio = ratio

    def tighter(self, target: Target) -> Target:
        """Return a target that leaves room for that."""
        assert target.shells is not None
        share = min(max(1 - _MARGIN * (self.ratio - SHELLS_LEFT), _LEAST_LEFT), SHELLS_LEFT)
        allowed = share * target.shells.allowed
        return replace(target, shells=replace(target.shells, allowed=allowed))


def error_shares(
    original: DensityMap,
    decoded: Float32Array,
    weight: Float32Array | None,
    background: float,
    noise: HalfMapNoise,
) -> Float64Array:
    """Return the power of the error as a share of that of the original, for shell 1, 2, ...

    Parameters
    ----------
    weight : the soft mask of the maps, shape (z, y, x); None where there is none.
    background : density outside it.
    """
    halves = ShellGoal(np.full(noise.shells.nyquist, 0.5), by_noise=True)
    return shell_losses(halves, original, decoded, weight, background)


def shell_losses(
    goal: ShellGoal,
    original: DensityMap,
    decoded: Float32Array,
    weight: Float32Array | None,
    background: float,
) -> Float64Array:
    """Return the loss of each shell as a share of what a goal allows; as for `error_shares`."""
    shells = FourierShells(original.data.shape, original.voxel_size, len(goal.allowed))
    level = np.float32(background)
    unit = max(float(np.abs(original.data[part] - level).max()) for part in original.slabs())
    one, other = (
        MaskedVolume(volume, float(level), weight, unit or 1.0)
        for volume in (original.data, decoded)
    )
    return goal.losses(shells, shells.spectrum(one), shells.spectrum(other))


def with_half_maps(
    report: QualityReport, noise: HalfMapNoise, shares: Float64Array, last: int
) -> QualityReport:
    """Return the report with what an error does to the correlation of half-maps.

    Parameters
    ----------
    shares : those of `error_shares`.
    last : shell up to which the error is to stay below the noise.
    """
    return replace(
        report,
        half_map_resolution=noise.resolution,
        half_map_resolution_after=noise.with_error(shares).resolution,
        error_of_noise=float((shares / noise.noise_share)[:last].max()),
    )


def check_goal(
    settings: Settings,
    request: FitRequest,
    report: QualityReport,
    header: MemberHeader,
    noise: HalfMapNoise | None = None,
) -> None:
    """Raise `GoalMissed` where a report shows that the goal was missed.

    With half-maps the goal is theirs: error below the noise, and the resolution is the same to a
    shell.
    """

    def missed(text: str) -> GoalMissed:
        return GoalMissed(f"{header.name}: {text}; nothing written")

    if noise is not None:
        share, before = report.error_of_noise or 0.0, report.half_map_resolution or np.inf
        after = report.half_map_resolution_after or np.inf
        if share > OF_NOISE:
            text = f"error of {share:.4g} times the half-maps' noise where {OF_NOISE:g} is allowed"
            raise ShellsMissed(header.name, text, share / OF_NOISE)
        if abs(1 / after - 1 / before) * noise.shells.edge >= 1:
            raise missed(f"the half-maps' resolution of {before:g} Å would become {after:g} Å")
    elif request.goal == "target_fsc" and (report.lowest_fsc or 0.0) < request.amount:
        lowest = report.lowest_fsc or 0.0
        text = f"FSC {lowest:.6g} where {request.amount:g} was asked for"
        raise ShellsMissed(header.name, text, (1 - lowest) / (1 - request.amount))
    nrmse, psnr, largest = settings.target_nrmse, settings.target_psnr, settings.max_error
    if nrmse is not None and report.nrmse > nrmse:
        raise missed(f"NRMSE {report.nrmse:.4g} where {nrmse:g} was asked for")
    if psnr is not None and report.psnr is not None and report.psnr < psnr:
        raise missed(f"PSNR {report.psnr:.2f} dB where {psnr:g} was asked for")
    if largest is not None and report.max_error > largest:
        raise missed(f"maximum error {report.max_error:g} where {largest:g} was asked for")
    exactly = settings.goal == "lossless" or header.lossless
    if exactly and header.decoded_checksum != header.original_checksum:
        raise missed("not every voxel came back bit for bit")
