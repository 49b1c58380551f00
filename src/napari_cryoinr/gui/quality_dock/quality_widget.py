"""The dock widget Quality: what a decoded map lost against its original."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from qtpy.QtWidgets import QPushButton, QSizePolicy

from ...quality import QualityReport
from ...support import records
from ...support.records import checked_field
from ..io.map_layers import map_reader
from ..widgets.contour_field import ContourField
from ..widgets.layout import Form, Scrolling, fill
from ..widgets.map_chooser import maps_of
from ..widgets.pair_dock import PairDock
from .quality_work import Measured, count_steps, measure_steps, recorded_report
from .report_saving import SavingRow, ShownReport
from .report_view import TABS, ReportView

_RECORDED = "Recorded when the file was made; not measured here."
_NOTHING = "No report yet: choose two layers and press Measure."


@dataclass(frozen=True)
class QualityWidgetSettings(records.Record):
    """State of the Quality widget; layers are known by their names."""

    decoded: str | None = checked_field("name of the decoded layer", None)
    original: str | None = checked_field("name of the layer it is measured against", None)
    contour: str = checked_field(
        "voxels of the original above it count: a density, Nsigma, auto or none", "auto"
    )
    all_voxels: bool = checked_field("every voxel counts, whatever the contour", False)
    tab: str = checked_field("which part of the report is in front", TABS[0], choices=TABS)

    def __post_init__(self) -> None:
        records.check(self)


class QualityWidget(PairDock):
    """Measure a decoded map against its original, look at the report and save it.

    `settings` is its state; other widgets hand it reports with `show_report`. Layers are read and
    measured in a thread.

    Parameters
    ----------
    napari_viewer : whose layers are offered.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown: ShownReport | None = None
        self._contour_of: Any = None  # the decoded layer that the contour was filled in for
        self.contour = ContourField()
        self.measure_button = QPushButton("Measure")
        self.view = ReportView(napari_viewer.theme)
        self.saving = SavingRow(self)
        form = Form()
        form.add("Decoded", self.decoded)
        form.add("Original", self.original)
        form.add("Contour", self.contour)
        parts = (form, self.measure_button, self.bar, self.message, self.view, self.saving)
        fill(self, Scrolling(*parts, tallest=self.view))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.contour.changed.connect(self._on_contour)
        self.measure_button.clicked.connect(self.measure)
        self.attach()

    @property
    def settings(self) -> QualityWidgetSettings:
        """What is chosen; can be set. Layers that are not there count as none."""
        original, decoded = (None if layer is None else layer.name for layer in self.pair)
        contour, all_voxels = self.contour.text, self.contour.all_voxels
        return QualityWidgetSettings(decoded, original, contour, all_voxels, self.view.tab)

    @settings.setter
    def settings(self, settings: QualityWidgetSettings) -> None:
        by_name = {layer.name: layer for layer in maps_of(self.viewer)}
        self.keep_pair(by_name.get(settings.original), by_name.get(settings.decoded))
        self.contour.text, self.contour.all_voxels = settings.contour, settings.all_voxels
        self.contour.touched = True
        self.view.tab = settings.tab

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
        steps = measure_steps(original, decoded, self.contour.threshold, recorded)
        self.start_on_pair(steps, "Measuring", self._on_measured)

    def show_report(
        self, report: QualityReport, original_layer: Any = None, decoded_layer: Any = None
    ) -> None:
        """Show a report that was measured elsewhere.

        What was going on is stopped. Where both layers are among the viewer's maps, the voxels are
        counted in the background for the charts.
        """
        self.bar.stop()
        offered = {layer.unique_id: layer for layer in maps_of(self.viewer)}
        original, decoded = (
            None if layer is None else offered.get(layer.unique_id)
            for layer in (original_layer, decoded_layer)
        )
        self.keep_pair(original, decoded)
        self.contour.fill(report.contour, report.level)
        note = _against(decoded, original) or "Measured elsewhere."
        self._show(ShownReport(report, note, None, original, decoded))
        if not self.why_not_pair():
            steps = count_steps(map_reader(original), map_reader(decoded), report)
            self.start_on_pair(steps, "Counting voxels", self._on_measured)

    # -- what happens

    def connect_viewer(self) -> None:
        """Follow the layers of the viewer and its theme."""
        self.resources.connect(self.viewer.events.theme, self._on_theme)
        self._on_theme()
        super().connect_viewer()

    def on_pair(self) -> None:
        """Suggest a contour, and keep the report while it is about the pair that is chosen."""
        original, decoded = self.pair
        if decoded is not self._contour_of or not self.contour.touched:
            self.contour.fill(*self._suggested_contour())
        self._contour_of = decoded
        shown = self._shown
        if shown is not None and shown.decoded is decoded and decoded is not None:
            if shown.recorded or shown.original is original:
                return
            if original is None and shown.original not in self.viewer.layers:
                self._shown = replace(shown, original=None)
                return
        recorded = recorded_report(decoded)
        if recorded is not None:
            self._show(ShownReport(recorded, _RECORDED, decoded=decoded, recorded=True))
        else:
            self._shown = None
            self.view.show_nothing(_NOTHING)

    def _suggested_contour(self) -> tuple[float | None, float | None]:
        """(contour or None for all voxels, what the field says)."""
        recorded = recorded_report(self.decoded.layer)
        if recorded is not None:
            return recorded.contour, recorded.level
        contour = self.likely_contour()
        return contour, contour

    def _on_theme(self) -> None:
        self.view.set_theme(self.viewer.theme)

    def _on_contour(self) -> None:
        if self.contour.touched:
            self.say("")
        else:  # it was filled in; what was said last still holds
            self.refresh()

    def _on_measured(self, measured: Measured) -> None:
        original, decoded = self.pair
        note = _against(decoded, original)
        self._show(ShownReport(measured.report, note, measured, original, decoded))

    def _show(self, shown: ShownReport) -> None:
        self._shown = shown
        missing = "for the rest, measure against the original."
        self.view.show_report(shown.report, shown.note, shown.measured, missing)
        self.refresh()

    # -- what can be done now

    def _why_not_measure(self) -> str:
        """Return what keeps Measure from being pressed, in a sentence; empty if nothing does."""
        return self.bar.why_busy or self.why_not_pair() or self.contour.why_not()

    def refresh(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        running, why = self.bar.running, self._why_not_measure()
        self.measure_button.setEnabled(not why)
        self.measure_button.setToolTip(why or "Measure the decoded map against its original")
        for control in (self.decoded, self.original, self.contour):
            control.setEnabled(not running)
        self.saving.offer(self._shown, self.bar.why_busy)
        self.show_message("" if running else why)


def _against(decoded: Any, original: Any) -> str:
    """Which layers a report is about."""
    names = [f"{layer.name!r}" for layer in (decoded, original) if layer is not None]
    return f"Measured: {' against '.join(names)}." if names else ""
