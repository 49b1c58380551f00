"""Whether an archive was made with given settings."""

from __future__ import annotations

from dataclasses import replace

from .. import models
from ..archive import Archive
from ..errors import SettingsError
from ..settings import Settings


def made_with(archive: Archive, asked: Settings) -> bool:
    """Return whether these settings make such an archive, wherever it was made.

    Settings that leave the model open are recorded with the one that was chosen. The device does
    not count.
    """
    try:
        recorded = replace(archive.settings, device=asked.device)
    except SettingsError:  # of another version
        return False
    possible = [asked]
    if asked.model == models.AUTO:
        possible += [replace(asked, model=name) for name in models.alternatives(asked.goal)]
        if asked.goal is None and asked.keep == "auto":
            possible.append(replace(asked, lossless=True))  # labels: see `recognise_steps`
    return recorded in possible
