"""Long work in a child process: generators of progress; closing one kills the child."""

from __future__ import annotations

from .compression_tasks import compress_steps, curve_steps, device_steps, estimate_steps
from .parent_process import run_in_child
from .picking_tasks import (
    MicrographSource,
    adopt_picker_steps,
    pick_steps,
    score_map_steps,
    train_picker_steps,
)

__all__ = [
    "MicrographSource",
    "adopt_picker_steps",
    "compress_steps",
    "curve_steps",
    "device_steps",
    "estimate_steps",
    "pick_steps",
    "run_in_child",
    "score_map_steps",
    "train_picker_steps",
]
