"""Work in a process of its own: the same files, the same errors, and nothing left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import workers
from napari_cryoinr.progress import Clock
from napari_cryoinr.workers.parent_process import python


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch) -> Path:
    """Where temporary files go, so that a test can see what is left."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def children() -> list[psutil.Process]:
    """Processes of ours that this one began."""
    running = psutil.Process().children(recursive=True)
    return [process for process in running if "napari_cryoinr.workers" in process.cmdline()]


def test_files_are_the_same(small_map, quick, tmp_path: Path, temporary: Path) -> None:
    here = cryoinr.compress(small_map, tmp_path / "here.cinr", quick)
    (there,) = cryoinr.drain(workers.compress_steps(small_map, tmp_path / "there.cinr", quick))
    assert (tmp_path / "there.cinr").read_bytes() == (tmp_path / "here.cinr").read_bytes()
    assert there == here
    assert not list(temporary.iterdir())


def test_several_maps_with_headers_and_thresholds(small_map, quick, tmp_path: Path) -> None:
    other = dataclasses.replace(small_map, name="other", data=small_map.data[::-1].copy())
    maps = [small_map.moved((2.0, 2.0, 2.0), (5.0, 6.0, 7.0)), other]
    path = tmp_path / "two.cinr"
    reports = cryoinr.drain(workers.compress_steps(maps, path, quick, [1.5, "2sigma"]))
    archive = cryoinr.open_archive(path)
    assert [member.name for member in archive] == ["small", "other"]
    assert archive[0].threshold == 1.5 == reports[0].contour
    assert archive[0].origin == (5.0, 6.0, 7.0)
    assert archive[0].mrc.raw == maps[0].mrc.raw


def test_errors_are_those_of_the_work(small_map, quick, tmp_path: Path, temporary: Path) -> None:
    impossible = dataclasses.replace(quick, target_ratio=1e6)
    with pytest.raises(cryoinr.GoalMissed, match=r"nothing written$"):
        cryoinr.drain(workers.compress_steps(small_map, tmp_path / "a.cinr", impossible))
    high = dataclasses.replace(quick, threshold=1e9)
    with pytest.raises(cryoinr.SettingsError, match="no voxel is above it"):
        cryoinr.drain(workers.compress_steps(small_map, tmp_path / "a.cinr", high))
    with pytest.raises(cryoinr.CinrError, match="no such folder"):
        cryoinr.drain(workers.compress_steps(small_map, tmp_path / "gone" / "a.cinr", quick))
    assert not list(tmp_path.iterdir())
    assert not list(temporary.iterdir())


def test_a_process_that_dies_says_so(small_map, quick, tmp_path: Path) -> None:
    steps = workers.told_steps(
        [sys.executable, "-c", "raise SystemExit('no luck')"], {}, "x", Clock()
    )
    with pytest.raises(cryoinr.CinrError, match=r"x: .* ended early \(no luck\)"):
        cryoinr.drain(steps)
    with pytest.raises(cryoinr.CinrError, match=r"gone: .* cannot be started"):
        cryoinr.drain(workers.told_steps(["./no-such-program"], {}, "gone", Clock()))


@pytest.mark.parametrize("phase", ["handing over", "starting", "fitting"])
def test_closing_ends_it_at_once(small_map, tmp_path, temporary, phase: str) -> None:
    target = tmp_path / "a.cinr"
    target.write_bytes(b"what was there before")
    settings = cryoinr.Settings(device="cpu", field=cryoinr.FieldSettings(iterations=100_000))
    steps = workers.compress_steps(small_map, target, settings)
    for record in steps:
        if record.phase == phase:
            break
    start = time.monotonic()
    steps.close()
    assert time.monotonic() - start < 1
    assert not children()
    assert not list(temporary.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["a.cinr"]
    assert target.read_bytes() == b"what was there before"


def test_it_ends_with_the_process_that_waits(small_map, tmp_path: Path) -> None:
    """A viewer that is killed leaves no process that goes on computing."""
    voxels = tmp_path / "0.npy"
    np.save(voxels, small_map.data)
    told = {
        "voxels": str(voxels),
        "voxel_size": [1, 1, 1],
        "origin": [0, 0, 0],
        "name": "m",
        "header": None,
    }
    settings = cryoinr.Settings(device="cpu", field=cryoinr.FieldSettings(iterations=100_000))
    job = {
        "task": "compress",
        "maps": [told],
        "out": str(tmp_path / "a.cinr"),
        "settings": settings.to_dict(),
        "thresholds": None,
    }
    with subprocess.Popen(
        python("apart"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        while json.loads(process.stdout.readline())["progress"]["phase"] != "fitting":
            pass
        process.stdin.close()
        assert process.wait(timeout=10) == 1


def test_devices_are_told() -> None:
    found = cryoinr.drain(workers.device_steps())
    assert found[-1].name == "cpu"
    assert "threads" in found[-1].text()


@pytest.mark.parametrize(
    "goal",
    [{}, {"target_nrmse": 0.02}, {"target_psnr": 45.0}, {"target_ratio": 60.0}, {"max_error": 0.3}],
    ids=str,
)
def test_estimates_are_near_the_truth(small_map, tmp_path: Path, temporary, goal: dict) -> None:
    density_map = cryoinr.synthetic_map(40, seed=3)
    settings = cryoinr.Settings(device="cpu", **goal)
    estimate = cryoinr.drain(workers.estimate_steps(density_map, settings))
    cryoinr.compress(density_map, tmp_path / "a.cinr", settings)
    assert estimate.bytes == pytest.approx((tmp_path / "a.cinr").stat().st_size, rel=0.25)
    assert not estimate.at_least
    assert not list(temporary.iterdir())


def test_estimates_of_what_is_exact(small_map, quick_paper, tmp_path: Path) -> None:
    for settings in (cryoinr.Settings(lossless=True, device="cpu"), quick_paper):
        estimate = cryoinr.drain(workers.estimate_steps(small_map, settings))
        cryoinr.compress(small_map, tmp_path / "a.cinr", settings)
        assert estimate.bytes == pytest.approx((tmp_path / "a.cinr").stat().st_size, rel=0.05)
    bounded = dataclasses.replace(quick_paper, max_error=0.1)
    assert cryoinr.drain(workers.estimate_steps(small_map, bounded)).at_least
