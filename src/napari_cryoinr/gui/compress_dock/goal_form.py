"""The goal of a compression, its model, effort and device."""

from __future__ import annotations

from typing import Any, NamedTuple

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import Signal

from ... import models
from ...models.base import DEFAULT_FSC, DEFAULT_NRMSE
from ...settings import GOALS, Settings
from ...support import records
from ...support.devices import Device
from ..widgets.forms import RecordForm
from ..widgets.layout import Form

_NONE = "none"
_LABELS = {"model": "Model", "effort": "Effort", "device": "Device"}
_MODELS = tuple((f"{name} ({purpose})", name) for name, purpose in models.PURPOSES.items())


class _Goal(NamedTuple):
    title: str
    label: str = ""  # of its number, if it has one
    first: float = 0.0
    decimals: int = 0


_GOALS = {
    "target_fsc": _Goal("Fourier shells (FSC)", "Lowest FSC", DEFAULT_FSC, 4),
    "target_nrmse": _Goal("Error (NRMSE)", "NRMSE", DEFAULT_NRMSE, 4),
    "target_ratio": _Goal("Ratio", "Ratio, x : 1", 500.0, 1),
    "target_psnr": _Goal("PSNR", "PSNR, dB", 45.0, 1),
    "max_error": _Goal("Maximum error", "Density", 0.1, 6),
    "lossless": _Goal("Lossless"),
    _NONE: _Goal("As the effort gives"),
}


class GoalForm(Form):
    """Controls for goal, model, effort and device of `Settings`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.goal = ComboBox(
            choices=[(_GOALS[name].title, name) for name in (*GOALS, _NONE)],
            label="Goal",
            tooltip="What is promised; the file is as small as that allows",
        )
        self.amount = FloatSpinBox(label="Amount", min=0, max=1e12)
        self.form = RecordForm(Settings(), _LABELS, {"model": _MODELS})
        tip = "fast: seconds; balanced: up to a minute for a usual map; best: ten times as long"
        self.form["effort"].tooltip = f"How long to search or train. With the model field, {tip}"
        self.add("Goal", self.goal.native)
        self._label = self.add("Amount", self.amount.native)
        for name, label in _LABELS.items():
            self.add(label, self.form[name].native)
        self._amounts = {name: goal.first for name, goal in _GOALS.items()}
        self._devices = list(self.form["device"].choices)
        self._rules = {name: rule for name, _, rule, _ in records.rules(Settings)}
        self.show_settings(Settings())
        self.goal.changed.connect(self._on_goal)
        self.amount.changed.connect(self._on_amount)
        self.form.changed.connect(self._on_form)

    @property
    def model(self) -> str:
        """The model that is chosen."""
        return str(self.form["model"].value)

    def show_devices(self, devices: list[Device]) -> None:
        """Offer the devices that there are, with name and free memory."""
        chosen = self.form["device"].value
        self._devices = [(f"auto: {devices[0].text()}", "auto")]
        self._devices += [(device.text(), device.name) for device in devices]
        known = [name for _, name in self._devices]
        with self.form.changed.blocked():
            self.form["device"].choices = self._devices
            self.form["device"].value = chosen if chosen in known else "auto"

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        if settings.device not in self.form["device"].choices:
            self.form["device"].choices = [*self._devices, (settings.device, settings.device)]
        with self.form.changed.blocked():
            self.form.show_record(settings)
        for goal in settings.goals:
            self._amounts[goal] = float(getattr(settings, goal))
        self._offer_goals(settings.goal)

    def applied(self, settings: Settings) -> Settings:
        """Return settings with what the controls show."""
        goals: dict[str, Any] = dict.fromkeys(GOALS) | {"lossless": self.goal.value == "lossless"}
        name, usual = self.goal.value, models.usual_aim(self.model, "envelope")
        # The usual goal promises more than its number: it is not given, but left to the default.
        if _GOALS[name].label and (name, self._amounts[name]) != usual:
            goals[name] = self._amounts[name]
        return self.form.applied(settings, **goals)

    def _offer_goals(self, goal: str | None) -> None:
        """Offer the goals that the model knows, and choose one of them; None: its usual goal."""
        known, aim = models.aims(self.model), models.usual_aim(self.model, "envelope")
        usual = known[0] if aim is None else aim[0]
        if aim is None and len(known) > 1:
            known, usual = (*known, _NONE), _NONE
        with self.goal.changed.blocked():
            self.goal.choices = [(_GOALS[name].title, name) for name in known]
            self.goal.value = goal if goal in known else usual
        self._show_amount()

    def _show_amount(self) -> None:
        name = self.goal.value
        _, label, _, decimals = _GOALS[name]
        self._label.setVisible(bool(label))
        self.amount.native.setVisible(bool(label))
        if not label:
            return
        self._label.setText(label)
        self.amount.tooltip = self._rules[name].meaning
        with self.amount.changed.blocked():
            self.amount.native.setDecimals(decimals)
            self.amount.min, self.amount.max = 10.0**-decimals, self._rules[name].high or 1e12
            self.amount.step = max(10.0**-decimals, 0.1 * self._amounts[name])
            self.amount.value = self._amounts[name]

    def _on_goal(self) -> None:
        self._show_amount()
        self.changed.emit()

    def _on_amount(self, value: float) -> None:
        self._amounts[self.goal.value] = value
        self.changed.emit()

    def _on_form(self) -> None:
        self._offer_goals(self.goal.value)
        self.changed.emit()
