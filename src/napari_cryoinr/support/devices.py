"""Where to compute: cuda, mps or cpu."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..errors import SettingsError


def import_torch() -> Any:
    """Return the module torch, with threads that sleep while they wait.

    By default they spin, which makes training fifty times slower where another program wants the
    same cores, such as a viewer that redraws. It has to be set before torch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    return torch


def choose_device(name: str) -> str:
    """Return `name`, or for "auto" the best device; `SettingsError` if it is not there."""
    if name == "cpu":
        return name  # without loading torch
    there = [device.name for device in available()]
    if name not in ("auto", *there):
        raise SettingsError(
            f"device {name!r} is not available here; choose auto or {', '.join(there)}"
        )
    return there[0] if name == "auto" else name


@dataclass(frozen=True)
class Device:
    """Something to compute on."""

    name: str  # cuda, mps or cpu
    title: str  # its maker's name for it; for a CPU the number of threads
    free_bytes: int | None = None  # of its memory, where it says so
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
