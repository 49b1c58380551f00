"""What the two models can be told, and how the errors are weighted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ... import models
from ...models.field.field_settings import BLOCKS
from ...quality.charts import apply_style
from ...settings import FieldSettings, PaperSettings, Settings
from ..widgets.chart_canvas import ChartCanvas
from ..widgets.forms import RecordForm
from ..widgets.layout import Section

_FIELD = {
    "block": "Side of a block",
    "shape": "Shape of the basis",
    "occupancy": "Below the contour",
    "symmetry": "Symmetry",
    "iterations": "Iterations",
}
_PAPER = {
    "frequencies": "Frequencies",
    "latent_size": "Latent size",
    "widths": "Widths",
    "width": "Scale of the widths",
    "residual": "Residual pattern",
    "projection": "Shortcuts",
    "max_steps": "Training steps",
    "batch_size": "Batch size",
}
_WEIGHTS = ("exponent", "percentile", "factor")
_LABELS = ("Density exponent", "Percentile of errors", "Factor for the largest")
_PREFIX = {"field": "weight_", "paper": "loss_"}
_PLOT_HEIGHT = 170


class ModelForms(QWidget):
    """Sections for the numbers of the chosen model and for the weights of its loss.

    Parameters
    ----------
    theme : name of napari's theme.
    changed : called when a number changes.
    """

    def __init__(self, theme: str, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed
        self._records: dict[str, Any] = {"field": FieldSettings(), "paper": PaperSettings()}
        self._forms = {
            "field": RecordForm(FieldSettings(), _FIELD, {"block": (None, *BLOCKS)}),
            "paper": RecordForm(PaperSettings(), _PAPER),
        }
        self._weights = {
            model: RecordForm(
                self._records[model],
                {prefix + name: label for name, label in zip(_WEIGHTS, _LABELS, strict=True)},
            )
            for model, prefix in _PREFIX.items()
        }
        self.plot = ChartCanvas(theme)
        self.plot.setMinimumSize(200, _PLOT_HEIGHT)
        self.plot.setFixedHeight(_PLOT_HEIGHT)
        self.plot.setToolTip("How much an error counts, by the density it is made at")
        self.sections = {
            "field": Section("Field model", self._forms["field"].view),
            "paper": Section("Paper model", self._forms["paper"].view),
            "weights": Section(
                "Loss weights", *(form.view for form in self._weights.values()), self.plot
            ),
        }
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for section in self.sections.values():
            layout.addWidget(section)
        for form in (*self._forms.values(), *self._weights.values()):
            form.changed.connect(self._on_change)
        self.show_model(models.AUTO)

    def show_model(self, model: str) -> None:
        """Show the sections of one model."""
        model = models.chosen(model, None)[0]
        self._model = model if model in _PREFIX else next(iter(_PREFIX))
        for name in _PREFIX:
            self.sections[name].setVisible(name == model)
            self._weights[name].view.setVisible(name == model)
        self._plot()

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        for model in _PREFIX:
            record = getattr(settings, model)
            self._forms[model].show_record(record)
            self._weights[model].show_record(record)
        self.show_model(settings.model)

    def applied(self, settings: Settings) -> Settings:
        """Settings with what the controls show.

        Raises
        ------
        SettingsError
            for values against their rule.
        """
        for model, prefix in _PREFIX.items():
            weights = self._weights[model].record()
            names = [prefix + name for name in _WEIGHTS]
            record = replace(
                self._forms[model].record(), **{name: getattr(weights, name) for name in names}
            )
            settings = replace(settings, **{model: record})
        return settings

    def _on_change(self) -> None:
        self._plot()
        self._changed()

    def _plot(self) -> None:
        record = self._weights[self._model].record()
        exponent, percentile, factor = (
            getattr(record, _PREFIX[self._model] + name) for name in _WEIGHTS
        )

        def draw(figure: Any, style: Any) -> None:
            axes = figure.add_subplot()
            density = np.linspace(0, 1, 101)
            weight = density**exponent
            axes.plot(density, weight, color=style.first, label="an error")
            if factor > 1:
                label = f"at or above percentile {percentile:g}"
                axes.plot(density, factor * weight, "--", color=style.second, label=label)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, None)
            axes.set_xlabel("density, share of the largest", fontsize=style.small)
            axes.set_ylabel("weight", fontsize=style.small)
            axes.legend(frameon=False, fontsize=style.small, labelcolor=style.text)
            apply_style(axes, style)

        self.plot.show_chart(draw)
