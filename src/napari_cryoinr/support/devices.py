"""Where to compute: cuda, mps or cpu."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..errors import SettingsError


def import_torch() -> Any:
    """Return the module torch, with threads that sleep while they wait.

    By default they spin. Where another program wants the same cores (a viewer that redraws, a
    second compression), that made training fifty times slower: 261 ms for a step of the small
    network instead of 5 ms, on two cores shared with another training. The variable has to be set
    before torch is loaded; a value that is already set is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    return torch


def choose_device(name: str) -> str:
    """Return `name`, or the best device that there is for "auto". Loads torch.

    Raises
    ------
    SettingsError
        if the device is not available.
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


@dataclass(frozen=True)
class Device:
    """Something to compute on.

    Attributes
    ----------
    name : cuda, mps or cpu.
    title : its maker's name for it; for a CPU the number of threads.
    free_bytes, total_bytes : its memory, where it says so.
    """

    name: str
    title: str
    free_bytes: int | None = None
    total_bytes: int | None = None

    def text(self) -> str:
        """Return a line for people."""
        if self.free_bytes is None or self.total_bytes is None:
            return self.title
        return f"{self.title}, {self.free_bytes / 1e9:.1f} of {self.total_bytes / 1e9:.1f} GB free"


def available() -> list[Device]:
    """Return the devices of this machine, first what `auto` chooses. Loads torch."""
    torch = import_torch()
    found = []
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        found.append(Device("cuda", torch.cuda.get_device_name(), int(free), int(total)))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU"))
    found.append(Device("cpu", f"CPU, {torch.get_num_threads()} threads"))
    return found
