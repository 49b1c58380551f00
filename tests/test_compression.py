"""Maps into archives and back: goals, real maps, cancelling, reproducibility, bounded memory."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.support.atomic_files import write_bytes

compress = functools.partial(cryoinr.compress, overwrite=True)

FITTING = {"field": ("fitting", "rounding", "coding"), "paper": ("pairs", "training")}


@pytest.mark.parametrize("mode", [0, 1, 2, 6, 12])
@pytest.mark.parametrize("goal", [{"lossless": True}, {"max_error": 2.0}, {}], ids=str)
def test_every_mode_and_goal(mode: int, goal: dict, tmp_path: Path, either) -> None:
    rng = np.random.default_rng(mode)
    smooth = cryoinr.synthetic_map((17, 20, 23), seed=4).data * 20
    values = np.rint(smooth + rng.normal(size=smooth.shape))
    values -= values.min() if mode == 6 else 0
    values = np.clip(values, -127, 127) + 0.0  # within int8, and no -0.0
    original = cryoinr.DensityMap(values.astype(np.float32), name="m")
    original = dataclasses.replace(original, header=original.mrc.changed(mode=mode))
    settings = dataclasses.replace(either, **goal)
    compress(original, tmp_path / "a.cinr", settings)
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    voxels = cryoinr.drain(member.verify_steps())
    if mode in (0, 1, 6):
        np.testing.assert_array_equal(voxels, np.rint(voxels))
    if "lossless" in goal:
        assert voxels.tobytes() == original.data.tobytes()
    elif goal:
        above = original.data > member.threshold
        assert np.abs(voxels - original.data)[above].max() <= 2.0
    cryoinr.write_map(member.to_map(), tmp_path / "a.mrc")
    np.testing.assert_array_equal(cryoinr.read_map(tmp_path / "a.mrc").data, voxels)


def test_lossless_keeps_negative_zeros_and_extremes(tmp_path: Path, either) -> None:
    data = np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32)
    data[0, 0] = [-0.0, 0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 1.0, -1.0, 1e-38, 7.0]
    original = cryoinr.DensityMap(data, name="odd")
    settings = dataclasses.replace(either, lossless=True, threshold="none")
    compress(original, tmp_path / "a.cinr", settings)
    assert cryoinr.open_archive(tmp_path / "a.cinr")[0].read().tobytes() == data.tobytes()


def test_a_map_that_outgrew_its_mode_is_stored_as_float32(tmp_path: Path, quick) -> None:
    small = cryoinr.synthetic_map(16)
    original = dataclasses.replace(small, header=small.mrc.changed(mode=1))
    compress(original, tmp_path / "a.cinr", dataclasses.replace(quick, lossless=True))
    back = cryoinr.decompress(tmp_path / "a.cinr", tmp_path / "a.mrc")
    assert back.mode == 2
    assert back.data.tobytes() == original.data.tobytes()


def test_a_constant_map(tmp_path: Path, either) -> None:
    original = cryoinr.DensityMap(np.full((6, 7, 8), 2.5, np.float32), name="flat")
    compress(original, tmp_path / "a.cinr", dataclasses.replace(either, lossless=True))
    member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
    assert member.threshold is None
    np.testing.assert_array_equal(member.read(), original.data)


def test_the_whole_volume_without_a_threshold(small_map, tmp_path: Path, either) -> None:
    settings = dataclasses.replace(either, threshold="none", max_error=0.5)
    report = compress(small_map, tmp_path / "a.cinr", settings)
    assert report.contour is None
    assert report.kept_voxels == small_map.data.size
    voxels = cryoinr.open_archive(tmp_path / "a.cinr")[0].read()
    assert np.abs(voxels - small_map.data).max() <= 0.5


def test_max_error_below_the_voxels_own_grain_is_refused(small_map, tmp_path, either) -> None:
    with pytest.raises(cryoinr.SettingsError, match="lossless"):
        compress(small_map, tmp_path / "a.cinr", dataclasses.replace(either, max_error=1e-9))
    assert not list(tmp_path.iterdir())


def test_max_error_of_large_floats(tmp_path: Path, either) -> None:
    """Densities near 2^23, where float32 itself is spaced by 1, are no integer map for that."""
    data = cryoinr.synthetic_map(16).data * np.float32(1e6)
    data[0, 0, 0] = 1.2e7
    original = cryoinr.DensityMap(data, name="large")
    settings = dataclasses.replace(either, threshold="none", max_error=2.6)
    assert compress(original, tmp_path / "a.cinr", settings).max_error <= 2.6


def test_one_occupied_voxel(tmp_path: Path, either) -> None:
    """Even if it is held out from training, the training has something to see."""
    data = np.zeros((6, 6, 6), np.float32)
    data[2, 3, 4] = 5.0
    original = cryoinr.DensityMap(data, name="one")
    paper = dataclasses.replace(either.paper, validation_share=0.5, max_steps=3)
    for seed in range(4 if either.model == "paper" else 1):
        settings = dataclasses.replace(either, paper=paper, threshold=1.0, seed=seed, max_error=0.1)
        compress(original, tmp_path / "a.cinr", settings)
        voxels = cryoinr.open_archive(tmp_path / "a.cinr")[0].read()
        assert voxels[2, 3, 4] == pytest.approx(5.0, abs=0.1)
        assert voxels[data == 0].max() <= 1.0
        assert np.abs(voxels[5]).max() <= 0.1


def test_training_learns(small_map, tmp_path: Path) -> None:
    """A network with enough room fits a small map well: NRMSE far below that of the mean (1)."""
    paper = cryoinr.PaperSettings(
        frequencies=5, widths=(96, 64), max_steps=500, validation_share=0.0, learning_rate=3e-3
    )
    settings = cryoinr.Settings(model="paper", paper=paper, device="cpu")
    report = compress(small_map, tmp_path / "a.cinr", settings)
    assert report.nrmse < 0.2
    assert report.within_20_percent > 0.95


def test_the_seed_decides(small_map, tmp_path: Path, quick_paper) -> None:
    """The same seed gives the same network, up to the order in which threads add numbers."""
    voxels = []
    for seed in (0, 0, 7):
        compress(small_map, tmp_path / "a.cinr", dataclasses.replace(quick_paper, seed=seed))
        voxels.append(cryoinr.open_archive(tmp_path / "a.cinr")[0].read())
    same, other = (float(np.abs(voxels[0] - v).max()) for v in voxels[1:])
    assert same < 0.05 * other


@pytest.mark.parametrize("setting", ["residual", "projection", "weights", "precision"])
def test_every_choice_of_the_paper_model(
    setting: str, small_map, tmp_path: Path, quick_paper
) -> None:
    from napari_cryoinr.support import records

    rule = next(r for name, _, r, _ in records.rules(cryoinr.PaperSettings) if name == setting)
    for choice in rule.choices:
        if choice == "float16" and setting == "precision":
            continue  # half precision is for cuda
        paper = dataclasses.replace(quick_paper.paper, **{setting: choice, "max_steps": 10})
        compress(small_map, tmp_path / "a.cinr", dataclasses.replace(quick_paper, paper=paper))
        member = cryoinr.open_archive(tmp_path / "a.cinr")[0]
        assert np.isfinite(cryoinr.drain(member.verify_steps())).all()


@pytest.mark.parametrize("frequencies", [0, 13])
def test_no_encoding_and_many_frequencies(
    frequencies: int, small_map, tmp_path, quick_paper
) -> None:
    paper = dataclasses.replace(
        quick_paper.paper, frequencies=frequencies, latent_size=0, max_steps=10
    )
    compress(small_map, tmp_path / "a.cinr", dataclasses.replace(quick_paper, paper=paper))
    assert cryoinr.drain(cryoinr.open_archive(tmp_path / "a.cinr")[0].verify_steps()).size


def test_progress_has_phases_losses_and_bytes(small_map, tmp_path: Path, either) -> None:
    records = []
    settings = dataclasses.replace(either, max_error=0.2)
    cryoinr.drain(
        cryoinr.compress_steps(small_map, tmp_path / "a.cinr", settings, overwrite=True),
        records.append,
    )
    phases = list(dict.fromkeys(record.phase for record in records))
    assert phases[0] == "preparing"
    assert phases[-1] == "written"
    assert {*FITTING[settings.model_name], "decoding", "residual", "measuring"} <= set(phases)
    assert all(0 <= record.step <= record.steps for record in records)
    assert records[-1].bytes_so_far == (tmp_path / "a.cinr").stat().st_size
    if settings.model_name == "paper":
        training = [record for record in records if record.phase == "training"]
        assert training[-1].loss > 0
        assert training[-1].validation_loss > 0


@pytest.mark.parametrize(
    ("model", "phase"),
    [
        (model, phase)
        for model, fitting in FITTING.items()
        for phase in ("preparing", *fitting, "decoding", "residual", "writing")
    ],
)
def test_closing_the_generator_leaves_nothing(
    model: str, phase: str, small_map, tmp_path: Path, quick, quick_paper
) -> None:
    target = tmp_path / "a.cinr"
    target.write_bytes(b"before")
    settings = dataclasses.replace(quick if model == "field" else quick_paper, max_error=0.2)
    steps = cryoinr.compress_steps(small_map, target, settings, overwrite=True)
    for record in steps:
        if record.phase == phase:
            break
    else:
        pytest.fail(f"no phase {phase}")
    steps.close()
    assert target.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_bad_input_is_refused_before_any_work(small_map, tmp_path: Path, either) -> None:
    nan = small_map.data.copy()
    nan[3, 4, 5] = np.nan
    cases = [
        ([], cryoinr.MapError, "no map"),
        ([small_map, small_map], cryoinr.MapError, "two maps are called 'small'"),
        (cryoinr.DensityMap(nan, name="x" * 300), cryoinr.MapError, "300 letters"),
        (cryoinr.DensityMap(nan, name="n"), cryoinr.MapError, r"\(3, 4, 5\) is infinite or NaN"),
    ]
    for maps, error, match in cases:
        with pytest.raises(error, match=match):
            compress(maps, tmp_path / "a.cinr", either)
    with pytest.raises(cryoinr.CinrError, match="does not exist"):
        compress(small_map, tmp_path / "x" / "a.cinr", either)
    with pytest.raises(cryoinr.SettingsError, match="no voxel is above"):
        compress(small_map, tmp_path / "a.cinr", dataclasses.replace(either, threshold=1e9))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_saving_through_a_link_keeps_the_link(archive_path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.cinr"
    link.symlink_to(tmp_path / "real" / "file.cinr")
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "file.cinr").read_bytes() == b"new"


# Saves an archive, and is killed at a moment that is chosen.
SAVER = """
import os, signal, sys
import h5py
import napari_cryoinr as cryoinr
def die(*args, **keywords):
    os.kill(os.getpid(), signal.SIGKILL)
places = {"group": (h5py.h5g, "create"), "attribute": (h5py.h5a, "create"),
          "fsync": (os, "fsync"), "replace": (os, "replace")}
setattr(*places[sys.argv[1]], die)
cryoinr.compress(cryoinr.synthetic_map(12), sys.argv[2], cryoinr.Settings(lossless=True),
                 overwrite=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("moment", ["group", "attribute", "fsync", "replace"])
def test_killing_a_save_leaves_the_file_as_it_was(tmp_path: Path, moment: str) -> None:
    target = tmp_path / "target.cinr"
    target.write_bytes(b"before")
    command = [sys.executable, "-c", SAVER, moment, str(target)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert target.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 2
    write_bytes(target, b"after")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"after"]


def test_outputs_that_would_lose_data_are_refused(small_map, archive_path, tmp_path: Path) -> None:
    exact = cryoinr.Settings(lossless=True)
    original, out = tmp_path / "original.mrc", tmp_path / "out.cinr"
    cryoinr.write_map(small_map, original)
    before = original.read_bytes()
    cryoinr.compress(small_map, out, exact)
    for path in (original, tmp_path / "x.mrc", tmp_path / "x.cinr.gz", out):
        with pytest.raises(cryoinr.OutputError):
            cryoinr.compress(small_map, path, exact)
    (tmp_path / "link.cinr").symlink_to(original)
    with pytest.raises(cryoinr.OutputError):
        compress(small_map, tmp_path / "link.cinr", exact)
    archive = out.read_bytes()
    (tmp_path / "link.mrc").symlink_to(out)
    for path in (out, original, tmp_path / "out.tif"):
        with pytest.raises(cryoinr.OutputError):
            cryoinr.decompress(out, path)
    with pytest.raises(cryoinr.OutputError, match="the input"):
        cryoinr.decompress(out, tmp_path / "link.mrc", overwrite=True)
    assert (original.read_bytes(), out.read_bytes()) == (before, archive)
    cryoinr.decompress(out, original, overwrite=True)


@pytest.mark.parametrize("left", [530, 700])
def test_a_ratio_that_leaves_few_bytes_is_met(small_map, tmp_path: Path, quick, left: int) -> None:
    settings = dataclasses.replace(quick, target_ratio=small_map.raw_bytes / left)
    assert compress(small_map, tmp_path / "a.cinr", settings).bytes <= left
