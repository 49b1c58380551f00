"""What every dock widget does: jobs, napari's events, the end; no window is needed."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

pytest.importorskip("napari")
from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

from napari_cryoinr.gui.widgets.dock import DockWidget
from napari_cryoinr.progress import Progress

pytestmark = pytest.mark.viewer
WAIT = 60_000


class Names(DockWidget):
    """Follows the names of the layers."""

    def __init__(self, viewer) -> None:
        super().__init__(viewer)
        self.names: list[str] = []
        self.attach()

    def connect_viewer(self) -> None:
        layers = self.viewer.layers.events
        self.resources.connect(layers.inserted, self.refresh)
        self.refresh()

    def refresh(self) -> None:
        self.names = [layer.name for layer in self.viewer.layers]


class Work:
    """A job that goes on until it is closed."""

    def __init__(self) -> None:
        self.begun, self.closed = threading.Event(), threading.Event()
        self._pause = threading.Event()

    def steps(self):
        try:
            while True:
                self.begun.set()
                yield Progress("working", 1, 2)
                self._pause.wait(0.01)
        finally:
            self.closed.set()


@pytest.fixture
def dock(qtbot):
    parent = QWidget()
    widget = Names(ViewerModel())
    widget.setParent(parent)
    yield widget  # while `parent` is kept, which Qt would delete with the widget
    del parent


def start(widget, kind: str) -> Work:
    work = Work()
    if kind == "bar":
        widget.start(work.steps(), "Working", lambda result: None)
    else:
        widget.resources.start_job("quiet", work.steps())
    assert work.begun.wait(60)
    return work


@pytest.mark.parametrize("kind", ["bar", "quiet"])
def test_a_widget_that_leaves_its_dock_stops_and_may_come_back(dock, qtbot, kind: str) -> None:
    work = start(dock, kind)
    parent = dock.parent()
    dock.setParent(None)
    assert work.closed.wait(60)
    assert not dock.bar.running
    dock.viewer.add_points(name="while it is away")
    assert dock.names == []
    dock.setParent(parent)
    assert dock.names == ["while it is away"]
    dock.viewer.add_points(name="again")
    assert dock.names == ["while it is away", "again"]


@pytest.mark.parametrize("kind", ["bar", "quiet"])
def test_a_widget_that_qt_deletes_stops_and_keeps_no_viewer(dock, qtbot, kind: str) -> None:
    work = start(dock, kind)
    viewer, released = dock.viewer, []
    dock.resources.at_release(lambda: released.append(True))
    dock.parent().deleteLater()
    qtbot.waitUntil(lambda: released == [True], timeout=WAIT)
    assert work.closed.wait(60)
    viewer.add_points(name="later")  # no callback of the deleted widget is left
    kept = weakref.ref(viewer)
    dock.viewer = None
    del viewer
    gc.collect()
    assert kept() is None


def test_cancel_says_so_and_another_job_may_follow(dock, qtbot) -> None:
    work = start(dock, "bar")
    assert "cancel" in dock.bar.why_busy
    dock.bar.cancel_button.click()
    qtbot.waitUntil(lambda: not dock.bar.running, timeout=WAIT)
    assert work.closed.wait(60)
    assert dock.message.text() == "Working: cancelled."
    results: list[int] = []

    def quick():
        yield Progress("working", 1, 1)
        return 7

    dock.start(quick(), "Working", results.append)
    qtbot.waitUntil(lambda: results == [7], timeout=WAIT)
    assert not dock.bar.why_busy


class Training:
    """A job that trains until that is enough, and then goes on until it may end."""

    def __init__(self) -> None:
        self.train, self.end = threading.Event(), threading.Event()

    def steps(self):
        while not self.train.wait(0.01):
            yield Progress("reading", 0, 1)
        while not (yield Progress("training", 1, 2, loss=0.5)):
            self.end.wait(0.01)
        while not self.end.wait(0.01):
            yield Progress("coding", 1, 2, loss=0.5)
        return "what was reached"


def test_a_training_is_finished_early(dock, qtbot) -> None:
    work, results, phases = Training(), [], []
    bar, offer = dock.bar, dock.bar.finish_button

    def begin() -> None:
        dock.start(
            work.steps(),
            "Working",
            results.append,
            lambda record: phases.append(record.phase),
            may_finish=True,
        )

    begin()
    qtbot.waitUntil(lambda: "reading" in phases, timeout=WAIT)
    assert offer.isHidden()
    work.train.set()
    qtbot.waitUntil(lambda: not offer.isHidden(), timeout=WAIT)
    assert offer.isEnabled()
    assert offer.text() == "Finish now"
    offer.click()
    assert (offer.text(), offer.isEnabled()) == ("Finishing...", False)
    qtbot.waitUntil(lambda: phases[-1] == "coding", timeout=WAIT)
    assert not offer.isEnabled()
    assert bar.cancel_button.isEnabled()
    work.end.set()
    qtbot.waitUntil(lambda: results == ["what was reached"], timeout=WAIT)
    work.train.clear()
    begin()  # the next one is offered it anew
    assert offer.isHidden()
    work.train.set()
    qtbot.waitUntil(lambda: offer.isEnabled() and not offer.isHidden(), timeout=WAIT)
    assert offer.text() == "Finish now"
    bar.cancel_button.click()
    assert not offer.isEnabled()
    qtbot.waitUntil(lambda: not bar.running, timeout=WAIT)


def test_only_what_may_finish_is_offered_it(dock, qtbot) -> None:
    work, phases = Training(), []
    work.train.set()
    dock.start(work.steps(), "Working", lambda _: None, lambda record: phases.append(record.phase))
    qtbot.waitUntil(lambda: phases.count("training") > 3, timeout=WAIT)
    assert dock.bar.finish_button.isHidden()
    dock.bar.cancel()
    qtbot.waitUntil(lambda: not dock.bar.running, timeout=WAIT)


def test_a_failure_is_one_line(dock, qtbot) -> None:
    def failing():
        yield Progress("working", 1, 1)
        raise ValueError("two\n  lines")

    dock.start(failing(), "Working", lambda result: None)
    qtbot.waitUntil(lambda: not dock.bar.running, timeout=WAIT)
    assert dock.message.text() == "two lines"
