"""How a map is represented: model, device and effort, in words, with the expected time."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import Signal

from ... import models
from ...settings import Settings
from ...support.devices import Device
from ..widgets.forms import RecordForm
from ..widgets.layout import Form, wrapping_label
from .expected_time import ExpectedTime, time_words

_LABELS = {"model": "Model", "effort": "Effort", "device": "Device"}
_MODELS = {
    "auto": "automatic",
    "field": "field: pretrained basis",
    "inr": "inr: trained on this map",
    "paper": "paper: the published network",
    "lossless": "lossless: every bit",
}
_ABOUT = {
    "auto": "field, and inr too where that is quick: the smaller file is kept.",
    "field": "Pretrained basis functions; their numbers are found in one search. Runs on the"
    " processor.",
    "inr": "An implicit neural representation, trained on this map{on}.",
    "paper": "The network of arXiv 2512.12975, trained on this map{on}. Files are larger, and no"
    " error is promised unless you ask for a largest one.",
    "lossless": "Every voxel comes back bit for bit.",
}
_EFFORTS = ("auto", "fast", "balanced", "best")


class MethodForm(Form):
    """Controls for model, effort and device of `Settings`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        names = (models.AUTO, *models.NAMES)
        choices = {"model": tuple((_MODELS[name], name) for name in names), "effort": _EFFORTS}
        self.form = RecordForm(Settings(), _LABELS, choices)
        tip = "fast: seconds; balanced: up to a minute for a usual map; best: ten times as long"
        self.form["effort"].tooltip = f"How long to search or train. With the model field, {tip}"
        for name, label in _LABELS.items():
            self.add(label, self.form[name].native)
        self.about = wrapping_label("What the model is, where it is trained, and about how long")
        self._layout.addRow(self.about)
        self._devices: list[tuple[str, str]] = [(n, n) for n in self.form["device"].choices]
        self._names: dict[str, str] = {}  # of devices, for people
        self.best_device = "cpu"  # what auto stands for
        self._model_titles: list[tuple[str, str]] = []
        self.form.changed.connect(self._on_form)
        self._times = ExpectedTime()
        self.show_times(None, 0, 0)

    @property
    def model(self) -> str:
        """The model that is chosen."""
        return str(self.form["model"].value)

    @property
    def device(self) -> str:
        """The device that is chosen, the best one for auto."""
        chosen = str(self.form["device"].value)
        return self.best_device if chosen == "auto" else chosen

    def show_devices(self, devices: list[Device]) -> None:
        """Offer the devices that there are, with name and free memory."""
        chosen = self.form["device"].value
        self._devices = [(f"automatic: {devices[0].text()}", "auto")]
        self._devices += [(device.text(), device.name) for device in devices]
        self._names = {device.name: device.title for device in devices}
        self.best_device = devices[0].name
        known = [name for _, name in self._devices]
        with self.form.changed.blocked():
            self.form["device"].choices = self._devices
            self.form["device"].value = chosen if chosen in known else "auto"
        self.changed.emit()

    def show_settings(self, settings: Settings) -> None:
        """Show the values of settings."""
        known = [name for _, name in self._devices]
        with self.form.changed.blocked():
            if settings.device not in known:
                self._devices = [*self._devices, (settings.device, settings.device)]
                self.form["device"].choices = self._devices
            self.form.show_record(settings)

    def applied(self, settings: Settings) -> Settings:
        """Return settings with what the controls show."""
        return self.form.applied(settings)

    def learn_time(self, settings: Settings, kept: int, voxels: int, seconds: float) -> None:
        """Expect from now on that such compressions take as long as this one did."""
        self._times.learn(settings, kept, voxels, self.device, seconds)

    def _on_form(self) -> None:
        self.changed.emit()

    def show_times(self, settings: Settings | None, kept: int, voxels: int) -> None:
        """Say what each model is, and how long it takes; without settings only what it is.

        `kept` are the voxels of the soft mask, `voxels` all.
        """
        titles = [(_MODELS[name], name) for name in (models.AUTO, *models.NAMES)]
        if settings is not None:
            plain = Settings(effort=settings.effort, inr=settings.inr, paper=settings.paper)
            for number, (title, name) in enumerate(titles):
                by = replace(plain, model=name)
                seconds = self._times.seconds(by, kept, voxels, self.device)
                titles[number] = (f"{title}, about {time_words(seconds)}", name)
        chosen = self.form["model"].value
        if titles != self._model_titles:
            self._model_titles = titles
            with self.form.changed.blocked():
                self.form["model"].choices = titles
                self.form["model"].value = chosen
        device = self._names.get(self.device, "")
        self.about.setText(_ABOUT[chosen].format(on=f" on {device}" if device else ""))
