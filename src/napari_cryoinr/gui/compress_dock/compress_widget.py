"""The dock widget Compress map: what, what of it, how exactly, how; then one button."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QWidget

from ... import workers
from ...codec.members import HalfMaps
from ...errors import SettingsError
from ...settings import Settings
from ..io.compressed import Compressed, compressed_steps
from ..io.session import Offer
from ..preferences import saved_settings
from ..widgets.dock import DockWidget
from ..widgets.layout import Scrolling, button, fill, group, shortened
from ..widgets.map_chooser import connect_layers
from .archive_settings import ArchiveSettingsButton
from .batch_panel import BatchPanel
from .chosen_map import ChosenMap
from .copy_button import CopyButton
from .map_analysis import Analysis
from .map_facts import MapFacts
from .map_panel import MapPanel
from .order import Order
from .promise import kept_of
from .promise_panel import PromisePanel
from .result_panel import ResultPanel
from .settings_panel import SettingsPanel
from .size_curve import SizeCurve
from .training_view import TrainingView

_BUTTON_HEIGHT = 34


class CompressWidget(DockWidget):
    """Choose a map, what to keep, how exactly and how; compress; look at what was lost; save.

    Maps are read in threads, and compressed in a child process.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        theme = napari_viewer.theme
        self._wrong_settings = ""  # what is wrong with them
        self._began = 0.0  # when the compression that goes on began
        self._order: Order | None = None  # what is shown; None where that cannot be compressed
        self.what = MapPanel(napari_viewer)
        self.chooser, self.about = self.what.chooser, self.what.about
        self.stored = ArchiveSettingsButton(napari_viewer, self._load_settings, self.say)
        self.panel = panel = SettingsPanel(theme, self.resources)
        self.keep, self.threshold, self.above = panel.keep, panel.keep.threshold, panel.keep.above
        self.overlay, self.goal, self.half_maps = panel.keep.overlay, panel.goal, panel.half_maps
        self.method, self.forms = panel.method, panel.forms
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
        self.chosen = ChosenMap(napari_viewer, self.resources, self.what, self.keep, self)
        buttons = QWidget()
        fill(buttons, self.button, self.copy, kind=QHBoxLayout).setStretch(0, 1)
        self._scroll = Scrolling(
            group("What", self.what, self.stored),
            self.panel,
            self.sizes,
            self.curve,
            self.result,
            self.batch,
        )
        foot = QWidget()  # what is always in sight, however far the rest is scrolled
        fill(foot, self.outlook, buttons, self.bar, self.message, margin=4)
        fill(self, self._scroll, foot).setStretch(0, 1)
        self.what.changed.connect(self._on_keep)
        self.chosen.changed.connect(self._on_settings)
        self.chosen.masked.connect(self._show_times)
        self.chosen.analysed.connect(self._show_analysis)
        self.keep.changed.connect(self._on_keep)
        self.keep.shown_changed.connect(self._show_preview)
        self.panel.changed.connect(self._on_settings)
        self.sizes.chosen.connect(self.goal.set_goal)
        self.bar.changed.connect(self._refresh)
        try:
            self.settings = saved_settings()
        except SettingsError as error:
            self.say(f"The settings of the Preferences page are not used: {error}")
            self.settings = Settings()
        self.attach()

    @property
    def facts(self) -> MapFacts | None:
        """What the chosen layer holds, once it has been read."""
        return self.chosen.facts

    @property
    def analysis(self) -> Analysis | None:
        """The spectrum of what is kept, once it is known."""
        return self.chosen.analysis

    @property
    def settings(self) -> Settings:
        """What the controls show, or `SettingsError` for values against their rule; can be set."""
        return self.panel.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.panel.settings = settings

    def _load_settings(self, settings: Settings) -> None:
        self.settings = settings

    def offer(self, layer: Any) -> Offer | None:
        """Return how a layer would be compressed now; None if it is not the chosen one."""
        if layer != self.chooser.layer:
            return None
        return Offer(self.what.fitted(self.settings), self._halves)

    def compress(self) -> None:
        """Compress the chosen map in the background; results before stay."""
        order, layer = self._order, self.chooser.layer
        if order is None or self.bar.running:
            return
        facts, name, how = order.facts, order.name, (order.settings, order.half_maps)
        steps = compressed_steps(order.read, name, layer.unique_id, *how)
        self.outlook.forget_size()
        self.say("")
        self.curve.clear()
        limits = getattr(layer, "contrast_limits", (facts.stats.low, facts.stats.high))
        self.curve.show_map(facts.map, tuple(limits))
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.curve))
        self._began = time.monotonic()
        done, progress, title = self._on_compressed, self.curve.add, f"Compressing {name}"
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
        if not self.chosen.is_followed:
            self.chosen.follow()

    def _on_layers(self) -> None:
        self.chosen.look_for_partner()
        self._on_settings()

    def _on_keep(self) -> None:
        self._show_preview()
        self._on_settings()

    def _show_preview(self) -> None:
        self.keep.refresh()
        self.chosen.show(whole=self.what.exactly or self.what.together)

    @property
    def _halves(self) -> HalfMaps | None:
        """Half-maps whose noise is the measure, once they have been read."""
        return self.half_maps.maps if self.goal.by_half_maps and not self.what.exactly else None

    def _on_settings(self) -> None:
        """Follow what is shown: every line and number belongs to that."""
        exactly, together, facts = self.what.exactly, self.what.together, self.facts
        several = facts is not None and (together or facts.volumes > 1)
        self.sizes.setHidden(exactly or several)
        self.copy.setEnabled(not several)
        halves = self.half_maps.offer(self.viewer, self.chooser.layer) and not several
        self.panel.fit(exactly=exactly, whole=together, halves=halves)
        self._wrong_settings, self._order = "", None
        self.outlook.forget_size()
        try:
            settings = self.what.fitted(self.settings)
        except SettingsError as error:
            self._wrong_settings = str(error)
        else:
            self._show_order(settings)
        order = self._order
        plain = order is not None and order.half_maps is None and not (several or exactly)
        spread = 1.0 if facts is None else facts.spread
        self.sizes.offer(order.request if order is not None and plain else None, spread)
        self._refresh()

    def _show_order(self, settings: Settings) -> None:
        by_half_maps = self.goal.by_half_maps and not self.what.exactly
        if by_half_maps:
            self._wrong_settings = self.half_maps.problem
        if self.facts is None:
            self.keep.show_kept(kept_of(settings, "density", by_half_maps))
            return
        order = Order(self.facts, settings, self.what.together, self._halves)
        self.keep.show_kept("volume" if order.kept == "exactly" else order.kept)
        if self._wrong_settings:
            return
        self._order = order
        if self.what.exactly:
            self.chosen.forget_measured()
        else:
            self.chosen.measure(order.where(self.threshold.density), order.half_maps)
        if not self.bar.running:
            self.outlook.request(order.request)

    def _show_analysis(self) -> None:
        self.goal.show_analysis(self.analysis)
        self._show_promise()

    def _show_times(self) -> None:
        order, inside = self._order, self.chosen.inside
        if order is None:
            self.method.show_times(None, 0, 0)
        else:
            kept = order.voxels if inside is None else order.maps * inside
            self.method.show_times(order.settings, kept, order.voxels)

    def _show_promise(self) -> None:
        if (order := self._order) is None:
            self.outlook.show_problem(self._wrong_settings)
        else:
            text = order.promise(self.threshold.density, self.analysis)
            self.outlook.show_promise(text, 4 * order.voxels)

    def _on_theme(self) -> None:
        theme = self.viewer.theme
        for part in (self.panel, self.sizes, self.curve):
            part.set_theme(theme)

    def _on_compressed(self, compressed: Compressed) -> None:
        self.curve.end()
        self.result.show_result(compressed)
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(self.result))
        inside, order, settings = self.chosen.inside, self._order, compressed.settings
        if order is not None and inside is not None and order.maps == 1:
            self.method.learn_time(settings, inside, order.voxels, time.monotonic() - self._began)
        if order is not None and order.settings == settings:
            self.outlook.show_size(compressed.archive.bytes)
        else:  # changed meanwhile: the size would be that of other settings
            self._on_settings()

    def _on_failed(self, line: str) -> None:
        self.say(line)
        self.curve.clear()
        self._on_settings()

    def _refresh(self) -> None:
        """Describe the map, and enable what can be done now."""
        layer, problem = self.chooser.layer, self._wrong_settings or self.bar.why_busy
        wrong = self.what.describe(self.chosen.problem)
        what = "" if layer is None else f" {shortened(layer.name)}"
        self.button.setText("Compress" + (" both half-maps" if self.what.together else what))
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
        self.chosen.drop_preview()
        self.batch.bar.stop()
        self.sizes.bar.stop()
        super().release()

    def _on_release(self) -> None:
        """Stop the rest; Qt may have deleted the widget."""
        self.outlook.estimate.stop()
        self.chosen.stop()
        self.chosen.drop_preview(remove=False)
