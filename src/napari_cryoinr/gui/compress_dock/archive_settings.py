"""Taking over the settings that an opened archive was made with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QPushButton

from ...errors import SettingsError
from ...settings import Settings
from ..io.layer_matching import details_of
from ..io.words import settings_words
from ..widgets.resources import Resources


class ArchiveSettingsButton(QPushButton):
    """Loads the settings of the archive that the selected layer came from; hidden for others."""

    def __init__(
        self, viewer: Any, load: Callable[[Settings], None], say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._viewer, self._load, self._say = viewer, load, say
        self.setToolTip("Set everything here as an opened archive was made")
        self.clicked.connect(self._on_clicked)
        self.hide()

    def connect_viewer(self, resources: Resources) -> None:
        """Follow the selected layer."""
        resources.connect(self._viewer.layers.selection.events.active, self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        settings, active = self._stored(), self._viewer.layers.selection.active
        self.setVisible(settings is not None)
        if settings is not None:
            self.setText("Use the settings of this archive")
            try:
                words = settings_words(Settings.from_dict(settings))
            except SettingsError:
                words = "of another version"
            self.setToolTip(f"Set everything here as {active.name} was made: {words}")

    def _on_clicked(self) -> None:
        stored = self._stored()
        if stored is None:
            return
        try:
            settings = Settings.from_dict(stored)
        except SettingsError as error:
            self._say(f"The settings of this archive cannot be used: {error}")
            return
        self._load(settings)
        self._say(f"Settings of the archive: {settings_words(settings)}.")

    def _stored(self) -> dict[str, Any] | None:
        """Return the settings of the archive that the selected layer came from."""
        active = self._viewer.layers.selection.active
        return None if active is None else details_of(active).get("settings")
