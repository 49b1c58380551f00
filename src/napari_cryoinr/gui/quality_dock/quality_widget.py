"""The dock widget Compare maps: what a decoded map lost, or how alike two maps are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from ...errors import SettingsError
from ...maps.threshold import parse_threshold
from ...quality import QualityReport
from ...quality.two_maps import Likeness
from ..io.layer_kinds import LABELS, MAP, recognise
from ..io.layer_matching import is_decoded, shape_of
from ..io.map_layers import LayerData, map_reader
from ..widgets.layout import Form, Scrolling, button, fill
from ..widgets.map_chooser import MapChooser, maps_of
from ..widgets.pair_dock import PairDock
from .quality_work import (
    GivenMask,
    Measured,
    ShownLikeness,
    ShownReport,
    count_steps,
    difference_steps,
    likeness_steps,
    measure_steps,
    recorded_report,
)
from .report_view import ReportView, SavingRow

_RECORDED = "Recorded when the file was made; not measured here."
_NOTHING = "No report yet: choose two maps of one shape and press Measure."
LOST, ALIKE = "what a decoded map has lost", "how alike two maps are"
"""What is measured."""
_DIFFERENCE_TIP = "Add a layer of the map less the other: red is higher, blue lower"


class QualityWidget(PairDock):
    """Measure two maps against each other, look at the report and save it.

    They are a decoded map and its original, or any two of one shape, such as half-maps.

    Layers are read and measured in a thread; other widgets show their reports with `show_report`.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._shown: ShownReport | ShownLikeness | None = None
        self._question_chosen = False
        self._contour_of: Any = None  # the decoded layer that the contour was suggested for
        self._contour_chosen = False
        self.decoded.setToolTip("The map to judge: decoded from a .cinr, a half-map, or any other")
        self.original.setToolTip("What it is compared with: its original, the other half-map, ...")
        self.question = QComboBox()
        self.question.addItems([LOST, ALIKE])
        self.question.setToolTip(
            "A decoded map is judged by its original; of two half-maps or other maps it is measured"
            " up to which resolution they agree"
        )
        self.mask = MapChooser("(round the contour)")
        self.mask.setToolTip(
            "The soft mask in which densities and Fourier shells are compared: the one round the"
            " contour, or a layer that is 1 inside and 0 outside"
        )
        self.contour = QLineEdit("auto")
        self.contour.setToolTip(
            "What counts is the soft mask round the original's density above it, or the voxels"
            " above it if the file keeps only those: a density (0.4), a multiple of the standard"
            " deviation (3sigma), auto, or none for the whole volume"
        )
        self.measure_button = button("Measure", "", self.measure)
        self.difference_button = button("Difference map", "", self.show_difference)
        self.view = ReportView(napari_viewer.theme)
        self.saving = SavingRow(self)
        form = Form()
        form.add("Map", self.decoded)
        form.add("Compare with", self.original)
        form.add("Measure", self.question)
        form.add("Mask", self.mask)
        form.add("Contour", self.contour)
        buttons = QWidget()
        fill(buttons, self.measure_button, self.difference_button, kind=QHBoxLayout)
        parts = (form, buttons, self.bar, self.message, self.view, self.saving)
        fill(self, Scrolling(*parts, tallest=self.view))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.contour.textChanged.connect(self._on_contour)
        self.question.activated.connect(self._on_question)
        self.attach()

    @property
    def report(self) -> QualityReport | None:
        """The report of a decoded map that is on show, if there is one."""
        return self._shown.report if isinstance(self._shown, ShownReport) else None

    @property
    def likeness(self) -> Likeness | None:
        """How alike two maps are, if that is on show."""
        return self._shown.likeness if isinstance(self._shown, ShownLikeness) else None

    def measure(self) -> None:
        """Measure the map against the other one in the background."""
        if self._why_not_measure():
            return
        self.keep_pair(*self.pair)
        original, decoded = map(map_reader, self.pair)
        contour, mask = self.contour.text(), self._mask()
        if self.question.currentText() == ALIKE:
            steps = likeness_steps(decoded, original, contour, mask)
            self.start_on_pair(steps, "Comparing", self._on_compared)
            return
        recorded = recorded_report(self.decoded.layer)
        measuring = measure_steps(original, decoded, contour, recorded, mask)
        self.start_on_pair(measuring, "Measuring", self._on_measured)

    def show_difference(self) -> None:
        """Add a layer of the map less the other one; computed in the background."""
        if self.bar.running or self.why_not_pair():
            return
        self.keep_pair(*self.pair)
        original, decoded = self.pair
        steps = difference_steps(decoded, original)
        self.start_on_pair(steps, "Subtracting", self._on_difference)

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
        self.question.setCurrentText(LOST)
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
        if not self._question_chosen:
            of_a_file = decoded is None or is_decoded(decoded)
            self.question.setCurrentText(LOST if of_a_file else ALIKE)
        if decoded is not self._contour_of or not self._contour_chosen:
            likely = self.likely_contour()
            usual = "auto" if likely is None else likely
            self._suggest_contour(usual if recorded is None else recorded.contour)
        self._contour_of = decoded
        shown = self._shown
        if shown is not None and shown.decoded is decoded and decoded is not None:
            recorded_only = isinstance(shown, ShownReport) and shown.recorded
            if recorded_only or shown.original is original:
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
        self._offer_masks()
        lost = self.question.currentText() == LOST
        tip = "Measure what the map has lost" if lost else "Measure how alike both maps are"
        no_pair = self.bar.why_busy or self.why_not_pair()
        for one, why_not, usual in (
            (self.measure_button, why, tip),
            (self.difference_button, no_pair, _DIFFERENCE_TIP),
        ):
            one.setEnabled(not why_not)
            one.setToolTip(why_not or usual)
        for control in (self.decoded, self.original, self.question, self.mask, self.contour):
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

    def _on_question(self) -> None:
        self._question_chosen = True
        self.say("")

    def _mask(self) -> GivenMask | None:
        """Return the layer that is the mask, if one is chosen."""
        layer = self.mask.layer
        if layer is None:
            return None
        return GivenMask(layer.name, map_reader(layer), recognise(layer).kind == LABELS)

    def _offer_masks(self) -> None:
        """Offer the layers of the shape of the map that are neither of the two."""
        _, decoded = self.pair
        offered = []
        if decoded is not None:
            others = [one for one in self.viewer.layers if all(one is not two for two in self.pair)]
            usable = [one for one in others if recognise(one).kind in (MAP, LABELS)]
            offered = [one for one in usable if shape_of(one) == shape_of(decoded)]
        self.mask.offer(offered)

    def _on_theme(self) -> None:
        self.view.set_theme(self.viewer.theme)

    def _on_measured(self, measured: Measured) -> None:
        original, decoded = self.pair
        note = _against(decoded, original)
        self._show(ShownReport(measured.report, note, measured, original, decoded))

    def _on_compared(self, likeness: Likeness) -> None:
        original, decoded = self.pair
        self._shown = ShownLikeness(likeness, _against(decoded, original), original, decoded)
        self.view.show_likeness(self._shown)
        self.refresh()

    def _on_difference(self, new: LayerData) -> None:
        data, meta, _ = new
        self.viewer.add_image(data, **meta).colorbar.visible = True
        self.say(f"Added {meta['name']}: red is higher, blue lower (density).")

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
