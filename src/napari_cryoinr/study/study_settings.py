"""Settings of a study."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..models.paper.auto_settings import RULES, AutoRules
from ..models.paper.paper_settings import MAX_STEPS, PaperSettings
from ..settings import EFFORTS, InrSettings
from ..support import records
from ..support.records import checked_field

PARTS = ("headline", "traits", "bands", "scaling", "ablations")
_QUICK = PaperSettings(widths=(16, 8), latent_size=4, max_steps=60)
_QUICK_INR = InrSettings(steps=25, levels=2, symmetry="none")
_QUICK_RESOLUTIONS = 2


@dataclass(frozen=True)
class StudySettings(records.Record):
    """What is measured, and how long networks are trained.

    Raises
    ------
    SettingsError
        For values against their rule.

    Examples
    --------
    >>> StudySettings(quick=True).own.widths
    (16, 8)
    >>> StudySettings(max_steps=300).own.max_steps
    300
    """

    threshold: float | str = checked_field("contour of each map: a density, Nsigma or auto", "auto")
    ratio: float = checked_field(
        "bytes of the voxels over those of an archive of the model paper", 4.24, above=1, high=1e6
    )
    resolutions: tuple[float, ...] = checked_field(
        "Å, to which maps are low-passed where they have them",
        (5.0, 7.5, 10.0, 15.0, 20.0),
        above=0,
        length=(1, 16),
    )
    together: int = checked_field("maps in one archive, the first ones", 3, low=2, high=100)
    effort: str = checked_field("how long is trained", "best", choices=EFFORTS)
    max_steps: int | None = checked_field(
        "training steps of the model paper at most; by default from the effort",
        None,
        low=1,
        high=100_000_000,
    )
    device: str = checked_field("where to train", "auto", choices=("auto", "cpu", "cuda", "mps"))
    seed: int = checked_field("seed of everything random", 0, low=0, high=2**32 - 1)
    quick: bool = checked_field(
        "the smallest network, few steps and two resolutions, to see how a study goes", False
    )

    def __post_init__(self) -> None:
        records.check(self)

    @property
    def own(self) -> PaperSettings:
        """Settings of the model `paper` that the maps do not change."""
        own = _QUICK if self.quick else PaperSettings()
        return own if self.max_steps is None else replace(own, max_steps=self.max_steps)

    @property
    def inr(self) -> InrSettings:
        """Settings of the model `inr`."""
        return _QUICK_INR if self.quick else InrSettings()

    @property
    def steps(self) -> int:
        """Training steps of settings that do not follow from the maps."""
        return self.own.max_steps or MAX_STEPS[self.trained]

    @property
    def trained(self) -> str:
        """The effort of all models."""
        return "fast" if self.quick else self.effort

    @property
    def rules(self) -> AutoRules:
        """Rules of `paper` for the ratio."""
        return replace(RULES, ratio=self.ratio)

    @property
    def low_passes(self) -> tuple[float, ...]:
        """Å, to which maps are low-passed."""
        return self.resolutions[-_QUICK_RESOLUTIONS:] if self.quick else self.resolutions
