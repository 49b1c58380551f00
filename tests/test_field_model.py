"""The model `field` from end to end: goals, occupancy, symmetry, reading, odd maps."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from data_files import REAL_MAPS
from napari_cryoinr.archive import Member
from napari_cryoinr.archive.decoding import block_mean
from napari_cryoinr.models.base import DEFAULT_NRMSE

NOTHING_LOST = 1e-4  # NRMSE at which more bytes would be of no use
FAST = cryoinr.Settings(effort="fast", device="cpu")

CONTOUR: dict[str, Any] = {"keep": "contour", "threshold": "1.5sigma"}


def settings_with(**chosen: Any) -> cryoinr.Settings:
    """Fast settings; names of `FieldSettings` go there."""
    own = {item.name for item in dataclasses.fields(cryoinr.FieldSettings)}
    field = {name: chosen.pop(name) for name in list(chosen) if name in own}
    return dataclasses.replace(FAST, field=cryoinr.FieldSettings(**field), **chosen)


def made(maps: Any, folder: Path, **chosen: Any) -> tuple[cryoinr.Archive, Any]:
    """The archive of a map or several, and what `compress` returned."""
    report = cryoinr.compress(maps, folder / "a.cinr", settings_with(**chosen), overwrite=True)
    return cryoinr.open_archive(folder / "a.cinr"), report


def verified(member: Member) -> np.ndarray:
    return cryoinr.drain(member.verify_steps())


def nearly(occupied: int) -> float:
    """The share of the error that must be used up; a few latents more or less are 2 % of few."""
    return 0.98 if occupied > 1000 else 0.9


def as_map(data: np.ndarray, mode: int = 2) -> cryoinr.DensityMap:
    plain = cryoinr.DensityMap(data.astype(np.float32), (1.5, 1.5, 1.5), name="m")
    return dataclasses.replace(plain, header=plain.mrc.changed(mode=mode))


def real(path: Path) -> cryoinr.DensityMap:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cryoinr.MapWarning)
        return cryoinr.read_map(path)


@pytest.fixture(params=["synthetic", "slab", REAL_MAPS[0]], ids=lambda p: getattr(p, "name", p))
def any_map(request: pytest.FixtureRequest) -> cryoinr.DensityMap:
    if request.param == "synthetic":
        return cryoinr.synthetic_map(28, seed=2)
    if request.param == "slab":
        return cryoinr.synthetic_map((11, 40, 27), seed=5)
    return real(request.param)


# ---------------------------------------------------------------------------------------- goals


@pytest.mark.parametrize("goal", [None, 0.02])
def test_nrmse_is_met_and_hardly_more(any_map, tmp_path: Path, goal: float | None) -> None:
    wanted = goal or DEFAULT_NRMSE
    archive, report = made(any_map, tmp_path, target_nrmse=goal, **CONTOUR)
    member = archive[0]
    above = any_map.data > np.float32(member.threshold)
    assert nearly(above.sum()) * wanted <= report.nrmse <= wanted
    wrong = verified(member)[above].astype(float) - any_map.data[above]
    spread = any_map.data[above].astype(float).std()
    assert np.sqrt((wrong**2).mean()) / spread == pytest.approx(report.nrmse, rel=1e-3)


@pytest.mark.parametrize("goal", [40.0])
def test_psnr_is_met_and_hardly_more(any_map, tmp_path: Path, goal: float) -> None:
    """Over all voxels; 0.18 dB are 2 % of the error."""
    archive, report = made(any_map, tmp_path, target_psnr=goal)
    assert goal <= report.psnr <= goal + 0.18
    wrong = verified(archive[0]).astype(float) - any_map.data
    width = float(any_map.data.max()) - float(any_map.data.min())
    assert 20 * np.log10(width / np.sqrt((wrong**2).mean())) == pytest.approx(report.psnr, abs=0.01)


def test_ratio_is_met_and_hardly_more(any_map, tmp_path: Path) -> None:
    archive, report = made(any_map, tmp_path, target_ratio=12.0)
    allowed = archive.raw_bytes / 12
    assert archive.bytes <= allowed
    assert 0.98 * allowed <= archive.bytes or report.nrmse < NOTHING_LOST
    assert report.ratio == archive.ratio
    verified(archive[0])


def test_the_maximum_error_is_guaranteed(any_map, tmp_path: Path) -> None:
    bound = 0.1 * float(any_map.data.std())
    archive, _ = made(any_map, tmp_path, max_error=bound, **CONTOUR)
    voxels = verified(archive[0])
    above = any_map.data > np.float32(archive[0].threshold)
    assert np.abs(voxels.astype(float) - any_map.data)[above].max() <= bound
    np.testing.assert_array_equal(voxels > np.float32(archive[0].threshold), above)


def test_lossless_is_bit_for_bit(any_map, tmp_path: Path) -> None:
    archive, report = made(any_map, tmp_path, lossless=True)
    assert verified(archive[0]).tobytes() == any_map.data.tobytes()
    assert report.psnr is None
    assert archive.bytes < archive.raw_bytes


def test_more_effort_takes_fewer_bytes(tmp_path: Path) -> None:
    density_map = cryoinr.synthetic_map(16, seed=3)
    sizes = []
    for effort in ("fast", "balanced"):
        archive, report = made(density_map, tmp_path, target_nrmse=0.05, effort=effort)
        sizes.append(archive.bytes)
        assert 0.045 <= report.nrmse <= 0.05
        verified(archive[0])
    assert sizes[1] < sizes[0]


def test_impossible_goals_write_nothing(tmp_path: Path) -> None:
    density_map = cryoinr.synthetic_map(16, seed=3)
    for goal in ({"target_ratio": 1e6}, {"target_psnr": 199.0}):
        with pytest.raises(cryoinr.GoalMissed, match="nothing written"):
            made(density_map, tmp_path, **goal)
    assert not list(tmp_path.iterdir())


def test_small_errors_are_in_reach(tmp_path: Path) -> None:
    """A tenth of the error takes a few times the bytes, not the bytes of all voxels."""
    density_map = cryoinr.synthetic_map(32, seed=2)
    sizes = [made(density_map, tmp_path, target_nrmse=goal)[0].bytes for goal in (0.05, 0.005)]
    assert sizes[1] < 4 * sizes[0]


def test_a_texture_takes_fewer_bytes_where_more_may_be_lost(tmp_path: Path) -> None:
    """Without strong latents, a solver that begins too low fits what their errors look like."""
    frequencies = np.meshgrid(*[np.fft.fftfreq(48)] * 3, indexing="ij")
    smooth = np.exp(-2 * np.pi**2 * sum(axis**2 for axis in frequencies))
    noise = np.random.default_rng(5).normal(size=(48, 48, 48))
    texture = np.fft.ifftn(np.fft.fftn(noise) * smooth).real
    threshold = float(np.quantile(texture, 0.95))
    sizes = [
        made(as_map(texture), tmp_path, threshold=threshold, target_nrmse=goal)[0].bytes
        for goal in (0.1, 0.04)
    ]
    assert sizes[0] < sizes[1] < 2 * sizes[0]


@pytest.mark.parametrize(
    ("block", "shape"),
    [(4, "sharp"), (6, "smooth"), (8, "sharp"), (10, "smooth"), (12, "sharp"), (16, "smooth")],
)
def test_every_basis_meets_the_goal(tmp_path: Path, block: int, shape: str) -> None:
    density_map = cryoinr.synthetic_map((24, 21, 30), seed=3)
    archive, report = made(density_map, tmp_path, block=block, shape=shape, target_nrmse=0.1)
    assert 0.09 <= report.nrmse <= 0.1
    header = archive[0].header.config
    assert (header["block"], header["shape"]) == (block, shape)
    verified(archive[0])


@pytest.mark.parametrize(
    "weights",
    [{"weight_exponent": 1.0}, {"weight_factor": 5.0, "weight_percentile": 80.0}],
    ids=str,
)
def test_goals_hold_with_weights(tmp_path: Path, weights: dict) -> None:
    density_map = cryoinr.synthetic_map(24, seed=3)
    _, report = made(density_map, tmp_path, target_nrmse=0.1, **weights, **CONTOUR)
    assert 0.09 <= report.nrmse <= 0.1


# ------------------------------------------------------------------------------------ occupancy


def test_exact_occupancy_keeps_the_contour(any_map, tmp_path: Path) -> None:
    archive, report = made(any_map, tmp_path, occupancy="exact", **CONTOUR)
    threshold = np.float32(archive[0].threshold)
    voxels, above = verified(archive[0]), any_map.data > threshold
    assert nearly(above.sum()) * DEFAULT_NRMSE <= report.nrmse <= DEFAULT_NRMSE
    np.testing.assert_array_equal(voxels > threshold, above)


def test_soft_occupancy_hardly_exceeds_the_contour(any_map, tmp_path: Path) -> None:
    archive, report = made(any_map, tmp_path, occupancy="soft", target_nrmse=0.05)
    assert archive[0].decoder.mask is None
    threshold = np.float32(archive[0].threshold)
    above = any_map.data > threshold
    excess = verified(archive[0])[~above] - threshold
    allowed = report.nrmse * float(any_map.data[above].std())
    assert (excess > 0).mean() < 0.05
    assert np.sqrt((np.maximum(excess, 0) ** 2).mean()) < allowed
    assert excess.max() < 15 * allowed


def test_a_mask_is_stored_only_where_it_is_asked_for(tmp_path: Path) -> None:
    density_map = cryoinr.synthetic_map(20, seed=1)
    stored = []
    cases = (CONTOUR, {"occupancy": "exact"}, {"max_error": 0.3}, {"target_psnr": 40.0})
    for chosen in cases:
        archive, _ = made(density_map, tmp_path, **chosen)
        stored.append(archive[0].decoder.mask is not None)
    assert stored == [False, True, True, False]


# ------------------------------------------------------------------------------------- symmetry


def c4(data: np.ndarray) -> np.ndarray:
    return sum(np.rot90(data, k, axes=(1, 2)).astype(float) for k in range(4)) / 4


def d2(data: np.ndarray) -> np.ndarray:
    turned = [data, *(np.flip(data, axes).astype(float) for axes in ((0, 1), (0, 2), (1, 2)))]
    return sum(turned) / 4


TURNS = {
    "C4": [lambda data: np.rot90(data, axes=(1, 2))],
    "D2": [lambda data: np.flip(data, (0, 1)), lambda data: np.flip(data, (1, 2))],
}


@pytest.mark.parametrize("goal", [{"target_nrmse": 0.01}, {"target_psnr": 45.0}], ids=str)
@pytest.mark.parametrize("group", ["C4", "D2"])
def test_symmetric_maps_are_stored_once(group: str, goal: dict, tmp_path: Path) -> None:
    shape = (28, 32, 32) if group == "C4" else (28, 30, 32)
    plain = cryoinr.synthetic_map(shape, seed=4)
    data = (c4 if group == "C4" else d2)(plain.data.astype(float))
    for turn in TURNS[group]:
        data = np.round(data, 5).astype(np.float32)
        np.testing.assert_array_equal(turn(data), data)
    density_map = as_map(data)
    archive, report = made(density_map, tmp_path, **goal)
    size, voxels = archive.stream_bytes, verified(archive[0])
    region = np.s_[3:20, 5:31, 17:29]
    np.testing.assert_array_equal(archive[0].read(region), voxels[region])
    for turn in TURNS[group]:
        np.testing.assert_array_equal(turn(voxels), voxels)
    coarse = archive[0].read(level=1)
    np.testing.assert_allclose(coarse, block_mean(voxels, 2), atol=1e-5 * data.std())
    assert len(archive[0].header.config["symmetry"]) == (4 if group == "C4" else 8)
    other, _ = made(density_map, tmp_path, symmetry="none", **goal)
    assert size < 0.7 * other.stream_bytes
    if "target_nrmse" in goal:
        assert 0.9 * 0.01 <= report.nrmse <= 0.01


def test_a_symmetric_map_with_its_mask(tmp_path: Path) -> None:
    density_map = as_map(c4(cryoinr.synthetic_map(24, seed=4).data.astype(float)))
    for chosen in ({"occupancy": "exact"}, {"max_error": 0.1}):
        archive, _ = made(density_map, tmp_path, **chosen, **CONTOUR)
        threshold = np.float32(archive[0].threshold)
        voxels = verified(archive[0])
        np.testing.assert_array_equal(voxels > threshold, density_map.data > threshold)


def test_a_map_that_is_nearly_symmetric_is_not_folded(tmp_path: Path) -> None:
    data = c4(cryoinr.synthetic_map(24, seed=4).data.astype(float))
    data[12, 4:9, 12] += 3 * data.std()
    archive, report = made(as_map(data), tmp_path, target_nrmse=0.02)
    assert not archive[0].header.config.get("symmetry")
    assert report.nrmse <= 0.02


# -------------------------------------------------------------------------------------- reading


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> cryoinr.Archive:
    """More voxels along one axis than are decoded at a time; large latents in one corner."""
    data = cryoinr.synthetic_map((20, 24, 270), seed=7).data.copy()
    data[2:5, 3:6, 2:6] += 3000 * np.arange(1, 5, dtype=np.float32)
    folder = tmp_path_factory.mktemp("wide")
    archive, _ = made(as_map(data), folder, target_psnr=100.0, threshold="none")
    return archive


@pytest.mark.parametrize(
    "region",
    [np.s_[:, :, 100:], np.s_[3:9, 7:20, 120:140], np.s_[:, :, :9], np.s_[5], np.s_[..., 269]],
    ids=str,
)
def test_regions_equal_the_whole(wide: cryoinr.Archive, region: Any) -> None:
    whole = wide[0].read()
    fresh = cryoinr.open_archive(wide.path)[0]
    np.testing.assert_array_equal(fresh.read(region), whole[region])


def test_single_voxels_equal_the_whole(wide: cryoinr.Archive) -> None:
    whole = wide[0].read()
    for place in np.random.default_rng(0).integers(0, whole.shape, (20, 3)).tolist():
        assert wide[0].read(tuple(place)) == whole[tuple(place)]


def test_levels_are_near_the_block_means(any_map, tmp_path: Path) -> None:
    archive, _ = made(any_map, tmp_path, target_nrmse=0.05)
    member = archive[0]
    full = member.read()
    for level in (1, 2, 3):
        expected = block_mean(full, 2**level)
        found = member.read(level=level)
        assert found.shape == expected.shape
        wrong = (found - expected).std() / expected.std()
        # High frequencies are left out of the levels beyond the first.
        assert wrong < (0.002 if level == 1 else 0.05)
        part = np.s_[1:, : found.shape[1] // 2 + 1, 1:]
        np.testing.assert_array_equal(member.read(part, level=level), found[part])


def test_levels_of_few_frequencies_are_the_block_means(tmp_path: Path) -> None:
    smooth = cryoinr.synthetic_map(48, seed=2, resolution=24.0)
    archive, _ = made(smooth, tmp_path, target_nrmse=0.05, block=16, shape="smooth")
    full = archive[0].read()
    for level in (1, 2):
        wrong = archive[0].read(level=level) - block_mean(full, 2**level)
        assert np.abs(wrong).max() < 0.02 * full.std()


def test_samples_at_voxels_are_the_voxels(any_map, tmp_path: Path) -> None:
    archive, _ = made(any_map, tmp_path)
    member = archive[0]
    places = np.random.default_rng(0).integers(0, any_map.data.shape, (300, 3))
    points = places * np.array(member.voxel_size) + member.origin
    voxels = member.read()
    tolerance = 1e-5 * float(np.ptp(any_map.data))
    np.testing.assert_allclose(member.sample(points), voxels[tuple(places.T)], atol=tolerance)
    between = member.sample(points[:50] + 0.3 * np.array(member.voxel_size))
    assert np.isfinite(between).all()


def test_several_maps_in_one_archive(tmp_path: Path) -> None:
    maps = [
        cryoinr.synthetic_map(24, seed=1, name="first"),
        as_map(c4(cryoinr.synthetic_map(20, seed=2).data.astype(float))),
        cryoinr.synthetic_map((9, 13, 30), seed=3, name="third"),
    ]
    for density_map in maps:
        (tmp_path / density_map.name).mkdir()
    archive, reports = made(maps, tmp_path, target_nrmse=0.08)
    assert [member.shape for member in archive] == [m.data.shape for m in maps]
    for density_map, member, report in zip(maps, archive, reports, strict=True):
        assert 0.9 * 0.08 <= report.nrmse <= 0.08
        alone, _ = made(density_map, tmp_path / density_map.name, target_nrmse=0.08)
        np.testing.assert_array_equal(verified(member), alone[0].read())


def test_half_maps_predict_each_other(tmp_path: Path) -> None:
    """What the noise of the second one takes is far less than the map."""
    signal = cryoinr.synthetic_map(28, seed=1).data
    random = np.random.default_rng(0)
    maps = [
        cryoinr.DensityMap(
            (signal + 0.02 * random.normal(size=signal.shape)).astype(np.float32), name=name
        )
        for name in ("one", "two")
    ]
    archive, reports = made(maps, tmp_path, target_nrmse=0.05)
    assert all(0.045 <= report.nrmse <= 0.05 for report in reports)
    assert "reference" not in archive[0].header.config
    assert archive[1].header.config["reference"] == 0
    voxels = [verified(member) for member in archive]
    np.testing.assert_array_equal(archive[1].read(np.s_[3:20, :, 5:]), voxels[1][3:20, :, 5:])
    alone, _ = made(maps[1], tmp_path, target_nrmse=0.05)
    assert archive.stream_bytes < 1.8 * alone.stream_bytes


DECODE = """
import json, sys
import napari_cryoinr as cryoinr
from napari_cryoinr.support.checksums import voxel_checksum
member = cryoinr.open_archive(sys.argv[1])[0]
found = [voxel_checksum([member.read()]), voxel_checksum([member.read(level=1)])]
print(json.dumps([found, sorted({name.split(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("chosen", [{}, {"occupancy": "exact"}], ids=str)
def test_decoding_does_not_depend_on_threads_and_loads_no_torch(
    tmp_path: Path, chosen: dict
) -> None:
    archive, _ = made(cryoinr.synthetic_map((40, 48, 44), seed=9), tmp_path, **chosen)
    seen = []
    for threads in "12":
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", DECODE, str(archive.path)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | dict.fromkeys(names, threads),
        )
        checksums, modules = json.loads(done.stdout)
        assert "torch" not in modules
        seen.append(checksums)
    assert seen[0] == seen[1]
    assert seen[0][0] == archive[0].header.decoded_checksum


# ------------------------------------------------------------------------------------- odd maps


@pytest.mark.parametrize("goal", [{}, {"max_error": 4.0}], ids=str)
@pytest.mark.parametrize("mode", [0, 1, 6, 12])
def test_other_modes(mode: int, goal: dict, tmp_path: Path) -> None:
    scaled = 10 * cryoinr.synthetic_map((20, 18, 25), seed=4).data
    data = np.clip(scaled, 0 if mode == 6 else -120, 120)
    data = data.astype(np.float16) if mode == 12 else np.rint(data) + 0.0
    archive, _ = made(as_map(data, mode), tmp_path, **goal)
    voxels = verified(archive[0])
    kind = np.float16 if mode == 12 else np.int64
    np.testing.assert_array_equal(voxels.astype(kind), voxels)
    if "max_error" in goal:
        above = data > np.float32(archive[0].threshold)
        assert np.abs(voxels - data)[above].max() <= 4.0


@pytest.mark.parametrize(
    "goal",
    [{}, {"max_error": 0.5}, {"lossless": True}, {"target_psnr": 30.0}, {"occupancy": "exact"}],
    ids=str,
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (1, 17, 18)])
def test_small_maps(shape: tuple[int, int, int], goal: dict, tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for threshold in ("none", "auto"):
        archive, report = made(as_map(data), tmp_path, threshold=threshold, **goal)
        member = archive[0]
        voxels = verified(member)
        assert voxels.shape == shape
        np.testing.assert_array_equal(member.read(np.s_[:, :1]), voxels[:, :1])
        assert member.read(level=1).shape == tuple(-(-n // 2) for n in shape)
        assert np.isfinite(member.sample([member.origin])).all()
        if goal.get("lossless"):
            assert voxels.tobytes() == data.tobytes()
        if "max_error" in goal:
            assert report.max_error <= 0.5


@pytest.mark.parametrize("value", [0.0, -1e5])
@pytest.mark.parametrize(
    "goal", [{}, {"max_error": 0.5}, {"target_psnr": 30.0}, {"target_ratio": 4.0}], ids=str
)
def test_constant_maps(value: float, goal: dict, tmp_path: Path) -> None:
    data = np.full((12, 10, 11), value, np.float32)
    archive, _ = made(as_map(data), tmp_path, **goal)
    np.testing.assert_allclose(verified(archive[0]), data, rtol=1e-6)
    assert archive[0].read(level=1) == pytest.approx(value)


def test_a_map_below_its_threshold_is_refused(tmp_path: Path) -> None:
    density_map = cryoinr.synthetic_map(16)
    for goal in ({}, {"lossless": True}, {"target_ratio": 10.0}):
        with pytest.raises(cryoinr.SettingsError, match="no voxel is above"):
            made(density_map, tmp_path, threshold=1e6, **goal)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("goal", [{}, {"occupancy": "exact"}, {"target_ratio": 6.0}], ids=str)
def test_one_voxel_above_the_threshold(goal: dict, tmp_path: Path) -> None:
    """Its standard deviation is zero, so that no share of it can be the allowed error."""
    data = np.zeros((9, 10, 11), np.float32)
    data[2, 3, 4] = 5.0
    archive, _ = made(as_map(data), tmp_path, threshold=1.0, **goal)
    assert verified(archive[0])[2, 3, 4] == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize(("scale", "offset"), [(1e-20, 0.0), (1e-6, 50.0), (1e20, 50.0)])
def test_the_unit_of_the_densities_does_not_matter(
    scale: float, offset: float, tmp_path: Path
) -> None:
    data = (cryoinr.synthetic_map(20, seed=6).data.astype(float) + offset) * scale
    _, report = made(as_map(data), tmp_path, target_nrmse=0.05)
    assert 0.045 <= report.nrmse <= 0.05


# ------------------------------------------------------------------------------------ the making


def test_closing_at_any_phase_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    density_map = as_map(c4(cryoinr.synthetic_map(14, seed=4).data.astype(float)))
    target, settings = tmp_path / "a.cinr", settings_with(iterations=3, max_error=0.2)
    records: list[cryoinr.Progress] = []
    cryoinr.drain(
        cryoinr.compress_steps(density_map, target, settings, overwrite=True), records.append
    )
    target.unlink()
    phases = [record.phase for record in records]
    assert {"preparing", "measuring", "writing"} < set(phases)
    for phase in dict.fromkeys(phases):
        if phase == "written":
            continue
        steps = cryoinr.compress_steps(density_map, target, settings, overwrite=True)
        assert any(record.phase == phase for record in steps)
        steps.close()
        assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


def test_settings_come_back(tmp_path: Path) -> None:
    settings = settings_with(
        target_nrmse=0.2, block=6, shape="smooth", symmetry="none", occupancy="exact", iterations=7
    )
    cryoinr.compress(cryoinr.synthetic_map(16), tmp_path / "a.cinr", settings)
    assert cryoinr.open_archive(tmp_path / "a.cinr").settings == settings
    again = cryoinr.Settings.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings


def test_the_same_map_gives_the_same_file(tmp_path: Path) -> None:
    density_map = cryoinr.synthetic_map(20, seed=8)
    first, _ = made(density_map, tmp_path)
    data = first.path.read_bytes()
    made(density_map, tmp_path)
    assert (tmp_path / "a.cinr").read_bytes() == data
