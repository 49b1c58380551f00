"""Work in a child process: the same files, the same errors, and nothing left behind."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

import child_tasks
import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr import workers

ENDLESS = cryoinr.Settings(device="cpu", field=cryoinr.FieldSettings(iterations=100_000))


@pytest.fixture(autouse=True)
def nothing_left(temporary: Path) -> None:
    """No test leaves temporary files or processes."""


def run(call, folder: Path, **options):
    """Run a task of `child_tasks`."""
    return workers.run_in_child(call, folder, "a title", command=child_tasks.COMMAND, **options)


def test_files_are_the_same(small_map, quick, tmp_path: Path) -> None:
    here = cryoinr.compress(small_map, tmp_path / "here.cinr", quick)
    (there,) = cryoinr.drain(workers.compress_steps(small_map, tmp_path / "there.cinr", quick))
    assert (tmp_path / "there.cinr").read_bytes() == (tmp_path / "here.cinr").read_bytes()
    assert there == here


def test_several_maps_with_headers_and_thresholds(small_map, quick, tmp_path: Path) -> None:
    other = dataclasses.replace(small_map, name="other", data=small_map.data[::-1])
    maps = [small_map.moved((2.0, 2.0, 2.0), (5.0, 6.0, 7.0)), other]
    path = tmp_path / "two.cinr"
    reports = cryoinr.drain(workers.compress_steps(maps, path, quick, [1.5, "2sigma"]))
    archive = cryoinr.open_archive(path)
    assert [member.name for member in archive] == ["small", "other"]
    assert archive[0].threshold == 1.5 == reports[0].contour
    assert archive[0].origin == (5.0, 6.0, 7.0)
    assert archive[0].mrc.cell_voxel_size == (2.0, 2.0, 2.0)


def test_errors_are_those_of_the_work(small_map, quick, tmp_path: Path) -> None:
    impossible = dataclasses.replace(quick, target_ratio=1e6)
    with pytest.raises(cryoinr.GoalMissed, match=r"nothing written$"):
        cryoinr.drain(workers.compress_steps(small_map, tmp_path / "a.cinr", impossible))
    with pytest.raises(cryoinr.CinrError, match="does not exist"):
        cryoinr.drain(workers.compress_steps(small_map, tmp_path / "gone" / "a.cinr", quick))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raise", "exit code 1: ZeroDivisionError: no luck"),
        ("exit", "exit code 3"),
        ("signal", "killed by SIGKILL"),
    ],
)
def test_a_child_that_dies_says_why(tmp_path: Path, how: str, reason: str) -> None:
    if how == "signal" and sys.platform == "win32":
        pytest.skip("there are no signals")
    with pytest.raises(cryoinr.CinrError, match=rf"a title: .* ended early \(.*{reason}.*\)"):
        cryoinr.drain(run(partial(child_tasks.die_task, how), tmp_path))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    steps = workers.run_in_child(
        partial(child_tasks.wait_task), tmp_path, "gone", command=["./no-such-program"]
    )
    with pytest.raises(cryoinr.CinrError, match=r"gone: .* cannot be started"):
        cryoinr.drain(steps)


def test_what_is_printed_in_the_child_does_no_harm(tmp_path: Path, capfd) -> None:
    text = '{"error": "not JSON\n' * 5000  # more than a pipe holds
    assert cryoinr.drain(run(partial(child_tasks.talk_task, text), tmp_path)) == text
    assert capfd.readouterr() == ("", "")


def test_intermediate_results(tmp_path: Path) -> None:
    items: list[float] = []
    call = partial(child_tasks.item_task, 3)
    assert cryoinr.drain(run(call, tmp_path, item=items.append)) == 3
    assert items == [0, 1 / 3, 2 / 3]


def test_that_there_is_enough_reaches_the_child(tmp_path: Path) -> None:
    phases = []
    steps = run(partial(child_tasks.train_task), tmp_path)
    result = cryoinr.drain(
        steps, lambda record: phases.append(record.phase), lambda: "training" in phases
    )
    assert result == "trained, and asked True"


def test_a_child_that_ends_before_it_can_be_asked(tmp_path: Path) -> None:
    """The error is the usual one."""
    steps = run(partial(child_tasks.wait_task), tmp_path)
    phase = next(record.phase for record in steps if record.phase.startswith("process"))
    child = psutil.Process(int(phase.split()[1]))
    child.kill()
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with pytest.raises(cryoinr.CinrError, match="ended early"):
        cryoinr.drain(steps, enough=lambda: True)


def test_a_training_ends_early_in_the_child(small_map, quick, tmp_path: Path) -> None:
    inr = cryoinr.InrSettings(steps=100_000)
    settings = dataclasses.replace(quick, model="inr", inr=inr, max_error=0.3)
    records: list[cryoinr.Progress] = []
    (report,) = cryoinr.drain(
        workers.compress_steps(small_map, tmp_path / "a.cinr", settings),
        records.append,
        lambda: records[-1].is_training,
    )
    assert report.max_error <= 0.3
    assert (tmp_path / "a.cinr").stat().st_size == report.bytes


def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch) -> None:
    """A module of the user's called `queue` must not run in the child."""
    for name in ("queue", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('it-ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    assert cryoinr.drain(workers.device_steps())[-1].name == "cpu"
    assert not Path("it-ran").exists()


@pytest.mark.parametrize("phase", ["handing over", "starting", "fitting"])
def test_closing_kills_the_child(small_map, tmp_path, temporary, phase: str) -> None:
    target = tmp_path / "a.cinr"
    target.write_bytes(b"what was there before")
    steps = workers.compress_steps(small_map, target, ENDLESS)
    while next(steps).phase != phase:
        pass
    steps.close()
    assert not children()
    assert not list(temporary.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["a.cinr"]
    assert target.read_bytes() == b"what was there before"


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A viewer that is killed leaves no process that goes on computing."""
    program = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}]
from functools import partial
from pathlib import Path
import child_tasks
from napari_cryoinr.workers import run_in_child
steps = run_in_child(
    partial(child_tasks.wait_task), Path({str(tmp_path)!r}), "x", command=child_tasks.COMMAND
)
for record in steps:
    print(record.phase, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        phase = next(line for line in parent.stdout if line.startswith("process"))
        child = psutil.Process(int(phase.split()[1]))
        parent.kill()
    child.wait(timeout=60)


NO_ROOM = """
import sys, numpy as np, napari_cryoinr as cryoinr
from napari_cryoinr import workers
density_map = cryoinr.DensityMap(np.ones((96, 96, 96), np.float32))
try:
    cryoinr.drain(workers.compress_steps(density_map, sys.argv[1], cryoinr.Settings()))
except cryoinr.CinrError as error:
    print(error)
"""


def test_a_full_disk_for_temporary_files_is_one_line(tmp_path: Path) -> None:
    """A memory-mapped file there would kill the process with SIGBUS."""
    unshare = shutil.which("unshare")
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=1m tmpfs {small}"
    if unshare is None or subprocess.run([unshare, "-Urm", "sh", "-c", mount]).returncode:
        pytest.skip("a small disk cannot be mounted here")
    inside = f'{mount} && TMPDIR={small} exec "$@"'
    command = [unshare, "-Urm", "sh", "-c", inside, "sh", sys.executable, "-c", NO_ROOM]
    done = subprocess.run(
        [*command, str(tmp_path / "a.cinr")], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{small}: no room for temporary files")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "a.cinr").exists()


def test_estimates(small_map, quick) -> None:
    exact = dataclasses.replace(quick, target_ratio=10.0)
    estimate = cryoinr.drain(workers.estimate_steps(small_map, exact))
    assert estimate.bytes == small_map.raw_bytes // 10
