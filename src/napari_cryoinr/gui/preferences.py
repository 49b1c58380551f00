"""The plugin's page in napari's Preferences, as `Settings`."""

from __future__ import annotations

from typing import Any

from .. import models
from ..errors import SettingsError
from ..settings import PaperSettings, Settings

PLUGIN = "napari-cryoinr"


def saved_settings() -> Settings:
    """Return the settings of the Preferences page, or the defaults without one.

    Raises `SettingsError` if the page holds values that contradict each other.
    """
    page = _page()
    if page is None:
        return Settings(paper=PaperSettings(width="small"))
    max_error = _number(str(page.max_error), "maximum error")
    lossless = bool(page.lossless)
    nrmse = None
    if "target_nrmse" in models.aims(str(page.model)) and max_error is None and not lossless:
        nrmse = _number(str(page.target_nrmse), "error (NRMSE)")
    return Settings(
        threshold=str(page.threshold),
        model=str(page.model),
        effort=str(page.effort),
        device=str(page.device),
        target_nrmse=nrmse,
        max_error=max_error,
        lossless=lossless,
        paper=PaperSettings(width=str(page.width)),
    )


def _number(text: str, what: str) -> float | None:
    """Return a bound as a number; None where the page says none."""
    if text.strip().lower() in ("", "none", "0"):
        return None
    try:
        return float(text)
    except ValueError:
        problem = f"Preferences, {what} {text!r}: give a number like 0.05, or none"
        raise SettingsError(problem) from None


def _page() -> Any:
    """Return the settings object of napari 0.9 and later; None where there is no such page."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).compression
    except (ImportError, AttributeError, KeyError):  # or the plugin is not registered, as in tests
        return None
