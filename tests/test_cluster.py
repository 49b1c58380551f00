"""Batches on a Dask cluster: the same files, and what is lost is done again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr.workers.map_jobs import BatchProgress

distributed = pytest.importorskip("distributed")

EXACT = cryoinr.Settings(lossless=True, device="cpu")
ENDLESS = cryoinr.Settings(device="cpu", field=cryoinr.FieldSettings(iterations=100_000))
FILE = "scheduler.json"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Dask's own packages


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    for seed, name in enumerate(("a", "b")):
        cryoinr.write_map(cryoinr.synthetic_map(16, seed=seed), f"maps/{name}.mrc")


def new_cluster() -> Any:
    """Scheduler and workers in this process; the scheduler file says where they are."""
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address=None,
    )
    Path(FILE).write_text(json.dumps({"address": cluster.scheduler_address}))
    return cluster


@pytest.fixture
def cluster(in_a_folder: None) -> Iterator[Any]:
    with new_cluster() as cluster:
        yield cluster


def test_a_batch(cluster: Any) -> None:
    Path("maps/bad.mrc").write_bytes(b"no map")
    records: list[Any] = []
    steps = cryoinr.batch_steps("maps", "out", EXACT, scheduler=cluster.scheduler_address)
    results = cryoinr.drain(steps, records.append)
    assert [result.name for result in results] == ["a.mrc", "b.mrc", "bad.mrc"]
    assert [bool(result.error) for result in results] == [False, False, True]
    assert any(one.name == "a.mrc" for record in records for one in record.running)
    for name in ("a", "b"):
        original = cryoinr.read_map(f"maps/{name}.mrc")
        cryoinr.compress(original, f"{name}.cinr", EXACT)
        assert Path(f"out/{name}.cinr").read_bytes() == Path(f"{name}.cinr").read_bytes()
    assert Path("out/summary.html").read_text("utf-8").count("data:image/png") == 2


def test_closing_ends_the_work_on_the_workers(cluster: Any) -> None:
    """The fixture of temporary files waits for the children."""
    steps = cryoinr.batch_steps("maps", "out", ENDLESS, scheduler=FILE)
    for _ in steps:
        if len(children()) == 2:
            break
    steps.close()
    assert not list(Path("out").iterdir())


@pytest.mark.slow
def test_maps_are_submitted_again_when_the_scheduler_is_back() -> None:
    first, second = new_cluster(), None
    try:
        steps = cryoinr.batch_steps("maps", "out", EXACT, scheduler=FILE)
        phases = set()
        while True:
            record = next(steps)
            phases.add(record.phase)
            assert isinstance(record, BatchProgress)
            if record.running and first is not None:
                first.close()
                first = None
            if record.phase == "waiting for the scheduler" and second is None:
                second = new_cluster()
    except StopIteration as end:
        results = end.value
    finally:
        for one in (first, second):
            if one is not None:
                one.close()
    assert "waiting for the scheduler" in phases
    assert [result.error for result in results] == ["", ""]
    assert sorted(path.name for path in Path("out").glob("*.cinr")) == ["a.cinr", "b.cinr"]


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("gone.json", "gone.json: no scheduler answers"),
        ("maps/a.mrc", "a.mrc: no scheduler answers .the file is no scheduler file"),
        ("127.0.0.1:1", "127.0.0.1:1: no scheduler answers"),
        ("what://ever:1", "no scheduler answers"),
    ],
)
def test_no_scheduler(scheduler: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_cryoinr.cluster import dask_running

    monkeypatch.setattr(dask_running, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(cryoinr.CinrError, match=message):
        cryoinr.batch("maps", "out", EXACT, scheduler=scheduler)


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(cryoinr.SettingsError, match=r"pip install 'napari-cryoinr\[cluster\]'"):
        cryoinr.batch("maps", "out", EXACT, scheduler="127.0.0.1:8786")
