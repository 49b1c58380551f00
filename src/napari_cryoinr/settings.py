"""Settings of a compression: what to keep, how well, and by which model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import models
from .errors import SettingsError
from .maps.threshold import parse_threshold
from .models import GOALS
from .models.base import FitRequest
from .models.field.field_settings import FieldSettings
from .models.paper.paper_settings import PaperSettings
from .support import records
from .support.records import checked_field

EFFORTS = ("fast", "balanced", "best")

__all__ = ["EFFORTS", "GOALS", "FieldSettings", "PaperSettings", "Settings"]


@dataclass(frozen=True)
class Settings(records.Record):
    """How one archive is made.

    `threshold` is a density, "Nsigma" (N standard deviations above the mean of the map), "auto"
    or "none". At most one goal can be given; without one, `field` aims at an NRMSE of 0.05.

    Raises
    ------
    SettingsError
        For values against their rule, and for settings that contradict each other.

    Examples
    --------
    >>> settings = Settings(threshold="3sigma", target_nrmse=0.03)
    >>> settings.goal, settings.model_name
    ('target_nrmse', 'field')
    >>> Settings.from_dict(settings.to_dict()) == settings
    True
    """

    threshold: float | str = checked_field(
        "voxels above this density are kept: a density, Nsigma, auto or none", "auto"
    )
    model: str = checked_field(
        "how densities are represented; auto is lossless where every voxel is asked for bit for"
        " bit, else field",
        models.AUTO,
        choices=(models.AUTO, *models.NAMES),
    )
    target_nrmse: float | None = checked_field(
        "RMS error above the threshold, as a share of the standard deviation there",
        None,
        above=0,
        high=10,
    )
    target_psnr: float | None = checked_field(
        "peak signal-to-noise ratio over all voxels, dB", None, above=0, high=200
    )
    target_ratio: float | None = checked_field(
        "bytes of the voxels over bytes of the file", None, above=0
    )
    max_error: float | None = checked_field(
        "no voxel above the threshold is off by more than this density", None, above=0
    )
    lossless: bool = checked_field("every voxel comes back bit for bit", False)
    effort: str = checked_field("how long to train", "balanced", choices=EFFORTS)
    device: str = checked_field("where to train", "auto", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = checked_field("seed of everything random", 0, low=0, high=2**32 - 1)
    paper: PaperSettings = checked_field("numbers of the model paper", PaperSettings())
    field: FieldSettings = checked_field("numbers of the model field", FieldSettings())

    def __post_init__(self) -> None:
        records.check(self)
        parse_threshold(self.threshold)
        given = self.goals
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} are given: give one goal at most")
        try:
            self._chosen()
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def _chosen(self) -> tuple[str, str | None]:
        return models.chosen(self.model, next(iter(self.goals), None))

    @property
    def goals(self) -> list[str]:
        """Names of the goals that are given."""
        return [name for name in GOALS if getattr(self, name)]

    @property
    def goal(self) -> str | None:
        """The goal that is given, or that the model implies."""
        return self._chosen()[1]

    @property
    def model_name(self) -> str:
        """The model, where `model` is auto the one that fits the goal."""
        return self._chosen()[0]

    def request(self) -> FitRequest:
        """Return what the model is asked for."""
        name, goal = self._chosen()
        amount = 0.0 if goal is None else float(getattr(self, goal) or 0)
        own_type = models.get(name).settings_type
        own = next((value for value in vars(self).values() if type(value) is own_type), None)
        return FitRequest(goal, amount, self.effort, self.device, self.seed, own)

    def with_request(self, request: FitRequest) -> Settings:
        """Return these settings with the effort and the model's own settings of a request."""
        names = [name for name, value in vars(self).items() if type(value) is type(request.own)]
        own = {} if request.own is None else dict.fromkeys(names, request.own)
        return replace(self, effort=request.effort, **own)
