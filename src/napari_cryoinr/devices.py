"""Where to compute: cuda, mps or cpu."""

from __future__ import annotations

from .errors import SettingsError


def choose_device(name: str) -> str:
    """`name`, or the best device there is where it is "auto". Loads torch.

    Raises
    ------
    SettingsError
        if the device that was asked for is not there.
    """
    import torch

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
