"""What a compression aims at, by which model, with how much work, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from magicgui.widgets import ComboBox, Container, FloatSpinBox

from ... import models
from ...models.base import DEFAULT_NRMSE
from ...settings import GOALS, Settings
from ...support.devices import Device
from ..widgets.layout import Form

_NONE = "none"
# goal: (what the list shows, label of its number, first value, lowest, highest, decimals, meaning)
_GOALS: dict[str, tuple[str, str, float, float, float, int, str]] = {
    "target_nrmse": (
        "Error (NRMSE)",
        "NRMSE",
        DEFAULT_NRMSE,
        1e-6,
        10.0,
        4,
        "RMS error above the threshold, as a share of the densities' standard deviation there",
    ),
    "target_ratio": (
        "Ratio",
        "Ratio, x : 1",
        500.0,
        1.0,
        1e9,
        1,
        "Bytes of the voxels as float32 over bytes of the file",
    ),
    "target_psnr": (
        "PSNR",
        "PSNR, dB",
        45.0,
        1.0,
        200.0,
        1,
        "Peak signal-to-noise ratio over all voxels of the map, whatever the threshold",
    ),
    "max_error": (
        "Maximum error",
        "Density",
        0.1,
        1e-12,
        1e12,
        6,
        "No voxel above the threshold is off by more than this density: a guarantee",
    ),
    "lossless": (
        "Lossless",
        "",
        1.0,
        1.0,
        1.0,
        0,
        "Every voxel of the whole map comes back bit for bit; the threshold is for display only",
    ),
    _NONE: ("As the effort gives", "", 1.0, 1.0, 1.0, 0, "Train, and take what comes out"),
}
_MODELS = {  # what the list shows
    "auto (what fits the goal)": models.AUTO,
    "field (small files)": "field",
    "paper (a network)": "paper",
    "lossless (every bit)": "lossless",
}
_EFFORT_TIPS = "fast: seconds; balanced: up to a minute for a usual map; best: ten times as long"


class GoalForm(Container[Any]):
    """Controls for goal, model, effort and device of `Settings`; `view` is what is shown."""

    def __init__(self) -> None:
        self.goal = ComboBox(
            choices=[(_GOALS[name][0], name) for name in (*GOALS, _NONE)],
            name="goal",
            label="Goal",
            tooltip="What is promised; the file is as small as that allows",
        )
        self.amount = FloatSpinBox(name="amount", label="NRMSE", min=0, max=1, step=0.01)
        self.model = ComboBox(
            choices=list(_MODELS.items()),
            name="model",
            label="Model",
            tooltip="How the densities are represented. field makes the smaller files; paper is the"
            " method of arXiv 2512.12975, and trains for minutes",
        )
        self.effort = ComboBox(
            choices=["fast", "balanced", "best"],
            name="effort",
            label="Effort",
            tooltip=f"How long to search. {_EFFORT_TIPS}",
        )
        self.device = ComboBox(
            choices=[("auto", "auto"), ("CPU", "cpu")],
            name="device",
            label="Device",
            tooltip="Where to compute; auto takes the best there is",
        )
        controls = [self.goal, self.amount, self.model, self.effort, self.device]
        super().__init__(widgets=controls, labels=False)
        self.view = Form()
        labels = {
            control.name: self.view.add(control.label, control.native) for control in controls
        }
        self._amount_label = labels["amount"]
        self._amounts = {name: row[2] for name, row in _GOALS.items()}
        self._shown = "target_nrmse"
        self.goal.changed.connect(self._show_goal)
        self.model.changed.connect(self._show_model)
        self.amount.changed.connect(self._keep_amount)
        self.show_settings(Settings())

    def show_devices(self, devices: list[Device]) -> None:
        """Offer what there is, with its name and free memory."""
        value = self.device.value
        first = f"auto: {devices[0].text()}"
        known = [(first, "auto"), *((device.text(), device.name) for device in devices)]
        with self.changed.blocked():
            self.device.choices = known
            self.device.value = value if value in [name for _, name in known] else "auto"

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        goals = settings.goals
        goal = settings.goal or _usual(settings.model)
        self.model.value = settings.model
        self._show_model(settings.model)
        if goals and goal in goals and goal != "lossless":
            self._amounts[goal] = float(getattr(settings, goal))
        self.goal.value = goal
        self._show_goal(goal)
        self.effort.value = settings.effort
        names = [choice[1] if isinstance(choice, tuple) else choice for choice in self._devices()]
        if settings.device not in names:
            self.device.choices = [*self._devices(), (settings.device, settings.device)]
        self.device.value = settings.device

    def applied(self, settings: Settings) -> Settings:
        """Settings with what the controls show."""
        goals: dict[str, Any] = dict.fromkeys(GOALS, None) | {"lossless": False}
        name = self.goal.value
        if name == "lossless":
            goals["lossless"] = True
        elif name != _NONE:
            goals[name] = float(self.amount.value)
        return replace(
            settings,
            model=self.model.value,
            effort=self.effort.value,
            device=self.device.value,
            **goals,
        )

    def _devices(self) -> list[Any]:
        combo = self.device.native
        return [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count())]

    def _keep_amount(self, value: float) -> None:
        self._amounts[self._shown] = value

    def _show_goal(self, name: str) -> None:
        _, label, _, low, high, decimals, meaning = _GOALS[name]
        self._shown = name
        with self.amount.changed.blocked():
            self.amount.native.setDecimals(decimals)
            self.amount.min, self.amount.max = low, high
            self.amount.step = max(10.0**-decimals, 0.1 * self._amounts[name])
            self.amount.value = self._amounts[name]
        self._amount_label.setText(label)
        self._amount_label.setVisible(bool(label))
        self.amount.tooltip = meaning
        self.amount.native.setVisible(bool(label))

    def _show_model(self, model: str) -> None:
        """Goals that this model knows."""
        known = models.aims(model)
        if models.usual_aim(model) is None and len(known) > 1:
            known = (*known, _NONE)
        value = self.goal.value
        self.goal.choices = [(_GOALS[name][0], name) for name in known]
        self.goal.value = value if value in known else _usual(model)


def _usual(model: str) -> str:
    """The goal of a model where none is given."""
    aim = models.usual_aim(model)
    known = models.aims(model)
    return aim[0] if aim is not None else known[0] if len(known) == 1 else _NONE
