"""The plugin's page in napari's Preferences, as `Settings`."""

from __future__ import annotations

from typing import Any

from .. import models
from ..settings import PaperSettings, Settings

PLUGIN = "napari-cryoinr"


def saved_settings() -> Settings:
    """Return the settings of the Preferences page, or the defaults without one.

    The page offers only values that go together, or of which one goes before the other.
    """
    page = _page()
    if page is None:
        return Settings()
    lossless, model = bool(page.lossless), str(page.model)
    nrmse = None if str(page.target_nrmse) == "none" else float(page.target_nrmse)
    return Settings(
        threshold=str(page.threshold),
        model=models.AUTO if lossless else model,
        effort=str(page.effort),
        device=str(page.device),
        target_nrmse=nrmse if "target_nrmse" in models.aims(model) and not lossless else None,
        lossless=lossless,
        paper=PaperSettings(width=None if str(page.width) == "auto" else str(page.width)),
    )


def saved_scheduler() -> str | None:
    """Return address or file of the Dask scheduler for batches; None for this machine."""
    text = str(getattr(_page(), "scheduler", "")).strip()
    return text or None


def _page() -> Any:
    """Return the settings object of napari 0.9 and later; None where there is no such page."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).compression
    except (ImportError, AttributeError, KeyError):  # or the plugin is not registered, as in tests
        return None
