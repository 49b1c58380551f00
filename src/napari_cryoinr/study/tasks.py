"""What is measured: one codec at one setting, of one map or of several in one archive."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ..models.paper.paper_settings import PaperSettings
from ..progress import Progress
from ..settings import Settings
from ..support import records
from .cases import Case
from .study_settings import StudySettings

SHARE = 0.8825
"""Of the points above the contour within 20 %, that the source reports at 4.24:1."""
_SCHEMA = 1  # of rows; another one makes rows of before unknown


@dataclass(frozen=True, eq=False)
class Task:
    """One measurement.

    Attributes
    ----------
    variant : what tables call it.
    cases : the maps, in one archive.
    settings : of our encoder; None for another codec.
    codec : the other codec by its name.
    tuned : whether the error is the largest that leaves `SHARE` of the points within 20 %; codecs
        that lose nothing, and the model paper, have what they have.
    """

    variant: str
    cases: tuple[Case, ...]
    settings: Settings | None = None
    codec: str = ""
    tuned: bool = False

    @property
    def name(self) -> str:
        """Names of the maps."""
        return " + ".join(case.name for case in self.cases)

    @property
    def title(self) -> str:
        """What is being done, for people."""
        return f"{self.name}: {self.variant}"

    @property
    def paper(self) -> dict[str, Any]:
        """Settings of the model `paper` that differ from the source's; none of other models."""
        if self.settings is None or self.settings.model != "paper":
            return {}
        source = records.to_dict(PaperSettings().completed())
        own = records.to_dict(self.settings.paper.completed())
        return {name: value for name, value in own.items() if value != source.get(name)}

    @property
    def key(self) -> str:
        """What a row is stored under: equal for equal work, in whatever part of the study."""
        own = None
        if self.settings is not None:
            own = records.to_dict(self.settings, defaults=False)
            if self.paper:
                own["paper"] = self.paper
        described = {
            "schema": _SCHEMA,
            "maps": [[case.checksum, case.threshold] for case in self.cases],
            "settings": own,
            "codec": self.codec,
            "tuned": self.tuned,
        }
        return blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=12).hexdigest()


Tasks = Generator[Task | Progress, Any, None]
"""Tasks of a part, and the progress of preparing them.

A task is answered with what was `Measured`, None if it failed.
"""


def paper_task(
    variant: str, cases: tuple[Case, ...], own: PaperSettings, settings: StudySettings
) -> Task:
    """Return a task of the model `paper`, whose settings `own` are complete."""
    made = Settings(
        threshold=cases[0].threshold,
        model="paper",
        effort=settings.trained,
        device=settings.device,
        seed=settings.seed,
        paper=own,
    )
    return Task(variant, cases, made)


def other_task(
    model: str,
    case: Case,
    settings: StudySettings,
    nrmse: float | None = None,
    ratio: float | None = None,
) -> Task:
    """Return a task of `field` or `inr`: to an NRMSE, to a ratio, or tuned without either."""
    made = Settings(
        threshold=case.threshold,
        keep="contour",
        model=model,
        target_nrmse=nrmse,
        target_ratio=ratio,
        effort=settings.trained,
        device=settings.device,
        seed=settings.seed,
        inr=settings.inr,
    )
    variant = model if ratio is None else f"{model}, at least {ratio:g} : 1"
    return Task(variant, (case,), made, tuned=nrmse is None and ratio is None)
