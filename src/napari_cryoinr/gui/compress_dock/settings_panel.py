"""All that can be chosen: what is kept, how exactly, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from ...settings import GOALS, Settings
from ..widgets.layout import fill, group
from ..widgets.resources import Resources
from .goal_form import GoalForm
from .half_maps_form import HalfMapsForm
from .keep_panel import KeepPanel
from .method_form import MethodForm
from .model_forms import ModelForms


class SettingsPanel(QWidget):
    """The controls of `Settings` in three groups; what means nothing for a map is hidden."""

    changed = Signal()  # goal, model or their numbers; what is kept has a signal of its own

    def __init__(self, theme: str, resources: Resources) -> None:
        super().__init__()
        self._settings = Settings()
        self.keep = KeepPanel(theme)
        self.half_maps = HalfMapsForm(resources)
        self.goal = GoalForm(theme, self.half_maps)
        self.method = MethodForm()
        self.forms = ModelForms(theme)
        self._keep, self._goal = group("Keep", self.keep), group("How exactly", self.goal)
        self._method = group("How", self.method, self.forms)
        fill(self, self._keep, self._goal, self._method)
        for form in (self.goal, self.method, self.forms):
            form.changed.connect(self.changed)

    @property
    def settings(self) -> Settings:
        """What the controls show, or `SettingsError` for values against their rule; can be set."""
        # Without goals first: those that were there may not fit what is kept now.
        plain: dict[str, Any] = dict.fromkeys(GOALS) | {"lossless": False}
        plain |= {"keep": "auto", "model": "auto"}
        settings = self.method.applied(replace(self._settings, **plain))
        return self.goal.applied(self.forms.applied(self.keep.applied(settings)))

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        parts = (self.keep, self.goal, self.method, self.forms)
        blockers = [QSignalBlocker(part) for part in parts]
        for part in parts:
            part.show_settings(settings)
        del blockers
        self.keep.changed.emit()

    def fit(self, *, exactly: bool, whole: bool, halves: bool) -> None:
        """Offer what can be promised; `halves`: also by the noise of half-maps.

        Nothing is left to choose of a map that is kept exactly, and not what is kept of a whole.
        """
        self._keep.setHidden(exactly or whole)
        for part in (self._goal, self._method):
            part.setHidden(exactly)
        self.forms.show_model(self.method.model)
        keep = "volume" if whole else self.keep.keep
        none = whole or self.keep.threshold.setting == "none"
        self.goal.fit(self.method.model, keep, none, halves)

    def set_theme(self, theme: str) -> None:
        """Take the colours of another theme of napari."""
        for plot in (self.forms.plot, self.keep.threshold.histogram, self.goal.spectrum):
            plot.set_theme(theme)
