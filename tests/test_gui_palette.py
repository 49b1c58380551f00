"""The commands of napari's palette and menus: each opens a dock or a dialog, and has its title."""

from __future__ import annotations

from pathlib import Path

import pytest

import napari_cryoinr as cryoinr

pytest.importorskip("napari")
pytestmark = pytest.mark.viewer

from napari._app_model import get_app_model  # noqa: E402
from napari.utils import notifications  # noqa: E402
from npe2 import PluginManifest  # noqa: E402
from qtpy.QtWidgets import QFileDialog  # noqa: E402

from napari_cryoinr.gui.io import reader, writer  # noqa: E402

PLUGIN = "napari-cryoinr"
WAIT = 120_000
DOCKS = ("Compress map", "Error overlay", "Compare maps", "Pick particles", "Guided tour")


@pytest.fixture
def window(make_napari_viewer, npe2pm, temporary):
    with npe2pm.tmp_plugin(package=PLUGIN):
        yield make_napari_viewer(show=True)


def actions() -> dict[str, str]:
    """Titles of all commands of this plugin, by their names."""
    registry = get_app_model().commands
    return {name: command.title for name, command in registry if name.startswith(f"{PLUGIN}.")}


def execute(name: str) -> None:
    get_app_model().commands.execute_command(f"{PLUGIN}.{name}").result()


def test_the_titles_say_what_is_opened(window) -> None:
    titles = set(actions().values())
    assert {f"{name} (CryoINR)" for name in DOCKS} <= titles
    asking = [title for title in titles if title.startswith(("Open comp", "Open dens", "Save"))]
    assert len(asking) == 4
    assert all(title.endswith("... (CryoINR)") for title in asking)


@pytest.mark.parametrize("name", DOCKS)
def test_a_command_opens_a_dock_of_the_same_name(window, qtbot, name: str) -> None:
    contributions = PluginManifest.from_distribution(PLUGIN).contributions
    widget = next(one for one in contributions.widgets if one.display_name == name)
    command = next(one for one in contributions.commands if one.id == widget.command)
    assert command.title == name
    (action,) = (key for key, title in actions().items() if title == f"{name} (CryoINR)")
    get_app_model().commands.execute_command(action).result()
    assert any(title.startswith(name) for title in window.window.dock_widgets)


@pytest.mark.parametrize("name", ["read_cinr", "read_map"])
def test_opening_asks_for_a_file(window, archive_path: Path, monkeypatch, qtbot, name) -> None:
    monkeypatch.setattr(
        QFileDialog, "getOpenFileNames", lambda *args, **kwargs: ([str(archive_path)], "")
    )
    execute(name)
    qtbot.waitUntil(lambda: [layer.name for layer in window.layers] == ["small"], timeout=WAIT)


@pytest.mark.parametrize(("name", "suffix"), [("write_cinr", ".cinr"), ("write_mrc", ".mrc")])
def test_saving_asks_for_a_file(
    window, small_map, tmp_path, monkeypatch, name: str, suffix: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(notifications, "show_info", said.append)
    execute(name)
    assert said == ["Select the layers that are to be saved first"]
    window.add_image(small_map.data, name="small")
    asked: list[str] = []

    def ask(*args, **kwargs) -> tuple[str, str]:
        asked.append(kwargs.get("filter", ""))
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    execute(name)
    assert f"*{suffix}" in asked[0]


def test_readers_and_writers_get_paths_from_napari(tmp_path, small_map, monkeypatch) -> None:
    from napari_cryoinr.gui.io import palette

    path = tmp_path / "a.mrc"
    cryoinr.write_map(small_map, path)
    ((data, meta, _),) = palette.open_map(str(path))(str(path))
    assert palette.open_cinr(str(tmp_path / "gone.cinr")) is reader.get_cinr_reader("gone.cinr")
    monkeypatch.setattr(writer, "write_cinr", lambda *args: args)
    assert palette.save_cinr("b.cinr", [1]) == ("b.cinr", [1])
    assert palette.save_mrc(str(tmp_path / "b.mrc"), data, meta) == [str(tmp_path / "b.mrc")]
