"""How exactly chunks are stored: what zarr.json says as configuration of the codec."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError
from ..settings import EFFORTS
from ..support import records
from ..support.records import checked_field

_GOALS = ("rms_error", "max_error", "psnr", "nrmse")
_SCALES = {"psnr": "value_range", "nrmse": "standard_deviation"}


@dataclass(frozen=True)
class ChunkSettings(records.Record):
    """The error that each chunk may have: one goal, and the scale that it refers to.

    Scales are those of the whole array: with its own, a chunk of noise would be stored far too
    exactly.

    Raises
    ------
    SettingsError
        For values against their rule, and unless there is one goal, with its scale.

    Examples
    --------
    >>> ChunkSettings(psnr=40, value_range=5.0).goal
    ('rms_error', 0.05)
    """

    rms_error: float | None = checked_field(
        "root mean square of the errors in a chunk, in the units of the values", None, above=0
    )
    max_error: float | None = checked_field(
        "the largest error of a voxel, in the units of the values", None, above=0
    )
    psnr: float | None = checked_field(
        "dB by which the RMS error of a chunk lies below value_range", None, low=-100, high=300
    )
    value_range: float | None = checked_field(
        "largest value of the whole array less the smallest, which psnr refers to", None, above=0
    )
    nrmse: float | None = checked_field(
        "RMS error of a chunk as a share of standard_deviation", None, above=0
    )
    standard_deviation: float | None = checked_field(
        "that of the whole array, which nrmse refers to", None, above=0
    )
    effort: str = checked_field("how much is tried for a small chunk", "fast", choices=EFFORTS)

    def __post_init__(self) -> None:
        records.check(self)
        given = [name for name in _GOALS if getattr(self, name) is not None]
        if len(given) != 1:
            raise SettingsError(f"{' and '.join(given) or 'no goal'}: give one of {_all(_GOALS)}")
        for goal, scale in _SCALES.items():
            if (getattr(self, scale) is not None) != (given[0] == goal):
                raise SettingsError(
                    f"{goal} and {scale} go together: the goal refers to the whole array"
                )

    @property
    def goal(self) -> tuple[str, float]:
        """What is allowed in the units of the values: (rms_error or max_error, how much)."""
        if self.max_error is not None:
            return "max_error", self.max_error
        if self.psnr is not None and self.value_range is not None:
            return "rms_error", self.value_range * 10 ** (-self.psnr / 20)
        if self.nrmse is not None and self.standard_deviation is not None:
            return "rms_error", self.nrmse * self.standard_deviation
        assert self.rms_error is not None
        return "rms_error", self.rms_error


def _all(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
