"""`cryoinr study`: what is measured is stored at once, and stands beside the claims."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from leftovers import children
from napari_cryoinr.bench.image_peers import BZIP2, SLICED
from napari_cryoinr.cli.main import run
from napari_cryoinr.models.paper.paper_settings import PaperSettings
from napari_cryoinr.progress import Clock, drain
from napari_cryoinr.quality.quality_report import Band
from napari_cryoinr.study import PARTS, StudySettings, study, study_steps
from napari_cryoinr.study.cases import Case, case_steps, low_passed_steps
from napari_cryoinr.study.entries import Entry
from napari_cryoinr.study.measured import Measured, Member
from napari_cryoinr.study.measuring import task_steps
from napari_cryoinr.study.parts import ablations, bands, headline, scaling, traits
from napari_cryoinr.study.peer_measuring import PEERS, ShareMeasure
from napari_cryoinr.study.stored_rows import StoredRows
from napari_cryoinr.study.tasks import SHARE, Task, other_task, paper_task
from napari_cryoinr.support import records
from napari_cryoinr.workers.reused_child import ReusedChild

QUICK = StudySettings(quick=True, device="cpu", max_steps=5)


@pytest.fixture(scope="module")
def case(small_map: cryoinr.DensityMap) -> Case:
    return drain(case_steps(small_map, "auto", Clock()))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_map: Any) -> list[Path]:
    """A file that is no map, and two maps."""
    monkeypatch.chdir(tmp_path)
    Path("bad.mrc").write_bytes(b"no map")
    cryoinr.write_map(small_map, "small.mrc")
    cryoinr.write_map(cryoinr.synthetic_map(20, seed=5), "other.mrc")
    return [Path("bad.mrc"), Path("small.mrc"), Path("other.mrc")]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Measure without starting a process; returns the titles of what is measured."""
    titles: list[str] = []

    def run_steps(self: ReusedChild, call: partial[Any], title: str) -> Any:
        titles.append(title)
        return call()

    monkeypatch.setattr(ReusedChild, "run_steps", run_steps)
    return titles


def table_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def measured(ratio: float = 5.0, within: float = 0.9, error: float = 0.1, **more: Any) -> Measured:
    member = Member("a", 100, within, error, 0.2, 0.9, 7.0, **more)
    return Measured(1000, round(1000 * ratio), 1.0, 1.0, 0.1, (member,))


def entry(part: str, variant: str, name: str = "a", **more: Any) -> Entry:
    values = {"resolution": 6.0, "filtered": False, "raw_bytes": 4000, "settings": {}}
    values |= {"measured": measured()} | more
    return Entry(part, variant, name, name, **values)


# ------------------------------------------------------------------------------- the command


def test_a_study_is_stored_and_goes_on(paths: list[Path], in_this_process: list[str]) -> None:
    settings = replace(QUICK, together=2)
    parts = ["headline"]
    found = study(paths, "out", settings, parts=parts)
    assert [name for name, _ in found.failed] == ["bad.mrc"]
    assert [(e.variant, e.name) for e in found.entries] == [
        ("auto", "small"),
        ("fixed", "small"),
        ("auto", "other"),
        ("fixed", "other"),
        ("together", "small + other"),
    ]
    assert all(e.measured is not None for e in found.entries)
    assert len(in_this_process) == 5
    page = Path("out/study.html").read_text()
    for text in ("88.25% within 20 %", "reached on", "small + other", "bad.mrc could not be used"):
        assert text in page
    assert page.count("data:image/png;base64,") == 1
    table = table_of(Path("out/headline.csv"))
    assert [row["member"] for row in table] == ["small"] * 2 + ["other"] * 2 + ["small", "other"]
    stored = json.loads(Path("out/study.json").read_text())
    assert stored["rows"]["headline"][0]["measured"]["members"][0]["points"] > 100
    assert stored["settings"]["together"] == 2
    # A row that was cut short is measured again, and no other.
    rows = Path("out/rows.jsonl")
    rows.write_bytes(rows.read_bytes()[:-20])
    again = study(paths, "out", settings, parts=parts)
    assert in_this_process[5:] == ["small + other: together"]
    assert again.stored == 4
    assert len(StoredRows(Path("out"))._rows) == 5
    before = [e.measured for e in found.entries[:4]]
    assert [e.measured for e in again.entries[:4]] == before


def test_every_part_of_a_map(
    case: Case, in_this_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts share rows, and one task that fails stops nothing."""
    monkeypatch.setattr(traits, "_FACTORS", {"learning_rate": (3.0,)})
    monkeypatch.setattr(ablations, "VARIANTS", dict(list(ablations.VARIANTS.items())[:2]))
    monkeypatch.setattr(ablations, "THRESHOLDS", (0.1,))
    monkeypatch.setattr(scaling, "available", lambda: ["gzip"])
    for module in (bands, scaling):
        monkeypatch.setattr(
            module, "other_task", lambda name, case, *_, **__: Task(name, (case,), codec="lost")
        )
    monkeypatch.setitem(PEERS, "lost", replace(PEERS["sperr"], encode=_refuse))
    cryoinr.write_map(case.map, tmp_path / "small.mrc")
    settings = replace(QUICK, resolutions=(10.0,), max_steps=3)
    found = study([tmp_path / "small.mrc"], tmp_path / "out", settings)
    assert not found.failed
    assert {e.part for e in found.entries} == set(PARTS)
    assert found.stored >= 3  # auto and fixed, of several parts
    failed = [e for e in found.entries if e.measured is None]
    assert {e.variant for e in failed} == {"field", "inr"}
    assert all("at no setting" in e.error for e in failed)
    assert "small at 10 Å" in {e.name for e in found.entries}
    page = (tmp_path / "out" / "study.html").read_text()
    assert page.count("data:image/png;base64,") == 7
    assert "failed: " in page


def _refuse(*_: Any) -> bytes:
    raise ValueError


def test_study_on_the_command_line(
    paths: list[Path], capsys: pytest.CaptureFixture[str], in_this_process: list[str]
) -> None:
    arguments = ["--part", "headline", "--quick", "--max-steps", "5", "--device", "cpu"]
    assert run(["study", "small.mrc", "--out", "out", *arguments]) == 0
    captured = capsys.readouterr()
    assert "headline  small  auto  " in captured.out
    assert "2 rows, 0 of them not measured again, 0 failed" in captured.out
    assert run(["study", "bad.mrc", "--out", "out", "--quiet", *arguments]) == 1
    assert "error: bad.mrc: " in capsys.readouterr().err
    Path("other").mkdir()
    Path("other/study.html").write_text("mine")
    assert run(["study", "small.mrc", "--out", "other", *arguments]) == 1
    assert "holds no study" in capsys.readouterr().err


def test_a_study_is_cancelled_in_a_training(paths: list[Path]) -> None:
    entries: list[Entry] = []
    settings = StudySettings(quick=True, device="cpu", max_steps=10_000_000)
    steps = study_steps(paths[1:2], "out", settings, parts=["headline"], report=entries.append)
    for record in steps:
        if "training" in record.phase and record.step > 0:
            break
    steps.close()
    assert not children()
    assert not entries
    assert Path("out/rows.jsonl").read_bytes() == b""


@pytest.mark.slow
def test_the_whole_study_of_a_small_map(paths: list[Path]) -> None:
    assert run(["study", "small.mrc", "--out", "out", "--quick", "--device", "cpu"]) == 0
    claims = table_of(Path("out/claims.csv"))
    assert len(claims) > 30


def test_bad_input_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(cryoinr.SettingsError, match="part 'all': must be one of headline"):
        study(["a.mrc"], tmp_path / "out", parts=["all"])
    with pytest.raises(cryoinr.SettingsError, match="give at least one"):
        study([], tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(cryoinr.OutputError, match="is a file"):
        study(["a.mrc"], tmp_path / "file")
    flat = cryoinr.DensityMap(np.ones((8, 8, 8), np.float32), name="flat")
    with pytest.raises(cryoinr.MapError, match="flat: has no contour"):
        drain(case_steps(flat, "auto", Clock()))


# --------------------------------------------------------------------------------- measuring


def test_equal_work_has_one_key(case: Case) -> None:
    own = PaperSettings(widths=(4, 4))
    one, same, other = (
        paper_task("auto", (case,), own, QUICK),
        paper_task("another name", (case,), own, QUICK),
        paper_task("auto", (case,), replace(own, frequencies=3), QUICK),
    )
    assert one.key == same.key != other.key
    assert Task("gzip", (case,), codec="gzip").key != Task("gzip", (case,), codec="zstd").key
    higher = replace(case, threshold=case.threshold * 1.5)
    assert paper_task("auto", (higher,), own, QUICK).key != one.key


def test_a_row_survives_json() -> None:
    band = Band(0.1, 0.2, 30, 0.5, 0.3)
    row = replace(measured(bands=(band,)), steps=(1, 2), losses=(0.5, 0.25), tuned_to=0.1)
    assert Measured.from_dict(json.loads(json.dumps(records.to_dict(row)))) == row
    assert (row.ratio, row.within, row.error) == (5.0, 0.9, 0.1)


def test_a_model_is_tuned_to_the_share(case: Case) -> None:
    found = drain(task_steps(other_task("field", case, QUICK)))
    assert found.within >= SHARE
    assert found.tuned_to > 0.05
    assert found.members[0].output_range == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("name", ["gzip", "bzip2", "jpeg", "jpeg2000", "zfp"])
def test_other_codecs_are_tuned_to_the_share(name: str, case: Case) -> None:
    found = drain(task_steps(Task(name, (case,), codec=name, tuned=True)))
    lossless = PEERS[name].lossless
    assert found.within == 1.0 if lossless else SHARE <= found.within < 1
    assert (found.tuned_to is None) == lossless
    assert found.ratio > (1.0 if lossless else 2.0)


def test_the_share_by_hand(case: Case) -> None:
    measure = ShareMeasure(case)
    data = case.map.data
    assert measure.of(data) == 1.0
    assert measure.of(data * np.float32(1.19)) == 1.0
    assert measure.of(data * np.float32(0.79)) == 0.0
    assert measure.meets(0.9, 0.9) and not measure.meets(0.89, 0.9)


@pytest.mark.parametrize("peer", [*SLICED, BZIP2], ids=lambda peer: peer.name)
@pytest.mark.parametrize("shape", [(3, 20, 24), (1, 4, 5)])
def test_slices_come_back(peer: Any, shape: tuple[int, ...]) -> None:
    voxels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    voxels = np.cumsum(voxels, axis=-1)
    tightest = peer.knobs[1] if peer.knobs else 0.0
    back = peer.decode(peer.encode(voxels, tightest), voxels.shape, voxels.dtype)
    assert np.abs(back - voxels).max() <= 0.05 * np.ptp(voxels)


def test_low_passed_maps(case: Case) -> None:
    assert drain(low_passed_steps(case, 3.0, Clock())) is None  # it has nothing there
    assert drain(low_passed_steps(case, 40.0, Clock())) is None  # a single shell
    made = drain(low_passed_steps(case, 12.0, Clock()))
    assert made.name == "small at 12 Å"
    assert made.resolution == 12.0 and made.filtered
    assert 0 < made.map.data.std() < case.map.data.std()


# ------------------------------------------------------------------------------------ claims


def test_the_headline_is_reached_by_size_and_share() -> None:
    assert headline.reaches(4.24, 0.8825)
    assert not headline.reaches(4.0, 0.95)
    assert not headline.reaches(5.0, 0.88)
    shares = {"a": 0.9, "b": 0.7}
    rows = [entry("headline", "auto", n, measured=measured(4.3, w)) for n, w in shares.items()]
    (claim,) = headline.claims(rows)
    assert claim.measured.startswith("reached on 1 of 2") and claim.holds is False
    assert "2 maps" in claim.over


def test_auto_is_compared_with_the_search() -> None:
    def of(variant: str, error: float, **settings: Any) -> Entry:
        return entry("traits", variant, measured=measured(error=error), settings=settings)

    rows = [
        of("fixed", 0.3),
        of("auto", 0.105, learning_rate=1e-3, frequencies=6),
        of("x", 0.08, learning_rate=3e-3, frequencies=7),
        of("fixed, again", 0.3),
        of("auto, again", 0.105, learning_rate=1e-3, frequencies=6),
        of("search, again", 0.1, learning_rate=3e-3, frequencies=7),
    ]
    auto, fixed, constants = traits.claims(rows)
    assert auto.holds is True and fixed.holds is False
    assert "octaves +1" in constants.measured and "rate × 3" in constants.measured
    assert traits.claims(rows[:4]) == []


def test_field_at_the_ratio_of_the_study(case: Case) -> None:
    task = other_task("field", case, QUICK, ratio=4.24)
    assert task.variant == "field, at least 4.24 : 1"
    assert not task.tuned
    assert drain(task_steps(task)).ratio >= 4.24


def test_bands_below_ten_percent() -> None:
    low, high = Band(0.0, 0.05, 10, 0.1, 5.0), Band(0.4, 0.6, 30, 1.0, 0.05)
    rows = [entry("bands", "paper", measured=measured(bands=(low, high)))]
    first, above = bands.claims(rows)
    assert "500%" in first.measured and "bands 0.4 to 0.6" in first.measured
    assert first.holds is False
    assert above.measured.startswith("100.0%")


def test_trends_of_the_ratio() -> None:
    rows = [
        entry(
            "scaling",
            "gzip",
            str((r, s)),
            resolution=r,
            raw_bytes=s,
            measured=measured(0.01 * r * s),
        )
        for r in (5.0, 10.0, 20.0)
        for s in (1000, 4000)
    ]
    (claim,) = scaling.claims(rows)
    assert "to the power 1.00 and as size to the power 1.00" in claim.measured
    assert claim.published == "about 2 : 1"


def test_a_narrow_output_is_said() -> None:
    base = entry("ablations", ablations.BASE, measured=measured(error=0.1))
    plain = entry("ablations", ablations.PLAIN, measured=measured(error=0.4, output_range=0.2))
    claims = ablations.claims([base, plain])
    assert claims[1].holds is True and "error × 4.00" in claims[1].measured
