"""Where to compute: cuda, mps or cpu."""

from __future__ import annotations

import os
from typing import Any

from .errors import SettingsError


def import_torch() -> Any:
    """The module torch, with threads that sleep while they wait.

    By default they spin. Where another program wants the same cores (a viewer that redraws, a
    second compression), that made training fifty times slower: 261 ms for a step of the small
    network instead of 5 ms, on two cores shared with another training. It can only be said before
    torch is loaded; whoever has set the variable, or has loaded torch, keeps what they have.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    return torch


def choose_device(name: str) -> str:
    """`name`, or the best device there is where it is "auto". Loads torch.

    Raises
    ------
    SettingsError
        if the device that was asked for is not there.
    """
    torch = import_torch()
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, usable in there.items() if usable)
    if not there.get(name):
        usable = ", ".join(device for device, yes in there.items() if yes)
        raise SettingsError(f"device {name!r} is not available here; choose auto or {usable}")
    return name
