"""The dock widget Compress map."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from ... import workers
from ...errors import SettingsError
from ...progress import Progress
from ...settings import Settings
from ..preferences import saved_settings
from ..widgets.dock import DockWidget
from ..widgets.layout import Form, Scrolling, fill, group
from ..widgets.map_chooser import SelectedMapChooser
from .batch_panel import BatchPanel
from .compressed_map import Compressed, compressed_steps
from .goal_form import GoalForm
from .loss_curve import LossCurve
from .map_facts import MapFacts
from .model_forms import ModelForms
from .result_actions import ResultActions
from .result_panel import ResultPanel, rescue
from .size_estimate import ON_DEMAND, SizeEstimate
from .threshold_control import ThresholdControl
from .threshold_layers import LayerLink

_NO_MAP = "Open a density map: File > Open File(s)..., or File > Open Sample > CryoINR"


class CompressWidget(DockWidget):
    """Choose a map, a threshold and a goal; compress; look at what was lost; save.

    Parameters
    ----------
    napari_viewer : whose layers are offered.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._link: LayerLink | None = None
        self._complaint: str | None = None  # about the settings
        self._unreadable: str | None = None  # what is wrong with the layer
        self._settings = saved_settings()
        self.chooser = SelectedMapChooser(napari_viewer)
        self.chooser.setToolTip("The layer that is compressed; follows the selected layer")
        self.about = QLabel()
        self.threshold = ThresholdControl()
        self.overlay = QCheckBox("Show what is kept")
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Tint it in slices, and show it as an iso-surface in 3-D")
        self.kept, self.size = QLabel(), QLabel()
        self.estimate_button = QPushButton("Estimate")
        self.estimate_button.setToolTip("Encode the map once, quickly, to see how large it gets")
        self.goal = GoalForm()
        self.forms = ModelForms(napari_viewer.theme, self._on_settings)
        self.button = QPushButton("Compress")
        self.curve = LossCurve()
        actions = ResultActions(napari_viewer, self.bar, self.say)
        self.result = ResultPanel(
            shown=actions.show_decoded,
            error=actions.show_error,
            report=actions.open_report,
            said=self.say,
        )
        self.estimate = SizeEstimate(self.resources, self.size.setText)
        self.batch = BatchPanel(napari_viewer, self.resources, lambda: self.settings, self.say)
        self._build()
        self._connect()
        self.settings = self._settings
        self.attach()

    @property
    def settings(self) -> Settings:
        """What the controls show; can be set.

        Raises
        ------
        SettingsError
            for values against their rule.
        """
        settings = self.forms.applied(self.goal.applied(self._settings))
        return replace(settings, threshold=self.threshold.setting)

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        with QSignalBlocker(self.threshold):
            self.goal.show_settings(settings)
            self.forms.show_settings(settings)
            self.threshold.setting = settings.threshold
        self._on_settings()

    def compress(self) -> None:
        """Compress the chosen map in the background."""
        if self._link is None or self._link.facts is None or self.bar.running:
            return
        settings = self.settings
        density_map, layer = self._link.facts.map, self._link.layer
        self.estimate.stop()
        self.size.setText("-")
        self.say("")
        self.curve.clear()
        self.result.clear()
        self.bar.start(
            compressed_steps(density_map, settings, layer.unique_id),
            f"Compressing {density_map.name}",
            self._on_compressed,
            self._on_failed,
            self._on_progress,
        )

    # -- how it is built

    def _build(self) -> None:
        for label in (self.about, self.kept, self.size):
            label.setWordWrap(True)
        numbers = Form()
        numbers.add("Kept", self.kept)
        numbers.add("File size", self.size)
        goal = group("Goal", self.goal.view, self.forms)
        self._scroll = Scrolling(
            group("Map", self.chooser, self.about),
            group("Threshold", self.threshold, self.overlay, numbers, self.estimate_button),
            goal,
            self.button,
            self.bar,
            self.curve,
            self.message,
            self.result,
            self.batch,
        )
        fill(self, self._scroll)

    def _connect(self) -> None:
        self.chooser.chosen.connect(self._on_layer)
        self.threshold.changed.connect(self._on_threshold)
        self.overlay.toggled.connect(self._on_threshold)
        self.estimate_button.clicked.connect(self.estimate.begin)
        self.goal.changed.connect(self._on_settings)
        self.button.clicked.connect(self.compress)
        self.bar.changed.connect(self._refresh)

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer, which of them is selected, and the theme."""
        self.resources.at_release(self._on_release)
        self.resources.at_release(self.estimate.stop)
        self.chooser.connect_viewer(self.resources)
        events = self.viewer.events, self.viewer.layers.events, self.viewer.layers.selection.events
        self.resources.connect(events[0].theme, self._on_theme)
        self.resources.connect(events[1].renamed, self._refresh)
        self.resources.connect(events[2].changed, self.batch.refresh)
        self.resources.start_job("devices", workers.device_steps(), done=self.goal.show_devices)
        self._on_layer()

    # -- what happens

    def _on_layer(self) -> None:
        self._unlink()
        layer = self.chooser.layer
        self.threshold.show_map(None)
        self._unreadable = None
        if layer is not None:
            self._link = LayerLink(
                self.viewer,
                layer,
                known=self._on_facts,
                moved=self.threshold.choose_density,
                failed=self._on_unreadable,
            )
        self._refresh()

    def _on_facts(self, facts: MapFacts) -> None:
        assert self._link is not None
        density = self._link.chosen_density()
        own = isinstance(self.threshold.setting, float)  # a density of the map before
        if density is not None and abs(density - facts.auto) > 1e-3 * facts.spread:
            with QSignalBlocker(self.threshold):
                self.threshold.setting = density
        elif own:
            with QSignalBlocker(self.threshold):
                self.threshold.setting = "auto"
        self.threshold.show_map(facts)

    def _on_unreadable(self, error: Exception) -> None:
        self._unreadable = str(error)
        self._refresh()

    def _on_threshold(self) -> None:
        if self._link is None or self._link.facts is None:
            return
        density, facts = self.threshold.density, self._link.facts
        self._link.show(density, self.overlay.isChecked())
        self.kept.setText(facts.kept(density))
        self._on_settings()

    def _on_settings(self) -> None:
        self.forms.show_model(self.goal.model.value)
        self._complaint = None
        try:
            settings = self.settings
        except SettingsError as error:
            self.estimate.stop()
            self._complaint = str(error)
        else:
            link = self._link
            if link is not None and link.facts is not None and not self.bar.running:
                self.estimate.request(link.facts.map, settings)
        self._refresh()

    def _on_progress(self, record: Progress) -> None:
        self.curve.add(record)

    def _on_compressed(self, compressed: Compressed) -> None:
        self.result.show_result(compressed)
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.result))
        self.size.setText(f"{compressed.report.bytes:,} bytes")

    def _on_failed(self, line: str) -> None:
        self.say(line)
        self.curve.clear()
        self._on_settings()

    def _on_theme(self) -> None:
        self.forms.plot.set_theme(self.viewer.theme)

    def _refresh(self) -> None:
        """What the labels say and which buttons can be pressed."""
        facts = None if self._link is None else self._link.facts
        layer = self.chooser.layer
        problem = self._complaint
        if layer is None:
            problem = _NO_MAP
        elif facts is None:
            problem = self._unreadable or f"Reading {layer.name}..."
        elif self.bar.running:
            problem = self.bar.why_busy
        self.button.setText("Compress" if layer is None else f"Compress {layer.name}")
        self.button.setEnabled(problem is None)
        self.button.setToolTip(problem or "Make the file; you can save it when you have seen it")
        self.estimate_button.setVisible(self.size.text() == ON_DEMAND)
        if facts is None or self._complaint:
            self.about.setText(problem or "")
        else:
            self.about.setText(facts.about())
        if facts is None:
            self.kept.setText("-")
            self.size.setText("-")

    # -- how it ends

    def dock_closed(self, window: QWidget) -> None:
        """Offer to save a result that is not saved."""
        compressed = self.result.take() if self.result.unsaved else None
        if compressed is not None:
            # Later: no dialog can be shown while the widget is being taken out of its dock.
            QTimer.singleShot(0, partial(rescue, window, compressed))

    def release(self) -> None:
        """Stop all work, remove what was not saved, and disconnect from the viewer."""
        self._unlink()
        self.batch.bar.stop()
        super().release()

    def _on_release(self) -> None:
        """Leave the layer alone and remove what was not saved; Qt's objects may be gone."""
        if self._link is not None:
            self._link.forget()
            self._link = None
        compressed, self.result.compressed = self.result.compressed, None
        if compressed is not None:
            compressed.discard()

    def _unlink(self) -> None:
        if self._link is not None:
            self._link.release()
            self._link = None

    def unsaved_work(self) -> str | None:
        """Work that is going on, or a result that is not saved."""
        if self.bar.running or self.batch.running:
            return "A map is being compressed."
        if self.result.unsaved:
            assert self.result.compressed is not None
            return f"{self.result.compressed.name} was compressed, but is not saved."
        return None
