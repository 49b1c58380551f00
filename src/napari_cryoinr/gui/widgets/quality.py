"""The dock widget Quality: what a decoded map lost against its original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QSignalBlocker
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ... import records
from ...errors import SettingsError
from ...quality import QualityReport
from ...quality.csv_report import write_csv
from ...records import field
from ...settings import parse_threshold
from ..matching import details_of, is_decoded, is_derived, is_map, original_of, shape_of
from .job_bar import JobBar
from .map_chooser import MapChooser
from .quality_work import (
    Measured,
    Source,
    count_steps,
    differing,
    html_steps,
    measure_steps,
    recorded_report,
)
from .report_view import TABS, ReportView, wrapping_label

_RECORDED = "Recorded when the file was made; not measured here."
_BUSY = "Wait for the work that is going on, or cancel it."


@dataclass(frozen=True)
class QualityWidgetSettings:
    """State of the Quality widget; layers are known by their names."""

    decoded: str | None = field("name of the decoded layer", None)
    original: str | None = field("name of the layer it is measured against", None)
    contour: str = field(
        "voxels of the original above it count: a density, Nsigma, auto or none", "auto"
    )
    all_voxels: bool = field("every voxel counts, whatever the contour", False)
    tab: str = field("which part of the report is in front", TABS[0], choices=TABS)

    def __post_init__(self) -> None:
        records.check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; `from_dict` is the inverse."""
        return records.to_dict(self)

    @classmethod
    def from_dict(cls, data: Any) -> QualityWidgetSettings:
        """Settings from plain JSON data.

        Raises
        ------
        SettingsError
            for unknown fields and values against their rule.
        """
        return records.from_dict(cls, data)


@dataclass(frozen=True, eq=False)
class _Shown:
    """The report on show; layers that were removed since are None."""

    report: QualityReport
    note: str
    measured: Measured | None = None
    original: Any = None
    decoded: Any = None


class QualityWidget(QWidget):
    """Measure a decoded map against its original, look at the report and save it.

    Parameters
    ----------
    napari_viewer : whose layers are offered.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self._shown: _Shown | None = None
        self._message = ""
        self._contour_typed = False
        self._events = _Events()
        self._build()
        self._connect()
        self.destroyed.connect(self._events.disconnect)
        self._refresh()

    # -- what others call

    @property
    def settings(self) -> QualityWidgetSettings:
        """What is chosen; can be set. Layers that are not there count as none."""
        decoded, original = self._decoded.layer, self._original.layer
        return QualityWidgetSettings(
            decoded=None if decoded is None else decoded.name,
            original=None if original is None else original.name,
            contour=self._contour.text(),
            all_voxels=self._all_voxels.isChecked(),
            tab=self.view.tab,
        )

    @settings.setter
    def settings(self, settings: QualityWidgetSettings) -> None:
        by_name = {layer.name: layer for layer in self._maps()}
        self._decoded.choose(by_name.get(settings.decoded))
        self._original.choose(by_name.get(settings.original))
        self._contour.setText(settings.contour)
        self._all_voxels.setChecked(settings.all_voxels)
        self._contour_typed = True
        self.view.tab = settings.tab

    def show_report(
        self, report: QualityReport, original_layer: Any = None, decoded_layer: Any = None
    ) -> None:
        """Show a report that was measured elsewhere.

        What was going on is cancelled. Where both layers are among the viewer's maps, what the
        charts show is counted in the background.
        """
        self._jobs.forget()
        offered = {layer.unique_id: layer for layer in self._maps()}
        original, decoded = (
            None if layer is None else offered.get(layer.unique_id)
            for layer in (original_layer, decoded_layer)
        )
        with QSignalBlocker(self._decoded), QSignalBlocker(self._original):
            self._decoded.choose(decoded)
            self._original.choose(original)
        self._fill_contour(report.contour, report.level)
        note = _against(decoded, original) or "Measured elsewhere."
        self._show(_Shown(report, note, None, original, decoded))
        if original is not None and decoded is not None:
            steps = count_steps(Source.of(original), Source.of(decoded), report)
            self._start(steps, "Counting voxels", self._show_measured)

    # -- controls

    def _build(self) -> None:
        self._decoded = MapChooser("(choose a layer)")
        self._decoded.setToolTip("The map that is measured, for example one out of a .cinr file")
        self._decoded.chosen.connect(self._on_decoded)
        self._original = MapChooser("(not at hand)")
        self._original.setToolTip("The map that it was made from, voxel for voxel on the same grid")
        self._original.chosen.connect(self._on_original)
        self._contour = QLineEdit()
        self._contour.setToolTip(
            "Voxels of the original above it count: a density (0.4), a multiple of the standard"
            " deviation (3sigma), or auto"
        )
        self._contour.textEdited.connect(self._on_typed)
        self._contour.textChanged.connect(self._on_contour)
        self._all_voxels = QCheckBox("all voxels")
        self._all_voxels.setToolTip("Let every voxel count, whatever its density")
        self._all_voxels.toggled.connect(self._on_all_voxels)
        contour = QHBoxLayout()
        contour.addWidget(self._contour, stretch=1)
        contour.addWidget(self._all_voxels)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Decoded", self._decoded)
        form.addRow("Original", self._original)
        form.addRow("Contour", contour)
        self._measure = QPushButton("Measure")
        self._measure.clicked.connect(self._on_measure)
        self._jobs = JobBar()
        self._jobs.changed.connect(self._update)
        self._status = wrapping_label("What is going on, or is still needed")
        self.view = ReportView(self.viewer.theme)
        self._copy, self._html, self._csv = (
            QPushButton(text) for text in ("Copy as text", "Save as HTML...", "Save as CSV...")
        )
        saving = QHBoxLayout()
        for button, slot in (
            (self._copy, self._on_copy),
            (self._html, self._on_html),
            (self._csv, self._on_csv),
        ):
            button.clicked.connect(slot)
            saving.addWidget(button)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(4, 4, 4, 4)
        column.addLayout(form)
        column.addWidget(self._measure)
        column.addWidget(self._jobs)
        column.addWidget(self._status)
        column.addWidget(self.view, stretch=1)
        column.addLayout(saving)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _on_decoded(self) -> None:
        self._original.choose(self._likely_original())
        self._contour_typed = False
        self._on_original()

    def _on_original(self) -> None:
        self._message = ""
        if not self._contour_typed:
            self._fill_contour(*self._likely_contour())
        self._renew_shown()
        self._update()

    def _on_typed(self) -> None:
        self._contour_typed = True

    def _on_contour(self) -> None:
        self._message = ""
        self._update()

    def _on_all_voxels(self, checked: bool) -> None:
        self._contour_typed = True
        self._on_contour()

    def _on_measure(self) -> None:
        decoded, original = self._decoded.layer, self._original.layer
        if self._why_not_measure() or decoded is None or original is None:
            return
        contour = "none" if self._all_voxels.isChecked() else self._contour.text()
        steps = measure_steps(
            Source.of(original), Source.of(decoded), contour, recorded_report(decoded)
        )
        self._start(steps, "Measuring", self._show_measured)

    # -- layers come and go

    def _connect(self) -> None:
        layers = self.viewer.layers.events
        for emitter in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self._events.connect(emitter, self._refresh)
        self._events.connect(self.viewer.events.theme, self._on_theme)

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange:
            # napari takes the widget out of a dock that is closed, and does not delete it.
            if self.parent() is None:
                self._jobs.forget()
                self._events.disconnect()
            elif not self._events.connected:
                self._connect()
                self._on_theme()
                self._refresh()

    def _on_theme(self) -> None:
        self.view.set_theme(self.viewer.theme)

    def _maps(self) -> list[Any]:
        return [layer for layer in self.viewer.layers if is_map(layer) and not is_derived(layer)]

    def _refresh(self) -> None:
        """Offer the layers that there are now."""
        maps = self._maps()
        before = self._decoded.layer, self._original.layer
        gone = self._decoded.offer(maps), self._original.offer(maps)
        if self._jobs.running and any(gone):
            name = next(layer.name for layer, is_gone in zip(before, gone, strict=True) if is_gone)
            self._jobs.forget()
            self._message = f"Cancelled: layer {name!r} was removed."
        elif self._decoded.layer is None:
            self._decoded.choose(next(filter(is_decoded, reversed(maps)), None))
        if self._original.layer is None and not self._jobs.running:
            with QSignalBlocker(self._original):
                self._original.choose(self._likely_original())
        self._renew_shown()
        self._update()

    def _likely_original(self) -> Any:
        decoded = self._decoded.layer
        return None if decoded is None else original_of(self._maps(), decoded)

    def _likely_contour(self) -> tuple[float | None, float | None]:
        """(contour or None for all voxels, what the field says)."""
        decoded, original = self._decoded.layer, self._original.layer
        recorded = recorded_report(decoded)
        if recorded is not None:
            return recorded.contour, recorded.level
        for layer in (original, decoded):
            noted = None if layer is None else details_of(layer).get("contour")
            if noted is not None:
                return float(noted), float(noted)
        level = None if decoded is None else float(decoded.iso_threshold)
        return level, level

    def _fill_contour(self, contour: float | None, level: float | None) -> None:
        self._all_voxels.setChecked(contour is None and level is not None)
        value = level if contour is None else contour
        # As few digits as the density needs: densities are float32.
        self._contour.setText("auto" if value is None else str(np.float32(value)))
        self._contour_typed = False

    # -- the report

    def _start(self, steps: Any, title: str, done: Callable[[Any], None]) -> None:
        self._message = ""
        self._jobs.start(steps, title, done, self._say)

    def _show_measured(self, measured: Measured) -> None:
        decoded, original = self._decoded.layer, self._original.layer
        note = _against(decoded, original)
        self._show(_Shown(measured.report, note, measured, original, decoded))

    def _renew_shown(self) -> None:
        """Keep the report while it is about what is chosen; otherwise show what was recorded."""
        shown, maps = self._shown, self._maps()
        decoded, original = self._decoded.layer, self._original.layer
        if shown is not None and shown.decoded is not None and shown.decoded is decoded:
            if shown.note == _RECORDED:
                return
            if original is None and shown.original not in maps:
                self._shown = _Shown(shown.report, shown.note, shown.measured, None, decoded)
                return
            if shown.original is original:
                return
        recorded = recorded_report(decoded)
        if recorded is not None:
            self._show(_Shown(recorded, _RECORDED, None, None, decoded))
        elif shown is None or shown.decoded is not None or decoded is not None:
            self._shown = None
            self.view.show_nothing("No report yet: choose two layers and press Measure.")

    def _show(self, shown: _Shown) -> None:
        self._shown = shown
        missing = "choose the original and press Measure for the rest."
        self.view.show_report(shown.report, shown.note, shown.measured, missing)
        self._update()

    # -- saving

    def _on_copy(self) -> None:
        if self._shown is not None:
            text = f"{self._shown.note}\n{self._shown.report.text()}\n"
            QApplication.clipboard().setText(text)
            self._say("Copied to the clipboard.")

    def _on_html(self) -> None:
        shown = self._shown
        if shown is None:
            return
        path = ask_path(self, "Save the report as HTML", self._file_name(".html"), "HTML (*.html)")
        if path is None:
            return
        layers = shown.original, shown.decoded
        pair = None
        if shown.measured is not None and all(layer is not None for layer in layers):
            pair = Source.of(shown.original), Source.of(shown.decoded)
        steps = html_steps(path, self._name(), shown.report, shown.note, pair)
        self._start(steps, f"Saving {path.name}", self._say_written)

    def _on_csv(self) -> None:
        shown = self._shown
        if shown is None:
            return
        path = ask_path(self, "Save the report as CSV", self._file_name(".csv"), "CSV (*.csv)")
        if path is None:
            return
        try:
            write_csv(path, shown.report, {"map": self._name(), "note": shown.note})
        except OSError as error:
            self._say(f"{path}: cannot be written ({error.strerror or error}).")
        else:
            self._say_written(path)

    def _name(self) -> str:
        decoded = None if self._shown is None else self._shown.decoded
        return "map" if decoded is None else str(decoded.name)

    def _file_name(self, suffix: str) -> str:
        plain = "".join(c if c.isalnum() or c in "-_. " else "_" for c in self._name())
        return f"{plain}-quality{suffix}"

    def _say_written(self, path: Path) -> None:
        self._say(f"Written: {path} ({path.stat().st_size:,} bytes).")

    # -- what can be done now

    def _say(self, text: str) -> None:
        self._message = text
        self._update()

    def _why_not_measure(self) -> str:
        """What keeps Measure from being pressed; empty if nothing does."""
        decoded, original = self._decoded.layer, self._original.layer
        if self._jobs.running:
            return _BUSY
        if decoded is None:
            return "Choose the decoded layer."
        if original is None:
            return "Choose the original to measure here."
        if decoded is original:
            return "Choose two different layers."
        if shape_of(original) != shape_of(decoded):
            return differing(shape_of(original), shape_of(decoded))
        if not self._all_voxels.isChecked():
            try:
                parse_threshold(self._contour.text())
            except SettingsError as error:
                return f"Contour: {error}."
        return ""

    def _update(self) -> None:
        """Enable what can be done now, and say why the rest cannot."""
        running, why = self._jobs.running, self._why_not_measure()
        self._measure.setEnabled(not why)
        self._measure.setToolTip(why or "Measure the decoded map against its original")
        for control in (self._decoded, self._original, self._all_voxels):
            control.setEnabled(not running)
        self._contour.setEnabled(not running and not self._all_voxels.isChecked())
        nothing = _BUSY if running else "" if self._shown else "There is no report yet."
        for button, tip in (
            (self._copy, "Copy the numbers to the clipboard, in aligned lines"),
            (self._html, f"Save the report as one HTML file{self._pictured()}"),
            (self._csv, "Save all numbers, the density bands and the FSC curve as a table"),
        ):
            button.setEnabled(not nothing)
            button.setToolTip(nothing or tip)
        text = self._message or ("" if running else why)
        self._status.setText(text)
        self._status.setVisible(bool(text))

    def _pictured(self) -> str:
        shown = self._shown
        if shown is None or shown.measured is None:
            return ", without pictures: the voxels were not measured"
        if shown.original is None or shown.decoded is None:
            return ", without pictures: a layer was removed"
        return ", with pictures"


class _Events:
    """Callbacks of napari's events; knows nothing of Qt, so that it outlives the widget."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[[], None]]] = []

    @property
    def connected(self) -> bool:
        return bool(self._made)

    def connect(self, emitter: Any, callback: Callable[[], None]) -> None:
        emitter.connect(callback)
        self._made.append((emitter, callback))

    def disconnect(self) -> None:
        for emitter, callback in self._made:
            emitter.disconnect(callback)
        self._made.clear()


def _against(decoded: Any, original: Any) -> str:
    """Which layers a report is about."""
    names = [f"{layer.name!r}" for layer in (decoded, original) if layer is not None]
    return f"Measured: {' against '.join(names)}." if names else ""


def ask_path(parent: QWidget, title: str, name: str, kind: str) -> Path | None:
    """Ask where to save a file; None if the user thought better of it.

    Parameters
    ----------
    name : what is suggested, with the suffix that a name without one gets.
    kind : the dialog's filter.
    """
    dialog = QFileDialog(parent, title, name, kind)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(Path(name).suffix)
    dialog.selectFile(name)
    try:
        return Path(dialog.selectedFiles()[0]) if dialog.exec() else None
    finally:
        dialog.deleteLater()
