"""Settings of a compression: what to keep, how well, and by which model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import models
from .errors import SettingsError
from .maps.envelope import EDGE, EXTEND, KEPT, MAX_EDGE
from .maps.threshold import parse_threshold
from .models import GOALS
from .models.base import FitRequest
from .models.field.field_settings import FieldSettings
from .models.inr.inr_settings import InrSettings
from .models.paper.paper_settings import PaperSettings
from .support import records
from .support.records import checked_field

EFFORTS = ("fast", "balanced", "best")

__all__ = ["EFFORTS", "GOALS", "FieldSettings", "InrSettings", "PaperSettings", "Settings"]


@dataclass(frozen=True)
class Settings(records.Record):
    """How one archive is made.

    `threshold` is a density, "Nsigma" (N standard deviations above the mean of the map), "auto"
    or "none". At most one goal can be given; without one, `field` and `inr` aim at a Fourier shell
    correlation of 0.99 up to the resolution or, where the contour is kept, at an NRMSE of 0.05.

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
        "density above which a voxel counts as structure: a density, Nsigma, auto or none", "auto"
    )
    keep: str = checked_field(
        "what is promised: the soft mask round the structure, the voxels above the threshold, or"
        " all; auto is the envelope, or the volume where there is no threshold or every voxel is"
        " asked for, or the contour for the model paper",
        "auto",
        choices=("auto", *KEPT),
    )
    mask_extend: int = checked_field(
        "voxels by which the soft mask reaches beyond the structure", EXTEND, low=0, high=MAX_EDGE
    )
    mask_edge: int = checked_field(
        "voxels over which the soft mask falls to 0", EDGE, low=0, high=MAX_EDGE
    )
    model: str = checked_field(
        "how densities are represented; auto is lossless where every voxel is asked for bit for"
        " bit, else field, or inr where that is quick and makes the smaller file",
        models.AUTO,
        choices=(models.AUTO, *models.NAMES),
    )
    target_fsc: float | None = checked_field(
        "lowest Fourier shell correlation in what is kept, over all shells up to the resolution",
        None,
        above=0,
        high=0.999999,
    )
    resolution: float | str = checked_field(
        "resolution in Å up to which Fourier shells are kept, or auto: from the map", "auto"
    )
    target_nrmse: float | None = checked_field(
        "RMS error of what is kept, as a share of the standard deviation there",
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
        "no voxel of what is kept is off by more than this density", None, above=0
    )
    lossless: bool = checked_field("every voxel comes back bit for bit", False)
    effort: str = checked_field(
        "how long to search or train; auto is fast on a processor and balanced on a GPU, and"
        " balanced where the model inr or paper is asked for",
        "auto",
        choices=("auto", *EFFORTS),
    )
    device: str = checked_field("where to train", "auto", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = checked_field("seed of everything random", 0, low=0, high=2**32 - 1)
    paper: PaperSettings = checked_field("numbers of the model paper", PaperSettings())
    field: FieldSettings = checked_field("numbers of the model field", FieldSettings())
    inr: InrSettings = checked_field("numbers of the model inr", InrSettings())

    def __post_init__(self) -> None:
        records.check(self)
        kind, number = parse_threshold(self.threshold)
        if kind == "density":  # the command line has texts
            object.__setattr__(self, "threshold", number)
        self._check_resolution()
        given = self.goals
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} are given: give one goal at most")
        try:
            self._chosen()
        except ValueError as error:
            raise SettingsError(str(error)) from None
        masked = self.keep in ("envelope", "contour")
        if masked and self.threshold == "none" and self.keep == "contour":
            raise SettingsError("keep = contour needs a threshold, and threshold is none")
        if masked and (self.target_psnr or self.lossless):
            goal = "target_psnr" if self.target_psnr else "lossless"
            raise SettingsError(f"{goal} is over all voxels: give keep = volume, or another goal")
        if self.keep == "contour" and self.target_fsc:
            raise SettingsError(
                "target_fsc is of masked or whole maps: give keep = envelope or volume, or another"
                " goal"
            )

    def _check_resolution(self) -> None:
        value = self.resolution
        if isinstance(value, str) and value != "auto":
            try:
                value = float(value)
            except ValueError:
                raise SettingsError(f"resolution {value!r}: give Å or auto") from None
            object.__setattr__(self, "resolution", value)
        if not isinstance(value, str) and not 0 < value < 1e6:
            raise SettingsError(f"resolution {value:g}: must be above 0 Å")

    def kept(self, masked: bool = False) -> str:
        """Return what is promised; `masked` where a mask is given."""
        if self.keep != "auto":
            return self.keep
        name, goal = self._chosen()
        if goal in ("target_psnr", "lossless") or (self.threshold == "none" and not masked):
            return "volume"
        return "contour" if name == "paper" and not masked else "envelope"

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

    def request(self, masked: bool = False) -> FitRequest:
        """Return what the model is asked for; `masked` where a mask is given."""
        name, goal = self._chosen()
        amount = 0.0 if goal is None else float(getattr(self, goal) or 0)
        if goal is None:
            goal, amount = models.usual_aim(name, self.kept(masked)) or (None, 0.0)
        own_type = models.get(name).settings_type
        own = next((value for value in vars(self).values() if type(value) is own_type), None)
        return FitRequest(goal, amount, self.effort, self.device, self.seed, own)

    def with_request(self, request: FitRequest) -> Settings:
        """Return these settings with the effort and the model's own settings of a request."""
        names = [name for name, value in vars(self).items() if type(value) is type(request.own)]
        own = {} if request.own is None else dict.fromkeys(names, request.own)
        return replace(self, effort=request.effort, **own)
