"""`cryoinr train-picker` and `cryoinr pick`, and the figures that they print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.picking.coordinates.star_file import write_star_table
from napari_cryoinr.picking.evaluation import agreement, match
from napari_cryoinr.picking.folder_picking import Outcome, PickJob
from napari_cryoinr.picking.picker_model import PickerModel
from napari_cryoinr.progress import Progress, drain
from napari_cryoinr.workers.parent_process import ChildEnded
from napari_cryoinr.workers.picking_jobs import pick_jobs_steps
from napari_cryoinr.workers.reused_child import ReusedChild
from spots import BOX


@pytest.fixture(scope="module")
def folder(examples, tmp_path_factory) -> Path:
    """Three micrographs, their coordinates, and a file that is none."""
    folder = tmp_path_factory.mktemp("micrographs")
    for example in examples:
        name = example.micrograph.name
        with mrcfile.new(folder / f"{name}.mrc") as mrc:
            mrc.set_data(example.micrograph.data)
            mrc.voxel_size = example.micrograph.pixel_size
        cryoinr.write_coordinates(example.particles, folder / f"{name}.csv")
    (folder / "n.mrc").write_bytes(b"no micrograph")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    out = folder / "model.h5"
    given = [str(folder / "m0.mrc")]
    options = ["--box", str(BOX), "--weights", "random", "--iterations", "30", "--device", "cpu"]
    code = run(
        [
            "train-picker",
            *given,
            "--coordinates",
            str(folder),
            "--out",
            str(out),
            "--quiet",
            *options,
        ]
    )
    assert code == 0
    return out


def test_a_folder_is_picked_though_one_file_is_bad(folder, model, tmp_path, capsys) -> None:
    command = ["pick", str(folder), "--model", str(model), "--out", str(tmp_path / "out")]
    command += ["--device", "cpu", "--score", str(folder)]
    assert run(command) == 1
    printed = capsys.readouterr()
    assert "n.mrc" in printed.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "m0.csv",
        "m1.csv",
        "m2.csv",
    ]
    line = printed.out.strip().splitlines()[-1]
    assert line.split()[0] == "all"
    assert float(line.split()[5]) > 0.8  # F1
    again = ["pick", *(str(folder / f"m{n}.mrc") for n in range(3)), "--out", str(tmp_path / "out")]
    assert run([*again, "--score", str(folder), "--radius", f"{BOX / 2.64}"]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == line
    assert run(command) == 1
    assert capsys.readouterr().out.count("exists already") == 3


def test_sub_folders_in_two_processes(folder, model, tmp_path, capsys) -> None:
    """The same files as in one process; one that is no TIFF and one at 8 Å do not stop the rest."""
    for name in ("m0.mrc", "one/m0.mrc", "one/.m1.mrc", "two/m2.mrc"):
        (tmp_path / "mics" / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(folder / Path(name).name.lstrip("."), tmp_path / "mics" / name)
    (tmp_path / "mics" / "one" / "bad.tif").write_bytes(b"II*\0 and no more")
    made = {}
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        command = ["pick", str(tmp_path / "mics"), "--model", str(model), "--out", str(out)]
        command += ["--device", "cpu", "--jobs", jobs]
        assert run(command) == 1
        printed = capsys.readouterr()
        assert [line for line in printed.err.splitlines() if "bad.tif" in line]
        made[jobs] = {path.relative_to(out): path.read_text() for path in out.rglob("*.csv")}
    assert made["1"] == made["2"]
    names = {"m0.csv", "one/m0.csv", "two/m2.csv"}
    assert set(made["1"]) == {Path(name) for name in names}
    assert run([*command, "--score", str(folder)]) == 1  # labels for sub-folders, from one folder
    printed = capsys.readouterr()
    assert printed.out.count("exists already") == 3
    assert [line.split()[0] for line in printed.out.splitlines()[-4:]] == [
        "m0",
        str(Path("one", "m0")),
        str(Path("two", "m2")),
        "all",
    ]


def test_a_killed_process_fails_one_micrograph(model, tmp_path, monkeypatch) -> None:
    died = ChildEnded("killed by SIGKILL")
    monkeypatch.setattr(ReusedChild, "run_steps", lambda *_: raising(died))
    jobs = [PickJob(tmp_path / name, tmp_path / "out.csv") for name in ("a.mrc", "b.mrc")]
    told: list[Outcome] = []
    outcomes = drain(pick_jobs_steps(jobs, PickerModel.load(model), 2, told.append))
    assert [outcome.error for outcome in outcomes] == ["killed by SIGKILL"] * 2
    assert sorted(told) == outcomes


def raising(error: Exception) -> Iterator[None]:
    yield Progress("working", 0, 1)
    raise error


def test_coordinates_at_another_pixel_size(folder, tmp_path, capsys) -> None:
    """One file for all, of 4 Å, for a micrograph of 8 Å; and one whose positions are elsewhere."""
    example = cryoinr.read_micrograph(folder / "m0.mrc")
    with mrcfile.new(tmp_path / "m0.mrc") as mrc:
        mrc.set_data(example.data.reshape(200, 2, 210, 2).mean((1, 3)))
        mrc.voxel_size = 8.0
    particles = replace(cryoinr.read_coordinates(folder / "m0.csv"), pixel_size=4.0)
    write_star_table({"mics/m0.mrc": particles, "mics/m9.mrc": particles}, tmp_path / "all.star")
    command = ["train-picker", str(tmp_path / "m0.mrc"), "--box", "20", "--device", "cpu"]
    command += ["--weights", "random", "--iterations", "1", "--out", str(tmp_path / "a.h5")]
    assert run([*command, "--coordinates", str(tmp_path / "all.star")]) == 0
    assert "25 particles in 1 micrographs" in capsys.readouterr().out
    assert PickerModel.load(tmp_path / "a.h5").pixel_size == 8.0
    far = replace(particles, xy=4 * particles.xy, pixel_size=None)
    cryoinr.write_coordinates(far, tmp_path / "far.csv")
    assert run([*command, "--coordinates", str(tmp_path / "far.csv"), "--overwrite"]) == 1
    assert "positions lie outside m0, 210 × 200 pixels" in capsys.readouterr().err


def test_a_diameter_is_enough_where_the_pixel_size_is_known(folder, tmp_path, capsys) -> None:
    """The box follows from it, by the header or by what is said."""
    image = cryoinr.read_micrograph(folder / "m1.mrc").data
    tifffile.imwrite(tmp_path / "a.tif", image)
    given = [str(folder / "m1.mrc"), str(tmp_path / "a.tif"), "--out", str(tmp_path)]
    command = ["pick", *given, "--diameter", "100", "--device", "cpu"]
    assert run(command) == 1
    printed = capsys.readouterr()
    assert "a.tif: states no pixel size" in printed.err and "px of 4 Å" in printed.out
    assert run([*command, "--pixel-size", "5", "--overwrite"]) == 0
    made = [cryoinr.read_coordinates(tmp_path / name) for name in ("m1.csv", "a.csv")]
    assert [particles.pixel_size for particles in made] == [5.0, 5.0]
    assert np.array_equal(made[0].xy, made[1].xy) and len(made[0]) > 0


@pytest.mark.parametrize("kind", ["csv", "box", "star"])
def test_formats(folder, model, tmp_path, kind: str, capsys) -> None:
    target = str(folder / "m2.mrc")
    command = ["pick", target, "--model", str(model), "--out", str(tmp_path), "--format", kind]
    assert run([*command, "--device", "cpu"]) == 0
    found = cryoinr.read_coordinates(tmp_path / f"m2.{kind}", micrograph="m2.mrc")
    assert found.box == BOX
    assert len(found) == int(capsys.readouterr().out.split()[-2])


def test_all_candidates(folder, model, tmp_path) -> None:
    command = ["pick", str(folder / "m2.mrc"), "--model", str(model), "--device", "cpu"]
    assert run([*command, "--out", str(tmp_path / "a"), "--threshold", "none"]) == 0
    assert run([*command, "--out", str(tmp_path / "b"), "--threshold", "0.9"]) == 0
    everything = cryoinr.read_coordinates(tmp_path / "a" / "m2.csv")
    sure = cryoinr.read_coordinates(tmp_path / "b" / "m2.csv")
    assert len(everything) > len(sure) > 0
    assert sure.score is not None and everything.score is not None
    assert sure.score.min() >= 0.9 > everything.score.min()
    header = (tmp_path / "a" / "m2.csv").read_text().splitlines()[0]
    assert header.startswith("x,y,score")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pick", "{f}/m0.mrc", "--out", "{f}/out"], "give --model"),
        (
            ["pick", "{f}/m0.mrc", "--model", "{m}", "--diameter", "90", "--out", "{f}/o"],
            "contradict each other",
        ),
        (["pick", "{f}/m0.mrc", "--model", "{f}/none.h5", "--out", "{f}/o"], "no such file"),
        (["pick", "{f}/m0.mrc", "--model", "{f}/m0.csv", "--out", "{f}/o"], "not a picker's model"),
        (
            ["pick", "{f}/m0.mrc", "--out", "{f}/no", "--score", "{f}", "--radius", "9"],
            "no *.csv of these micrographs to compare; give --model",
        ),
        (["pick", "{f}/m0.mrc", "--out", "{f}", "--score", "{f}"], "needs --radius"),
        (["pick", "{f}/m0.mrc", "--out", "{f}/o"], "give --model, a trained picker"),
        (["pick", "{f}/m9.mrc", "--model", "{m}", "--out", "{f}/o"], "no such file or folder"),
        (
            ["pick", "{f}/m0.mrc", "--model", "{m}", "--out", "{f}/o", "--threshold", "2"],
            "must be 0 to 1",
        ),
        (
            ["train-picker", "{f}/m0.mrc", "--coordinates", "{f}", "--box", "40", "--out", "a.txt"],
            "must end in .h5",
        ),
        (
            ["train-picker", "{f}/m0.mrc", "--coordinates", "{f}", "--box", "40", "--out", "{m}"],
            "exists already",
        ),
        (
            ["pick", "{f}/m0.mrc", "--model", "{m}", "--out", "{f}", "--score", "{f}"],
            "is the folder of the labels",
        ),
        (
            [
                "train-picker",
                "{f}/m0.mrc",
                "--coordinates",
                "{f}/no",
                "--box",
                "40",
                "--out",
                "a.h5",
            ],
            "no such folder",
        ),
        (
            ["train-picker", "{f}/m0.mrc", "--coordinates", "{f}", "--box", "900", "--out", "a.h5"],
            "does not fit into 400",
        ),
    ],
)
def test_mistakes_give_one_line(folder, model, capsys, arguments, line) -> None:
    given = [text.format(f=folder, m=model) for text in arguments]
    assert run(given) == 1
    printed = capsys.readouterr().err.strip()
    assert line in printed
    assert len(printed.splitlines()) == 1


def test_nothing_against_nothing() -> None:
    nothing = cryoinr.Particles(np.empty((0, 2)))
    found = agreement([match(nothing, nothing, 10)], 0.5)
    assert (found.picks, found.labels, found.f1) == (0, 0, 0.0)
    assert np.isnan(found.distance)
