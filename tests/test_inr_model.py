"""The model `inr`: maps are trained, and what is promised holds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr import models
from napari_cryoinr.codec.compression import _with_reference
from napari_cryoinr.errors import GoalMissed
from napari_cryoinr.models.base import Target
from napari_cryoinr.models.inr import search
from napari_cryoinr.models.inr.inr_settings import InrConfig, InrSettings
from napari_cryoinr.models.inr.lattice import UNIT
from napari_cryoinr.models.inr.parts import Canvas, boxes_of
from napari_cryoinr.models.inr.pyramid import Pyramid, spacing_for
from napari_cryoinr.models.problem import problem_steps
from napari_cryoinr.progress import Clock, Progress

QUICK = InrSettings(steps=40, spacing=1.5, degree=3)


@pytest.fixture(scope="module")
def molecule() -> cryoinr.DensityMap:
    return cryoinr.synthetic_map(28, voxel_size=2.0, resolution=9.0, noise=0.02, seed=4)


def quick(**given: object) -> cryoinr.Settings:
    return cryoinr.Settings(model="inr", device="cpu", inr=QUICK, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(molecule: cryoinr.DensityMap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the whole map."""
    path = tmp_path_factory.mktemp("whole") / "a.cinr"
    cryoinr.compress(molecule, path, quick(threshold="none", target_psnr=35.0))
    return path


@pytest.fixture(scope="module")
def corrected(molecule: cryoinr.DensityMap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a network that corrects the sums of the levels."""
    path = tmp_path_factory.mktemp("corrected") / "a.cinr"
    settings = quick(threshold="3sigma", target_nrmse=0.15, keep="contour")
    cryoinr.compress(molecule, path, replace(settings, inr=replace(QUICK, synthesis="network")))
    return path


def decoded(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    with cryoinr.open_archive(path) as archive:
        return archive[0].read()


def test_every_shell_is_kept(tmp_path: Path, molecule: cryoinr.DensityMap) -> None:
    path = tmp_path / "a.cinr"
    settings = quick(threshold="3sigma", target_fsc=0.98, resolution=9.0)
    report = cryoinr.compress(molecule, path, settings)
    assert isinstance(report, cryoinr.QualityReport)
    assert report.lowest_fsc is not None
    assert report.lowest_fsc >= 0.98
    with cryoinr.open_archive(path) as archive:
        assert archive.header.model.name == "inr"
        cryoinr.drain(archive[0].verify_steps())


@pytest.mark.parametrize(
    "goal", [{"target_nrmse": 0.1, "keep": "contour"}, {"target_psnr": 35.0, "keep": "volume"}]
)
def test_errors_are_those_asked_for(
    tmp_path: Path, molecule: cryoinr.DensityMap, goal: dict[str, object]
) -> None:
    threshold = "none" if "target_psnr" in goal else "3sigma"
    report = cryoinr.compress(molecule, tmp_path / "a.cinr", quick(threshold=threshold, **goal))
    assert isinstance(report, cryoinr.QualityReport)
    if "target_psnr" in goal:
        assert report.psnr is not None
        assert 35 <= report.psnr < 36
    else:
        assert 0.08 < report.nrmse <= 0.1


def test_no_voxel_is_off_by_more_than_the_maximum_error(
    tmp_path: Path, molecule: cryoinr.DensityMap
) -> None:
    spread = float(np.ptp(molecule.data))
    settings = quick(threshold="none", max_error=0.05 * spread)
    cryoinr.compress(molecule, tmp_path / "a.cinr", settings)
    assert np.abs(decoded(tmp_path / "a.cinr") - molecule.data).max() <= 0.05 * spread


def test_a_ratio_is_kept(tmp_path: Path, molecule: cryoinr.DensityMap) -> None:
    report = cryoinr.compress(
        molecule, tmp_path / "a.cinr", quick(threshold="none", target_ratio=40.0)
    )
    assert isinstance(report, cryoinr.QualityReport)
    assert 40 <= report.ratio < 80


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_scale_of_density_matters(
    tmp_path: Path, molecule: cryoinr.DensityMap, scale: float
) -> None:
    scaled = replace(molecule, data=(molecule.data * np.float32(scale)).astype(np.float32))
    settings = quick(threshold="3sigma", target_nrmse=0.15, keep="contour")
    report = cryoinr.compress(scaled, tmp_path / "a.cinr", settings)
    assert isinstance(report, cryoinr.QualityReport)
    assert report.nrmse <= 0.15


@pytest.mark.parametrize("shape", [(1, 30, 30), (5, 31, 9), (1, 1, 40)])
def test_any_shape_can_be_trained(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    places = np.indices(shape) * 0.4
    data = (np.sin(places).sum(axis=0) + 2).astype(np.float32)
    density_map = cryoinr.DensityMap(data, name="waves")
    settings = quick(threshold="none", target_psnr=30.0)
    report = cryoinr.compress(density_map, tmp_path / "a.cinr", settings)
    assert isinstance(report, cryoinr.QualityReport)
    assert report.psnr is not None
    assert report.psnr >= 30
    assert decoded(tmp_path / "a.cinr").shape == shape


def test_a_flat_map_is_no_trouble(tmp_path: Path) -> None:
    density_map = cryoinr.DensityMap(np.full((8, 8, 8), 0.1, np.float32), name="flat")
    cryoinr.compress(density_map, tmp_path / "a.cinr", quick(threshold="none", target_psnr=30.0))
    np.testing.assert_allclose(decoded(tmp_path / "a.cinr"), 0.1, rtol=1e-6)


def test_where_a_pyramid_misses_the_goal_a_finer_one_is_trained(
    tmp_path: Path, molecule: cryoinr.DensityMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_PYRAMIDS", ((4.0, 3),))
    settings = replace(quick(threshold="none", target_psnr=35.0), inr=InrSettings(steps=40))
    cryoinr.compress(molecule, tmp_path / "a.cinr", settings)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert archive[0].header.config["spacing"] < 4 * UNIT


def test_no_pyramid_is_finer_than_what_was_asked_for() -> None:
    choice = search._Choice(128, 3, False)
    assert search._finer(choice, 2.0, InrSettings()).spacing == 96
    assert search._finer(choice._replace(spacing=UNIT // 2), 2.0, InrSettings()).spacing == 32
    assert search._finer(choice, 2.0, InrSettings(spacing=2.0)) == choice
    finest = InrSettings(finest=9.0)  # nodes 1.96 voxels apart
    assert search._finer(choice, 2.0, finest).spacing == spacing_for(9.0, 2.0)
    assert search._finer(choice._replace(spacing=100), 2.0, finest).spacing == 100
    # Copies of voxels that lie between voxels say nothing of what is finer.
    assert search._finer(choice._replace(spacing=96), 2.0, InrSettings(), True).spacing == 80


@pytest.mark.slow
def test_weights_of_errors_change_what_is_trained(
    tmp_path: Path, molecule: cryoinr.DensityMap
) -> None:
    """Dense voxels have smaller errors beside the others, at the same error over all."""
    dense = molecule.data > np.quantile(molecule.data, 0.97)
    shares = []
    for exponent in (0.0, 2.0):
        settings = quick(threshold="none", target_psnr=30.0)
        settings = replace(settings, inr=replace(QUICK, weight_exponent=exponent))
        cryoinr.compress(molecule, tmp_path / "a.cinr", settings, overwrite=True)
        wrong = np.square(decoded(tmp_path / "a.cinr") - molecule.data)
        shares.append(wrong[dense].sum() / wrong.sum())
    assert shares[1] < 0.8 * shares[0]


def test_parts_and_points_follow_from_the_file(whole: Path) -> None:
    voxels = decoded(whole)
    with cryoinr.open_archive(whole) as archive:
        member = archive[0]
        np.testing.assert_array_equal(member.read(np.s_[3:9, :, 20]), voxels[3:9, :, 20])
        places = np.array([[4, 5, 6], [20, 7, 3]])
        angstrom = places * 2.0 + np.array(member.origin)
        values = member.sample(angstrom)
        near = voxels[tuple(places.T)]
        np.testing.assert_allclose(values, near, atol=0.01 * float(np.ptp(voxels)))


def test_the_same_seed_gives_the_same_file(tmp_path: Path, molecule: cryoinr.DensityMap) -> None:
    settings = quick(threshold="3sigma", target_nrmse=0.15, keep="contour")
    for name in ("a.cinr", "b.cinr"):
        cryoinr.compress(molecule, tmp_path / name, settings)
    assert (tmp_path / "a.cinr").read_bytes() == (tmp_path / "b.cinr").read_bytes()


def test_progress_tells_the_loss_and_cancelling_leaves_nothing(
    tmp_path: Path, molecule: cryoinr.DensityMap
) -> None:
    steps = cryoinr.compress_steps(
        molecule, tmp_path / "a.cinr", quick(threshold="none", target_psnr=35.0)
    )
    for record in steps:
        if record.phase == "training" and record.step > 10:
            break
    assert record.loss is not None
    assert record.bytes_so_far > 0
    steps.close()
    assert not list(tmp_path.iterdir())


def test_training_ends_early_with_a_file_that_keeps_its_promise(
    tmp_path: Path, molecule: cryoinr.DensityMap
) -> None:
    settings = cryoinr.Settings(
        model="inr",
        device="cpu",
        threshold="3sigma",
        target_fsc=0.97,
        resolution=10.0,
        inr=InrSettings(steps=400),
    )
    steps = cryoinr.compress_steps(molecule, tmp_path / "a.cinr", settings)
    trained = 0
    record = next(steps)
    try:
        while True:
            trained += record.phase == "training"
            record = steps.send(True) if trained > 30 else next(steps)
    except StopIteration as stop:
        (report,) = stop.value
    assert trained < 300  # of the 400, with the last part of the schedule
    assert report.lowest_fsc >= 0.97


def test_what_cannot_be_reached_is_told_and_nothing_written(
    tmp_path: Path, molecule: cryoinr.DensityMap
) -> None:
    settings = cryoinr.Settings(
        model="inr",
        device="cpu",
        threshold="none",
        target_psnr=60.0,
        inr=InrSettings(steps=2, spacing=16.0),
    )
    with pytest.raises(GoalMissed, match="nothing written"):
        cryoinr.compress(molecule, tmp_path / "a.cinr", settings)
    assert not list(tmp_path.iterdir())


def test_half_maps_predict_each_other(tmp_path: Path) -> None:
    signal = cryoinr.synthetic_map(20, voxel_size=2.0, resolution=9.0, seed=4).data
    dice = np.random.default_rng(0)
    noisy = [signal + 0.02 * dice.normal(size=signal.shape) for _ in range(2)]
    maps = [
        cryoinr.DensityMap(data.astype(np.float32), name=name)
        for data, name in zip(noisy, ("one", "two"), strict=True)
    ]
    settings = quick(threshold="none", target_psnr=35.0)
    reports = cryoinr.compress(maps, tmp_path / "a.cinr", settings)
    assert isinstance(reports, list)
    assert all((report.psnr or 0) >= 35 for report in reports)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert "reference" not in (archive[0].header.config or {})
        assert (archive[1].header.config or {})["reference"] == 0
        voxels = cryoinr.drain(archive[1].verify_steps())
        part = archive[1].read(np.s_[3:17, :, 5:])
        np.testing.assert_array_equal(part, voxels[3:17, :, 5:])
        points = archive[1].sample([[5.0, 4.0, 7.0]])
        assert points[0] == pytest.approx(voxels[5, 4, 7], abs=0.01 * float(np.ptp(voxels)))
        sizes = [
            len(member._streams["latents"])  # what each one takes
            for member in archive
        ]
    assert sizes[1] < 0.9 * sizes[0]


def test_the_reference_of_a_member_is_a_member() -> None:
    """Members that are stored exactly have no place among the maps that are fitted together."""
    config = InrConfig(1, 96, 3, (1.0,), 0.0, reference=0, gains=(0.5,))
    assert _with_reference(config, [1, 2]).reference == 1
    assert _with_reference(None, [1, 2]) is None


def test_decoding_loads_no_torch(whole: Path) -> None:
    code = (
        "import sys, napari_cryoinr as c\n"
        f"with c.open_archive({str(whole)!r}) as a:\n"
        "    a[0].read(); a[0].sample([[3.0, 4.0, 5.0]]); a[0].read(level=1)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "environment",
    [
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        {"NPY_DISABLE_CPU_FEATURES": "AVX2 AVX512F AVX512_SKX FMA3"},
    ],
)
def test_every_machine_decodes_the_same_voxels(
    corrected: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code = f"import napari_cryoinr as c\na = c.open_archive({str(corrected)!r})\n"
    code += "c.drain(a[0].verify_steps())"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


@pytest.mark.usefixtures("auto_tries_inr")
def test_auto_takes_the_smaller_file_and_tells_the_other(
    tmp_path: Path, molecule: cryoinr.DensityMap
) -> None:
    settings = cryoinr.Settings(
        threshold="3sigma",
        target_nrmse=0.15,
        keep="contour",
        device="cpu",
        effort="balanced",
        inr=QUICK,
    )
    sizes = {}
    for name in ("field", "inr", "auto"):
        path = tmp_path / f"{name}.cinr"
        cryoinr.compress(molecule, path, replace(settings, model=name))
        sizes[name] = path.stat().st_size
    with cryoinr.open_archive(tmp_path / "auto.cinr") as archive:
        head = archive.header.model
    smaller = min(("field", "inr"), key=lambda name: sizes[name])
    assert head.name == smaller
    assert {head.name, head.other} == {"field", "inr"}
    # The header says which model was asked for.
    assert head.other_bytes is not None
    assert abs(head.other_bytes - max(sizes["field"], sizes["inr"])) <= 16


@pytest.mark.usefixtures("auto_tries_inr")
def test_auto_tries_only_what_is_quick() -> None:
    inr = models.get("inr")
    assert inr.quick(1000, "cpu")
    assert not inr.quick(10_000_000, "cpu")
    assert "inr" not in models.alternatives("target_ratio")


def test_records_of_training_name_their_share(tmp_path: Path, molecule: cryoinr.DensityMap) -> None:
    shares: list[float] = []

    def note(record: Progress) -> None:
        if record.share is not None:
            shares.append(record.share)

    steps = cryoinr.compress_steps(
        molecule, tmp_path / "a.cinr", quick(threshold="none", target_psnr=30.0)
    )
    cryoinr.drain(steps, note)
    assert shares == sorted(shares)
    assert shares[-1] <= 1


@pytest.mark.slow
def test_a_map_that_does_not_fit_is_trained_part_by_part(
    tmp_path: Path, molecule: cryoinr.DensityMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick(threshold="3sigma", target_fsc=0.97, resolution=9.0)
    cryoinr.compress(molecule, tmp_path / "whole.cinr", settings)
    monkeypatch.setattr(search, "_memory", lambda device: 1)
    report = cryoinr.compress(molecule, tmp_path / "parts.cinr", settings)
    assert isinstance(report, cryoinr.QualityReport)
    assert (report.lowest_fsc or 0) >= 0.97
    sizes = [(tmp_path / f"{name}.cinr").stat().st_size for name in ("parts", "whole")]
    assert sizes[0] < 1.2 * sizes[1]
    corrected = replace(settings, inr=replace(QUICK, synthesis="network"))
    with pytest.raises(cryoinr.SettingsError, match="part by part"):
        cryoinr.compress(molecule, tmp_path / "none.cinr", corrected)
    assert not (tmp_path / "none.cinr").exists()


@pytest.mark.parametrize("limit", [1, 10**7, 10**12])
def test_every_voxel_and_node_is_in_one_part(limit: int) -> None:
    density_map = cryoinr.DensityMap(np.ones((90, 40, 33), np.float32))
    request = cryoinr.Settings(model="inr", threshold="none", target_psnr=40.0).request()
    steps = problem_steps(Target.above(density_map, None), request, Clock(), symmetric=False)
    whole = (slice(4, 88), slice(0, 40), slice(2, 30))
    boxes = boxes_of(replace(cryoinr.drain(steps), box=whole), 96, limit)
    voxels = np.zeros(density_map.data.shape, int)
    canvas = Canvas.over(Pyramid.over(density_map.data.shape, whole, 96, 3, 4))
    nodes = [np.zeros(level.shape, int) for level in canvas.levels]
    for box in boxes:
        voxels[box] += 1
        for level, own in zip(nodes, canvas.own(box, whole), strict=True):
            level[own] += 1
    assert np.all(voxels[whole] == 1)
    assert voxels.sum() == voxels[whole].sum()
    assert all(np.all(level == 1) for level in nodes)
    assert (len(boxes) == 1) == (limit == 10**12)
