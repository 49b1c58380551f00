"""`cryoinr demo`: napari with a map and the widget Compress map."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.gui import demo_window
from napari_cryoinr.gui.io.layer_matching import is_derived

pytest.importorskip("napari")


@pytest.mark.viewer
@pytest.mark.parametrize("given", [False, True])
def test_the_demo_is_ready_to_compress(
    make_napari_viewer, npe2pm, qtbot, monkeypatch, tmp_path, small_map, given: bool
) -> None:
    path = None
    if given:
        path = tmp_path / "mine.mrc"
        cryoinr.write_map(small_map, path)
    with npe2pm.tmp_plugin(package="napari-cryoinr"):
        viewer = make_napari_viewer(show=True)
        widget = demo_window.prepare(viewer, path)
        qtbot.waitUntil(widget.button.isEnabled, timeout=60_000)
        assert widget.button.text() == f"Compress {'mine' if given else 'synthetic map'}"
        assert sum(is_derived(layer) for layer in viewer.layers) == 1
        assert viewer.canvas.overlays.scale_bar.visible


def test_a_map_that_is_not_there_is_refused(capsys) -> None:
    assert run(["demo", "gone.mrc"]) == 1
    assert capsys.readouterr().err == "error: gone.mrc: no such file\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others always have a display")
def test_no_display_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from napari_cryoinr.cli import main; main()", "demo"],
        env={"PATH": "", "HOME": str(Path.home())},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: there is no display")
