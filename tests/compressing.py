"""The dock widget Compress map in tests: fixtures, and what several of them do with it."""

from __future__ import annotations

import dataclasses

import pytest
from napari.components import ViewerModel

import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr.gui.compress_dock import (
    compress_widget,
    map_analysis,
    size_curve,
    size_estimate,
)
from napari_cryoinr.gui.io.session import session_of
from napari_cryoinr.progress import Progress
from napari_cryoinr.support.devices import Device

PLUGIN = "napari-cryoinr"
WAIT = 120_000
CPU = Device("cpu", "a processor", 1 << 30)


@pytest.fixture
def usual(monkeypatch, quick):
    """Quick settings, one device; nothing is estimated or analysed unless a test wants it."""

    def devices():
        yield Progress("asking", 0, 1)
        return [CPU]

    monkeypatch.setattr(compress_widget, "saved_settings", lambda: quick)
    monkeypatch.setattr(compress_widget.workers, "device_steps", devices)
    for module in (size_estimate, map_analysis, size_curve):
        monkeypatch.setattr(module, "AUTOMATIC_VOXELS", 0)


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    yield viewer
    session_of(viewer).release()


@pytest.fixture
def window(make_napari_viewer, npe2pm):
    """A real viewer with its window."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer(show=True)


def add_map(viewer, density_map, **meta):
    meta = {"units": ("angstrom",) * 3, "scale": density_map.voxel_size} | meta
    return viewer.add_image(density_map.data, name=density_map.name, **meta)


@pytest.fixture
def layer(viewer, small_map):
    return add_map(viewer, small_map)


@pytest.fixture
def widget(viewer, layer, qtbot):
    widget = compress_widget.CompressWidget(viewer)
    qtbot.addWidget(widget, before_close_func=lambda widget: widget.release())
    known(widget, qtbot)
    return widget


@pytest.fixture
def docked(window, small_map, qtbot):
    """The widget in a dock of a real window."""
    add_map(window, small_map)
    _, widget = window.window.add_plugin_dock_widget(PLUGIN, "Compress map")
    known(widget, qtbot)
    return widget


def known(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: widget.facts is not None, timeout=WAIT)


def long(widget) -> None:
    """Settings that would take minutes."""
    field = cryoinr.FieldSettings(iterations=100_000)
    widget.settings = dataclasses.replace(widget.settings, field=field)


def at_work(widget, qtbot) -> None:
    """Compress something that takes minutes; it has begun."""
    long(widget)
    widget.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)


def finished(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.bar.running, timeout=WAIT)


def compressed(widget, qtbot):
    widget.button.click()
    finished(widget, qtbot)
    assert widget.result.compressed is not None, widget.message.text()
    return widget.result.compressed
