"""The numbers of each model: its range of frequencies, the weights of its errors, and the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from ... import models
from ...models.field.field_settings import BLOCKS
from ...models.inr.inr_settings import DEGREES, MAX_LEVELS
from ...models.paper.auto_settings import RULES
from ...models.paper.paper_settings import RESIDUALS, SOURCE, WIDTH_SCALE
from ...quality.charts import apply_style
from ...settings import FieldSettings, InrSettings, PaperSettings, Settings
from ...symmetry.rotations import MOST_FOLD
from ..widgets.chart_canvas import ChartCanvas
from ..widgets.forms import RecordForm
from ..widgets.layout import Section, fill, wrapping_label

_FIELD = {
    "block": "Side of a block",
    "shape": "Shape of the basis",
    "occupancy": "Below the contour",
    "symmetry": "Symmetry",
    "iterations": "Iterations",
}
_FIELD_CHOICES = {"block": (None, *BLOCKS), "symmetry": ("auto", "none")}
_INR = {
    "degree": "Degree of splines",
    "levels": "Levels",
    "symmetry": "Symmetry",
    "synthesis": "Synthesis",
    "steps": "Training steps",
}
_GROUPS = (*(f"{kind}{fold}" for kind in "CD" for fold in range(2, MOST_FOLD + 1)), "T", "O", "I")
_INR_CHOICES = {
    "degree": (None, *DEGREES),
    "levels": (None, *range(1, MAX_LEVELS + 1)),
    "symmetry": ("auto", "none", *_GROUPS),
}
_PAPER = {
    "auto": "Choose by the map",
    "latent_size": "Latent size",
    "widths": "Widths",
    "width": "Scale of the widths",
    "residual": "Residual pattern",
    "projection": "Shortcuts",
    "max_steps": "Training steps",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
}
_PAPER_CHOICES = {"width": (None, *WIDTH_SCALE), "residual": (None, *RESIDUALS)}
_RANGES: dict[str, dict[str, str]] = {
    "inr": {"finest": "Finest detail (Å)", "spacing": "Node spacing (voxels)"},
    "paper": {"frequencies": "Frequencies (octaves)"},
}
_RANGE_WORDS = {
    "field": "The model field keeps all frequencies that the promise needs. Choose a resolution"
    " above to leave out finer detail.",
    "inr": "Leaves out detail finer than this, which makes smaller files of smooth maps. By"
    " default the resolution above decides.",
    "paper": "The network sees each position through this many octaves of sines; fewer make"
    " smoother maps, more show finer detail and noise. By default they follow from the map: up to"
    " its finest wave.",
}
_WEIGHT_WORDS = {
    "field": "Makes errors in dense regions count more than those near the threshold. It changes"
    " goals that are an error, not Fourier shells.",
    "inr": "Makes errors in dense regions count more than those near the threshold. It changes"
    " goals that are an error, not Fourier shells.",
    "paper": "Makes errors in dense regions, and the largest errors of each step, count more in"
    " the training.",
}
_WEIGHTS = {
    "exponent": "Density exponent",
    "percentile": "Percentile of errors",
    "factor": "Factor for the largest",
}
# Of the weights' names in a model's settings.
_PREFIXES = {"field": "weight_", "inr": "weight_", "paper": "loss_"}
_PLOT_HEIGHT = 170


class ModelForms(QWidget):
    """Sections for the numbers of the chosen model and for the weights of its loss."""

    changed = Signal()

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._model = "field"
        self._beside: tuple[str, ...] = ()  # the models that auto tries beside it
        self.numbers = {
            "field": RecordForm(FieldSettings(), _FIELD, _FIELD_CHOICES),
            "inr": RecordForm(InrSettings(), _INR, _INR_CHOICES),
            "paper": RecordForm(PaperSettings(), _PAPER, _PAPER_CHOICES),
        }
        self.weights = {
            model: RecordForm(
                getattr(Settings(), model), {prefix + name: _WEIGHTS[name] for name in _WEIGHTS}
            )
            for model, prefix in _PREFIXES.items()
        }
        self.ranges = {
            model: RecordForm(getattr(Settings(), model), labels)
            for model, labels in _RANGES.items()
        }
        self._range_words, self._weight_words = wrapping_label(""), wrapping_label("")
        self.plot = ChartCanvas(theme)
        self.plot.setMinimumWidth(200)
        self.plot.setFixedHeight(_PLOT_HEIGHT)
        self.plot.setToolTip("How much an error counts, by the density it is made at")
        range_views = [form.view for form in self.ranges.values()]
        weight_views = [form.view for form in self.weights.values()]
        self.sections = {
            "frequencies": Section("Frequency range", self._range_words, *range_views),
            "weights": Section("Loss weights", self._weight_words, *weight_views, self.plot),
            "field": Section("Numbers of the model field", self.numbers["field"].view),
            "inr": Section("Numbers of the model inr", self.numbers["inr"].view),
            "paper": Section("Numbers of the model paper", self.numbers["paper"].view),
        }
        fill(self, *self.sections.values()).setSpacing(2)
        self._drawn_weights: tuple[float, ...] = ()
        for form in (*self.numbers.values(), *self.ranges.values()):
            form.changed.connect(self._on_numbers)
        for form in self.weights.values():
            form.changed.connect(self._on_weights)
        self.show_model(models.AUTO)

    def show_model(self, model: str) -> None:
        """Show the sections of one model; none of a model without numbers."""
        self._beside = models.alternatives(None) if model == models.AUTO else ()
        model = models.chosen(model, None)[0]
        beside = self._beside[0] if self._beside else model
        for name in _PREFIXES:
            self.sections[name].setVisible(name in (model, beside))
            self.weights[name].view.setVisible(name == model)
        for name, form in self.ranges.items():
            form.view.setVisible(name in (model, beside))
        for section in ("frequencies", "weights"):
            self.sections[section].setVisible(model in _PREFIXES)
        if model in _PREFIXES:
            self._model = model
            words = _RANGE_WORDS[beside]
            self._range_words.setText(f"Of the model inr. {words}" if self._beside else words)
            self._weight_words.setText(_WEIGHT_WORDS[model])
            self._draw_weights()

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        for model in _PREFIXES:
            for form in self._forms(model):
                with form.changed.blocked():
                    form.show_record(getattr(settings, model))
            with self.weights[model].changed.blocked():
                self.weights[model].show_record(getattr(settings, model))
        self.show_model(settings.model)

    def applied(self, settings: Settings) -> Settings:
        """Return settings with what the controls show; raise `SettingsError` if that is wrong."""
        for model in _PREFIXES:
            record = getattr(settings, model)
            for form in (*self._forms(model), self.weights[model]):
                record = form.applied(record)
            settings = replace(settings, **{model: record})
        return settings

    def _forms(self, model: str) -> list[RecordForm]:
        own = self.ranges.get(model)
        return [self.numbers[model]] if own is None else [self.numbers[model], own]

    def _on_numbers(self) -> None:
        self._draw_weights()
        self.changed.emit()

    def _on_weights(self) -> None:
        """Weigh errors alike for all models that are tried."""
        for model in self._beside:
            form = self.weights[model]
            with form.changed.blocked():
                for name in _WEIGHTS:
                    shown = self.weights[self._model][_PREFIXES[self._model] + name]
                    form[_PREFIXES[model] + name].value = shown.value
        self._draw_weights()
        self.changed.emit()

    def _shown_weights(self) -> tuple[float, ...]:
        """Return exponent, percentile and factor; nothing where what was typed is wrong."""
        record = self.weights[self._model].record_or_none()
        if record is None:
            return ()
        exponent, *rest = (getattr(record, _PREFIXES[self._model] + name) for name in _WEIGHTS)
        if exponent is None:
            by_map = self.numbers["paper"]["auto"].value
            exponent = (RULES if by_map else SOURCE).loss_exponent
        return exponent, *rest

    def _draw_weights(self) -> None:
        weights = self._shown_weights()
        if not weights or weights == self._drawn_weights:
            return
        exponent, percentile, factor = weights
        self._drawn_weights = weights

        def draw(figure: Any, style: Any) -> None:
            axes = figure.add_subplot()
            density = np.linspace(0, 1, 101)
            weight = density**exponent
            axes.plot(density, weight, color=style.first, label="an error")
            if factor > 1:
                label = f"at or above percentile {percentile:g}"
                axes.plot(density, factor * weight, "--", color=style.second, label=label)
            axes.set(xlim=(0, 1), ylim=(0, None))
            axes.set(xlabel="density, share of the largest", ylabel="weight")
            axes.legend(frameon=False, fontsize=style.small, labelcolor=style.text)
            apply_style(axes, style)

        self.plot.show_chart(draw)
