"""Batches: the same files whatever does the work, and a row for each map whatever happens."""

from __future__ import annotations

import csv
import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr.batches import local_running
from napari_cryoinr.batches.planning import Plan, find_maps, map_files
from napari_cryoinr.batches.summary import write_summary
from napari_cryoinr.cli.main import run
from napari_cryoinr.codec import streaming
from napari_cryoinr.codec.making import made_with
from napari_cryoinr.models.field import sample_encoder
from napari_cryoinr.progress import Steps, in_turn_steps
from napari_cryoinr.quality.thumbnails import thumbnail_png
from napari_cryoinr.workers import compression_tasks, reused_child
from napari_cryoinr.workers.map_jobs import BatchProgress, BatchTracker, MapJob, MapResult
from napari_cryoinr.workers.map_tasks import compress_file_task, has_tile_tasks
from napari_cryoinr.workers.parent_process import Child
from napari_cryoinr.workers.spread_tasks import spread_steps

ENDLESS = cryoinr.Settings(device="cpu", field=cryoinr.FieldSettings(iterations=100_000))
EXACT = cryoinr.Settings(lossless=True, device="cpu")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps to compress; no test leaves temporary files, threads or processes."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("a.mrc", "b.map.gz", "deep/er/a.mrc")):
        path = Path("maps", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        cryoinr.write_map(cryoinr.synthetic_map(20, seed=number), path)
    Path("maps/notes.txt").write_text("no map")
    Path("maps/.hidden.mrc").write_bytes(b"no map")


def files(folder: str) -> list[str]:
    """All files below a folder."""
    found = Path(folder).rglob("*")
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())


def rows(folder: str) -> list[dict[str, str]]:
    """The rows of the summary."""
    with Path(folder, "summary.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ----------------------------------------------------------------------------------------- planning


def names(inputs: Any) -> list[str]:
    return [relative.as_posix() for relative, _ in find_maps(inputs)]


def test_what_is_found() -> None:
    assert names("maps") == ["a.mrc", "b.map.gz", "deep/er/a.mrc"]
    assert names(["maps/b.map.gz", Path("maps")]) == ["b.map.gz", "a.mrc", "deep/er/a.mrc"]
    assert names("maps/*.mrc") == ["a.mrc"]
    assert names("maps/**/a.mrc") == ["a.mrc", "a.mrc"]
    Path("maps/[1].mrc").write_bytes(b"")
    assert names("maps/[1].mrc") == ["[1].mrc"]
    assert [path.name for path in map_files(Path("maps"), deep=False)] == [
        "[1].mrc",
        "a.mrc",
        "b.map.gz",
    ]
    for nothing in ("gone.mrc", "maps/*.ccp4"):
        with pytest.raises(cryoinr.MapError, match="no such file or folder"):
            find_maps(nothing)
    Path("empty").mkdir()
    with pytest.raises(cryoinr.MapError, match="empty: holds no map"):
        find_maps("empty")
    with pytest.raises(cryoinr.MapError, match="no map was given"):
        find_maps([])


def test_targets() -> None:
    jobs = Plan(EXACT).jobs("maps", Path("out"))
    targets = [job.target.relative_to(Path("out").absolute()).as_posix() for job in jobs]
    assert targets == ["a.cinr", "b.cinr", "deep/er/a.cinr"]
    assert all(job.source.is_absolute() for job in jobs)
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("inputs", "plan", "message"),
    [
        (["maps/a.mrc", "maps/deep/er/a.mrc"], Plan(EXACT), "would both become a.cinr"),
        ("maps", Plan(EXACT, masks=[Path("m"), Path("n")]), "2 masks for 3 maps"),
        ("maps", Plan(EXACT, half_maps=[(Path("m"), Path("n"))]), "1 pairs of half-maps for 3"),
        ("maps", Plan(EXACT, resume=True, overwrite=True), "resume and overwrite"),
    ],
)
def test_what_is_refused(inputs: Any, plan: Plan, message: str) -> None:
    with pytest.raises(cryoinr.CinrError, match=message):
        plan.jobs(inputs, Path("out"))


def test_names_that_are_one_file_on_some_systems_are_refused() -> None:
    for name in ("X.mrc", "x.map"):
        Path("maps", name).write_bytes(b"")
    with pytest.raises(cryoinr.OutputError, match=r"both become x\.cinr"):
        Plan(EXACT).jobs("maps", Path("out"))


def test_files_that_exist_are_refused_before_anything_starts() -> None:
    Path("out").mkdir()
    for name, plan_name in (("b.cinr", "b.cinr exist"), ("summary.csv", "summary.csv exist")):
        Path("out", name).write_text("there")
        with pytest.raises(cryoinr.OutputError, match=f"{plan_name} already.*--resume"):
            cryoinr.batch("maps", "out", EXACT)
        Path("out", name).unlink()
    Path("out/a.cinr").symlink_to(Path("maps/a.mrc").absolute())
    with pytest.raises(cryoinr.OutputError, match="is the input"):
        cryoinr.batch("maps", "out", EXACT, overwrite=True)
    with pytest.raises(cryoinr.OutputError, match="is a file; give a folder"):
        cryoinr.batch("maps", "maps/notes.txt", EXACT)
    for wrong in ({"jobs": 0}, {"retries": -1}, {"threads": 0}, {"jobs": 2, "scheduler": "x:1"}):
        with pytest.raises(cryoinr.SettingsError):
            cryoinr.batch("maps", "other", EXACT, **wrong)
    assert files("out") == ["a.cinr"]


# ------------------------------------------------------------------------------------------ running


def test_a_batch(quick: cryoinr.Settings) -> None:
    """Two at a time make the files that one makes; what cannot be read is in a row."""
    Path("maps/deep/bad.mrc").write_bytes(b"no map")
    records: list[Any] = []
    told: list[MapResult] = []
    steps = cryoinr.batch_steps("maps", "two", quick, jobs=2, report=told.append)
    results = cryoinr.drain(steps, records.append)
    assert [result.name for result in results] == [
        "a.mrc",
        "b.map.gz",
        "deep/bad.mrc",
        "deep/er/a.mrc",
    ]
    assert [bool(result.error) for result in results] == [False, False, True, False]
    assert sorted(told, key=lambda one: one.name) == results
    made = ["a.cinr", "b.cinr", "deep/er/a.cinr"]
    assert files("two") == [*made, "summary.csv", "summary.html"]
    assert all(isinstance(record, BatchProgress) for record in records)
    assert {one.worker for record in records for one in record.running} == {"1", "2"}
    shares = [record.share for record in records]
    assert records[-1].step == records[-1].steps == 4 and shares[-1] == 1
    found = rows("two")
    assert [row["status"] for row in found] == ["done", "done", "failed", "done"]
    assert "too few" in found[2]["error"] and str(Path.cwd()) not in str(found)
    assert found[3]["file"] == "deep/er/a.cinr" and found[3]["input"] == "../maps/deep/er/a.mrc"
    assert int(found[0]["bytes"]) == Path("two/a.cinr").stat().st_size
    page = Path("two/summary.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 3
    assert "3 of 4 maps compressed" in page and str(Path.cwd()) not in page
    assert 'href="deep/er/a.cinr"' in page
    cryoinr.batch("maps/a.mrc", "one", quick)
    for name in ("b.map.gz", "deep/er/a.mrc"):
        cryoinr.compress(cryoinr.read_map(f"maps/{name}"), f"{name[0]}.cinr", quick)
    for one, two in (("one/a", "two/a"), ("b", "two/b"), ("d", "two/deep/er/a")):
        assert Path(f"{one}.cinr").read_bytes() == Path(f"{two}.cinr").read_bytes()


def done_here(inputs: str, **options: Any) -> list[MapResult]:
    """Do the jobs of a batch in this process; the files that are new come into `new`."""
    shutil.rmtree("new", ignore_errors=True)
    results = []
    for number, job in enumerate(Plan(**options).jobs(inputs, Path("out"))):
        new = Path("new", str(number), job.target.name)
        new.parent.mkdir(parents=True, exist_ok=True)
        results.append(cryoinr.drain(compress_file_task(job, new)))
    return results


def test_resuming() -> None:
    """What is sound and was made from this map, with these settings, is kept."""
    done_here("maps", settings=EXACT)
    shutil.move("new", "made")
    for number, name in enumerate(("a.cinr", "b.cinr", "deep/er/a.cinr")):
        Path("out", name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path("made", str(number), Path(name).name), Path("out", name))
    damaged = bytearray(Path("out/b.cinr").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    Path("out/b.cinr").write_bytes(damaged)
    shutil.copy("out/a.cinr", "out/deep/er/a.cinr")  # of another map
    results = done_here("maps", settings=EXACT, resume=True)
    assert [result.resumed for result in results] == [True, False, False]
    assert files("new") == ["1/b.cinr", "2/a.cinr"]
    for name in files("new"):
        assert Path("new", name).read_bytes() == Path("made", name).read_bytes()
    assert results[0].report is not None and results[0].picture
    assert results[0].report.bytes == Path("out/a.cinr").stat().st_size
    coarser = dataclasses.replace(EXACT, lossless=False, max_error=1.0)
    (result,) = done_here("maps/a.mrc", settings=coarser, resume=True)
    assert not result.resumed


def test_resuming_leaves_what_is_no_archive() -> None:
    Path("out").mkdir()
    Path("out/a.cinr").write_text("mine")
    with pytest.raises(cryoinr.OutputError, match="remove it, or allow"):
        done_here("maps/a.mrc", settings=EXACT, resume=True)
    assert Path("out/a.cinr").read_text() == "mine"


def test_whether_an_archive_was_made_with_settings(small_map: cryoinr.DensityMap) -> None:
    """What `auto` chose does not count, nor does the device."""
    inr = cryoinr.InrSettings(steps=5)
    auto = cryoinr.Settings(device="cpu", inr=inr)
    labels = dataclasses.replace(small_map, data=(small_map.data > 2).astype(np.float32))
    for density_map, name in ((small_map, "auto"), (labels, "labels")):
        cryoinr.compress(density_map, f"{name}.cinr", auto)
        with cryoinr.open_archive(f"{name}.cinr") as archive:
            assert made_with(archive, dataclasses.replace(auto, device="auto"))
            assert not made_with(archive, dataclasses.replace(auto, target_fsc=0.9))
            assert not made_with(archive, dataclasses.replace(auto, effort="best"))
            assert archive.settings.lossless == (name == "labels")


def kill_a_child() -> None:
    (child, *_) = children()
    child.kill()  # and no more: who waits for it here takes its exit code from the batch


def killing_steps(times: int, **options: Any) -> list[MapResult]:
    """Run a batch of one map whose child is killed so many times."""
    steps = cryoinr.batch_steps("maps/a.mrc", "out", EXACT, **options)
    killed = 0
    try:
        while True:
            record = next(steps)
            assert isinstance(record, BatchProgress)
            if killed < times and children():
                kill_a_child()
                killed += 1
    except StopIteration as end:
        return end.value


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_the_map_of_a_killed_worker_is_done_again() -> None:
    (result,) = killing_steps(1)
    assert not result.error and files("out") == ["a.cinr", "summary.csv", "summary.html"]
    (result,) = killing_steps(1, retries=0, overwrite=True)
    assert "killed by SIGKILL" in result.error
    assert rows("out")[0]["status"] == "failed"


def test_a_full_disk_is_in_the_row_of_its_map(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copyfile

    def copyfile(source: Path, target: Path) -> None:
        if source.name == "b.cinr":
            Path(target).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target)

    monkeypatch.setattr(compression_tasks.shutil, "copyfile", copyfile)
    results = cryoinr.batch("maps", "out", EXACT, jobs=2)
    assert [bool(result.error) for result in results] == [False, True, False]
    assert "no room on its disk" in rows("out")[1]["error"]
    assert files("out") == ["a.cinr", "deep/er/a.cinr", "summary.csv", "summary.html"]


@pytest.mark.parametrize(
    ("limits", "expected"), [({}, 1), ({"_MOST_TASKS": 2}, 2), ({"_MOST_BYTES": 0}, 3)]
)
def test_one_process_does_many_maps(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], expected: int
) -> None:
    """Another takes its place after some maps, or if it has needed much memory."""
    started: list[Child] = []

    class Counted(Child):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(reused_child, "Child", Counted)
    for name, value in limits.items():
        monkeypatch.setattr(reused_child, name, value)
    results = cryoinr.batch("maps", "out", EXACT)
    assert not any(result.error for result in results)
    if "_MOST_BYTES" in limits and not started[0].peak_bytes:
        pytest.skip("this system does not tell how much memory a process has needed")
    assert len(started) == expected


def test_closing_ends_all_workers() -> None:
    steps = cryoinr.batch_steps("maps", "out", ENDLESS, jobs=2)
    for _ in steps:
        if len(children()) == 2:
            break
    steps.close()
    assert not children()
    assert not files("out")


def test_warnings_of_reading_are_in_the_result() -> None:
    data = bytearray(Path("maps/a.mrc").read_bytes())
    data[208:212] = b"    "  # the map string
    Path("maps/a.mrc").write_bytes(data)
    (result,) = done_here("maps/a.mrc", settings=EXACT)
    assert len(result.warnings) == 1
    write_summary(Path("maps"), [result], EXACT)
    assert rows("maps")[0]["warnings"] == result.warnings[0]
    assert result.warnings[0] in Path("maps/summary.html").read_text("utf-8")
    with pytest.raises(cryoinr.MapError, match="refused by strict reading"):
        done_here("maps/a.mrc", settings=EXACT, strict=True)


def test_masks_and_half_maps_go_with_their_maps() -> None:
    original = cryoinr.read_map("maps/a.mrc")
    mask = np.zeros(original.data.shape, np.float32)
    mask[5:15, 5:15, 5:15] = 1
    cryoinr.write_map(dataclasses.replace(original, data=mask), "mask.mrc")
    for seed in (1, 2):
        noise = np.random.default_rng(seed).normal(0, 0.1, mask.shape).astype(np.float32)
        half = dataclasses.replace(original, data=original.data + noise)
        cryoinr.write_map(half, f"half{seed}.mrc")
    settings = cryoinr.Settings(effort="fast", device="cpu")
    given: dict[str, Any] = {"settings": settings, "masks": [Path("mask.mrc")]}
    done_here("maps/[ab].*", **given)
    for name in ("0/a.cinr", "1/b.cinr"):
        with cryoinr.open_archive(Path("new", name)) as archive:
            assert archive[0].header.given_mask
    given["half_maps"] = [(Path("half1.mrc"), Path("half2.mrc"))]
    (result,) = done_here("maps/a.mrc", **given)
    assert result.report is not None and result.report.half_map_resolution is not None
    Path("out").mkdir()
    shutil.copy("new/0/a.cinr", "out/a.cinr")
    (result,) = done_here("maps/a.mrc", **given, resume=True)
    assert result.resumed
    for name in ("masks", "half_maps"):
        (result,) = done_here("maps/a.mrc", **(given | {name: []}), resume=True)
        assert not result.resumed


def test_results_count_once() -> None:
    job = MapJob("a", Path("a"), Path("b"), EXACT)
    told: list[MapResult] = []
    tracker = BatchTracker([job], told.append)
    first, second = (MapResult("a", job.source, job.target, seconds=s) for s in (1.0, 2.0))
    tracker.said("one", 0, cryoinr.Progress("fitting", 1, 2, share=0.5))
    assert tracker.listen(0).share == 0.5
    for result in (first, second):
        tracker.finished(0, result)
    record = tracker.listen(0)
    assert record.running == () and record.share == 1
    assert tracker.in_order() == told == [first]
    tracker.finished(0, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        tracker.listen(0)


@pytest.mark.parametrize("shape", [(4, 5, 6), (8, 300, 131), (3, 1, 700)])
def test_thumbnails(shape: tuple[int, int, int]) -> None:
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    png = thumbnail_png(cryoinr.DensityMap(data), data.__getitem__, None)
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert width <= 260 and height <= 128


# ---------------------------------------------------------------------------------- command line


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.mrc", "b.map.gz"):
        Path("maps", name).unlink()
    Path("maps/bad.mrc").write_bytes(b"no map")
    assert run(["batch", "maps", "--out", "out", "--jobs", "2", "--lossless"]) == 1
    said = capsys.readouterr()
    assert "deep/er/a.mrc" in said.out and "Kept exactly" in said.out
    assert "1 of 2 maps compressed" in said.out
    assert "\nerror: bad.mrc: 6 bytes are too few" in "\n" + said.err
    assert run(["batch", "maps", "--out", "out", "--lossless"]) == 1
    assert "already; keep what is sound" in capsys.readouterr().err
    Path("maps/bad.mrc").unlink()
    assert run(["batch", "maps", "--out", "out", "--lossless", "--resume", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_ctrl_c_ends_all() -> None:
    command = [sys.executable, "-m", "napari_cryoinr", "batch", "maps", "--out", "out"]
    options = ["--jobs", "2", "--iterations", "100000", "--device", "cpu"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        parent = psutil.Process(process.pid)
        while len(parent.children()) < 2:
            assert process.poll() is None
        started = parent.children()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "error: cancelled"
    assert process.returncode == 130
    psutil.wait_procs(started, timeout=10)
    assert not any(child.is_running() for child in started)
    assert not files("out")


# ----------------------------------------------------------------------------- one large volume


TILED = cryoinr.Settings(
    keep="volume",
    target_nrmse=0.5,
    model="field",
    effort="fast",
    device="cpu",
    field=cryoinr.FieldSettings(block=8, symmetry="none"),
)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A volume of three rows of tiles, which counts as large."""
    monkeypatch.setattr(streaming, "_SHARE", 0.0)
    monkeypatch.setattr(sample_encoder, "_SIDE", 24)
    data = np.tile(cryoinr.synthetic_map(32).data, (9, 1, 1))
    path = Path("large.mrc")
    cryoinr.write_map(cryoinr.DensityMap(data, (2.0, 2.0, 2.0), name="large"), path)
    return path


def test_tiles_are_coded_by_several_workers_into_the_same_file(large: Path) -> None:
    (job,) = Plan(TILED).jobs(large, Path("out"))
    assert has_tile_tasks(job)
    assert not has_tile_tasks(dataclasses.replace(job, settings=EXACT))
    assert not has_tile_tasks(dataclasses.replace(job, source=Path("maps/b.map.gz").absolute()))
    made = []
    for name, runner in (("one", in_turn_steps), ("two", partial(spread_steps, workers=2))):
        records: list[cryoinr.Progress] = []
        steps = compress_file_task(dataclasses.replace(job, run=runner), Path(f"{name}.cinr"))
        result = cryoinr.drain(steps, records.append)
        assert result.report is not None and not result.error
        sizes = [one.bytes_so_far for one in records if one.phase == "coding"]
        assert sizes[0] == 0 < sizes[-1]
        made.append(Path(f"{name}.cinr").read_bytes())
    assert made[0] == made[1]


def test_a_large_volume_has_all_workers_after_the_other_maps(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[MapJob] = []

    def steps(job: MapJob, retries: int, child: object) -> Steps[MapResult]:
        yield cryoinr.Progress("compressing", 0, 1)
        done.append(job)
        return MapResult(job.name, job.source, job.target)

    monkeypatch.setattr(local_running, "compress_file_steps", steps)
    jobs = Plan(TILED).jobs([large, "maps/b.map.gz"], Path("out"))
    results = cryoinr.drain(local_running.local_steps(jobs, 2, 1, None))
    assert [result.name for result in results] == ["large.mrc", "b.map.gz"]
    assert [job.name for job in done] == ["b.map.gz", "large.mrc"]
    assert done[0].run is in_turn_steps is not done[1].run
    done.clear()
    cryoinr.drain(local_running.local_steps(jobs, 1, 1, None))
    assert all(job.run is in_turn_steps for job in done)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_the_tiles_of_a_killed_worker_are_coded_again(large: Path) -> None:
    (job,) = Plan(TILED).jobs(large, Path("out"))
    cryoinr.drain(compress_file_task(job, Path("one.cinr")))
    steps = compress_file_task(
        dataclasses.replace(job, run=partial(spread_steps, workers=1)), Path("two.cinr")
    )
    killed = False
    for record in steps:
        if record.phase == "coding" and not killed and children():
            kill_a_child()
            killed = True
    assert killed
    assert Path("one.cinr").read_bytes() == Path("two.cinr").read_bytes()


def test_closing_ends_the_workers_of_a_large_volume(large: Path) -> None:
    (job,) = Plan(TILED).jobs(large, Path("out"))
    job = dataclasses.replace(job, run=partial(spread_steps, workers=2))
    steps = compress_file_task(job, Path("a.cinr"))
    for _ in steps:
        if len(children()) == 2:
            break
    steps.close()
    assert not children()
    assert not Path("a.cinr").exists()
