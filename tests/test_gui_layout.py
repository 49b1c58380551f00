"""Every dock has room in a window of 1280 × 800 pixels, and in 400 pixels of its width."""

from __future__ import annotations

import pytest

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from npe2 import PluginManifest  # noqa: E402
from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtWidgets import QAbstractButton, QAbstractScrollArea, QScrollArea  # noqa: E402

PLUGIN = "napari-cryoinr"
MANIFEST = PluginManifest.from_distribution(PLUGIN)
DOCKS = [one.display_name for one in MANIFEST.contributions.widgets]
WAIT = 120_000


@pytest.fixture
def window(make_napari_viewer, npe2pm, small_map):
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1280, 800)
        name = "a map with a name that is rather long to be shown"
        viewer.add_image(small_map.data, name=name, units=("angstrom",) * 3)
        yield viewer


def fits(area: QScrollArea) -> bool:
    return area.widget().minimumSizeHint().width() <= area.viewport().width()


@pytest.mark.parametrize("name", DOCKS)
@pytest.mark.parametrize("theme", ["dark", pytest.param("light", marks=pytest.mark.slow)])
def test_a_dock_is_usable_at_400_pixels(window, qtbot, name: str, theme: str) -> None:
    window.theme = theme
    dock, widget = window.window.add_plugin_dock_widget(PLUGIN, name)
    qtbot.waitUntil(widget.isVisible, timeout=WAIT)

    def is_narrow() -> bool:
        window.window._qt_window.resizeDocks([dock], [400], Qt.Orientation.Horizontal)
        return dock.width() <= 400

    qtbot.waitUntil(is_narrow, timeout=WAIT)
    qtbot.waitUntil(lambda: window.window._qt_window.size().width() <= 1280, timeout=WAIT)
    assert widget.minimumSizeHint().width() <= 400
    assert window.window._qt_window.size().height() <= 800
    for area in widget.findChildren(QAbstractScrollArea):
        if isinstance(area, QScrollArea) and area.isVisible():
            assert not area.horizontalScrollBar().isVisible()
            qtbot.waitUntil(lambda area=area: fits(area), timeout=WAIT)
    for button in widget.findChildren(QAbstractButton):
        if button.isVisible() and button.text():
            assert button.toolTip() or button.parentWidget().toolTip(), button.text()


def test_docks_share_one_place(window, qtbot) -> None:
    """As napari's menu adds them, they would halve each other's height."""
    main, docks = window.window._qt_window, []
    for name in DOCKS[:3]:
        docks.append(window.window.add_plugin_dock_widget(PLUGIN, name)[0])
        others = set(docks[:-1])
        qtbot.waitUntil(
            lambda o=others: set(main.tabifiedDockWidgets(docks[-1])) == o, timeout=WAIT
        )
