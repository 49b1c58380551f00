"""`cryoinr bench`: peers really keep within the error, and the table says what the files are."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
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
from napari_cryoinr.bench.cases import REGIMES
from napari_cryoinr.bench.encoding import Job, encode_steps, encode_task
from napari_cryoinr.bench.error_measure import ErrorMeasure, peer_input
from napari_cryoinr.bench.peers import LOSSLESS, LOSSY, peer_named
from napari_cryoinr.bench.plots import write_plot
from napari_cryoinr.cli.main import run
from napari_cryoinr.codec.members import prepare_steps
from napari_cryoinr.maps.envelope import soft_mask
from napari_cryoinr.maps.fourier_shells import FourierShells
from napari_cryoinr.progress import Clock
from napari_cryoinr.support.memory import peak_resident

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


CONTOUR = Case("contour", THRESHOLD, None)
WHOLE = Case("whole", None, None)
SHELLS = Case("fsc", THRESHOLD, None, 6.0)


def test_errors_by_hand() -> None:
    original = cryoinr.DensityMap(np.array([[[0, 1, 3, 5]]], np.float32))
    decoded = np.array([[[4, 1, 3, 3]]], np.float32)
    # of 3 and 5: mean square 2, deviation 1
    contour = ErrorMeasure(original, Case("contour", 1.0, None))
    assert contour.of(decoded) == pytest.approx(np.sqrt(2))
    assert contour.meets(0.1, 0.1) and not contour.meets(0.11, 0.1)
    whole = ErrorMeasure(original, WHOLE)  # mean square (16 + 4) / 4, range 5
    assert whole.of(decoded) == pytest.approx(20 * np.log10(5 / np.sqrt(5)))
    assert whole.meets(45.1, 45) and not whole.meets(44.9, 45)
    assert whole.of(original.data) > 1000
    assert ErrorMeasure(original, Case("lossless", None, 0.0)).of(decoded) == 4


def test_errors_are_those_of_the_quality_report(small_map: cryoinr.DensityMap) -> None:
    decoded = small_map.data + np.float32(0.01) * np.cos(np.arange(24, dtype=np.float32))
    other = cryoinr.DensityMap(decoded, small_map.voxel_size)
    report = cryoinr.compare(small_map, other, THRESHOLD, keep="contour")
    assert ErrorMeasure(small_map, CONTOUR).of(decoded) == pytest.approx(report.nrmse, rel=1e-6)
    assert ErrorMeasure(small_map, WHOLE).of(decoded) == pytest.approx(report.psnr)
    coarse = Case("fsc", THRESHOLD, None, 12.0)  # no weak shells, which the report leaves out
    report = cryoinr.compare(small_map, other, THRESHOLD, resolution=12.0)
    assert ErrorMeasure(small_map, coarse).of(decoded) == pytest.approx(report.lowest_fsc, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e37])
def test_lowest_correlation_by_hand(small_map: cryoinr.DensityMap, scale: float) -> None:
    """What is measured are the shells of both maps times the mask, at any scale of density."""
    data = (small_map.data * scale).astype(np.float32)
    original = cryoinr.DensityMap(data, (2.0, 2.0, 2.0))
    case = Case("fsc", THRESHOLD * scale, None, 6.0)
    measure = ErrorMeasure(original, case)
    mask = soft_mask(data, THRESHOLD * scale)
    noise = np.random.default_rng(0).standard_normal(data.shape) * scale
    decoded = (data + 0.1 * noise).astype(np.float32)
    a, b = (np.fft.fftn(one.astype(np.float64) * mask / scale) for one in (data, decoded))
    z, y, x = np.meshgrid(*[np.fft.fftfreq(24) * 24] * 3, indexing="ij")
    shell = np.rint(np.sqrt(z * z + y * y + x * x))
    curve = []
    for number in range(1, 24 * 2 // 6 + 1):  # 48 Å along an edge
        u, v = a[shell == number], b[shell == number]
        power = np.sum(abs(u) ** 2) * np.sum(abs(v) ** 2)
        curve.append(np.sum(u * v.conj()).real / np.sqrt(power))
    assert measure.of(decoded) == pytest.approx(min(curve), abs=1e-9)
    assert 0.5 < min(curve) < 0.9999
    assert measure.of(data) == pytest.approx(1)
    assert measure.of(np.where(mask > 0, data, -data)) == pytest.approx(1)
    assert measure.meets(0.991, 0.99) and not measure.meets(0.989, 0.99)


def test_densities_without_spread_have_no_error() -> None:
    flat = cryoinr.DensityMap(np.zeros((4, 4, 4), np.float32))
    with pytest.raises(cryoinr.SettingsError, match="64 voxels count and all have one density"):
        ErrorMeasure(flat, WHOLE)
    with pytest.raises(cryoinr.SettingsError, match="0 voxels count"):
        ErrorMeasure(flat, Case("contour", 1.0, None))
    with pytest.raises(cryoinr.SettingsError, match="all have one density"):
        ErrorMeasure(flat, Case("fsc", 1.0, None, 5.0))


def test_what_peers_are_given() -> None:
    voxels = np.array([[[0.4, 0.5, -1]]], np.float32)
    one, case = cryoinr.DensityMap(voxels), Case("contour", 0.4, None)
    given = {name: peer_input(one, case, name) for name in REGIMES["contour"].inputs}
    np.testing.assert_array_equal(given["full"], voxels)
    np.testing.assert_array_equal(given["masked"], np.array([[[0, 0.5, 0]]], np.float32))
    np.testing.assert_array_equal(given["clipped"], np.array([[[0.4, 0.5, 0.4]]], np.float32))


def test_what_peers_are_given_for_shells(small_map: cryoinr.DensityMap) -> None:
    """The mask costs them little, and what is beyond the resolution is gone."""
    noise = np.random.default_rng(0).standard_normal(small_map.data.shape)
    noisy = replace(small_map, data=(small_map.data + 0.1 * noise).astype(np.float32))
    measure = ErrorMeasure(noisy, SHELLS)
    shells = FourierShells(noisy.data.shape, noisy.voxel_size)
    last = shells.last(SHELLS.resolution)
    for name in REGIMES["fsc"].inputs:
        given = peer_input(noisy, SHELLS, name)
        assert given.dtype == np.float32
        power = shells.power(shells.spectrum(given))
        beyond = power[last + 2 :].sum() / power.sum()
        if name == "low-passed":
            assert beyond < 1e-12
        else:
            assert measure.of(given) > (0.999 if name == "full" else 0.9)
            assert beyond > 1e-6
    masked = peer_input(noisy, SHELLS, "masked")
    np.testing.assert_allclose(masked, noisy.data * soft_mask(noisy.data, THRESHOLD), rtol=1e-6)


# Cases


def test_cases(small_map: cryoinr.DensityMap) -> None:
    contour = cases_for(small_map, THRESHOLD, "contour")
    errors = REGIMES["contour"].errors
    assert [case.asked for case in contour] == list(errors)
    assert {(case.regime, case.threshold) for case in contour} == {("contour", THRESHOLD)}
    settings = contour[0].settings(FAST)
    assert (settings.kept(), settings.target_nrmse) == ("contour", errors[0])
    for chosen in ({"threshold": "none"}, {"regime": "whole"}):
        (case,) = cases_for(small_map, errors=[40.0], **chosen)
        assert case == Case("whole", None, 40.0)
        settings = case.settings(FAST)
        assert (settings.threshold, settings.target_psnr) == ("none", 40.0)
        assert settings.kept() == "volume"
    last = cases_for(small_map, errors=[0.1], lossless=True)[-1]
    assert last.settings(FAST).lossless
    (only,) = cases_for(small_map, model="paper")
    assert (only.regime, only.asked) == ("contour", None)
    assert only.settings(FAST).goals == []


def test_cases_of_shells(small_map: cryoinr.DensityMap) -> None:
    """They are what is measured where nothing is said, as it is what is kept then."""
    cases = cases_for(small_map, THRESHOLD, resolution=6)
    assert [case.asked for case in cases] == list(REGIMES["fsc"].errors)
    assert cases[0] == Case("fsc", THRESHOLD, 0.9, 6.0)
    settings = cases[0].settings(FAST)
    assert (settings.kept(), settings.target_fsc, settings.resolution) == ("envelope", 0.9, 6.0)
    assert settings.threshold == THRESHOLD
    (automatic,) = cases_for(small_map, regime="fsc", errors=[0.99])
    usual, target = cryoinr.drain(prepare_steps(small_map, "auto", FAST, Clock()))
    assert automatic.threshold == pytest.approx(target.threshold, rel=1e-6)
    assert automatic.resolution == usual.resolution.angstrom


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"regime": "fsc", "threshold": "none"}, "needs a threshold"),
        ({"regime": "fsc", "resolution": -1.0}, "must be above 0"),
        ({"regime": "fsc", "errors": [1.5]}, "target_fsc"),
        ({"regime": "whole", "resolution": 5.0}, "belongs to the regime fsc"),
        ({"regime": "whole", "threshold": 2.0}, "counts all voxels"),
        ({"regime": "contour", "threshold": "none"}, "needs a threshold"),
        ({"threshold": 500.0}, "no voxel is above it"),
        ({"errors": [0.1, -1.0]}, "must be above 0"),
        ({"model": "paper", "errors": [0.1]}, "takes no such error"),
    ],
)
def test_contradictions_are_refused(small_map: cryoinr.DensityMap, given, message: str) -> None:
    with pytest.raises(cryoinr.SettingsError, match=message):
        cases_for(small_map, **given)


# Peers


@pytest.mark.parametrize("peer", LOSSY, ids=lambda peer: peer.name)
@pytest.mark.parametrize(
    ("case", "given", "limit"),
    [
        *((SHELLS, given, 0.99) for given in ("masked", "low-passed")),
        *((CONTOUR, given, 0.06) for given in ("masked", "clipped")),
        (WHOLE, "full", 40.0),
    ],
)
def test_a_tuned_peer_keeps_within_the_error(small_map, peer, case, given, limit) -> None:
    pytest.importorskip("imagecodecs")
    measure = ErrorMeasure(small_map, case)
    voxels = peer_input(small_map, case, given)

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
    measure = ErrorMeasure(small_map, WHOLE)
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
@pytest.mark.parametrize("case", [replace(SHELLS, asked=0.95), replace(CONTOUR, asked=0.2)])
def test_a_row_says_what_the_files_are(
    path: Path, small_map: cryoinr.DensityMap, case: Case
) -> None:
    pytest.importorskip("imagecodecs")
    bench = MapBench(path, small_map, chosen_peers(["sperr", "zfp"]), FAST)
    row = cryoinr.drain(bench.row_steps(case))
    assert Row.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    cryoinr.compress(cryoinr.read_map(path), "own.cinr", case.settings(FAST))
    archive = cryoinr.open_archive("own.cinr")
    assert row.ours.bytes == archive.bytes
    measure = ErrorMeasure(small_map, case)
    assert row.ours.error == pytest.approx(measure.of(archive[0].read()))
    assert measure.meets(row.ours.error, case.asked)
    assert row.ratio == pytest.approx(4 * 24**3 / row.ours.bytes)
    inputs = REGIMES[case.regime].inputs
    assert {title.split()[1] for title in row.sizes} <= set(inputs)
    assert {"sperr masked", "zfp masked"} <= set(row.sizes)
    assert row.best is not None and row.best.bytes == min(row.sizes.values())
    for encoding in row.peers:
        name, source = encoding.codec.split()
        assert encoding.bytes == min(row.sizes.get(f"{name} {s}", 1 << 60) for s in inputs)
        assert encoding.bytes == row.sizes[f"{name} {source}"]
        assert measure.meets(encoding.error, row.ours.error)
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
    assert run(["bench", "--quiet", "--errors", "0.9", "small.mrc"]) == 1
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
        "import numpy, napari_cryoinr.support.memory as m; before = m.peak_resident();"
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

    threshold = None if regime == "whole" else 0.4
    case = Case(regime, threshold, asked, 8.8 if regime == "fsc" else None)
    peers = (encoding("zfp full", 4 * peer), encoding("sperr full", peer))
    sizes = {"sperr full": peer, "zfp full": 4 * peer}
    return Row("m", case, 40_000, encoding(OURS, ours), peers, sizes)


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
    assert "NRMSE above 0.4" in page[4] and "zfp full 4,000, sperr full 1,000" in page[4]
    shells = example(0.99, 500, 1000, "fsc")
    page = table.markdown([shells], "Title").splitlines()
    assert "lowest FSC to 8.8 Å in the mask at 0.4" in page[4]
    assert "low-passed" in page[-1] and "promises" in page[-1]
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


# The benchmark of a folder


@pytest.mark.usefixtures("in_this_process")
def test_listed_cases_make_tables_of_their_own(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each regime has its files; a run that goes on measures nothing again."""
    pytest.importorskip("imagecodecs")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    script = importlib.import_module("rate_distortion")
    harness = importlib.import_module("harness")
    for module in (script, harness):
        monkeypatch.setattr(module, "RESULTS", Path.cwd())
    monkeypatch.setattr(script, "chosen_peers", lambda: chosen_peers(["zfp"]))
    listed = [
        {"map": "maps/small.mrc", "regime": "fsc", "threshold": 2, "resolution": 8, "target": 0.9},
        {"map": "small.mrc", "regime": "contour", "threshold": 3.0, "target": 0.3},
        {"map": "other.mrc", "regime": "whole", "target": 45},
    ]
    Path("maps").mkdir()
    path.rename("maps/small.mrc")
    Path("cases.json").write_text(json.dumps(listed))
    command = ["rate_distortion.py", "maps", "out", "--cases", "cases.json", "--effort", "fast"]
    monkeypatch.setattr(sys, "argv", command)
    script.main()
    cases = {}
    for regime in ("fsc", "contour"):
        (row,) = json.loads(Path(f"out-{regime}.json").read_text())["rows"]
        cases[regime] = Case(**row["case"])
        assert row["map"] in Path(f"out-{regime}.md").read_text()
    assert cases == {"fsc": Case("fsc", 2.0, 0.9, 8.0), "contour": Case("contour", 3.0, 0.3)}
    assert not Path("out-whole.json").exists()
    assert "0.9" in capsys.readouterr().out
    monkeypatch.setattr(script, "measure", None)
    monkeypatch.setattr(sys, "argv", [*command, "--resume"])
    script.main()


# Command


@pytest.mark.slow
def test_the_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imagecodecs")
    arguments = ["--effort", "fast", "--device", "cpu", "--errors", "0.1", "--lossless"]
    arguments += [
        "--regime",
        "contour",
        "--peers",
        "gzip",
        "--plot",
        "curves.svg",
        "--json",
        "rows.json",
    ]
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
    assert "pip install imagecodecs" in message


def test_nothing_else_needs_imagecodecs() -> None:
    source = Path(cryoinr.__file__).parent
    imports = re.compile(r"""import(_module\(["']| )imagecodecs""")
    using = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    }
    assert using == {"bench/peers.py"}
