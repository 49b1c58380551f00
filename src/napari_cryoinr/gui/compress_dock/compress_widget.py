"""The dock widget Compress map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget

from ... import workers
from ...errors import SettingsError
from ...settings import Settings
from ..io.compressed import Compressed, compressed_steps
from ..io.map_layers import map_reader
from ..io.session import Offer
from ..preferences import saved_settings
from ..widgets.dock import DockWidget
from ..widgets.layout import Form, Scrolling, button, fill, group
from ..widgets.map_chooser import SelectedMapChooser
from .batch_panel import BatchPanel
from .goal_form import GoalForm
from .loss_curve import LossCurve
from .map_facts import ON_DEMAND, MapFacts, SizeEstimate, facts_steps
from .model_forms import ModelForms
from .result_panel import ResultPanel
from .threshold_control import ThresholdControl
from .threshold_preview import ThresholdPreview

_NO_MAP = "Open a density map: File > Open File(s)..., or File > Open Sample > CryoINR"
_READING = "reading the map"  # kind of job


class CompressWidget(DockWidget):
    """Choose a map, a threshold and a goal; compress; look at what was lost; save.

    Maps are read in threads, and compressed in a child process.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.facts: MapFacts | None = None  # of the chosen layer, once it has been read
        self._preview: ThresholdPreview | None = None
        self._wrong_settings = self._wrong_map = ""  # what is wrong with them
        self._settings = Settings()
        try:
            self._settings = saved_settings()
        except SettingsError as error:
            self.say(f"The settings of the Preferences page are not used: {error}")
        self.chooser = SelectedMapChooser(napari_viewer)
        self.chooser.setToolTip("The layer that is compressed; follows the selected layer")
        self.threshold = ThresholdControl()
        self.overlay = QCheckBox("Show what is above")
        self.overlay.setChecked(True)
        self.overlay.setToolTip(
            "Tint what is above the threshold in slices, and show it as an iso-surface in 3-D"
        )
        self.about, self.above, self.size = QLabel(), QLabel(), QLabel()
        for label in (self.about, self.above, self.size):
            label.setWordWrap(True)
        self.estimate = SizeEstimate(self.resources, self._show_size)
        tip = "Encode the map once, quickly, to see how large it gets"
        self.estimate_button = button("Estimate", tip, self.estimate.begin)
        self.goal = GoalForm()
        self.forms = ModelForms(napari_viewer.theme)
        self.button = button("Compress", "", self.compress)
        self.curve = LossCurve()
        self.result = ResultPanel(self)
        self.batch = BatchPanel(napari_viewer, self.resources, lambda: self.settings, self.say)
        numbers = Form()
        numbers.add("Above it", self.above)
        numbers.add("File size", self.size)
        self._scroll = Scrolling(
            group("Map", self.chooser, self.about),
            group("Threshold", self.threshold, self.overlay, numbers, self.estimate_button),
            group("Goal", self.goal, self.forms),
            self.button,
            self.bar,
            self.curve,
            self.message,
            self.result,
            self.batch,
        )
        fill(self, self._scroll)
        self.chooser.chosen.connect(self._on_layer)
        self.threshold.changed.connect(self._on_threshold)
        self.overlay.toggled.connect(self._on_threshold)
        self.goal.changed.connect(self._on_settings)
        self.forms.changed.connect(self._on_settings)
        self.bar.changed.connect(self._refresh)
        self.settings = self._settings
        self.attach()

    @property
    def settings(self) -> Settings:
        """What the controls show, or `SettingsError` for values against their rule; can be set."""
        settings = self.forms.applied(self.goal.applied(self._settings))
        return replace(settings, threshold=self.threshold.setting)

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        with QSignalBlocker(self.threshold), QSignalBlocker(self.goal), QSignalBlocker(self.forms):
            self.goal.show_settings(settings)
            self.forms.show_settings(settings)
            self.threshold.setting = settings.threshold
        self._on_threshold()

    def offer(self, layer: Any) -> Offer | None:
        """Return how a layer would be compressed now; None if it is not the chosen one."""
        return Offer(self.settings) if layer == self.chooser.layer else None

    def compress(self) -> None:
        """Compress the chosen map in the background; the result before stays until it is done."""
        if self.facts is None or self.bar.running:
            return
        density_map, layer = self.facts.map, self.chooser.layer
        steps = compressed_steps(density_map, self.settings, layer.unique_id)
        self.estimate.stop()
        self._show_size("-")
        self.say("")
        self.curve.clear()
        title = f"Compressing {density_map.name}"
        self.start(
            steps,
            title,
            self._on_compressed,
            self.curve.add,
            failed=self._on_failed,
            may_finish=True,
        )

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer, which of them is selected, and the theme."""
        self.resources.at_release(self._on_release)
        self.resources.connect(self.viewer.events.theme, self._on_theme)
        self.resources.connect(self.viewer.layers.events.renamed, self._refresh)
        self.resources.connect(self.viewer.layers.selection.events.changed, self.batch.refresh)
        self.resources.start_job("devices", workers.device_steps(), done=self.goal.show_devices)
        self.batch.refresh()
        self.result.connect_viewer()
        self.resources.at_release(self.result.session.lend_settings(self.offer))
        self.chooser.connect_viewer(self.resources)  # which may choose a layer
        if self._preview is None:
            self._on_layer()

    def _on_layer(self) -> None:
        self._drop_preview()
        if (layer := self.chooser.layer) is not None:
            self._preview = ThresholdPreview(
                self.viewer, layer, moved=self.threshold.choose_density, replaced=self._read
            )
        self._read()

    def _read(self) -> None:
        self.resources.stop_job(_READING)
        self.estimate.stop()
        self.facts, self._wrong_map = None, ""
        self.threshold.show_map(None)
        if (layer := self.chooser.layer) is not None:
            steps, failed = facts_steps(map_reader(layer)), self._on_unreadable
            self.resources.start_job(_READING, steps, done=self._on_facts, failed=failed)
        self._refresh()

    def _on_facts(self, facts: MapFacts) -> None:
        assert self._preview is not None
        self.facts = facts
        density = self._preview.iso_density
        with QSignalBlocker(self.threshold):
            if density is not None and abs(density - facts.auto) > 1e-3 * facts.spread:
                self.threshold.setting = density  # the user, or a file, has chosen it
            elif isinstance(self.threshold.setting, float):  # a density of the map before
                self.threshold.setting = "auto"
        self.threshold.show_map(facts)

    def _on_unreadable(self, error: Exception) -> None:
        self._wrong_map = str(error)
        self._refresh()

    def _drop_preview(self) -> None:
        if self._preview is not None:
            self._preview.release()
            self._preview = None

    def _on_threshold(self) -> None:
        if self.facts is not None and self._preview is not None:
            density = self.threshold.density
            self._preview.show(density, self.facts.spread, self.overlay.isChecked())
            self.above.setText(self.facts.above(density))
        self._on_settings()

    def _on_settings(self) -> None:
        self.forms.show_model(self.goal.model)
        self._wrong_settings = ""
        try:
            settings = self.settings
        except SettingsError as error:
            self.estimate.stop()
            self._show_size("-")
            self._wrong_settings = str(error)
        else:
            if self.facts is not None and not self.bar.running:
                self.estimate.request(self.facts.map, settings)
        self._refresh()

    def _show_size(self, text: str) -> None:
        self.size.setText(text)
        self.estimate_button.setVisible(text == ON_DEMAND)

    def _on_theme(self) -> None:
        self.forms.plot.set_theme(self.viewer.theme)

    def _on_compressed(self, compressed: Compressed) -> None:
        self.result.show_result(compressed)
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.result))
        self._show_size(f"{compressed.report.bytes:,} bytes")

    def _on_failed(self, line: str) -> None:
        self.say(line)
        self.curve.clear()
        self._on_settings()

    def _refresh(self) -> None:
        """Describe the map, and enable what can be done now."""
        layer, problem = self.chooser.layer, self._wrong_settings or self.bar.why_busy
        if layer is None:
            problem = self.chooser.no_map or _NO_MAP
        elif self.facts is None:
            problem = self._wrong_map or f"Reading {layer.name}..."
        self.button.setText("Compress" if layer is None else f"Compress {layer.name}")
        self.button.setEnabled(not problem)
        self.button.setToolTip(problem or "Make the file; you can save it when you have seen it")
        if self.facts is None:
            self.about.setText(problem)
            self.above.setText("-")
            self._show_size("-")
        else:
            self.about.setText(self._wrong_settings or self.facts.about())

    def unsaved_work(self) -> str | None:
        """Return what would be lost: work that is going on."""
        if self.bar.running or self.batch.bar.running:
            return "A map is being compressed."
        return None

    def dock_closed(self, window: QWidget) -> None:
        """Say that results that are not saved are still there."""
        self.result.say_what_is_kept()

    def release(self) -> None:
        """Stop all work, remove what was not saved, and disconnect from the viewer."""
        self._drop_preview()
        self.batch.bar.stop()
        super().release()

    def _on_release(self) -> None:
        """Stop the rest; Qt may have deleted the widget."""
        self.estimate.stop()
        if self._preview is not None:
            self._preview.release(remove=False)
            self._preview = None
