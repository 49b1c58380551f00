"""The Batch panel of the dock Compress map: the runner of `cryoinr batch`, with a table."""

from __future__ import annotations

import csv
import dataclasses

import pytest

import napari_cryoinr as cryoinr

pytest.importorskip("napari")
pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("temporary")]

from napari.components import ViewerModel  # noqa: E402

from leftovers import children  # noqa: E402
from napari_cryoinr.gui.compress_dock import batch_panel, batch_work  # noqa: E402
from napari_cryoinr.gui.widgets.resources import Resources  # noqa: E402

WAIT = 60_000


class Bench:
    """A panel, with the settings that it asks for and what it says."""

    def __init__(self, settings) -> None:
        self.viewer, self.settings, self.said = ViewerModel(), settings, ""
        self.panel = batch_panel.BatchPanel(
            self.viewer, Resources(), lambda: self.settings, self._say
        )

    def _say(self, text: str) -> None:
        self.said = text

    def add(self, density_map):
        layer = self.viewer.add_image(
            density_map.data,
            name=density_map.name,
            scale=density_map.voxel_size,
            units=("angstrom",) * 3,
        )
        self.panel.refresh()
        return layer


@pytest.fixture
def bench(quick, qtbot):
    bench = Bench(quick)
    qtbot.addWidget(bench.panel, before_close_func=lambda panel: panel.bar.stop())
    return bench


@pytest.fixture
def folders(tmp_path):
    """Where maps are, and where files go."""
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    target.mkdir()
    return source, target


def choose(panel, source, target) -> None:
    panel.source.setCurrentText(batch_panel.FOLDER)
    panel.from_folder.value, panel.to_folder.value = source, target


def run_batch(panel, qtbot) -> None:
    panel.button.click()
    qtbot.waitUntil(lambda: not panel.bar.running, timeout=WAIT)


def rows(panel) -> list[list[str]]:
    """The table: file, size, verdict, time."""
    items = [panel.table.topLevelItem(n) for n in range(panel.table.topLevelItemCount())]
    return [[item.text(column) for column in range(4)] for item in items]


@pytest.mark.slow
def test_layers(bench, small_map, tmp_path, qtbot) -> None:
    panel = bench.panel
    layers = {bench.add(one) for one in (small_map, cryoinr.synthetic_map(16, name="a/b"))}
    bench.viewer.layers.selection = layers
    panel.refresh()
    assert not panel.button.isEnabled()
    panel.to_folder.value = tmp_path
    assert panel.button.text() == "Compress 2 maps"
    run_batch(panel, qtbot)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a_b.cinr", "small.cinr"]
    assert [row[0] for row in rows(panel)] == ["small", "a/b"]
    assert all(size and "failed" not in text for _, size, text, _ in rows(panel))
    assert bench.said == "Batch: 2 compressed"
    made = (tmp_path / "small.cinr").read_bytes()
    run_batch(panel, qtbot)
    assert all("exists already; left as it is" in row[2] for row in rows(panel))
    panel.existing.setCurrentText(batch_work.RESUME)
    (tmp_path / "small.cinr").write_bytes(made[:-100])
    run_batch(panel, qtbot)
    assert ["was there already" in row[2] for row in rows(panel)] == [False, True]
    assert (tmp_path / "small.cinr").read_bytes() == made
    panel.existing.setCurrentText(batch_work.REPLACE)
    bench.settings = dataclasses.replace(bench.settings, lossless=True)
    bench.viewer.layers.selection = {bench.viewer.layers["small"]}
    run_batch(panel, qtbot)
    assert (tmp_path / "small.cinr").read_bytes() != made


def test_it_goes_on_after_a_failure(bench, small_map, folders, qtbot, monkeypatch) -> None:
    source, target = folders
    for name in ("a.mrc", "c.map.gz"):
        cryoinr.write_map(small_map, source / name)
    (source / "b.mrc").write_bytes(b"no map")
    (source / "notes.txt").write_text("no map either")
    panel = bench.panel
    panel.source.setCurrentText(batch_panel.FOLDER)
    assert panel.button.toolTip() == "Give a folder with maps"
    panel.from_folder.value = source
    assert panel.button.toolTip().startswith("Give a folder for the files")
    target /= "new"  # is made
    panel.to_folder.value = target
    assert panel.button.text() == "Compress 3 maps"
    assert panel.save_button.isHidden()
    run_batch(panel, qtbot)
    assert [row[0] for row in rows(panel)] == ["a.mrc", "b.mrc", "c.map.gz"]
    assert "too few" in rows(panel)[1][2]
    assert sorted(path.name for path in target.iterdir()) == ["a.cinr", "c.cinr"]
    assert bench.said == "Batch: 2 compressed, 1 not"
    monkeypatch.setattr(batch_panel, "ask_for_target", lambda *_: target / "summary.csv")
    panel.save_button.click()
    with (target / "summary.csv").open(newline="") as file:
        status = [(row["name"], row["status"], row["file"]) for row in csv.DictReader(file)]
    assert status == [
        ("a.mrc", "done", "a.cinr"),
        ("b.mrc", "failed", ""),
        ("c.map.gz", "done", "c.cinr"),
    ]


@pytest.mark.slow
def test_sub_folders(bench, small_map, folders, tmp_path, qtbot) -> None:
    """The files are those of the command, also if several are made at a time."""
    source, target = folders
    for name in ("a.mrc", "deep/a.mrc"):
        cryoinr.write_map(small_map, source / name)
    panel = bench.panel
    choose(panel, source, target)
    assert panel.button.text() == "Compress 1 map"
    panel.deep.setChecked(True)
    assert panel.button.text() == "Compress all maps"
    panel.jobs.setMaximum(2)
    panel.jobs.setValue(2)
    run_batch(panel, qtbot)
    assert sorted(row[0] for row in rows(panel)) == ["a.mrc", "deep/a.mrc"]
    cryoinr.batch(source, tmp_path / "command", bench.settings)
    for name in ("a.cinr", "deep/a.cinr"):
        assert (target / name).read_bytes() == (tmp_path / "command" / name).read_bytes()


def test_the_scheduler_of_the_preferences(bench, folders, qtbot, monkeypatch, small_map) -> None:
    pytest.importorskip("distributed")
    source, target = folders
    cryoinr.write_map(small_map, source / "a.mrc")
    monkeypatch.setattr(batch_panel, "saved_scheduler", lambda: str(source / "gone.json"))
    choose(bench.panel, source, target)
    run_batch(bench.panel, qtbot)
    assert "gone.json: no scheduler answers" in bench.said


def test_it_can_be_cancelled(bench, small_map, tmp_path, qtbot) -> None:
    endless = cryoinr.FieldSettings(iterations=100_000)
    bench.settings = cryoinr.Settings(device="cpu", field=endless)
    bench.viewer.layers.selection = {bench.add(small_map)}
    panel = bench.panel
    panel.to_folder.value = tmp_path
    panel.button.click()
    qtbot.waitUntil(lambda: bool(children()), timeout=WAIT)
    panel.bar.cancel()
    qtbot.waitUntil(lambda: not panel.bar.running, timeout=WAIT)
    assert bench.said == "Compressing a batch: cancelled."
    assert not children()
    assert not list(tmp_path.iterdir())
