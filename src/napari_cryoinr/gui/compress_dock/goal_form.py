"""How exactly a map is kept: the promise, its number, and the resolution up to which it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QWidget

from ... import models
from ...maps.terms import SOURCES
from ...models.base import DEFAULT_FSC, DEFAULT_NRMSE
from ...settings import GOALS, Settings
from ...support import records
from ..widgets.layout import Form, fill, narrow
from .half_maps_form import HalfMapsForm
from .map_analysis import Analysis
from .spectrum_plot import SpectrumPlot

USUAL, HALF_MAPS = "none", "half_maps"
_USUAL_TITLES = {
    "target_fsc": "Recommended (FSC 0.99)",
    "target_nrmse": "Recommended (NRMSE 0.05)",
    None: "As good as the training gets",
}
_EVERY_VOXEL = ("target_psnr", "lossless")
_USUAL_ANGSTROM = 8.0


class _Goal(NamedTuple):
    title: str
    label: str = ""  # of its number, if it has one
    first: float = 0.0
    decimals: int = 0
    unit: str = ""


_GOALS = {
    "target_fsc": _Goal("Fourier shells: lowest FSC", "Lowest FSC", DEFAULT_FSC, 4),
    "target_nrmse": _Goal("Error relative to the spread", "NRMSE", DEFAULT_NRMSE, 4),
    "target_ratio": _Goal("Size of the file", "Smaller by", 500.0, 1, " ×"),
    "target_psnr": _Goal("Peak signal-to-noise ratio", "PSNR", 45.0, 1, " dB"),
    "max_error": _Goal("Largest error of any voxel", "Density", 0.1, 6),
    "lossless": _Goal("Lossless: every bit"),
    HALF_MAPS: _Goal("Error at most a tenth of the half-maps' noise"),
}


class GoalForm(Form):
    """Controls for the goal and the resolution of `Settings`."""

    changed = Signal()

    def __init__(self, theme: str, half_maps: HalfMapsForm) -> None:
        super().__init__()
        self.goal = ComboBox(
            choices=[(_GOALS[name].title, name) for name in GOALS],
            label="Promise",
            tooltip="What is promised; the file is as small as that allows",
        )
        narrow(self.goal.native)
        self.amount = FloatSpinBox(label="Amount", min=0, max=1e12, tooltip="What is promised")
        self.automatic = QCheckBox("automatic")
        self.automatic.setToolTip("Find the resolution from the map, or from its half-maps")
        self.resolution = QDoubleSpinBox()
        self.resolution.setRange(0.01, 1e4)
        self.resolution.setDecimals(2)
        self.resolution.setSuffix(" Å")
        self.resolution.setSingleStep(0.1)
        self.resolution.setKeyboardTracking(False)
        self.spectrum = SpectrumPlot(theme)
        self.half_maps = half_maps
        self._halves_there = False
        self._model, self._keep, self._whole = models.AUTO, "auto", False
        self._found: Analysis | None = None
        self._choices: list[tuple[str, str]] = []  # of goals: title and name
        self._given: str | None = None  # a goal of settings, offered even if models aim at others
        row = QWidget()
        fill(row, self.resolution, self.automatic, kind=QHBoxLayout).setStretch(0, 1)
        row.setToolTip("Finer detail than this is not promised")
        self.add("Promise", self.goal.native)
        self._label = self.add("Amount", self.amount.native)
        self._layout.addRow(half_maps)
        self._resolution_label, self._resolution_row = self.add("Resolution", row), row
        self._layout.addRow(self.spectrum)
        self._amounts = {name: goal.first for name, goal in _GOALS.items()}
        self._rules = {name: rule for name, _, rule, _ in records.rules(Settings)}
        self._angstrom = _USUAL_ANGSTROM  # of the user's own
        self.show_settings(Settings())
        self.goal.changed.connect(self._on_goal)
        self.amount.changed.connect(self._on_amount)
        self.automatic.toggled.connect(self._on_automatic)
        self.resolution.valueChanged.connect(self._on_resolution)
        self.spectrum.moved.connect(self._on_line)
        half_maps.changed.connect(self.changed)

    @property
    def by_half_maps(self) -> bool:
        """Whether the noise of half-maps is the measure."""
        return bool(self.goal.value == HALF_MAPS)

    @property
    def of_shells(self) -> bool:
        """Whether the promise is about Fourier shells."""
        name = self.goal.value
        usual = models.usual_aim(self._model, self._usually_kept())
        by_default = name == USUAL and usual is not None and usual[0] == "target_fsc"
        return name in ("target_fsc", HALF_MAPS) or by_default

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        self._model, self._keep = settings.model, settings.keep
        self._whole = settings.threshold == "none"
        for goal in settings.goals:
            self._amounts[goal] = float(getattr(settings, goal))
        given = settings.resolution
        with QSignalBlocker(self.automatic):
            self.automatic.setChecked(isinstance(given, str))
        if not isinstance(given, str):
            self._angstrom = given
        self._given = settings.goals[0] if settings.goals else None
        self._offer_goals(self._given or USUAL)

    def applied(self, settings: Settings) -> Settings:
        """Return settings with what the controls show."""
        goals: dict[str, Any] = dict.fromkeys(GOALS)
        name = self.goal.value
        goals["lossless"] = name == "lossless"
        if name in GOALS and _GOALS[name].label:
            goals[name] = self._amounts[name]
        goals["resolution"] = "auto" if self.automatic.isChecked() else self._angstrom
        return replace(settings, **goals)

    def fit(self, model: str, keep: str, whole: bool, halves: bool) -> None:
        """Offer what a model can promise of what is kept; `halves`: of half-maps too."""
        self._model, self._keep, self._whole = model, keep, whole
        self._halves_there = halves
        self._offer_goals(self.goal.value)

    def set_goal(self, name: str, amount: float) -> None:
        """Choose a goal and its number."""
        self._amounts[name] = amount
        with self.goal.changed.blocked():
            self.goal.value = name
        self._on_goal()

    def show_analysis(self, found: Analysis | None) -> None:
        """Show the spectrum and the resolution that were found."""
        self._found = found
        self._show_resolution()

    def _usually_kept(self) -> str:
        if self._keep != "auto":
            return self._keep
        if self._whole:
            return "volume"
        return "contour" if models.chosen(self._model, None)[0] == "paper" else "envelope"

    def _offer_goals(self, goal: str) -> None:
        """Offer the goals that can be promised, and choose one of them, by default the usual."""
        known = list(models.aims(self._model))
        if self._keep in ("envelope", "contour"):
            known = [name for name in known if name not in _EVERY_VOXEL] or known
        if self._keep == "contour" and "target_fsc" in known:
            known.remove("target_fsc")
        if self._given is not None and self._given == goal and goal not in known:
            known.append(goal)
        if self._halves_there and "target_fsc" in known:
            known.append(HALF_MAPS)
        choices = [(_GOALS[name].title, name) for name in known]
        if known != ["lossless"]:
            usual = models.usual_aim(self._model, self._usually_kept())
            choices.insert(0, (_USUAL_TITLES[None if usual is None else usual[0]], USUAL))
        names = [name for _, name in choices]
        with self.goal.changed.blocked():
            if choices != self._choices:
                self.goal.choices = self._choices = choices
            self.goal.value = goal if goal in names else names[0]
        self._show_amount()

    def _show_amount(self) -> None:
        name = self.goal.value
        goal = _GOALS.get(name, _Goal(""))
        self._label.setVisible(bool(goal.label))
        self.amount.native.setVisible(bool(goal.label))
        self.half_maps.setVisible(name == HALF_MAPS)
        self._show_resolution()
        if not goal.label:
            return
        self._label.setText(goal.label)
        self.amount.tooltip = self._rules[name].meaning
        with self.amount.changed.blocked():
            self.amount.native.setDecimals(goal.decimals)
            self.amount.native.setSuffix(goal.unit)
            least = 10.0**-goal.decimals
            self.amount.min, self.amount.max = least, self._rules[name].high or 1e12
            self.amount.step = max(least, 0.1 * self._amounts[name])
            if name == "target_fsc":
                self.amount.step = 0.01
            self.amount.value = self._amounts[name]

    def _show_resolution(self) -> None:
        """Show the resolution that counts, with its spectrum, where shells are promised."""
        shown, automatic, found = self.of_shells, self.automatic.isChecked(), self._found
        for part in (self._resolution_label, self._resolution_row):
            part.setVisible(shown)
        limit = None if found is None else found.resolution
        angstrom: float | None = self._angstrom
        if automatic:
            angstrom = None if limit is None else limit.angstrom
        self.resolution.setEnabled(not automatic)
        self.resolution.setSpecialValueText("unknown" if angstrom is None else "")
        with QSignalBlocker(self.resolution):
            self.resolution.setValue(angstrom or 0.0)
        source = "" if limit is None else SOURCES[limit.source]
        tip = "Finer detail than this is not promised"
        if automatic and source:
            tip = f"{tip}. {source[:1].upper()}{source[1:]}"
        self.resolution.setToolTip(tip)
        noise = "half-maps" if self.by_half_maps else "solvent"
        self.spectrum.show_spectrum(found.spectrum if shown and found else None, noise)
        self.spectrum.show_resolution(angstrom)

    def _on_goal(self) -> None:
        self._show_amount()
        if self.by_half_maps and self.half_maps.maps is None:
            self.half_maps.read()
        self.changed.emit()

    def _on_amount(self, value: float) -> None:
        self._amounts[self.goal.value] = value
        self.changed.emit()

    def _on_automatic(self, automatic: bool) -> None:
        limit = None if self._found is None else self._found.resolution
        if not automatic and limit is not None:
            self._angstrom = float(f"{limit.angstrom:.4g}")
        self._show_resolution()
        self.changed.emit()

    def _on_resolution(self, value: float) -> None:
        self._angstrom = value
        self._show_resolution()
        self.changed.emit()

    def _on_line(self, frequency: float) -> None:
        if frequency > 0:
            with QSignalBlocker(self.automatic):
                self.automatic.setChecked(False)
            self._on_resolution(float(f"{min(1 / frequency, 1e4):.3g}"))
