"""The dock widget Compare maps in a real napari window."""

from __future__ import annotations

import dataclasses
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.progress import Progress
from napari_cryoinr.quality import charts, compare
from napari_cryoinr.quality.histograms import density_histogram, error_histogram

pytest.importorskip("napari")
from matplotlib.colors import to_rgba
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_cryoinr.gui.io.layer_matching import KEY
from napari_cryoinr.gui.io.reader import member_layer
from napari_cryoinr.gui.jobs.job import THREAD_NAME
from napari_cryoinr.gui.quality_dock import quality_widget, report_view
from napari_cryoinr.gui.quality_dock.quality_widget import QualityWidget
from napari_cryoinr.gui.widgets.chart_canvas import ChartCanvas, style_of
from test_quality_pictures import assert_legible, measured

pytestmark = pytest.mark.viewer

ANGSTROM = ("angstrom",) * 3
WAIT = 60_000


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def window(make_napari_viewer):
    """A real viewer with its window."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    return viewer


@pytest.fixture
def widget(viewer, qtbot):
    widget = QualityWidget(viewer)
    qtbot.addWidget(widget, before_close_func=lambda widget: widget.release())
    widget.resize(400, 700)
    widget.show()
    return widget


@pytest.fixture(scope="session")
def archive_layer(archive_path):
    """What napari makes a layer of, for an archive of the small map."""
    archive = cryoinr.open_archive(archive_path)
    return member_layer(archive, archive[0], archive[0].read())


def add_decoded(viewer, archive_layer):
    data, meta, _ = archive_layer
    return viewer.add_image(data.copy(), **meta)


def add_original(viewer, density_map):
    meta = {"scale": density_map.voxel_size, "units": ANGSTROM}
    return viewer.add_image(density_map.data, name="original", **meta)


@pytest.fixture
def decoded(viewer, archive_layer):
    return add_decoded(viewer, archive_layer)


@pytest.fixture
def original(viewer, decoded, small_map):
    return add_original(viewer, small_map)


@pytest.fixture
def docked(window, archive_layer, small_map):
    """The widget in a dock of a real window, with both maps."""
    add_decoded(window, archive_layer)
    add_original(window, small_map)
    widget = QualityWidget(window)
    window.window.add_dock_widget(widget, name="Compare maps")
    return widget


@pytest.fixture
def endless(monkeypatch):
    """Measuring never ends by itself; set when it was closed."""
    closed, pause = threading.Event(), threading.Event()

    def steps(*_):
        try:
            while True:
                yield Progress("measuring", 1, 2)
                pause.wait(0.01)
        finally:
            closed.set()

    monkeypatch.setattr(quality_widget, "measure_steps", steps)
    return closed


def offered(chooser) -> list[str]:
    return [chooser.itemText(i) for i in range(1, chooser.count())]


def pick(chooser, layer) -> None:
    """Choose a layer as a user does."""
    chooser.choose(layer)
    chooser.activated.emit(chooser.currentIndex())


def finish(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def assert_no_thread(qtbot) -> None:
    qtbot.waitUntil(
        lambda: not any(t.name == THREAD_NAME for t in threading.enumerate()), timeout=WAIT
    )


def texts(chart) -> list[str]:
    """Return the texts in a chart."""
    drawn(chart)
    axes = chart.figure.axes[0]
    legend = [text.get_text() for one in chart.figure.legends for text in one.get_texts()]
    return [axes.get_title(), *(text.get_text() for text in axes.texts), *legend]


def drawn(chart) -> None:
    """Wait until a chart is drawn, which a thread does."""
    end = time.monotonic() + WAIT / 1000
    while not chart.is_current:
        assert time.monotonic() < end
        QApplication.processEvents()
        time.sleep(0.002)


def shown(widget, tab: str):
    chart = widget.view.charts[tab]
    widget.view.tabs.setCurrentWidget(chart)
    drawn(chart)
    return chart


def answer(monkeypatch, path: Path | None) -> list[str]:
    """Dialogs answer with this path; returns the names that they suggest."""
    suggested: list[str] = []

    def ask(parent, title, name, kind):
        suggested.append(name)
        return path

    monkeypatch.setattr(report_view, "ask_for_target", ask)
    return suggested


def controls(widget):
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit

    return [
        c for kind in (QAbstractButton, QComboBox, QLineEdit) for c in widget.findChildren(kind)
    ]


def test_it_fits_and_explains_itself(window, docked) -> None:
    shell = window.window._qt_window
    for tab in docked.view.charts:
        shown(docked, tab)
    assert (shell.width(), shell.height()) == (1280, 800)
    assert docked.minimumSizeHint().width() <= 380
    assert docked.minimumSizeHint().height() <= 300
    named = [c for c in controls(docked) if c.isVisibleTo(docked) and "qt_" not in c.objectName()]
    named = [c for c in named if type(c).__name__ != "QToolButton"]
    assert len(named) >= 7
    assert all(control.toolTip() for control in named)


def test_only_maps_are_offered_and_choices_follow_the_layers(viewer, widget) -> None:
    assert offered(widget.decoded) == []
    viewer.add_image(np.zeros((8, 8), np.float32), name="flat")
    viewer.add_image(np.zeros((8, 8, 3), np.uint8), rgb=True, name="colours")
    viewer.add_image(np.zeros((8, 8, 8, 3), np.uint8), rgb=True, name="coloured volume")
    viewer.add_labels(np.zeros((8, 8, 8), int), name="labels")
    viewer.add_image(np.zeros((8, 8, 8)), name="overlay", metadata={KEY: {"derived_from": "a"}})
    a = viewer.add_image(np.zeros((8, 8, 8)), name="a")
    viewer.add_image([np.zeros((8, 8, 8)), np.zeros((4, 4, 4))], multiscale=True, name="b")
    assert offered(widget.decoded) == offered(widget.original) == ["a", "b"]
    pick(widget.decoded, a)
    assert widget.original.layer.name == "b"
    a.name = "renamed"
    assert offered(widget.decoded) == ["renamed", "b"]
    assert widget.decoded.layer is a
    viewer.layers.remove(a)
    assert offered(widget.decoded) == ["b"]


def test_what_the_archive_recorded_is_shown_at_once(widget, decoded, archive_path, qtbot) -> None:
    recorded = cryoinr.open_archive(archive_path)[0].quality
    assert widget.decoded.layer is decoded
    assert widget.original.layer is None
    assert widget.view.note.text() == "Recorded when the file was made; not measured here."
    assert widget.view.note.isVisible()
    numbers = widget.view.numbers.toPlainText()
    for name, value in recorded.rows():
        assert name in numbers and value in numbers
    assert f"{archive_path.stat().st_size:,} bytes" in numbers
    assert not widget.measure_button.isEnabled()
    assert "original" in widget.measure_button.toolTip()
    assert widget.message.text() == widget.measure_button.toolTip()
    assert "the curve was not recorded" in texts(shown(widget, "FSC"))
    for tab in ("Error", "Densities"):
        assert "measure against the original" in " ".join(texts(shown(widget, tab)))


def test_measuring(widget, decoded, original, small_map, qtbot) -> None:
    assert widget.original.layer is original
    assert np.float32(widget.contour.text()) == np.float32(decoded.iso_threshold)
    widget.measure_button.click()
    assert widget.bar.isVisible()
    assert not widget.measure_button.isEnabled()
    assert not widget.saving.csv_button.isEnabled()
    assert "cancel" in widget.saving.csv_button.toolTip()
    finish(widget, qtbot)
    expected = compare(
        small_map,
        dataclasses.replace(small_map, data=decoded.data),
        float(np.float32(widget.contour.text())),
        keep=decoded.metadata[KEY]["quality"]["keep"],
    )
    report = widget.report
    assert dataclasses.replace(report, bytes=None, raw_bytes=None) == expected
    assert report.bytes == decoded.metadata[KEY]["quality"]["bytes"]
    assert widget.view.note.text() == f"Measured: {decoded.name!r} against 'original'."
    marked = " ".join(texts(shown(widget, "FSC")))
    assert f"below 0.99: {report.fsc_099:.2f} Å" in marked
    assert "below 0.5: " in marked
    assert "20 % of the density" in texts(shown(widget, "Error"))
    assert {"original", "decoded"} < set(texts(shown(widget, "Densities")))
    assert widget.measure_button.isEnabled()
    assert widget.saving.html_button.isEnabled()
    assert_no_thread(qtbot)


def test_what_keeps_it_from_measuring(viewer, widget, decoded, original, qtbot) -> None:
    other = viewer.add_image(np.ones((5, 6, 7), np.float32), name="other", units=ANGSTROM)
    pick(widget.original, other)
    line = "The shapes differ: 5 × 6 × 7 (other) and 24 × 24 × 24 (small)."
    assert widget.message.text() == widget.measure_button.toolTip() == line
    assert not widget.measure_button.isEnabled()
    pick(widget.original, decoded)
    assert "two different layers" in widget.message.text()
    pick(widget.original, original)
    assert widget.measure_button.isEnabled()
    widget.contour.setText("much")
    assert not widget.measure_button.isEnabled()
    assert "give a density" in widget.message.text()
    widget.contour.setText("none")
    assert widget.measure_button.isEnabled()
    assert widget.message.text() == ""


@pytest.mark.parametrize("trouble", ["contour", "nan"])
def test_errors_are_one_line(trouble, widget, decoded, original, qtbot) -> None:
    if trouble == "contour":
        widget.contour.setText("1e9")
        expected = "no voxel is above it"
    else:
        data = np.array(original.data)
        data[3, 4, 5] = np.nan
        original.data = data
        expected = "(3, 4, 5) is infinite or NaN"
    widget.measure_button.click()
    finish(widget, qtbot)
    assert expected in widget.message.text()
    assert "\n" not in widget.message.text()
    assert widget.measure_button.isEnabled()
    assert "Recorded" in widget.view.note.text()  # what was shown before stays


def test_all_voxels(widget, decoded, original, qtbot) -> None:
    widget.contour.setText("none")
    widget.measure_button.click()
    finish(widget, qtbot)
    assert widget.report.contour is None
    assert widget.report.kept_voxels == widget.report.voxels
    # the iso-surface that is compared is the archive's own
    assert widget.report.level == decoded.metadata[KEY]["quality"]["level"]


def test_the_contour_is_suggested(viewer, widget) -> None:
    random = np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32)
    noted = viewer.add_image(random, name="noted", metadata={KEY: {"contour": 0.1}}, units=ANGSTROM)
    plain = viewer.add_image(random, name="plain", iso_threshold=0.7, units=ANGSTROM)
    pick(widget.decoded, noted)
    assert widget.contour.text() == "0.1"
    pick(widget.decoded, plain)
    pick(widget.original, None)
    assert widget.contour.text() == "0.7"
    widget.contour.setText("0.25")
    pick(widget.original, noted)
    assert widget.contour.text() == "0.25"  # typed: not replaced


@pytest.mark.parametrize("which", ["original", "all"])
def test_a_layer_is_removed_meanwhile(
    which, viewer, widget, decoded, original, endless, qtbot
) -> None:
    widget.measure_button.click()
    if which == "all":
        viewer.layers.clear()
    else:
        viewer.layers.remove(original)
    assert not widget.bar.running
    assert "was removed" in widget.message.text()
    qtbot.waitUntil(endless.is_set, timeout=WAIT)
    assert_no_thread(qtbot)


def test_a_report_outlives_the_original(viewer, widget, decoded, original, qtbot) -> None:
    widget.measure_button.click()
    finish(widget, qtbot)
    report = widget.report
    viewer.layers.remove(original)
    assert widget.report is report
    assert "a layer was removed" in widget.saving.html_button.toolTip()
    viewer.layers.remove(decoded)
    assert widget.report is None
    assert widget.view.numbers.toPlainText() == ""
    assert not widget.saving.copy_button.isEnabled()
    assert texts(shown(widget, "FSC")) == ["", "no report yet"]


def test_another_choice_is_another_report(viewer, widget, decoded, original, qtbot) -> None:
    widget.measure_button.click()
    finish(widget, qtbot)
    pick(widget.original, None)
    assert "Recorded" in widget.view.note.text()
    pick(widget.decoded, original)
    assert widget.report is None


def test_a_report_from_elsewhere(widget, decoded, original, small_map, qtbot) -> None:
    report = compare(small_map, dataclasses.replace(small_map, data=decoded.data), 0.5)
    widget.show_report(report, original, decoded)
    assert widget.report is report
    assert widget.contour.text() == "0.5"
    assert widget.bar.running  # the voxels are counted for the charts
    finish(widget, qtbot)
    assert widget.report is report
    assert "20 % of the density" in texts(shown(widget, "Error"))
    widget.show_report(report, original)
    assert widget.report is report
    assert widget.decoded.layer is None
    assert not widget.bar.running
    widget.show_report(report)
    assert widget.view.note.text() == "Measured elsewhere."
    original.name = "renamed"
    assert widget.report is report  # layers that come and go do not take it away


def test_copy_as_text(widget, decoded, qtbot) -> None:
    from qtpy.QtWidgets import QApplication

    widget.saving.copy_button.click()
    assert widget.report.text() in QApplication.clipboard().text()
    assert "not measured here" in QApplication.clipboard().text()
    assert widget.message.text() == "Copied to the clipboard."


def test_saving(widget, decoded, original, tmp_path, monkeypatch, qtbot) -> None:
    widget.measure_button.click()
    finish(widget, qtbot)
    suggested = answer(monkeypatch, tmp_path / "a.html")
    widget.saving.html_button.click()
    finish(widget, qtbot)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert page.count("<img") == 5
    assert "against &#x27;original&#x27;" in page
    assert widget.message.text().startswith(f"Written: {tmp_path / 'a.html'}")
    answer(monkeypatch, tmp_path / "a.csv")
    widget.saving.csv_button.click()
    assert f"nrmse,,,{widget.report.nrmse!r}," in (tmp_path / "a.csv").read_text("utf-8")
    assert suggested == ["small-quality.html"]
    for button in (widget.saving.html_button, widget.saving.csv_button):
        answer(monkeypatch, None)
        button.click()  # the user chose no file
        assert not widget.bar.running
        answer(monkeypatch, tmp_path / "missing" / "a")
        button.click()
        finish(widget, qtbot)
        assert "missing" in widget.message.text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.html"]


def test_a_recorded_report_is_saved_without_pictures(
    widget, decoded, tmp_path, monkeypatch, qtbot
) -> None:
    answer(monkeypatch, tmp_path / "a.html")
    assert "without pictures" in widget.saving.html_button.toolTip()
    widget.saving.html_button.click()
    finish(widget, qtbot)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "<img" not in page
    assert "not measured here" in page


def test_metadata_of_others_is_no_report(viewer, widget) -> None:
    viewer.add_image(
        np.zeros((8, 8, 8)),
        units=ANGSTROM,
        metadata={KEY: {"member": "a", "contour": None, "quality": {"nrmse": "low"}}},
    )
    assert widget.decoded.layer is viewer.layers[0]
    assert widget.report is None


def test_charts_follow_the_theme(viewer, widget, decoded, original, qtbot) -> None:
    widget.measure_button.click()
    finish(widget, qtbot)
    for theme in ("light", "dark"):
        viewer.theme = theme
        for tab in widget.view.charts:
            figure = shown(widget, tab).figure
            style = style_of(theme)
            assert figure.get_facecolor() == to_rgba(style.face)
            assert to_rgba(figure.axes[0].title.get_color()) == to_rgba(style.text)
            for label in figure.axes[0].get_xticklabels():
                assert to_rgba(label.get_color()) == to_rgba(style.text)


def test_the_viewer_may_be_a_proxy(window, archive_layer, small_map, qtbot) -> None:
    """That is what napari hands to a plugin's widgets."""
    from napari.utils._proxies import PublicOnlyProxy

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decoded = add_decoded(window, archive_layer)
        original = add_original(window, small_map)
        widget = QualityWidget(PublicOnlyProxy(window))
        window.window.add_dock_widget(widget, name="another")
        assert widget.original.layer is original
        widget.measure_button.click()
        finish(widget, qtbot)
        window.theme = "light"
        widget.show_report(widget.report, PublicOnlyProxy(original), PublicOnlyProxy(decoded))
        finish(widget, qtbot)
        window.window.remove_dock_widget(widget)
    assert widget.report.contour is not None
    assert [str(warning.message) for warning in caught] == []


@pytest.fixture
def halves(viewer):
    """Two half-maps as layers, a map of another kind, and a mask."""
    whole = cryoinr.synthetic_map(32)
    random = np.random.default_rng(0)
    placed = {"scale": whole.voxel_size, "units": ANGSTROM}
    layers = []
    for number in (1, 2):
        noise = np.float32(2 * random.normal(size=whole.data.shape))
        data = whole.data + noise
        layers.append(viewer.add_image(data, name=f"run_half{number}_unfil", **placed))
    viewer.add_image(-whole.data, name="another", **placed)
    mask = viewer.add_labels((whole.data > 4).astype(int), name="inside", **placed)
    return *layers, mask


def test_half_maps_are_compared_in_a_mask(viewer, widget, halves, tmp_path, monkeypatch, qtbot):
    one, two, mask = halves
    pick(widget.decoded, one)
    assert widget.original.layer is two  # as the names say
    assert widget.question.currentText() == quality_widget.ALIKE
    assert offered(widget.mask) == ["another", "inside"]
    widget.mask.choose(mask)
    widget.measure_button.click()
    finish(widget, qtbot)
    found = widget.likeness
    assert found.half_maps
    assert found.mask_voxels == np.count_nonzero(mask.data)
    numbers = widget.view.numbers.toPlainText()
    assert "Half-maps, which agree (FSC above 0.143) to" in numbers
    for name, value in found.rows():
        assert name in numbers and value in numbers
        assert name.endswith(("mask 'inside'", "whole volume"))
    assert {"mask 'inside'", "whole volume", "0.143"} < set(texts(shown(widget, "FSC")))
    assert widget.view.note.text() == f"Measured: {one.name!r} against {two.name!r}."
    assert not widget.saving.html_button.isEnabled()
    widget.saving.copy_button.click()
    assert found.verdict() in QApplication.clipboard().text()
    suggested = answer(monkeypatch, tmp_path / "a.csv")
    widget.saving.csv_button.click()
    assert suggested == [f"{one.name}-{two.name}-quality.csv"]
    rows = (tmp_path / "a.csv").read_text("utf-8").splitlines()
    assert sum("whole volume, shell" in row for row in rows) == len(found.whole.values)
    widget.mask.choose(None)
    widget.contour.setText("none")
    widget.measure_button.click()
    finish(widget, qtbot)
    assert widget.likeness.masked is None
    viewer.layers.remove(viewer.layers["another"])  # or it would be the next to compare with
    viewer.layers.remove(two)
    assert widget.likeness is not None  # a report outlives what it was compared with
    viewer.layers.remove(one)
    assert widget.likeness is None


def test_a_decoded_map_is_measured_in_a_mask(viewer, widget, decoded, original, qtbot) -> None:
    values = (np.asarray(original.data) > 3).astype(np.float32)
    mask = viewer.add_image(values, name="mask", scale=original.scale, units=ANGSTROM)
    pick(widget.decoded, decoded)
    pick(widget.original, original)
    assert widget.question.currentText() == quality_widget.LOST
    widget.mask.choose(mask)
    widget.measure_button.click()
    finish(widget, qtbot)
    assert widget.report.kept_voxels == np.count_nonzero(values)
    mask.data = 5 * values
    widget.measure_button.click()
    finish(widget, qtbot)
    assert "must be 0 outside, 1 inside" in widget.message.text()


def test_the_difference_of_two_maps(viewer, widget, halves, qtbot) -> None:
    one, two, _ = halves
    pick(widget.decoded, one)
    widget.difference_button.click()
    finish(widget, qtbot)
    layer = viewer.layers[-1]
    assert layer.name == f"{one.name} - {two.name}"
    np.testing.assert_array_equal(layer.data, one.data - two.data)
    np.testing.assert_array_equal(layer.scale, one.scale)
    assert layer.units == one.units
    low, high = layer.contrast_limits
    assert low == -high
    assert layer.colorbar.visible
    other = viewer.add_image(np.zeros((5, 6, 7), np.float32), name="other", units=ANGSTROM)
    pick(widget.original, other)
    assert not widget.difference_button.isEnabled()
    assert "shapes differ" in widget.difference_button.toolTip()


def test_charts_are_drawn_in_a_thread(qtbot) -> None:
    threads = []

    def draw(figure, style) -> None:
        threads.append(threading.current_thread().name)
        charts.draw_message(figure, "here", style)

    canvas = ChartCanvas("light")
    qtbot.addWidget(canvas)
    canvas.show_chart(draw)
    assert not threads  # hidden
    canvas.resize(320, 300)
    canvas.show()
    drawn(canvas)
    assert set(threads) == {THREAD_NAME}
    assert "here" in texts(canvas)
    count = len(threads)
    canvas.resize(400, 300)
    qtbot.waitUntil(lambda: len(threads) > count, timeout=WAIT)
    drawn(canvas)
    assert canvas.figure.bbox.width == pytest.approx(400 * canvas.devicePixelRatioF(), abs=1)


@pytest.mark.parametrize("name", ["not cubic", "flat box", "constant"])
def test_charts_are_legible_in_the_smallest_dock(name, monkeypatch, qtbot) -> None:
    original, decoded, report = measured(name)
    canvas = ChartCanvas("dark")
    qtbot.addWidget(canvas)
    canvas.resize(300, 280)
    canvas.show()
    errors = error_histogram(original, decoded, report.contour, 56)
    densities = density_histogram(original, decoded, report.contour)
    for draw in (
        lambda figure, style: charts.draw_fsc(figure, report, style),
        lambda figure, style: charts.draw_fsc(figure, report.stored(), style),
        lambda figure, style: charts.draw_errors(figure, errors, report.contour, style),
        lambda figure, style: charts.draw_densities(figure, densities, style),
        lambda figure, style: charts.draw_message(figure, "no report yet", style),
    ):
        canvas.show_chart(draw)
        drawn(canvas)
        assert_legible(canvas.figure, monkeypatch)
