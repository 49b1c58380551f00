"""The plugin's page in napari's Preferences, as `Settings`."""

from __future__ import annotations

from typing import Any

from ..settings import PaperSettings, Settings

PLUGIN = "napari-cryoinr"


def saved_settings() -> Settings:
    """Settings for File > Save: those of the Preferences page, or the defaults without one.

    Raises
    ------
    SettingsError
        if the page holds values that contradict each other.
    """
    page = _page()
    if page is None:
        return Settings(paper=PaperSettings(width="small"))
    max_error = float(page.max_error)
    return Settings(
        threshold=str(page.threshold),
        model=str(page.model),
        effort=str(page.effort),
        device=str(page.device),
        max_error=max_error if max_error > 0 else None,
        lossless=bool(page.lossless),
        paper=PaperSettings(width=str(page.width)),
    )


def _page() -> Any:
    """The settings object of napari 0.9 and later; None where napari has no such page."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return get_plugin_settings(PLUGIN).compression
    except (AttributeError, KeyError):  # the plugin is not registered, as in scripts and tests
        return None
