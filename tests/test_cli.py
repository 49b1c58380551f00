"""The command line: what it prints, what it writes, how it fails."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli import compress, progress_bar
from napari_cryoinr.cli.main import COMMANDS, run
from napari_cryoinr.cli.options import settings_from
from napari_cryoinr.progress import Progress
from napari_cryoinr.support import records

QUICK = ["--effort", "fast", "--device", "cpu"]
PAPER = [
    *("--model", "paper", "--widths", "16,8", "--frequencies", "3", "--latent-size", "2"),
    *("--max-steps", "20", "--device", "cpu"),
]
INR = ["--model", "inr", "--steps", "5", "--device", "cpu"]
OWN_RECORDS = {
    name: type(value)
    for name, value in vars(cryoinr.Settings()).items()
    if dataclasses.is_dataclass(value)
}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_map) -> None:
    monkeypatch.chdir(tmp_path)
    cryoinr.write_map(small_map, "map.mrc")


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail; returns its one line on stderr."""
    assert run(list(arguments)) != 0
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert captured.err.splitlines()[-1] == lines[0]
    return lines[0]


@pytest.mark.parametrize("model", [QUICK, PAPER, INR], ids=["field", "paper", "inr"])
def test_the_main_job(capsys, small_map, model: list[str]) -> None:
    assert run(["compress", *model, "--max-error", "0.3", "map.mrc", "map.cinr"]) == 0
    printed = capsys.readouterr().out
    assert "compression ratio" in printed
    assert "map.cinr:" in printed
    assert run(["decompress", "map.cinr", "back.mrc"]) == 0
    back, archive = cryoinr.read_map("back.mrc"), cryoinr.open_archive("map.cinr")
    np.testing.assert_array_equal(back.data, archive[0].read())
    above = small_map.data > archive[0].threshold
    assert np.abs(back.data - small_map.data)[above].max() <= 0.3
    assert run(["verify", "map.cinr"]) == 0
    assert "all checksums are right" in capsys.readouterr().out
    assert run(["compare", "map.mrc", "map.cinr"]) == 0
    said = capsys.readouterr()
    assert "compression ratio" in said.out and not said.err
    assert run(["compare", "back.mrc", "map.cinr"]) == 0
    assert "back.mrc is not the map that map was made from" in capsys.readouterr().err


@pytest.mark.parametrize("model", [QUICK, PAPER], ids=["field", "paper"])
def test_info_as_text_and_json(capsys, model: list[str]) -> None:
    run(["compress", *model, "--quiet", "map.mrc", "map.cinr"])
    assert capsys.readouterr().out == ""
    assert run(["info", "map.cinr"]) == 0
    text = capsys.readouterr().out
    assert "24 × 24 × 24 voxels of 2, 2, 2 Å" in text
    assert run(["info", "--json", "map.cinr"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["bytes"] == Path("map.cinr").stat().st_size
    assert data["members"][0]["voxel_size"] == [2.0, 2.0, 2.0]
    assert data["overhead_bytes"] <= 2048
    # The settings can be given back to compress, and other options override them.
    Path("settings.json").write_text(json.dumps(data["settings"]))
    assert run(["compress", "--settings", "settings.json", "--seed", "3", "map.mrc", "b.cinr"]) == 0
    first = cryoinr.open_archive("map.cinr").settings
    assert cryoinr.open_archive("b.cinr").settings == dataclasses.replace(first, seed=3)
    assert first.paper.widths == ((16, 8) if model is PAPER else cryoinr.PaperSettings().widths)


def test_several_maps(capsys) -> None:
    cryoinr.write_map(cryoinr.synthetic_map(20, seed=5), "other.map.gz")
    assert run(["compress", *QUICK, "map.mrc", "other.map.gz", "two.cinr"]) == 0
    assert "--member" in fails(capsys, "decompress", "two.cinr", "x.mrc")
    assert not Path("x.mrc").exists()
    assert run(["decompress", "--member", "other", "two.cinr", "x.mrc"]) == 0
    assert cryoinr.read_map("x.mrc").data.shape == (20, 20, 20)
    Path("out").mkdir()
    assert run(["decompress", "two.cinr", "out"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["map.mrc", "other.mrc"]
    assert run(["compare", "map.mrc", "two.cinr"]) == 0
    assert run(["compare", "map.mrc", "two.cinr", "--member", "map"]) == 0


def archive_of(*names: str) -> None:
    """The archive `named.cinr`, of constant maps with these names and densities 0, 1, 2, ..."""
    maps = [
        cryoinr.DensityMap(np.full((4, 4, 4), number, np.float32), name=name)
        for number, name in enumerate(names)
    ]
    cryoinr.compress(maps, "named.cinr", cryoinr.Settings(lossless=True, device="cpu"))
    Path("deep/out").mkdir(parents=True)


def test_a_member_cannot_leave_its_folder() -> None:
    """Names come from files that others made."""
    archive_of("../../escaped", "/etc/passwd", "..", "\x1b[2J", "é" * 200)
    assert run(["decompress", "named.cinr", "deep/out"]) == 0
    written = {path.stem for path in Path("deep/out").iterdir()}
    assert written == {"_.._escaped", "_etc_passwd", "map", "__2J", "é" * 100}
    assert {path.name for path in Path().rglob("*.mrc") if "deep" not in path.parts} == {"map.mrc"}


NAMES_THAT_MEET = ("J12/volume", "J12_volume", "j12_Volume", "J12:volume", "J12_volume_2")


def test_names_that_meet_as_file_names_get_different_ones(capsys) -> None:
    archive_of(*NAMES_THAT_MEET)
    assert run(["decompress", "named.cinr", "deep/out"]) == 0
    files = sorted(Path("deep/out").iterdir())
    assert len({path.name.casefold() for path in files}) == len(NAMES_THAT_MEET)
    densities = [float(cryoinr.read_map(path).data[0, 0, 0]) for path in files]
    assert sorted(densities) == [0, 1, 2, 3, 4]
    warnings = capsys.readouterr().err
    assert "warning: J12_volume is written as J12_volume_2.mrc" in warnings
    assert warnings.count("warning: ") == 4


def test_control_characters_of_names_are_shown_as_escapes(capsys) -> None:
    archive_of("\x1b[2Jgone", "two\nlines", "\u202egnp")
    for command in (["info"], ["info", "--json"], ["verify"], ["decompress", "--member", "\x1b["]):
        run([*command, "named.cinr", *(["out.mrc"] if command[0] == "decompress" else [])])
        captured = capsys.readouterr()
        for text in (captured.out, captured.err):
            assert all(c.isprintable() or c == "\n" for c in text)
    run(["info", "named.cinr"])
    assert "\\x1b[2Jgone" in capsys.readouterr().out


# -- options of models


def test_help_has_each_option_once_below_the_models_that_have_it(capsys) -> None:
    assert run(["compress", "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""  # click warns of options that are there twice
    shown = {}
    heading = ""
    for line in captured.out.splitlines():
        heading = line.removesuffix(":") if line.startswith("Options") else heading
        if option := re.match(r"  (?:-h, )?--([a-z-]+)", line):
            assert option[1] not in shown
            shown[option[1].replace("-", "_")] = heading
    for name, *_ in records.rules(cryoinr.Settings):
        assert name in OWN_RECORDS or shown[name] == "Options"
    for model, record in OWN_RECORDS.items():
        for name, *_ in records.rules(record):
            assert model in shown[name].removeprefix("Options of --model ").split(" or ")
    assert shown["weight_factor"] == "Options of --model field or inr"
    text = " ".join(captured.out.split())  # what an option means to each of its models is there
    for record in (cryoinr.FieldSettings, cryoinr.InrSettings):
        for name, _, rule, _ in records.rules(record):
            assert shown[name] != "Options of --model field or inr" or rule.meaning in text


def test_settings_that_share_an_option_share_their_rule() -> None:
    rules: dict[str, tuple] = {name: () for name, *_ in records.rules(cryoinr.Settings)}
    for record in OWN_RECORDS.values():
        for name, hint, rule, default in records.rules(record):
            own = hint, dataclasses.replace(rule, meaning=""), default
            assert rules.setdefault(name, own) == own, name


def settings_of(*arguments: str, base: cryoinr.Settings | None = None) -> cryoinr.Settings:
    """What `compress` makes of its options."""
    with compress.command.make_context("compress", [*arguments, "a.mrc", "a.cinr"]) as context:
        return settings_from(base or cryoinr.Settings(), context.params)


@pytest.mark.parametrize("model", ["auto", "field", "inr"])
def test_a_shared_option_is_one_of_the_chosen_model(model: str) -> None:
    own = {"weight_exponent": 1.5, "weight_percentile": 50.0, "weight_factor": 3.0}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in own.items()]
    made = settings_of("--model", model, *options)
    field, inr = cryoinr.FieldSettings(), cryoinr.InrSettings()
    if model != "inr":
        field = cryoinr.FieldSettings(**own)
    if model != "field":  # auto tries both
        inr = cryoinr.InrSettings(**own)
    assert made == cryoinr.Settings(model=model, field=field, inr=inr)


def test_options_of_inr() -> None:
    options = ("--spacing=1.5", "--degree=3", "--levels=4", "--synthesis=none", "--steps=70")
    inr = cryoinr.InrSettings(spacing=1.5, degree=3, levels=4, synthesis="none", steps=70)
    assert settings_of("--model", "inr", *options) == cryoinr.Settings(model="inr", inr=inr)
    # Those of a file of settings hold where no option overrides them.
    base = cryoinr.Settings(model="inr", inr=cryoinr.InrSettings(degree=1, steps=9))
    made = settings_of("--steps=70", "--weight-factor=2", base=base)
    assert made.inr == cryoinr.InrSettings(degree=1, steps=70, weight_factor=2)
    assert made.field == cryoinr.FieldSettings()


# -- outputs: nothing that exists is lost


@pytest.fixture(scope="module")
def archive_bytes(small_map, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("archive") / "map.cinr"
    density_map = dataclasses.replace(small_map, name="map")
    cryoinr.compress(density_map, path, cryoinr.Settings(effort="fast", device="cpu"))
    return path.read_bytes()


@pytest.fixture
def two_archives(archive_bytes: bytes) -> None:
    for name in ("a.cinr", "b.cinr"):
        Path(name).write_bytes(archive_bytes)


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.usefixtures("two_archives")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", *QUICK, "map.mrc", "a.cinr"], "a.cinr: exists already"),
        (["decompress", "a.cinr", "map.mrc"], "map.mrc: exists already"),
        (["decompress", "a.cinr", "."], "map.mrc: exists already"),
        (["decompress", "a.cinr", "b.cinr"], "b.cinr: the name must end in .mrc"),
        (["decompress", "a.cinr", "out.tif"], "must end in .mrc"),
        (["decompress", "a.cinr", "out.mrc.xz"], "must end in .mrc"),
        (["sample", "map.mrc", "--size", "16"], "exists already"),
        (["sample", "map.png", "--size", "16"], "must end in .mrc"),
        (["report", "a.cinr", "there.html"], "exists already"),
        (["bench", "map.mrc", "--plot", "there.png"], "exists already"),
        (["bench", "map.mrc", "--json", "there.json"], "exists already"),
        (["bench", "map.mrc", "--plot", "out.mrc"], "must end in .png"),
        (["compress", *QUICK, "map.mrc", "nowhere/a.cinr"], "the folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_exists_is_not_overwritten(capsys, arguments: list[str], message: str) -> None:
    for name in ("there.html", "there.png", "there.json"):
        Path(name).write_bytes(b"kept")
    before = contents()
    assert message in fails(capsys, *arguments)
    assert contents() == before


@pytest.mark.usefixtures("two_archives")
@pytest.mark.parametrize(
    "arguments",
    [
        ["compress", *QUICK, "map.mrc", "link.cinr"],
        ["compress", *QUICK, "--settings", "hard.cinr", "map.mrc", "hard.cinr"],
        ["decompress", "a.cinr", "same.mrc"],
        ["decompress", "a.cinr", "folder"],
        ["report", "a.cinr", "--reference", "map.mrc", "same.html"],
    ],
    ids=" ".join,
)
def test_an_input_is_no_output_even_with_overwrite(capsys, arguments: list[str]) -> None:
    Path("link.cinr").symlink_to("map.mrc")
    Path("hard.cinr").write_text("{}")
    Path("same.mrc").hardlink_to("a.cinr")
    Path("same.html").symlink_to("map.mrc")
    Path("folder").mkdir()
    Path("folder/map.mrc").symlink_to("../a.cinr")
    before = contents()
    assert "is the input" in fails(capsys, *arguments, "--overwrite")
    assert contents() == before


@pytest.mark.usefixtures("two_archives")
def test_overwriting_on_request() -> None:
    before = contents()
    assert run(["compress", *QUICK, "--seed", "7", "map.mrc", "a.cinr", "--overwrite"]) == 0
    assert run(["decompress", "a.cinr", ".", "--overwrite"]) == 0
    after = contents()
    assert after[Path("a.cinr")] != before[Path("a.cinr")]
    assert after[Path("map.mrc")] != before[Path("map.mrc")]
    assert after.keys() == before.keys()


def test_deep_nesting_in_a_settings_file_is_one_line(capsys) -> None:
    Path("deep.json").write_text("[" * 100_000)
    arguments = ["compress", "--settings", "deep.json", "map.mrc", "a.cinr"]
    assert "deep.json: not JSON" in fails(capsys, *arguments)


def test_levels_and_modes(archive_bytes: bytes) -> None:
    Path("map.cinr").write_bytes(archive_bytes)
    assert run(["decompress", "--level", "1", "--mode", "float16", "map.cinr", "half.mrc"]) == 0
    half = cryoinr.read_map("half.mrc")
    assert half.data.shape == (12, 12, 12)
    assert half.voxel_size == (4, 4, 4)
    assert half.mode == 12


def test_compare(capsys, small_map) -> None:
    shifted = cryoinr.DensityMap(small_map.data + np.float32(0.25), small_map.voxel_size, name="b")
    cryoinr.write_map(shifted, "b.mrc")
    assert run(["compare", "map.mrc", "b.mrc", "--threshold", "1.5", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["max_error"] == pytest.approx(0.25, rel=1e-5)
    assert report["contour"] == 1.5
    assert report["correlation"] == pytest.approx(1)
    assert run(["compare", "map.mrc", "map.mrc", "--threshold", "3sigma"]) == 0
    assert "no error" in capsys.readouterr().out


def test_report_writes_html_and_png(capsys, archive_bytes: bytes) -> None:
    Path("map.cinr").write_bytes(archive_bytes)
    assert run(["report", "map.cinr", "--reference", "map.mrc", "report.html"]) == 0
    page = Path("report.html").read_text()
    assert page.count("data:image/png;base64,") >= 3
    assert "compression ratio" in page
    assert run(["report", "map.cinr", "recorded.html"]) == 0
    assert "recorded" in Path("recorded.html").read_text()
    assert run(["report", "map.cinr", "--reference", "map.mrc", "picture.png"]) == 0
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
    assert ".html" in fails(capsys, "report", "map.cinr", "report.pdf")
    assert "--reference" in fails(capsys, "report", "map.cinr", "no.png")


def test_a_network_larger_than_the_map_is_warned_of(capsys) -> None:
    plain = ["--model", "paper", "--max-steps", "1", "--device", "cpu"]
    assert run(["compress", *plain, "--width", "full", "map.mrc", "a.cinr"]) == 0
    assert "warning: the network takes 6,033,410 bytes" in capsys.readouterr().err
    for name, quick in (("field", QUICK), ("widths", PAPER), ("auto", plain)):
        assert run(["compress", *quick, "map.mrc", f"{name}.cinr"]) == 0
        assert "warning" not in capsys.readouterr().err


def test_thresholds(capsys) -> None:
    thresholds = []
    for text in ("3sigma", "auto", "1.5", "none"):
        assert run(["compress", *QUICK, "--threshold", text, "map.mrc", f"{text}.cinr"]) == 0
        thresholds.append(cryoinr.open_archive(f"{text}.cinr")[0].threshold)
    data = cryoinr.read_map("map.mrc").data.astype(np.float64)
    assert thresholds[0] == pytest.approx(data.mean() + 3 * data.std(), rel=1e-5)
    assert thresholds[2:] == [1.5, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", "nowhere.mrc", "a.cinr"], "no such file"),
        (["compress", "map.mrc", "a.mrc"], "must end in .cinr"),
        (["compress", "--threshold", "high", "map.mrc", "a.cinr"], "3sigma"),
        (["compress", "--threshold", "nan", "map.mrc", "a.cinr"], "3sigma"),
        (["compress", "--threshold", "1e9", "map.mrc", "a.cinr"], "no voxel is above"),
        (["compress", "--lossless", "--max-error", "1", "map.mrc", "a.cinr"], "one goal"),
        (["compress", "--max-error", "-1", "map.mrc", "a.cinr"], "above 0"),
        (["compress", "--max-error", "1e-12", "map.mrc", "a.cinr"], "lossless"),
        (["compress", "--widths", "a,b", "map.mrc", "a.cinr"], "integers"),
        (["compress", "--widths", "8,4", "map.mrc", "a.cinr"], "--model paper only"),
        (["compress", "--model", "paper", "--block", "8", "map.mrc", "a.cinr"], "--model field"),
        (["compress", "--steps", "9", "map.mrc", "a.cinr"], "--model inr only"),
        (["compress", "--model", "inr", "--block", "8", "map.mrc", "a.cinr"], "--model field only"),
        (
            ["compress", "--model", "paper", "--weight-factor", "2", "map.mrc", "a.cinr"],
            "--weight-factor belongs to --model field or inr only",
        ),
        (["compress", "--lossless", "--weight-factor", "2", "map.mrc", "a.cinr"], "field or inr"),
        (["compress", "--model", "inr", "--degree", "2", "map.mrc", "a.cinr"], "one of 1, 3"),
        (["compress", "--block", "5", "map.mrc", "a.cinr"], "one of 4, 6, 8"),
        (["compress", "--target-ratio", "1e9", "map.mrc", "a.cinr"], "nothing written"),
        (["compress", "--device", "cuda", "map.mrc", "a.cinr"], "not available"),
        (["compress", "--settings", "map.mrc", "map.mrc", "a.cinr"], "not JSON"),
        (["decompress", "map.mrc", "b.mrc"], "not a .cinr"),
        (["info", "nowhere.cinr"], "no such file"),
        (["verify", "map.mrc"], "not a .cinr"),
        (["compare", "map.mrc", "map.mrc", "--threshold", "99"], "no voxel is above"),
        (["sample", "--size", "3", "a.mrc"], "16"),
        (["nonsense"], "nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line_and_lose_nothing(capsys, arguments: list[str], message: str) -> None:
    if arguments[1:2] == ["--device"]:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is a cuda device")
    before = sorted(Path().iterdir())
    assert message in fails(capsys, *arguments)
    assert sorted(Path().iterdir()) == before


def test_strict_reading(capsys) -> None:
    data = bytearray(Path("map.mrc").read_bytes())
    data[212:216] = bytes(4)
    Path("stamp.mrc").write_bytes(data)
    assert "machine stamp" in fails(capsys, "compress", *QUICK, "--strict", "stamp.mrc", "a.cinr")
    assert run(["compress", *QUICK, "stamp.mrc", "a.cinr"]) == 0
    assert "warning: " in capsys.readouterr().err


def test_damage_is_reported(capsys, archive_bytes: bytes) -> None:
    data = bytearray(archive_bytes)
    data[-300] ^= 0xFF
    Path("a.cinr").write_bytes(data)
    assert "damaged" in fails(capsys, "verify", "a.cinr")
    assert "damaged" in fails(capsys, "decompress", "a.cinr", "b.mrc")
    assert not Path("b.mrc").exists()


def test_sample(capsys) -> None:
    assert run(["sample", "s.mrc", "--size", "20", "--seed", "4"]) == 0
    np.testing.assert_array_equal(
        cryoinr.read_map("s.mrc").data, cryoinr.synthetic_map(20, seed=4).data
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name: str) -> None:
    assert run([name, "--help"]) == 0
    assert "Usage: cryoinr" in capsys.readouterr().out


def test_the_installed_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_cryoinr", "info", "nowhere.cinr"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "error: nowhere.cinr: no such file\n"


# -- Ctrl-C


FINISHING = "finishing with what was reached; press Ctrl-C again to cancel"
LONG = {  # trainings that would take hours
    "inr": ["--model", "inr", "--steps", "100000", "--device", "cpu"],
    "paper": [*PAPER, "--max-steps", "100000000", "--patience", "1000000"],
}


@pytest.fixture
def press(monkeypatch):
    """Press Ctrl-C at the first record of each of some phases."""

    def at(*phases: str) -> None:
        left = list(phases)

        def report(record: Progress) -> None:
            if left and record.phase == left[0]:
                left.pop(0)
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(progress_bar, "_lines", lambda: report)

    yield at
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("model", "phases"),
    [
        (QUICK, ["fitting"]),
        (PAPER, ["preparing"]),
        (LONG["paper"], ["training", "training"]),
        (LONG["paper"], ["training", "storing weights"]),
        (LONG["inr"], ["training", "training"]),
    ],
    ids=["field", "paper", "paper twice", "paper later", "inr twice"],
)
def test_interrupting_leaves_nothing(press, capsys, model: list[str], phases: list[str]) -> None:
    press(*phases)
    assert run(["compress", *model, "--max-error", "0.3", "map.mrc", "a.cinr"]) == 130
    said = [FINISHING] if len(phases) > 1 else []
    lines = filter(None, capsys.readouterr().err.splitlines())  # one is left empty for the ^C
    assert list(lines) == [*said, "error: cancelled"]
    assert [path.name for path in Path().iterdir()] == ["map.mrc"]


@pytest.mark.parametrize("model", LONG)
def test_interrupting_a_training_writes_what_was_reached(press, capsys, small_map, model) -> None:
    press("training")
    assert run(["compress", *LONG[model], "--max-error", "0.3", "map.mrc", "a.cinr"]) == 0
    assert capsys.readouterr().err.splitlines() == [FINISHING]
    with cryoinr.open_archive("a.cinr") as archive:
        above = small_map.data > archive[0].threshold
        assert np.abs(archive[0].read() - small_map.data)[above].max() <= 0.3


def test_other_commands_are_cancelled_by_the_first_ctrl_c(press) -> None:
    def work():
        yield Progress("training", 0, 1)

    press("training")
    with pytest.raises(KeyboardInterrupt):
        progress_bar.show(work())


def test_ctrl_c_stays_as_it_is_where_python_does_not_handle_it(press) -> None:
    def work():
        yield Progress("training", 0, 1)
        return signal.getsignal(signal.SIGINT)

    press("training")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert progress_bar.show(work(), may_finish=True) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(progress_bar.show, work(), quiet=True, may_finish=True).result()
    assert found is signal.default_int_handler


def test_a_bar_on_a_terminal(small_map) -> None:
    def work():
        for step in range(3):
            yield Progress("training", step, 3, loss=0.5, validation_loss=0.6, bytes_so_far=10)
        return "result"

    with progress_bar._bar() as report:
        assert cryoinr.drain(work(), report) == "result"
