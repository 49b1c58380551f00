"""The dock widget Compress map: what, what of it, how exactly, how; then one button."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QHBoxLayout, QWidget

from ... import workers
from ...errors import SettingsError
from ...settings import Settings
from ...support.array_types import Float32Array
from ..io.compressed import Compressed, compressed_steps
from ..io.map_layers import map_reader
from ..io.session import Offer
from ..preferences import saved_settings
from ..widgets.dock import DockWidget
from ..widgets.layout import Scrolling, button, fill, group, shortened
from ..widgets.map_chooser import connect_layers
from .archive_settings import ArchiveSettingsButton
from .batch_panel import BatchPanel
from .copy_button import CopyButton
from .goal_form import GoalForm
from .half_maps_form import HalfMapsForm
from .keep_panel import KeepPanel
from .map_analysis import Analysis, MapAnalysis, Where
from .map_facts import MapFacts, facts_steps
from .map_panel import MapPanel
from .method_form import MethodForm
from .model_forms import ModelForms
from .promise import kept_of, promise
from .promise_panel import PromisePanel
from .result_panel import ResultPanel
from .size_curve import SizeCurve
from .size_estimate import Request
from .threshold_preview import ThresholdPreview
from .training_view import TrainingView

_READING = "reading the map"  # kind of job
_BUTTON_HEIGHT = 34


class CompressWidget(DockWidget):
    """Choose a map, what to keep, how exactly and how; compress; look at what was lost; save.

    Maps are read in threads, and compressed in a child process.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        theme = napari_viewer.theme
        self.facts: MapFacts | None = None  # of the chosen layer, once it has been read
        self.analysis: Analysis | None = None  # of what is kept of it, once it is known
        self._preview: ThresholdPreview | None = None
        self._wrong_settings = self._wrong_map = ""  # what is wrong with them
        self._inside: int | None = None  # voxels of the soft mask
        self._began = 0.0  # when the compression that goes on began
        self._settings = Settings()
        self._current: Settings | None = None  # what is shown; None where that is wrong
        try:
            self._settings = saved_settings()
        except SettingsError as error:
            self.say(f"The settings of the Preferences page are not used: {error}")
        self.what = MapPanel(napari_viewer)
        self.chooser, self.about = self.what.chooser, self.what.about
        self.stored = ArchiveSettingsButton(napari_viewer, self._load_settings, self.say)
        self.keep = KeepPanel(theme)
        self.threshold, self.overlay = self.keep.threshold, self.keep.overlay
        self.above = self.keep.above
        self.half_maps = HalfMapsForm(self.resources)
        self.goal = GoalForm(theme, self.half_maps)
        self.method = MethodForm()
        self.forms = ModelForms(theme)
        self.button = button("Compress", "", self.compress)
        self.button.setMinimumHeight(_BUTTON_HEIGHT)
        self.button.setStyleSheet("font-weight: bold;")
        self.copy = CopyButton(self.offer, lambda: self.chooser.layer, self.say)
        self.outlook = PromisePanel(self.resources)
        self.promise, self.size = self.outlook.text, self.outlook.size
        self.estimate_button = self.outlook.button
        self.sizes = SizeCurve(theme, self.resources)
        self.curve = TrainingView(theme)
        self.result = ResultPanel(self)
        self.batch = BatchPanel(napari_viewer, self.resources, lambda: self.settings, self.say)
        self._analyse = MapAnalysis(self.resources, self._show_mask, self._show_analysis)
        buttons = QWidget()
        fill(buttons, self.button, self.copy, kind=QHBoxLayout).setStretch(0, 1)
        self._scroll = Scrolling(
            group("What", self.what, self.stored),
            group("Keep", self.keep),
            group("How exactly", self.goal),
            group("How", self.method, self.forms),
            self.sizes,
            self.curve,
            self.result,
            self.batch,
        )
        foot = QWidget()  # what is always in sight, however far the rest is scrolled
        fill(foot, self.outlook, buttons, self.bar, self.message, margin=4)
        fill(self, self._scroll, foot).setStretch(0, 1)
        self.chooser.chosen.connect(self._on_layer)
        self.keep.changed.connect(self._on_keep)
        self.keep.shown_changed.connect(self._show_preview)
        for form in (self.goal, self.method, self.forms):
            form.changed.connect(self._on_settings)
        self.sizes.chosen.connect(self.goal.set_goal)
        self.bar.changed.connect(self._refresh)
        self.settings = self._settings
        self.attach()

    @property
    def settings(self) -> Settings:
        """What the controls show, or `SettingsError` for values against their rule; can be set."""
        # Without goals first: those that were there may not fit what is kept now.
        goals = {"target_fsc": None, "target_nrmse": None, "target_psnr": None}
        goals |= {"target_ratio": None, "max_error": None}
        plain = replace(self._settings, **goals, lossless=False, keep="auto", model="auto")  # type: ignore[arg-type]
        plain = self.forms.applied(self.keep.applied(self.method.applied(plain)))
        return self.goal.applied(plain)

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        parts = (self.keep, self.goal, self.method, self.forms)
        blockers = [QSignalBlocker(part) for part in parts]
        for part in parts:
            part.show_settings(settings)
        del blockers
        self._on_keep()

    def _load_settings(self, settings: Settings) -> None:
        self.settings = settings

    def offer(self, layer: Any) -> Offer | None:
        """Return how a layer would be compressed now; None if it is not the chosen one."""
        if layer != self.chooser.layer:
            return None
        return Offer(self.settings, self.half_maps.maps if self.goal.by_half_maps else None)

    def compress(self) -> None:
        """Compress the chosen map in the background; results before stay."""
        if self.facts is None or self.bar.running:
            return
        density_map, layer = self.facts.map, self.chooser.layer
        offered = self.offer(layer)
        assert offered is not None
        steps = compressed_steps(density_map, offered.settings, layer.unique_id, offered.half_maps)
        self.outlook.forget_size()
        self.say("")
        self.curve.clear()
        self.curve.show_map(density_map, tuple(layer.contrast_limits))
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.curve))
        self._began = time.monotonic()
        title = f"Compressing {density_map.name}"
        done, progress = self._on_compressed, self.curve.add
        self.start(steps, title, done, progress, failed=self._on_failed, may_finish=True)

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer, which of them is selected, and the theme."""
        self.resources.at_release(self._on_release)
        self.resources.connect(self.viewer.events.theme, self._on_theme)
        connect_layers(self.resources, self.viewer, self._on_layers)
        self.resources.connect(self.viewer.layers.selection.events.changed, self.batch.refresh)
        self.resources.start_job("devices", workers.device_steps(), done=self.method.show_devices)
        self.batch.refresh()
        self.result.connect_viewer()
        self.stored.connect_viewer(self.resources)
        self.resources.at_release(self.result.session.lend_settings(self.offer))
        self.chooser.connect_viewer(self.resources)  # which may choose a layer
        if self._preview is None:
            self._on_layer()

    def _on_layers(self) -> None:
        self._on_settings()

    def _on_layer(self) -> None:
        self._drop_preview()
        if (layer := self.chooser.layer) is not None:
            self._preview = ThresholdPreview(
                self.viewer, layer, moved=self.threshold.choose_density, replaced=self._read
            )
        self._read()

    def _read(self) -> None:
        self.resources.stop_job(_READING)
        self._analyse.stop()
        self.facts, self._wrong_map, self._inside = None, "", None
        self._show_analysis(None)
        self.keep.show_map(None)
        if (layer := self.chooser.layer) is not None:
            steps, failed = facts_steps(map_reader(layer)), self._on_unreadable
            self.resources.start_job(_READING, steps, done=self._on_facts, failed=failed)
        self._on_settings()

    def _on_facts(self, facts: MapFacts) -> None:
        assert self._preview is not None
        self.facts = facts
        density = self._preview.iso_density
        with QSignalBlocker(self.threshold):
            if density is not None and abs(density - facts.auto) > 1e-3 * facts.spread:
                self.threshold.setting = density  # the user, or a file, has chosen it
            elif isinstance(self.threshold.setting, float):  # a density of the map before
                self.threshold.setting = "auto"
        self.keep.show_map(facts)

    def _on_unreadable(self, error: Exception) -> None:
        self._wrong_map = str(error)
        self._refresh()

    def _drop_preview(self) -> None:
        if self._preview is not None:
            self._preview.release()
            self._preview = None

    def _on_keep(self) -> None:
        self._show_preview()
        self._on_settings()

    def _show_preview(self) -> None:
        self.keep.refresh()
        if self.facts is not None and self._preview is not None:
            density = self.threshold.density
            self._preview.show(density, self.facts.spread, self.overlay.isChecked())
            self._preview.mask.set_shown(self.keep.mask_shown.isChecked())

    def _on_settings(self) -> None:
        """Follow what is shown: every line and number belongs to that."""
        whole = self.threshold.setting == "none"
        halves = self.half_maps.offer(self.viewer, self.chooser.layer)
        self.forms.show_model(self.method.model)
        self.goal.fit(self.method.model, self.keep.keep, whole, halves)
        self._wrong_settings, self._current, request = "", None, None
        self.outlook.forget_size()
        try:
            settings = self._current = self.settings
        except SettingsError as error:
            self._wrong_settings = str(error)
        else:
            if self.goal.by_half_maps:
                self._wrong_settings = self.half_maps.problem
            self.keep.show_kept("volume" if (kept := self._kept(settings)) == "exactly" else kept)
            if self.facts is not None and not self._wrong_settings:
                halves_given = self.half_maps.maps if self.goal.by_half_maps else None
                request = Request(self.facts.map, settings, halves_given)
                density = self.threshold.density if kept == "envelope" else None
                where = Where(density, settings.mask_extend, settings.mask_edge)
                self._analyse.request(self.facts.map, where, halves_given)
                if not self.bar.running:
                    self.outlook.request(request)
        by_half_maps = request is not None and request.half_maps is not None
        spread = 1.0 if self.facts is None else self.facts.spread
        self.sizes.offer(None if by_half_maps else request, spread)
        self._refresh()

    def _kept(self, settings: Settings) -> str:
        kind = "density" if self.facts is None else self.facts.kind
        return kept_of(settings, kind, self.goal.by_half_maps)

    def _show_mask(self, weight: Float32Array | None) -> None:
        self._inside = None if weight is None else int(np.count_nonzero(weight >= 0.5))
        if self.facts is not None and self._preview is not None:
            self._preview.mask.show(weight, self.facts.map)
        self._show_times()

    def _show_analysis(self, analysis: Analysis | None) -> None:
        self.analysis = analysis
        self.goal.show_analysis(analysis)
        self._show_promise()

    def _show_times(self) -> None:
        voxels = 0 if self.facts is None else self.facts.map.data.size
        kept = voxels if self._inside is None else self._inside
        self.method.show_times(None if self.facts is None else self._current, kept, voxels)

    def _show_promise(self) -> None:
        settings = self._current
        if self.facts is None or self._wrong_settings or settings is None:
            self.outlook.show_problem(self._wrong_settings)
            return
        found, given = self.analysis, settings.resolution
        resolution = None if found is None else found.resolution.angstrom
        if not isinstance(given, str):
            resolution = given
        density, halves = self.threshold.density, self.goal.by_half_maps
        text = promise(settings, self._kept(settings), density, resolution, halves)
        self.outlook.show_promise(text, self.facts.map.raw_bytes)

    def _on_theme(self) -> None:
        theme = self.viewer.theme
        for part in (self.forms.plot, self.threshold.histogram, self.goal.spectrum):
            part.set_theme(theme)
        self.sizes.set_theme(theme)
        self.curve.set_theme(theme)

    def _on_compressed(self, compressed: Compressed) -> None:
        self.curve.end()
        self.result.show_result(compressed)
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.result))
        self._learn_time(compressed.settings)
        if not self._wrong_settings and self._current == compressed.settings:
            self.outlook.show_size(compressed.archive.bytes)
        else:  # changed meanwhile: the size would be that of other settings
            self._on_settings()

    def _learn_time(self, settings: Settings) -> None:
        if self.facts is not None and self._inside is not None:
            seconds, voxels = time.monotonic() - self._began, self.facts.map.data.size
            self.method.learn_time(settings, self._inside, voxels, seconds)

    def _on_failed(self, line: str) -> None:
        self.say(line)
        self.curve.clear()
        self._on_settings()

    def _refresh(self) -> None:
        """Describe the map, and enable what can be done now."""
        layer, problem = self.chooser.layer, self._wrong_settings or self.bar.why_busy
        wrong = self.what.describe(self.facts, self._wrong_map)
        self.button.setText("Compress" if layer is None else f"Compress {shortened(layer.name)}")
        self.button.setEnabled(not (wrong or problem))
        tip = "Make the file; you can save it when you have seen it"
        self.button.setToolTip(wrong or problem or tip)
        self._show_times()
        self._show_promise()

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
        self.sizes.bar.stop()
        super().release()

    def _on_release(self) -> None:
        """Stop the rest; Qt may have deleted the widget."""
        self.outlook.estimate.stop()
        self._analyse.stop()
        if self._preview is not None:
            self._preview.release(remove=False)
            self._preview = None
