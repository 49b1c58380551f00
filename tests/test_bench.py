"""`cryoinr bench`: peers really keep within the error, and the table says what the files are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import (
    Case,
    Encoding,
    MapBench,
    Row,
    bench_rows,
    cases_for,
    chosen_peers,
    table,
)
from napari_cryoinr.bench.bench_rows import BISECTIONS, OURS, tune_steps
from napari_cryoinr.bench.cases import ERRORS, ErrorMeasure
from napari_cryoinr.bench.encoding import Job, encode_steps, encode_task, masked, peak_resident
from napari_cryoinr.bench.peers import LOSSLESS, LOSSY, peer_named
from napari_cryoinr.bench.plots import write_plot
from napari_cryoinr.cli.main import run
from napari_cryoinr.progress import Clock

FAST = cryoinr.Settings(effort="fast", device="cpu")
THRESHOLD = 2.0


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_map: cryoinr.DensityMap) -> Path:
    monkeypatch.chdir(tmp_path)
    cryoinr.write_map(small_map, "small.mrc")
    return Path("small.mrc")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode without starting a process for each codec, which would load all libraries again."""
    monkeypatch.setattr(bench_rows, "encode_steps", encode_task)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a bench that must fail; returns its one line on stderr."""
    assert run(["bench", "--quiet", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


# Errors


def test_errors_by_hand() -> None:
    original = np.array([[[0, 1, 3, 5]]], np.float32)
    decoded = np.array([[[4, 1, 3, 3]]], np.float32)
    contour = ErrorMeasure(original, "contour", 1.0)  # of 3 and 5: mean square 2, deviation 1
    assert contour.of(decoded) == pytest.approx(np.sqrt(2))
    assert contour.meets(0.1, 0.1) and not contour.meets(0.11, 0.1)
    whole = ErrorMeasure(original, "whole", None)  # mean square (16 + 4) / 4, range 5
    assert whole.of(decoded) == pytest.approx(20 * np.log10(5 / np.sqrt(5)))
    assert whole.meets(45.1, 45) and not whole.meets(44.9, 45)
    assert whole.of(original) > 1000
    assert ErrorMeasure(original, "lossless", None).of(decoded) == 4


def test_errors_are_those_of_the_quality_report(small_map: cryoinr.DensityMap) -> None:
    decoded = small_map.data + np.float32(0.01) * np.cos(np.arange(24, dtype=np.float32))
    report = cryoinr.compare(small_map, cryoinr.DensityMap(decoded), THRESHOLD)
    inside = ErrorMeasure(small_map.data, "contour", THRESHOLD)
    assert inside.of(decoded) == pytest.approx(report.nrmse, rel=1e-6)
    assert ErrorMeasure(small_map.data, "whole", None).of(decoded) == pytest.approx(report.psnr)


def test_densities_without_spread_have_no_error() -> None:
    flat = np.zeros((4, 4, 4), np.float32)
    with pytest.raises(cryoinr.SettingsError, match="64 voxels count and all have one density"):
        ErrorMeasure(flat, "whole", None)
    with pytest.raises(cryoinr.SettingsError, match="0 voxels count"):
        ErrorMeasure(flat, "contour", 1.0)


def test_masking_is_strictly_above() -> None:
    voxels = np.array([[[0.4, 0.5, -1]]], np.float32)
    np.testing.assert_array_equal(masked(voxels, 0.4), np.array([[[0, 0.5, 0]]], np.float32))
    np.testing.assert_array_equal(masked(voxels, None), voxels)


# Cases


def test_cases(small_map: cryoinr.DensityMap) -> None:
    contour = cases_for(small_map, THRESHOLD)
    assert [case.asked for case in contour] == list(ERRORS["contour"])
    assert {(case.regime, case.threshold) for case in contour} == {("contour", THRESHOLD)}
    assert contour[0].settings(FAST).target_nrmse == ERRORS["contour"][0]
    for chosen in ({"threshold": "none"}, {"regime": "whole"}):
        (case,) = cases_for(small_map, errors=[40.0], **chosen)
        assert case == Case("whole", None, 40.0)
        settings = case.settings(FAST)
        assert (settings.threshold, settings.target_psnr) == ("none", 40.0)
    last = cases_for(small_map, errors=[0.1], lossless=True)[-1]
    assert last.settings(FAST).lossless
    (only,) = cases_for(small_map, model="paper")
    assert only.asked is None
    assert only.settings(FAST).goals == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"regime": "whole", "threshold": 2.0}, "counts all voxels"),
        ({"regime": "contour", "threshold": "none"}, "needs a threshold"),
        ({"threshold": 500.0}, "no voxel is above it"),
        ({"errors": [0.1, -1.0]}, "must be above 0"),
        ({"model": "paper", "errors": [0.1]}, "takes no error"),
    ],
)
def test_contradictions_are_refused(small_map: cryoinr.DensityMap, given, message: str) -> None:
    with pytest.raises(cryoinr.SettingsError, match=message):
        cases_for(small_map, **given)


# Peers


@pytest.mark.parametrize("peer", LOSSY, ids=lambda peer: peer.name)
@pytest.mark.parametrize(
    ("regime", "threshold", "limit"), [("contour", THRESHOLD, 0.06), ("whole", None, 40.0)]
)
def test_a_tuned_peer_keeps_within_the_error(small_map, peer, regime, threshold, limit) -> None:
    pytest.importorskip("imagecodecs")
    measure = ErrorMeasure(small_map.data, regime, threshold)
    voxels = masked(small_map.data, threshold)

    def encode(knob: float) -> tuple[int, float]:
        data = peer.encode(voxels, knob)
        decoded = peer.decode(data, voxels.shape, voxels.dtype).reshape(voxels.shape)
        return len(data), measure.of(decoded)

    tuned = cryoinr.drain(tune_steps(peer, voxels, measure, limit, "", Clock()))
    assert tuned is not None
    tuned_size, knob = tuned
    size, error = encode(knob)
    assert size == tuned_size and measure.meets(error, limit)
    # The bisection ends at the error: a slightly looser setting misses it or saves very little.
    loose, tight = peer.knobs
    size, error = encode(knob - 8 * (tight - loose) / 2**BISECTIONS)
    assert not measure.meets(error, limit) or size > 0.99 * tuned_size


def test_an_error_beyond_all_settings_is_not_reached(small_map: cryoinr.DensityMap) -> None:
    pytest.importorskip("imagecodecs")
    measure = ErrorMeasure(small_map.data, "whole", None)
    sperr = peer_named("sperr", lossless=False)
    steps = tune_steps(sperr, small_map.data, measure, 150.0, "", Clock())
    assert cryoinr.drain(steps) is None


@pytest.mark.parametrize("peer", LOSSLESS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_lossless_peers_give_every_bit_back(small_map, peer, dtype: str) -> None:
    if peer not in chosen_or_skip():
        pytest.skip(f"{peer.name} is not in this imagecodecs")
    voxels = (10 * small_map.data).astype(dtype)
    data = peer.encode(voxels, 0.0)
    back = np.asarray(peer.decode(data, voxels.shape, voxels.dtype)).reshape(voxels.shape)
    assert back.tobytes() == voxels.tobytes()


def chosen_or_skip() -> tuple:
    pytest.importorskip("imagecodecs")
    return chosen_peers()


def test_choosing_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {peer.name for peer in chosen_or_skip()}
    assert {"sperr", "sz3", "zfp", "gzip"} <= names
    assert [peer.name for peer in chosen_peers(["zfp", "sperr"])] == ["sperr", "zfp", "zfp"]
    with pytest.raises(cryoinr.SettingsError, match="must be one of sperr, sz3, zfp, gzip"):
        chosen_peers(["jpeg"])
    # An imagecodecs that was built without it.
    monkeypatch.setattr(sys.modules["imagecodecs"].SPERR, "available", False)
    assert "sperr" not in {peer.name for peer in chosen_peers()}
    with pytest.raises(cryoinr.SettingsError, match=r"'sperr'.* must be one of sz3"):
        chosen_peers(["sperr"])


# Rows


@pytest.mark.usefixtures("in_this_process")
def test_a_row_says_what_the_files_are(path: Path, small_map: cryoinr.DensityMap) -> None:
    pytest.importorskip("imagecodecs")
    case = Case("contour", THRESHOLD, 0.2)
    bench = MapBench(path, small_map, chosen_peers(["sperr", "zfp"]), FAST)
    row = cryoinr.drain(bench.row_steps(case))
    assert Row.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    cryoinr.compress(cryoinr.read_map(path), "own.cinr", case.settings(FAST))
    archive = cryoinr.open_archive("own.cinr")
    assert row.ours.bytes == archive.bytes
    measure = ErrorMeasure(small_map.data, "contour", THRESHOLD)
    assert row.ours.error == pytest.approx(measure.of(archive[0].read()))
    assert row.ours.error <= 0.2
    assert row.ratio == pytest.approx(4 * 24**3 / row.ours.bytes)
    assert set(row.sizes) == {"sperr full", "sperr masked", "zfp full", "zfp masked"}
    assert row.best is not None and row.best.bytes == min(row.sizes.values())
    for encoding in row.peers:
        name, source = encoding.codec.split()
        assert encoding.bytes == min(row.sizes[f"{name} {s}"] for s in ("full", "masked"))
        assert encoding.bytes == row.sizes[f"{name} {source}"]
        assert encoding.error <= row.ours.error
    for encoding in (row.ours, *row.peers):
        assert encoding.encode_s > 0 and encoding.decode_s > 0
        assert encoding.memory is None or encoding.memory >= 0
    assert sum(row.ours.stages.values()) == pytest.approx(row.ours.encode_s, rel=0.2)


@pytest.mark.usefixtures("in_this_process")
def test_integer_voxels_are_coded_as_integers(tmp_path: Path, small_map) -> None:
    pytest.importorskip("imagecodecs")
    path = tmp_path / "whole.mrc"
    whole = cryoinr.DensityMap(np.rint(10 * small_map.data), small_map.voxel_size)
    cryoinr.write_map(whole, path, mode="int16")
    read = cryoinr.read_map(path)
    case = Case("lossless", None, 0.0)
    row = cryoinr.drain(MapBench(path, read, chosen_peers(["gzip"]), FAST).row_steps(case))
    expected = LOSSLESS[0].encode(read.data.astype("i2"), 0.0)
    assert row.sizes == {"gzip": len(expected)}
    assert row.ours.error == 0


def test_errors_that_cannot_be_reached_make_no_row(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missed(job: Job) -> None:
        raise cryoinr.GoalMissed("NRMSE 0.2 where 0.1 was asked for")

    pytest.importorskip("imagecodecs")
    monkeypatch.setattr(bench_rows, "encode_steps", missed)
    assert run(["bench", "--quiet", "--errors", "0.1", "small.mrc"]) == 1
    printed = capsys.readouterr()
    assert "no row: NRMSE 0.2 where 0.1 was asked for" in printed.err
    assert "no error was reached; nothing to compare" in printed.err


def test_closing_ends_the_process(path: Path) -> None:
    settings = cryoinr.Settings(
        model="paper", paper=cryoinr.PaperSettings(max_steps=10**6), device="cpu"
    )
    steps = encode_steps(Job(str(path), "x.cinr", settings))
    next(steps)
    steps.close()  # waits for the process
    assert not Path("x.cinr").exists()


def test_peak_memory_is_that_of_this_process() -> None:
    code = (
        "import numpy, napari_cryoinr.bench.encoding as m; before = m.peak_resident();"
        " array = numpy.ones(64 << 20, numpy.uint8); print(before, m.peak_resident())"
    )
    ballast = np.ones(300 << 20, np.uint8)  # a child's figure must not be its parent's
    if peak_resident() is None:
        pytest.skip("this system does not tell")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < 250 << 20 < ballast.nbytes
    assert 60 << 20 < after - before < 80 << 20


# Tables


def example(asked: float, ours: int, peer: int, regime: str = "contour") -> Row:
    def encoding(codec: str, size: int) -> Encoding:
        return Encoding(codec, size, 0.9 * asked, 1.5, 0.02, 3_000_000, {})

    threshold = 0.4 if regime == "contour" else None
    peers = (encoding("zfp full", 4 * peer), encoding("sperr full", peer))
    sizes = {"sperr full": peer, "zfp full": 4 * peer}
    return Row("m", Case(regime, threshold, asked), 40_000, encoding(OURS, ours), peers, sizes)


def test_table_and_means() -> None:
    rows = [example(0.1, 500, 1000), example(0.2, 1000, 500), example(40.0, 100, 400, "whole")]
    line = table.line(rows[0]).split()
    assert line == [
        *("0.1", "0.09", "500", "80.00", "sperr", "full", "1,000", "0.500"),
        *("1.50", "0.02", "1.50", "0.02", "3.0", "3.0"),
    ]
    assert table.geometric_means(rows) == {
        "contour": (pytest.approx(1.0), 2),
        "whole": (pytest.approx(0.25), 1),
    }
    assert table.mean_lines(rows) == ["contour: geometric mean of our/best 1.000 over 2 rows"]
    page = table.markdown(rows, "Title").splitlines()
    assert page[0] == "# Title"
    assert {text.count("|") for text in page[2:7]} == {page[2].count("|")}
    alone = Row("m", rows[0].case, 40_000, rows[0].ours, (), {})
    assert "none" in table.line(alone)
    assert alone.to_dict()["against_best"] is None


def test_plots(tmp_path: Path) -> None:
    rows = [example(0.1, 500, 1000), example(0.2, 300, 500), example(40.0, 100, 400, "whole")]
    write_plot(tmp_path / "a.svg", rows)
    drawn = (tmp_path / "a.svg").read_text()
    assert "m: NRMSE above 0.4" in drawn and "m: PSNR, dB" in drawn
    write_plot(tmp_path / "b.svg", rows)
    assert (tmp_path / "b.svg").read_text() == drawn
    with pytest.raises(cryoinr.SettingsError, match="nothing to plot"):
        write_plot(tmp_path / "b.png", [example(0.0, 1, 1, "lossless")])
    assert not (tmp_path / "b.png").exists()


# Command


def test_the_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imagecodecs")
    arguments = ["--effort", "fast", "--device", "cpu", "--errors", "0.1", "--lossless"]
    arguments += ["--peers", "gzip", "--plot", "curves.svg", "--json", "rows.json"]
    assert run(["bench", *arguments, "--threshold", "2", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "small.mrc: 24 × 24 × 24 voxels, NRMSE above 2\n" in printed
    data = json.loads(Path("rows.json").read_text())
    assert [row["case"]["asked"] for row in data["rows"]] == [0.1, 0.0]
    for row in data["rows"]:
        assert f"{row['ours']['bytes']:,}" in printed
    last = data["rows"][-1]
    assert last["against_best"] == last["ours"]["bytes"] / last["sizes"]["gzip"]
    assert data["geometric_means"]["lossless"] > 0
    assert "<svg" in Path("curves.svg").read_text()


def test_wrong_arguments(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imagecodecs")
    assert ".png or .svg" in fails(capsys, "small.mrc", "--plot", "x.pdf")
    assert "0.05,0.1" in fails(capsys, "small.mrc", "--errors", "a,b")
    assert "jpeg" in fails(capsys, "small.mrc", "--peers", "jpeg")
    assert "gone.mrc" in fails(capsys, "gone.mrc")


def test_without_imagecodecs(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    message = fails(capsys, "small.mrc")
    assert "imagecodecs" in message
    assert "napari-cryoinr[bench]" in message


def test_nothing_else_needs_imagecodecs() -> None:
    source = Path(cryoinr.__file__).parent
    imports = re.compile(r"""import(_module\(["']| )imagecodecs""")
    using = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    }
    assert using == {"bench/peers.py"}
