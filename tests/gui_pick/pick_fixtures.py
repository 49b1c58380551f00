"""Micrographs, viewers and the widget Pick particles, for its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from napari.components import ViewerModel
from pick_actions import PLUGIN, open_folder

from napari_cryoinr.gui.picking_dock.pick_widget import PickWidget
from napari_cryoinr.picking.micrographs import Micrograph
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.session import ModelSummary
from napari_cryoinr.picking.session.session_storage import open_session, save_session
from spots import BOX


@pytest.fixture(scope="module")
def images(examples) -> list[tuple[Micrograph, Particles]]:
    return [(example.micrograph, example.particles) for example in examples]


@pytest.fixture
def folder(images, tmp_path) -> Path:
    """A folder of three micrographs, m0.mrc to m2.mrc."""
    folder = tmp_path / "micrographs"
    folder.mkdir()
    for micrograph, _ in images:
        with mrcfile.new(folder / f"{micrograph.name}.mrc") as file:
            file.set_data(micrograph.data)
            file.voxel_size = micrograph.pixel_size
    return folder


@pytest.fixture
def picked(folder, images, picker_model) -> Path:
    """The same with a model; the first micrograph is picked where the particles are."""
    session, _ = open_session(folder, BOX)
    session.change_settings(device="cpu", iterations=3)
    model = picker_model
    session.model = ModelSummary("modern", model.box, model.threshold, model.rounds)
    truth = images[0][1].xy
    scores = np.linspace(0.99, 0.01, len(truth))
    session.set_candidates("m0.mrc", Particles(truth, scores, BOX, images[0][0].pixel_size))
    save_session(session)
    picker_model.save(folder / "picking" / "model.h5")
    return folder


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def widget(viewer, qtbot) -> Iterator[PickWidget]:
    widget = PickWidget(viewer)
    qtbot.addWidget(widget)
    yield widget
    widget.release()


@pytest.fixture
def opened(widget, folder, qtbot) -> PickWidget:
    """The widget with the folder."""
    return open_folder(widget, folder, qtbot)


@pytest.fixture
def correcting(widget, picked, qtbot) -> PickWidget:
    """The widget with the folder whose first micrograph is picked."""
    return open_folder(widget, picked, qtbot)


@pytest.fixture
def window(make_napari_viewer, npe2pm):
    """A viewer with a window."""
    with npe2pm.tmp_plugin(package=PLUGIN):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(900, 600)
        yield viewer


@pytest.fixture
def docked(window) -> PickWidget:
    """The widget in a dock of the window."""
    return window.window.add_plugin_dock_widget(PLUGIN, "Pick particles")[1]
