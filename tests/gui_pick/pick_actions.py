"""What a user does with the widget Pick particles, for its tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from leftovers import children
from napari_cryoinr.gui.picking_dock.pick_widget import PickWidget
from spots import BOX

PLUGIN = "napari-cryoinr"
WAIT = 120_000  # milliseconds; what is waited for takes a fraction of it
LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


def drop(widget, folder: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    widget.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, LEFT, NONE))


def open_folder(widget, folder: Path, qtbot, first: str = "m0.mrc") -> PickWidget:
    drop(widget, folder)
    shown(widget, qtbot, first)
    widget.particle.box.setValue(BOX)
    return widget


def shown(widget, qtbot, name: str) -> None:
    """Wait for a micrograph with its preview."""

    def there() -> bool:
        current = widget.controller.micrographs.current
        return current is not None and current.name == name and widget.controller.view.has_preview

    qtbot.waitUntil(there, timeout=WAIT)


def finished(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def click(viewer, x: float, y: float) -> None:
    """A click on a pixel of the micrograph, as napari hands it to the selected layer."""
    layer = viewer.layers.selection.active
    event = SimpleNamespace(
        type="mouse_press",
        button=1,
        modifiers=(),
        pos=np.zeros(2),
        position=layer.data_to_world((y, x)),
        dims_displayed=[0, 1],
    )
    for callback in layer.mouse_drag_callbacks:
        for _ in callback(layer, event) or ():
            event.type = "mouse_release"


def states(viewer) -> list[str]:
    return list(viewer.layers["particles"].features["state"])


def becomes(qtbot, viewer, expected) -> None:
    """Wait until the layer shows these states first."""
    qtbot.waitUntil(lambda: states(viewer)[: len(expected)] == expected, timeout=WAIT)


def mouse(viewer, x: float, y: float, to: tuple[float, float] | None = None) -> None:
    """A click of the mouse on a pixel of the micrograph, or a drag."""
    layer, canvas = viewer.layers["particles"], viewer.window._qt_viewer.canvas

    def on_canvas(x: float, y: float) -> QPoint:
        row, column = layer.data_to_world((y, x))
        place = canvas.view.scene.transform.map([column, row, 0, 1])
        return QPoint(*(round(float(one / place[3])) for one in place[:2]))

    start = on_canvas(x, y)
    end = start if to is None else on_canvas(*to)
    QTest.mouseMove(canvas.native, start)
    QTest.mousePress(canvas.native, LEFT, NONE, start)
    for place in () if to is None else ((start + end) / 2, end):  # QTest moves without buttons
        where = QPointF(place), QPointF(canvas.native.mapToGlobal(place))
        move = QMouseEvent(QEvent.Type.MouseMove, *where, Qt.MouseButton.NoButton, LEFT, NONE)
        QApplication.sendEvent(canvas.native, move)
    QTest.mouseRelease(canvas.native, LEFT, NONE, end)


def begin_long_training(viewer, widget, qtbot) -> None:
    """Begin a training that would take hours."""
    click(viewer, 100, 100)
    widget.controller.change_settings(device="cpu", iterations=1_000_000)
    widget.training.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
