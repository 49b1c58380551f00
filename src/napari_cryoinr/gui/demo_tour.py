"""A guided tour in five steps, in a dock above the canvas: from a map to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QSizePolicy, QWidget

from .io.layer_matching import is_decoded, is_derived, is_map
from .jobs.blocking_run import Cancelled
from .preferences import PLUGIN
from .widgets.dock import DockWidget
from .widgets.layout import button, fill
from .widgets.plugin_docks import open_dock

_SAMPLE = "emd-6824"
_CONTOUR = 4.0  # σ above the mean, where the tour chooses
_LOOK_EVERY = 250  # milliseconds
_DONE = "\N{CHECK MARK} "


@dataclass(frozen=True)
class TourStep:
    """A sentence, and what it asks for.

    `state` is empty, or false, until that was done; another value than at the beginning of the step
    means that the user has done it. `do` does it for him.
    """

    title: str
    sentence: str
    action: str  # what the button says that does it
    do: Callable[[], object]
    state: Callable[[], Any]


class TourWidget(DockWidget):
    """Shows one step at a time, does it if the user wants that, and goes on when it is done.

    Opens the map in the package if no map is open, and the widget Compress map.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self.compress: Any = None  # the widget Compress map
        self.steps: tuple[TourStep, ...] = ()
        self.index = 0
        self._before: Any = None  # the state of the step when it began
        self._seen: Any = None  # at the last look
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.text.setToolTip("What this step is about")
        self.do_button = button("", "Let the tour do this step", self.do)
        self.back_button = button("Back", "The step before", self.back)
        self.next_button = button("Next", "The next step", self.onward)
        self.end_button = button("End", "Close the tour; everything else stays open", self.end)
        row = QWidget()
        buttons = (self.do_button, self.back_button, self.next_button, self.end_button)
        line = fill(row, *buttons, kind=QHBoxLayout)
        line.insertStretch(0)
        fill(self, self.text, row, margin=6).addStretch(1)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_EVERY)
        self._timer.timeout.connect(self._look)
        QTimer.singleShot(0, self._begin)  # when this widget is in its dock
        self.attach()

    # -- what the user does

    def do(self) -> None:
        """Do what the step asks for."""
        self.steps[self.index].do()

    def back(self) -> None:
        """Go to the step before."""
        self._go_to(self.index - 1)

    def onward(self) -> None:
        """Go to the next step."""
        self._go_to(self.index + 1)

    def end(self) -> None:
        """Close the tour."""
        self.viewer.window.remove_dock_widget(self)

    def release(self) -> None:
        """Stop looking."""
        self._timer.stop()
        self.compress, self.steps = None, ()
        super().release()

    # -- how it is done

    def _begin(self) -> None:
        if not self._attached:  # it was closed at once
            return
        viewer = self.viewer
        if not any(is_map(layer) and not is_derived(layer) for layer in viewer.layers):
            with contextlib.suppress(Cancelled):  # the window is being closed
                viewer.open_sample(PLUGIN, _SAMPLE)
            if not self._attached:
                return
        self.compress = open_dock(viewer, "Compress map")
        self.steps = _steps(viewer, self.compress)
        self._go_to(0)
        self._timer.start()

    def _go_to(self, index: int) -> None:
        self.index = index
        self._before = self._seen = self._state()
        self._show()

    def _state(self) -> Any:
        return self.steps[self.index].state()

    def _show(self) -> None:
        step, last = self.steps[self.index], self.index == len(self.steps) - 1
        done = self._before
        mark = _DONE if done else ""
        count = f"{self.index + 1} of {len(self.steps)}"
        self.text.setText(f"<b>{mark}{count}: {step.title}.</b> {step.sentence}")
        self.do_button.setText(step.action)
        self.back_button.setEnabled(self.index > 0)
        self.next_button.setVisible(not last)

    def _look(self) -> None:
        """Go on if the user has done the step, and is not just dragging something."""
        if self.compress is None or QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            return
        state, seen = self._state(), self._seen
        self._seen = state
        if not state or state == self._before or state != seen:  # or it is still changing
            return
        if self.index < len(self.steps) - 1:
            self.onward()
        else:
            self._before = state
            self._show()


def _steps(viewer: Any, compress: Any) -> tuple[TourStep, ...]:
    """Return the steps for a window with the widget Compress map."""

    def in_3d() -> bool:
        return bool(viewer.dims.ndisplay == 3)

    def turn() -> None:
        viewer.dims.ndisplay = 3

    def threshold() -> str:
        return "" if compress.facts is None else f"{compress.threshold.setting}"

    def choose() -> None:
        compress.threshold.setting = f"{_CONTOUR:g}sigma"

    def result() -> Any:
        return compress.result.compressed

    def decoded() -> int:
        return sum(layer.visible and is_decoded(layer) for layer in viewer.layers)

    def saved() -> str:
        return "" if result() is None or result().saved is None else str(result().saved)

    return (
        TourStep(
            "The map",
            "A slice of the density is shown; look at the map in 3-D, and drag to turn it.",
            "Show it in 3-D",
            turn,
            in_3d,
        ),
        TourStep(
            "The threshold",
            "What lies above it is the structure, and is kept with a soft mask round it: move the"
            " slider until the surface looks right.",
            f"Choose {_CONTOUR:g} σ",
            choose,
            threshold,
        ),
        TourStep(
            "Compress",
            "Press Compress: the work is done beside napari, which you can go on using, and nothing"
            " is written before you save it.",
            "Compress",
            compress.compress,
            result,
        ),
        TourStep(
            "What was lost",
            "Flip between the original and the decoded map, and look at the error.",
            "Flip",
            compress.result.flip,
            decoded,
        ),
        TourStep(
            "Save",
            "Save the file and send it: File > Open File(s)... shows it to everyone who has this"
            " plugin.",
            "Save...",
            compress.result.save,
            saved,
        ),
    )
