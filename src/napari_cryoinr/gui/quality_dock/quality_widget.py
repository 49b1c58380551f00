"""The dock widget Quality: what a decoded map lost against its original."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QPushButton, QSizePolicy

from ...quality import QualityReport
from ..io.layer_matching import details_of, is_decoded, is_derived, is_map, original_of, shape_of
from ..widgets.contour_field import ContourField
from ..widgets.dock import DockWidget
from ..widgets.layout import Form, Scrolling, fill
from ..widgets.map_chooser import MapChooser
from .quality_widget_settings import QualityWidgetSettings
from .quality_work import Measured, Source, count_steps, differing, measure_steps, recorded_report
from .report_saving import SavingRow, Shown
from .report_view import ReportView

_RECORDED = "Recorded when the file was made; not measured here."


class QualityWidget(DockWidget):
    """Measure a decoded map against its original, look at the report and save it.

    `settings` is its state; other widgets hand it reports with `show_report`.

    Parameters
    ----------
    napari_viewer : whose layers are offered.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown: Shown | None = None
        self._pair: tuple[Any, Any] = None, None  # the layers that are being measured
        self._message = ""
        self._build()
        self.attach()

    # -- what others call

    @property
    def settings(self) -> QualityWidgetSettings:
        """What is chosen; can be set. Layers that are not there count as none."""
        decoded, original = self.decoded.layer, self.original.layer
        return QualityWidgetSettings(
            decoded=None if decoded is None else decoded.name,
            original=None if original is None else original.name,
            contour=self.contour.text,
            all_voxels=self.contour.all_voxels,
            tab=self.view.tab,
        )

    @settings.setter
    def settings(self, settings: QualityWidgetSettings) -> None:
        by_name = {layer.name: layer for layer in self._maps()}
        self.decoded.choose(by_name.get(settings.decoded))
        self.original.choose(by_name.get(settings.original))
        self.contour.text, self.contour.all_voxels = settings.contour, settings.all_voxels
        self.contour.touched = True
        self.view.tab = settings.tab

    @property
    def report(self) -> QualityReport | None:
        """The report on show, if there is one."""
        return None if self._shown is None else self._shown.report

    def show_report(
        self, report: QualityReport, original_layer: Any = None, decoded_layer: Any = None
    ) -> None:
        """Show a report that was measured elsewhere.

        What was going on is cancelled. Where both layers are among the viewer's maps, what the
        charts show is counted in the background.
        """
        self.bar.stop()
        offered = {layer.unique_id: layer for layer in self._maps()}
        original, decoded = (
            None if layer is None else offered.get(layer.unique_id)
            for layer in (original_layer, decoded_layer)
        )
        with QSignalBlocker(self.decoded), QSignalBlocker(self.original):
            self.decoded.choose(decoded)
            self.original.choose(original)
        self.contour.fill(report.contour, report.level)
        note = _against(decoded, original) or "Measured elsewhere."
        self._show(Shown(report, note, None, original, decoded))
        if original is not None and decoded is not None and not self._why_not_pair():
            steps = count_steps(Source.of(original), Source.of(decoded), report)
            self._start(steps, "Counting voxels", original, decoded)

    # -- controls

    def _build(self) -> None:
        self.decoded = MapChooser("(choose a layer)")
        self.decoded.setToolTip("The map that is measured, for example one out of a .cinr file")
        self.decoded.chosen.connect(self._on_decoded)
        self.original = MapChooser("(not at hand)")
        self.original.setToolTip("The map that it was made from, voxel for voxel on the same grid")
        self.original.chosen.connect(self._on_original)
        self.contour = ContourField()
        self.contour.changed.connect(self._on_contour)
        form = Form()
        form.add("Decoded", self.decoded)
        form.add("Original", self.original)
        form.add("Contour", self.contour)
        self.measure_button = QPushButton("Measure")
        self.measure_button.clicked.connect(self._on_measure)
        self.bar.changed.connect(self._update)
        self.view = ReportView(self.viewer.theme)
        self.saving = SavingRow(self.bar)
        self.saving.said.connect(self.say)
        scroll = Scrolling(
            form,
            self.measure_button,
            self.bar,
            self.message,
            self.view,
            self.saving,
            tallest=self.view,
        )
        fill(self, scroll)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _on_decoded(self) -> None:
        self.original.choose(self._likely_original())
        self.contour.touched = False
        self._on_original()

    def _on_original(self) -> None:
        self._message = ""
        if not self.contour.touched:
            self.contour.fill(*self._likely_contour())
        self._renew_shown()
        self._update()

    def _on_contour(self) -> None:
        self._message = ""
        self._update()

    def _on_measure(self) -> None:
        decoded, original = self.decoded.layer, self.original.layer
        if self._why_not_measure() or decoded is None or original is None:
            return
        pair = Source.of(original), Source.of(decoded)
        steps = measure_steps(*pair, self.contour.threshold, recorded_report(decoded))
        self._start(steps, "Measuring", original, decoded)

    # -- layers come and go

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer and its theme."""
        layers = self.viewer.layers.events
        for emitter in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.resources.connect(emitter, self._refresh)
        self.resources.connect(self.viewer.events.theme, self._on_theme)
        self._on_theme()
        self._refresh()

    def _on_theme(self) -> None:
        self.view.set_theme(self.viewer.theme)

    def _maps(self) -> list[Any]:
        return [layer for layer in self.viewer.layers if is_map(layer) and not is_derived(layer)]

    def _refresh(self) -> None:
        """Offer the layers that there are now."""
        message = self._message
        maps = self._maps()
        removed = [layer for layer in self._pair if layer is not None and layer not in maps]
        if self.decoded.offer(maps):
            self._shown = None  # whatever it was about is gone
        self.original.offer(maps)
        if removed:
            self._pair = None, None
            if self.bar.running:
                self.bar.stop()
                message = f"Cancelled: layer {removed[0].name!r} was removed."
        if self.decoded.layer is None and self._shown is None:
            with QSignalBlocker(self.decoded):
                self.decoded.choose(next(filter(is_decoded, reversed(maps)), None))
            self.contour.fill(*self._likely_contour())
        if self.original.layer is None and not self.bar.running:
            with QSignalBlocker(self.original):
                self.original.choose(self._likely_original())
            if not self.contour.touched:
                self.contour.fill(*self._likely_contour())
        self._renew_shown()
        self.say(message)

    def _likely_original(self) -> Any:
        decoded = self.decoded.layer
        return None if decoded is None else original_of(self._maps(), decoded)

    def _likely_contour(self) -> tuple[float | None, float | None]:
        """(contour or None for all voxels, what the field says)."""
        decoded, original = self.decoded.layer, self.original.layer
        recorded = recorded_report(decoded)
        if recorded is not None:
            return recorded.contour, recorded.level
        for layer in (original, decoded):
            noted = None if layer is None else details_of(layer).get("contour")
            if noted is not None:
                return float(noted), float(noted)
        level = None if decoded is None else float(decoded.iso_threshold)
        return level, level

    # -- the report

    def _start(self, steps: Any, title: str, original: Any, decoded: Any) -> None:
        self._message = ""
        self._pair = original, decoded
        self.start(steps, title, self._show_measured)

    def _show_measured(self, measured: Measured) -> None:
        original, decoded = self._pair
        note = _against(decoded, original)
        self._show(Shown(measured.report, note, measured, original, decoded))

    def _renew_shown(self) -> None:
        """Keep the report while it is about what is chosen; otherwise show what was recorded."""
        shown, maps = self._shown, self._maps()
        decoded, original = self.decoded.layer, self.original.layer
        if shown is not None and shown.decoded is not None and shown.decoded is decoded:
            if shown.recorded:
                return
            if original is None and shown.original not in maps:
                self._shown = replace(shown, original=None)
                return
            if shown.original is original:
                return
        recorded = recorded_report(decoded)
        if recorded is not None:
            self._show(Shown(recorded, _RECORDED, decoded=decoded, recorded=True))
        elif shown is None or shown.decoded is not None or decoded is not None:
            self._shown = None
            self.view.show_nothing("No report yet: choose two layers and press Measure.")

    def _show(self, shown: Shown) -> None:
        self._shown = shown
        missing = "for the rest, measure against the original."
        self.view.show_report(shown.report, shown.note, shown.measured, missing)
        self._update()

    # -- what can be done now

    def say(self, text: str) -> None:
        """Show a line, and what can be done now."""
        self._message = text
        self._update()

    def _why_not_measure(self) -> str:
        """What keeps Measure from being pressed; empty if nothing does."""
        return self.bar.why_busy or self._why_not_pair() or self.contour.why_not()

    def _why_not_pair(self) -> str:
        """What keeps the two layers from being compared; empty if nothing does."""
        decoded, original = self.decoded.layer, self.original.layer
        if decoded is None:
            return "Choose the decoded layer."
        if original is None:
            return "Choose the original to measure here."
        if decoded is original:
            return "Choose two different layers."
        if shape_of(original) != shape_of(decoded):
            return differing(shape_of(original), shape_of(decoded))
        return ""

    def _update(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        running, why = self.bar.running, self._why_not_measure()
        self.measure_button.setEnabled(not why)
        self.measure_button.setToolTip(why or "Measure the decoded map against its original")
        for control in (self.decoded, self.original, self.contour):
            control.setEnabled(not running)
        self.saving.offer(self._shown, self.bar.why_busy)
        text = self._message or ("" if running else why)
        super().say(text)


def _against(decoded: Any, original: Any) -> str:
    """Which layers a report is about."""
    names = [f"{layer.name!r}" for layer in (decoded, original) if layer is not None]
    return f"Measured: {' against '.join(names)}." if names else ""
