"""A training as it goes on: its loss, the bits, and the decoded slice as it gets better."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from ...maps.density_map import DensityMap
from ...progress import Plane, Progress
from ...support.array_types import Float32Array
from ..widgets.layout import fill
from ..widgets.loss_curve import curve_over_seconds
from ..widgets.plot import Plot

_HEIGHT = 118
_MOST = 2000  # points; beyond, every second one is dropped
_JUMP = 30.0  # a loss that rises by this factor is of another search, or of another model
_SIDE = 150  # pixels of a slice


class TrainingView(QWidget):
    """Two small charts from the records of one job, and two slices; hidden without records."""

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.points: list[tuple[float, float]] = []  # (seconds, loss) of the training shown
        self.sizes: list[tuple[float, float]] = []  # (seconds, bytes)
        self._last: Progress | None = None
        self._trained = False  # whether the points are of a training, and what follows it
        self.loss, self.bytes = Plot(theme, _HEIGHT), Plot(theme, _HEIGHT)
        self.loss.setToolTip(
            "For the model inr: the error as a share of what the promise allows, 1 where it is just"
            " kept. For field: the mean squared error of each trial. For paper: the weighted error"
        )
        self.bytes.setToolTip("What the file would take now")
        charts = QWidget()
        fill(charts, self.loss, self.bytes, kind=QHBoxLayout)
        self.slices = SlicePair()
        fill(self, charts, self.slices)
        self.clear()

    def clear(self) -> None:
        """Begin anew, hidden until there are two points."""
        self.points, self.sizes, self._last, self._trained = [], [], None, False
        self.slices.hide()
        self.hide()

    def end(self) -> None:
        """Show the curves alone: there is a result to look at."""
        self.slices.hide()

    def show_map(self, density_map: DensityMap, limits: tuple[float, float]) -> None:
        """Show planes beside those of this map, black and white at the limits."""
        self.slices.show_map(density_map, limits)

    def set_theme(self, theme: str) -> None:
        """Take the colours of another theme of napari."""
        self.loss.set_theme(theme)
        self.bytes.set_theme(theme)

    def add(self, record: Progress) -> None:
        """Add the loss, the bytes and the plane of a record, if it has them."""
        if record.plane is not None:
            self.slices.show_plane(record.plane)
        if record.loss is None or not record.loss > 0 or record is self._last:
            return
        before, self._last = self._last, record
        if before is not None and _is_another(before, record):
            self.points.clear()
            self.sizes.clear()
            self._trained = False
        self._trained = self._trained or record.is_training
        for points, value in ((self.points, record.loss), (self.sizes, record.bytes_so_far)):
            if len(points) >= _MOST:
                del points[1::2]
            if value:
                points.append((record.seconds, float(value)))
        self.setVisible(len(self.points) > 1)
        if len(self.points) > 1:
            self._draw(record)

    def _draw(self, record: Progress) -> None:
        name = "error / allowed" if self._trained else "error"
        held_out = record.validation_loss
        if held_out is not None:
            name = "loss"
        self.loss.show_curves(
            *curve_over_seconds(self.points, f"{name}: {record.loss:.3g}", log=True)
        )
        self.bytes.setVisible(len(self.sizes) > 1)
        if len(self.sizes) > 1:
            size = f"size: {record.bytes_so_far:,} bytes"
            self.bytes.show_curves(*curve_over_seconds(self.sizes, size, log=False))


class SlicePair(QWidget):
    """The middle plane of a map, and the same as it would be decoded now."""

    def __init__(self) -> None:
        super().__init__()
        self._plane: Plane | None = None
        self._data: Any = None
        self._limits = (0.0, 1.0)
        self.original, self.decoded = QLabel(), QLabel()
        grid = fill(self, kind=QGridLayout)
        for column, (picture, text) in enumerate(
            ((self.original, "Original, middle slice"), (self.decoded, "Decoded so far"))
        ):
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
            picture.setFixedHeight(_SIDE)
            picture.setToolTip("The same grey levels as in the viewer")
            caption = QLabel(text)
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(picture, 0, column)
            grid.addWidget(caption, 1, column)
        self.hide()

    def show_map(self, density_map: DensityMap, limits: tuple[float, float]) -> None:
        """Take the map that is compressed."""
        self._plane, self._data, self._limits = None, density_map.data, limits

    def show_plane(self, plane: Plane) -> None:
        """Show a plane of it as it is decoded now."""
        if plane is self._plane or self._data is None:
            return
        first, self._plane = self._plane is None, plane
        if first:
            self.original.setPixmap(_picture(np.asarray(self._data[plane.z]), self._limits))
        self.decoded.setPixmap(_picture(plane.densities, self._limits))
        self.show()


def _is_another(before: Progress, record: Progress) -> bool:
    """Whether a record is of another training than the one before."""
    started_again = record.seconds < before.seconds
    assert before.loss is not None and record.loss is not None
    other_phase = record.is_training and not before.is_training
    return started_again or other_phase or record.loss > _JUMP * before.loss


def _picture(plane: Float32Array, limits: tuple[float, float]) -> QPixmap:
    """Return a plane (y, x) as grey levels, first row at the top."""
    low, high = limits
    scaled = np.clip((plane.astype(np.float64) - low) / ((high - low) or 1.0), 0, 1)
    grey = np.ascontiguousarray(np.round(255 * scaled).astype(np.uint8))
    height, width = grey.shape
    image = QImage(grey.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
    kept, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(image).scaled(_SIDE, _SIDE, kept, smooth)
