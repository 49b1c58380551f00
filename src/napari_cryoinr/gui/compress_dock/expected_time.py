"""About how long a compression takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...models.inr.inr_settings import QUICK_VOXELS
from ...models.paper.auto_settings import Traits, chosen
from ...settings import Settings

# Seconds on a processor of two cores: at the start, and for a million voxels of the soft mask to
# the power below; of `paper` for a thousand steps of 2048 points, and more by the million weights.
_START = 3.0
_GROWTH = 0.67
_FIELD = {"fast": 22.0, "balanced": 45.0, "best": 220.0}
_INR = 0.9  # for each step
_INR_GPU, _INR_GPU_START = 0.03, 6.0
# On a CPU a step costs something beside its points.
_PAPER, _PAPER_WEIGHTS, _PAPER_STEPS = 6.0, 110.0, 3.0
_PAPER_GPU, _PAPER_GPU_WEIGHTS = 3.0, 1.7
_WAVES, _CONTRAST = 32.0, 5.0  # of a usual map
_LOSSLESS = 4.0  # for each million voxels of the box


@dataclass
class ExpectedTime:
    """Expects times from those of other maps, and learns from those that it is told."""

    _learned: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def seconds(self, settings: Settings, kept: int, voxels: int, device: str) -> float:
        """Return about how many seconds: `kept` voxels in the soft mask of `voxels` in all."""
        factor = self._learned.get(_kind(settings, device), 1.0)
        return factor * _usual_seconds(settings, kept, voxels, device)

    def learn(
        self, settings: Settings, kept: int, voxels: int, device: str, seconds: float
    ) -> None:
        """Expect from now on that such compressions are so much slower or faster."""
        usual = _usual_seconds(settings, kept, voxels, device)
        self._learned[_kind(settings, device)] = seconds / max(usual, 1e-3)


def time_words(seconds: float) -> str:
    """Return a time in few digits, such as: 3 s, 20 s, 2 min, 1.5 h."""
    if seconds < 90:
        step = 1 if seconds < 10 else 5 if seconds < 30 else 10
        return f"{max(1, step * round(seconds / step))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _kind(settings: Settings, device: str) -> tuple[str, str, str]:
    return settings.model, settings.effort, device


def _usual_seconds(settings: Settings, kept: int, voxels: int, device: str) -> float:
    model, gpu = settings.model_name, device != "cpu"
    effort = settings.effort
    if effort == "auto":
        effort = "balanced" if gpu or model in ("inr", "paper") else "fast"
    millions = max(kept, 1) / 1e6
    if model == "lossless":
        return _START + _LOSSLESS * voxels / 1e6
    if model == "paper":
        return _START + _paper_seconds(settings, effort, kept, voxels, gpu)
    inr_steps = settings.inr.training_steps(effort, device, kept)
    inr = _START + _INR * inr_steps * millions**_GROWTH
    if gpu:
        inr = _INR_GPU_START + _INR_GPU * inr_steps * max(millions, 0.3) ** _GROWTH
    field_seconds = _START + _FIELD[effort] * millions**_GROWTH
    if model == "inr":
        return inr
    tries_both = settings.model == "auto" and effort != "fast" and settings.target_ratio is None
    return field_seconds + (inr if tries_both and (gpu or kept <= QUICK_VOXELS) else 0.0)


def _paper_seconds(settings: Settings, effort: str, kept: int, voxels: int, gpu: bool) -> float:
    """Return about how long a network is trained, of a size that the voxels leave it."""
    own, raw = settings.paper, 4 * voxels
    if own.auto:
        limit = None if settings.target_ratio is None else int(raw / settings.target_ratio)
        own = chosen(own, Traits(raw, 0, max(kept, 1), _WAVES, _CONTRAST), effort, limit)
    batches = own.steps(effort) / 1000 * own.numbers().batch_size / 2048
    weights = own.config().parameters / 1e6
    if gpu:
        return _PAPER_GPU * own.steps(effort) / 1000 + _PAPER_GPU_WEIGHTS * weights * batches
    return _PAPER_STEPS * own.steps(effort) / 1000 + (_PAPER + _PAPER_WEIGHTS * weights) * batches
