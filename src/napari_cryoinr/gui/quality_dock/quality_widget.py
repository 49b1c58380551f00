"""The dock widget Quality: what a decoded map lost against its original."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QLineEdit, QSizePolicy

from ...errors import SettingsError
from ...maps.threshold import parse_threshold
from ...quality import QualityReport
from ..io.map_layers import map_reader
from ..widgets.layout import Form, Scrolling, button, fill
from ..widgets.map_chooser import maps_of
from ..widgets.pair_dock import PairDock
from .quality_work import Measured, ShownReport, count_steps, measure_steps, recorded_report
from .report_view import ReportView, SavingRow

_RECORDED = "Recorded when the file was made; not measured here."
_NOTHING = "No report yet: choose two layers and press Measure."


class QualityWidget(PairDock):
    """Measure a decoded map against its original, look at the report and save it.

    Layers are read and measured in a thread; other widgets show their reports with `show_report`.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown: ShownReport | None = None
        self._contour_of: Any = None  # the decoded layer that the contour was suggested for
        self._contour_chosen = False
        self.contour = QLineEdit("auto")
        self.contour.setToolTip(
            "What counts is the soft mask round the original's density above it, or the voxels"
            " above it if the file keeps only those: a density (0.4), a multiple of the standard"
            " deviation (3sigma), auto, or none for the whole volume"
        )
        self.measure_button = button("Measure", "", self.measure)
        self.view = ReportView(napari_viewer.theme)
        self.saving = SavingRow(self)
        form = Form()
        form.add("Decoded", self.decoded)
        form.add("Original", self.original)
        form.add("Contour", self.contour)
        parts = (form, self.measure_button, self.bar, self.message, self.view, self.saving)
        fill(self, Scrolling(*parts, tallest=self.view))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.contour.textChanged.connect(self._on_contour)
        self.attach()

    @property
    def report(self) -> QualityReport | None:
        """The report on show, if there is one."""
        return None if self._shown is None else self._shown.report

    def measure(self) -> None:
        """Measure the decoded map against its original in the background."""
        if self._why_not_measure():
            return
        self.keep_pair(*self.pair)
        original, decoded = map(map_reader, self.pair)
        recorded = recorded_report(self.decoded.layer)
        steps = measure_steps(original, decoded, self.contour.text(), recorded)
        self.start_on_pair(steps, "Measuring", self._on_measured)

    def show_report(
        self, report: QualityReport, original_layer: Any = None, decoded_layer: Any = None
    ) -> None:
        """Show a report that was measured elsewhere; work that is going on is stopped.

        Where both layers are among the viewer's maps, the voxels are counted in the background for
        the charts.
        """
        self.bar.stop()
        offered = {layer.unique_id: layer for layer in maps_of(self.viewer)}
        original, decoded = (
            None if layer is None else offered.get(layer.unique_id)
            for layer in (original_layer, decoded_layer)
        )
        self.keep_pair(original, decoded)
        self._suggest_contour(report.contour)
        note = _against(decoded, original) or "Measured elsewhere."
        self._show(ShownReport(report, note, None, original, decoded))
        if not self.why_not_pair():
            steps = count_steps(map_reader(original), map_reader(decoded), report)
            self.start_on_pair(steps, "Counting voxels", self._on_measured)

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer and its theme."""
        self.resources.connect(self.viewer.events.theme, self._on_theme)
        self._on_theme()
        super().connect_viewer()

    def on_pair(self) -> None:
        """Suggest a contour, and keep the report while it is about the pair that is chosen."""
        original, decoded = self.pair
        recorded = recorded_report(decoded)
        if decoded is not self._contour_of or not self._contour_chosen:
            likely = self.likely_contour()
            usual = "auto" if likely is None else likely
            self._suggest_contour(usual if recorded is None else recorded.contour)
        self._contour_of = decoded
        shown = self._shown
        if shown is not None and shown.decoded is decoded and decoded is not None:
            if shown.recorded or shown.original is original:
                return
            if original is None and shown.original not in self.viewer.layers:
                self._shown = replace(shown, original=None)
                return
        if recorded is not None:
            self._show(ShownReport(recorded, _RECORDED, decoded=decoded, recorded=True))
        else:
            self._shown = None
            self.view.show_nothing(_NOTHING)

    def refresh(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        running, why = self.bar.running, self._why_not_measure()
        self.measure_button.setEnabled(not why)
        self.measure_button.setToolTip(why or "Measure the decoded map against its original")
        for control in (self.decoded, self.original, self.contour):
            control.setEnabled(not running)
        self.saving.offer(self._shown, self.bar.why_busy)
        self.show_message("" if running else why)

    def _suggest_contour(self, contour: float | str | None) -> None:
        """Fill in a density, or "auto"; None means all voxels."""
        if contour is None:
            contour = "none"
        elif not isinstance(contour, str):  # as few digits as a float32 needs
            contour = str(np.float32(contour)).removesuffix(".0")
        with QSignalBlocker(self.contour):
            self.contour.setText(contour)
        self._contour_chosen = False
        self.refresh()

    def _on_contour(self) -> None:
        self._contour_chosen = True
        self.say("")

    def _on_theme(self) -> None:
        self.view.set_theme(self.viewer.theme)

    def _on_measured(self, measured: Measured) -> None:
        original, decoded = self.pair
        note = _against(decoded, original)
        self._show(ShownReport(measured.report, note, measured, original, decoded))

    def _show(self, shown: ShownReport) -> None:
        self._shown = shown
        self.view.show_report(shown)
        self.refresh()

    def _why_not_measure(self) -> str:
        """Return what keeps Measure from being pressed, in a sentence; empty if nothing does."""
        problem = self.bar.why_busy or self.why_not_pair()
        try:
            parse_threshold(self.contour.text())
        except SettingsError as error:
            return problem or f"Contour: {error}."
        return problem


def _against(decoded: Any, original: Any) -> str:
    """Say which layers a report is about."""
    names = [f"{layer.name!r}" for layer in (decoded, original) if layer is not None]
    return f"Measured: {' against '.join(names)}." if names else ""
