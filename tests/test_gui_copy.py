"""Copying what Compress map would do, as a command line and as Python."""

from __future__ import annotations

import shlex

import pytest

import napari_cryoinr as cryoinr

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from napari.components import ViewerModel  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

from napari_cryoinr.gui.compress_dock import compress_widget  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 120_000


@pytest.fixture
def widget(monkeypatch, qtbot, npe2pm, small_map, tmp_path):
    """Compress map with a map that was opened from a file with a space in its name."""
    monkeypatch.setattr(compress_widget, "saved_settings", cryoinr.Settings)
    path = tmp_path / "my map.mrc"
    cryoinr.write_map(small_map, path)
    viewer = ViewerModel()
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer.open(path, plugin=PLUGIN)
    widget = compress_widget.CompressWidget(viewer)
    qtbot.addWidget(widget, before_close_func=lambda widget: widget.release())
    qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)
    return widget


def copied(widget, title: str) -> str:
    (action,) = (one for one in widget.copy.menu().actions() if one.text() == title)
    action.trigger()
    return QApplication.clipboard().text()


def test_the_line_compresses_the_file_of_the_layer(widget, tmp_path) -> None:
    widget.settings = cryoinr.Settings(threshold="3sigma", target_fsc=0.98)
    line = copied(widget, "Copy as command line")
    words = shlex.split(line)
    assert words[:4] == ["cryoinr", "compress", str(tmp_path / "my map.mrc"), "my map.cinr"]
    assert words[4:] == ["--threshold", "3sigma", "--target-fsc", "0.98"]
    assert widget.message.text() == "Copied."


def test_python_has_the_settings_that_are_shown(widget) -> None:
    widget.settings = cryoinr.Settings(threshold="2sigma", target_fsc=0.97)
    code = copied(widget, "Copy as Python")
    line = next(line for line in code.splitlines() if line.startswith("settings = "))
    assert eval(line.removeprefix("settings = "), {"cryoinr": cryoinr}) == widget.settings


def test_a_layer_without_a_file_says_what_to_put_in(widget, small_map, qtbot) -> None:
    units = ("angstrom",) * 3  # else a warning says that there are none
    layer = widget.viewer.add_image(small_map.data, name="made/here", units=units)
    widget.viewer.layers.selection.active = layer
    qtbot.waitUntil(lambda: widget.chooser.layer is layer, timeout=WAIT)
    qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)
    words = shlex.split(copied(widget, "Copy as command line"))
    assert widget.message.text().endswith(f"in the place of {words[2]}.")
    assert words[2].endswith(".mrc")
    widget.viewer.layers.clear()
    qtbot.waitUntil(lambda: widget.chooser.layer is None, timeout=WAIT)
    copied(widget, "Copy as Python")
    assert widget.message.text() == "Open a map first; there is nothing to copy."
