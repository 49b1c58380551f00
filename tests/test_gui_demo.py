"""`cryoinr demo`, and jobs by themselves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.gui import demo
from napari_cryoinr.gui.io.layer_matching import is_derived
from napari_cryoinr.progress import Progress

pytest.importorskip("napari")

from napari_cryoinr.gui.jobs.job import THREAD_NAME, Job


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
        widget = demo.prepare(viewer, path)
        qtbot.waitUntil(widget.button.isEnabled, timeout=30_000)
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


# --------------------------------------------------------------------------------------------- jobs


def endless(closed: threading.Event):
    try:
        while True:
            yield Progress("working", 0, 1)
            time.sleep(0.005)
    finally:
        closed.set()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_a_job_calls_back_on_the_main_thread(qtbot) -> None:
    heard = []

    def steps():
        yield Progress("working", 0, 1)
        return 42

    def note(what):
        heard.append((what, threading.current_thread()))

    job = Job(steps(), "Test", progress=note, done=note)
    qtbot.waitUntil(lambda: not job.running)
    (first, one), (second, other) = heard
    assert (first.phase, second) == ("working", 42)
    assert one is other is threading.main_thread()
    assert job.wait(1)


def test_a_job_that_fails_hands_on_the_error(qtbot) -> None:
    def steps():
        yield Progress("working", 0, 1)
        raise cryoinr.GoalMissed("not met")

    errors = []
    job = Job(steps(), "Test", failed=errors.append)
    qtbot.waitUntil(lambda: not job.running)
    assert isinstance(errors[0], cryoinr.GoalMissed)


def test_a_job_is_cancelled_at_its_next_record(qtbot) -> None:
    closed, cancelled = threading.Event(), []
    job = Job(endless(closed), "Test", cancelled=lambda: cancelled.append(True))
    job.cancel()
    qtbot.waitUntil(lambda: not job.running)
    assert closed.is_set()
    assert cancelled == [True]
    assert not threads()


def test_a_job_that_is_forgotten_calls_nothing(qtbot) -> None:
    closed, called = threading.Event(), []
    job = Job(
        endless(closed),
        "Test",
        progress=called.append,
        cancelled=lambda: called.append("cancelled"),
    )
    job.forget()
    assert job.wait(2)
    assert closed.is_set()
    qtbot.wait(50)
    assert called == []
