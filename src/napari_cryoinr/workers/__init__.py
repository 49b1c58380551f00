"""Work in a process of its own.

It has its own memory, can be ended at any moment, and never takes the interpreter away from a
viewer: loading PyTorch alone stops all other threads of a process for a fifth of a second.
"""

from __future__ import annotations

from .compression_tasks import compress_steps, device_steps, estimate_steps
from .parent_process import told_steps
from .picking_tasks import (
    Image,
    adopt_picker_steps,
    pick_apart_steps,
    score_picker_steps,
    train_picker_steps,
)

__all__ = [
    "Image",
    "adopt_picker_steps",
    "compress_steps",
    "device_steps",
    "estimate_steps",
    "pick_apart_steps",
    "score_picker_steps",
    "told_steps",
    "train_picker_steps",
]
