"""Training and picking on micrographs made on the spot, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

import napari_cryoinr as cryoinr
from napari_cryoinr.errors import MicrographError, SettingsError
from napari_cryoinr.picking.calibration import NEAR, Calibration, fit_calibration, label_maxima
from napari_cryoinr.picking.examples import Example
from napari_cryoinr.picking.micrographs import Micrograph
from napari_cryoinr.picking.networks.network_base import ScoreMap
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.picker import score_map_steps, scored_steps, train_picker_steps
from napari_cryoinr.picking.picker_model import PickerModel, sealed
from napari_cryoinr.picking.picking_settings import SelectionSettings, TrainingSettings
from napari_cryoinr.picking.preprocessing import SIDE, prepare
from napari_cryoinr.picking.selection import limits_of, maxima, verified
from napari_cryoinr.progress import Clock
from spots import BOX, spots

MIDDLING = float(np.exp(-1))  # the contrast whose grade is 0


@pytest.fixture(scope="module")
def small() -> Example:
    """A micrograph that trains quickly."""
    return spots((130, 140), 7, count=5)


SETTINGS = TrainingSettings(box=BOX, iterations=2, device="cpu")


def trained(example: Example, start: PickerModel | None = None, **changes: Any) -> PickerModel:
    return cryoinr.train_picker([example], dataclasses.replace(SETTINGS, **changes), start)


def f1(found: Particles, truth: Particles) -> float:
    """Of a list of particles, each truth counted once."""
    near = cKDTree(truth.xy).query(found.xy)[0] <= 0.25 * BOX if len(found) else np.empty(0)
    hits = min(int(near.sum()), len(truth))
    return 2 * hits / (len(found) + len(truth))


# ---------------------------------------------------------------------------------- the whole way


def test_it_finds_particles_in_another_micrograph(examples, picker_model) -> None:
    micrograph, truth = examples[1].micrograph, examples[1].particles
    found = cryoinr.pick(micrograph, picker_model, device="cpu")
    assert f1(found.above(picker_model.threshold), truth) > 0.8
    assert found.box == BOX
    assert found.pixel_size == micrograph.pixel_size
    assert (np.diff(found.score) <= 0).all()
    assert ((found.score >= 0) & (found.score <= 1)).all()
    brighter = dataclasses.replace(micrograph, data=300 + 40 * micrograph.data)
    same = cryoinr.pick(brighter, picker_model, device="cpu")
    np.testing.assert_allclose(found.above(0.5).xy, same.above(0.5).xy, atol=0.1)


def test_it_finds_few_particles_where_it_was_trained_on_many(picker_model) -> None:
    few, many = (spots((300, 320), 11, count=count) for count in (3, 25))
    of_few, of_many = (
        cryoinr.drain(scored_steps(one.micrograph, picker_model, "cpu", Clock()))[0].powers
        for one in (few, many)
    )
    assert of_few.contrast == pytest.approx(of_many.contrast, rel=0.4)
    assert prepare(few.micrograph, BOX).powers.contrast < 0.4 * of_few.contrast
    found = cryoinr.pick(few.micrograph, picker_model, device="cpu")
    assert f1(found.above(picker_model.threshold), few.particles) > 0.8


def test_a_model_of_before_scores_at_the_contrast_of_the_micrograph(examples, picker_model) -> None:
    old = dataclasses.replace(picker_model, focused=False)
    micrograph, truth = examples[1].micrograph, examples[1].particles
    ready, _ = cryoinr.drain(scored_steps(micrograph, old, "cpu", Clock()))
    assert ready.powers == prepare(micrograph, BOX).powers
    found = cryoinr.pick(micrograph, old, device="cpu")
    assert f1(found.above(old.threshold), truth) > 0.8


def test_the_border_keeps_its_distance(examples, picker_model) -> None:
    micrograph = examples[1].micrograph
    found = cryoinr.pick(micrograph, picker_model, SelectionSettings(border=1.0), "cpu")
    rows, columns = micrograph.data.shape
    assert (found.xy >= BOX).all()
    assert (found.xy <= (columns - 1 - BOX, rows - 1 - BOX)).all()


def test_an_empty_micrograph_has_hardly_any_particles(picker_model) -> None:
    noise = np.random.default_rng(5).standard_normal((300, 320))
    found = cryoinr.pick(Micrograph(noise), picker_model, device="cpu")
    assert len(found.above(picker_model.threshold)) <= 3


def test_the_same_seed_gives_the_same_model(small) -> None:
    one, two, other = (trained(small, seed=seed).network.arrays() for seed in (0, 0, 1))
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])
    assert any((array != other[name]).any() for name, array in one.items())


@pytest.mark.slow
def test_scores_of_rejected_places_fall() -> None:
    example = spots((260, 280), 8, count=16)
    wanted, unwanted = example.particles.xy[:8], example.particles.xy[8:]
    first = trained(example, iterations=10)
    corrected = Example(example.micrograph, Particles(wanted), Particles(unwanted))
    second = trained(corrected, first, iterations=10)
    assert [one.rejected for one in second.rounds] == [0, len(unwanted)]

    def mean_score(model: PickerModel) -> float:
        score_map = cryoinr.drain(score_map_steps(example.micrograph, model, "cpu"))
        y, x = (unwanted[:, ::-1] / score_map.step).round().astype(int).T
        return float(score_map.values[y, x].mean())

    assert mean_score(second) < mean_score(first)


def test_training_can_be_cancelled(examples) -> None:
    steps = train_picker_steps(examples, dataclasses.replace(SETTINGS, iterations=600))
    phases = [next(steps).phase for _ in range(6)]
    steps.close()
    assert "training" in phases


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("places", [np.empty((0, 2)), [[-5.0, 3.0], [1e5, 2.0]]])
def test_no_particle_is_refused(small, places) -> None:
    with pytest.raises(MicrographError, match="no particle inside the micrographs"):
        trained(Example(small.micrograph, Particles(places)))


def test_a_box_larger_than_the_micrograph_is_refused(small, picker_model) -> None:
    with pytest.raises(MicrographError, match="a box of 600 pixels does not fit into 130"):
        trained(small, box=600)
    tiny = Micrograph(small.micrograph.data[:36, :36], None, "tiny")
    with pytest.raises(MicrographError, match="tiny: a box of 40 pixels does not fit into 36"):
        cryoinr.pick(tiny, picker_model, device="cpu")


def test_training_continues_with_the_same_box_and_network_only(small, picker_model) -> None:
    with pytest.raises(MicrographError, match="the model has a box of 40 pixels, not 50"):
        trained(small, picker_model, box=50)
    with pytest.raises(MicrographError, match="the model is a modern, not a deepem"):
        trained(small, picker_model, network="deepem")


def test_one_click_is_enough_to_begin(small) -> None:
    one = Example(small.micrograph, Particles(small.particles.xy[:1]))
    assert trained(one).rounds[0].particles == 1


@pytest.mark.parametrize("values", [{"box": 2}, {"network": "large"}, {"iterations": 0}])
def test_settings_are_checked(values) -> None:
    with pytest.raises(SettingsError):
        TrainingSettings(**{"box": 40, **values})


# ---------------------------------------------------------------------------------------- the file


def test_a_model_goes_round(picker_model, small, tmp_path: Path) -> None:
    picker_model.save(tmp_path / "a.h5")
    back = PickerModel.load(tmp_path / "a.h5")
    assert back.rounds == picker_model.rounds
    assert (back.calibration, back.limits) == (picker_model.calibration, picker_model.limits)
    one, two = (cryoinr.pick(small.micrograph, m, device="cpu") for m in (picker_model, back))
    np.testing.assert_array_equal(one.xy, two.xy)
    np.testing.assert_array_equal(one.score, two.score)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@contextlib.contextmanager
def changed(path: Path) -> Iterator[tuple[h5py.File, dict[str, Any]]]:
    """The content of a model's file and its JSON, to be changed; the checksum is updated."""
    with h5py.File(path, "r+") as file:
        info = json.loads(file["picker"][()])
        yield file, info
        del file["picker"]
        file["picker"] = np.bytes_(json.dumps(info))
    path.write_bytes(sealed(path.read_bytes()))


def refused(path: Path, match: str) -> None:
    with pytest.raises(MicrographError, match=match) as caught:
        PickerModel.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("numbers", [[1, 2, float("nan"), 4, 0, 0, 0], [1] * 6 + ["3"], [1] * 6])
def test_a_calibration_is_seven_to_nine_finite_numbers(
    picker_model, tmp_path: Path, numbers: list[Any]
) -> None:
    path = tmp_path / "a.h5"
    picker_model.save(path)
    with changed(path) as (_, info):
        assert len(info["calibration"]) == 9
        info["calibration"] = numbers
    refused(path, r"a\.h5: damaged \(.*calibration")


def test_damaged_models_are_refused_in_one_line(picker_model, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    refused(path, "no such file")
    path.write_bytes(b"something else")
    refused(path, "not a picker's model")
    picker_model.save(path, overwrite=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:3000])
    refused(path, "damaged")
    path.write_bytes(bytes((1 << 24) + 1))
    refused(path, "at most 16,777,216")
    for what, value, words in (
        ("version", 99, "version 99 .* install a newer"),
        ("network", "other", "damaged .*network = 'other'"),
    ):
        picker_model.save(path, overwrite=True)
        with changed(path) as (_, info):
            info[what] = value
        refused(path, words)
    picker_model.save(path, overwrite=True)
    with changed(path) as (file, _):
        del file["weights"][next(iter(file["weights"]))]
    refused(path, "damaged")


def test_every_changed_byte_is_seen(picker_model, tmp_path: Path) -> None:
    """Some make the HDF5 library hang: no byte of it may reach that."""
    path = tmp_path / "a.h5"
    picker_model.save(path)
    whole = path.read_bytes()
    for place in (0, 40, 511, *range(512, 3000, 97), len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        refused(path, "damaged|not a picker's model")


UNUSUAL_DATASETS = {
    "unallocated": {"shape": (1 << 28,), "dtype": "f4"},
    "chunks": {"shape": (32,), "dtype": "f4", "chunks": (1 << 20,), "maxshape": (None,)},
    "ragged": {"shape": (32,), "dtype": h5py.vlen_dtype("f4")},
    "not finite": {"data": np.full(32, np.inf, "f4")},
}


@pytest.mark.parametrize("kind", UNUSUAL_DATASETS)
def test_only_arrays_of_the_network_are_read(picker_model, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.h5"
    picker_model.save(path)
    with changed(path) as (file, _):
        del file["weights/coarse.normalisation.bias"]
        file["weights"].create_dataset("coarse.normalisation.bias", **UNUSUAL_DATASETS[kind])
    tracemalloc.start()
    refused(path, "damaged")
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


# ---------------------------------------------------------------------------------------- the parts


def test_maxima_are_found_between_pixels() -> None:
    y, x = np.mgrid[:60, :80].astype(float)
    truth = np.array([[20.3, 15.6], [55.8, 40.2]])
    values = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 50) for a, b in truth)
    score_map = ScoreMap(values.astype(np.float32), (10.0, 4.0), (2.5, 3.0))
    places, heights = maxima(score_map, box=30, distance=15)
    expected = truth * (3.0, 2.5) + (4.0, 10.0)
    order = np.argsort(places[:2, 0])
    np.testing.assert_allclose(places[:2][order], expected, atol=0.3)
    assert heights[0] >= heights[1]


@hypothesis_settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 1000), distance=st.floats(4, 40))
def test_maxima_keep_their_distance_and_none_is_forgotten(seed: int, distance: float) -> None:
    values = np.random.default_rng(seed).standard_normal((40, 50)).astype(np.float32)
    places, heights = maxima(ScoreMap(values, (0.0, 0.0), (2.0, 2.0)), 20, distance)
    gaps = cKDTree(places).query(places, 2)[0][:, 1] if len(places) > 1 else np.array([np.inf])
    assert gaps.min() >= distance
    assert (np.diff(heights) <= 0).all()
    # The highest value of all is there, whatever the distance.
    assert len(places) >= 1


def test_an_edge_can_be_a_maximum() -> None:
    values = np.zeros((20, 20), np.float32)
    values[0, 7] = 9
    places, _ = maxima(ScoreMap(values, (0.0, 0.0), (1.0, 1.0)), 10, 5)
    np.testing.assert_allclose(places[0], (7, 0), atol=0.5)


def test_preparing_keeps_places() -> None:
    data = np.random.default_rng(0).standard_normal((301, 367)).astype(np.float32)
    y, x = np.mgrid[:301, :367]
    data += 2 * np.exp(-((y - 203) ** 2 + (x - 111) ** 2) / 60, dtype=np.float32)
    prepared = prepare(Micrograph(data), 64)
    row, column = np.unravel_index(prepared.image.argmax(), prepared.image.shape)
    assert abs(row * prepared.step[0] - 203) < 3  # one pixel is two
    assert abs(column * prepared.step[1] - 111) < 3
    assert pytest.approx(prepared.step[0], rel=0.01) == 64 / SIDE


def test_white_noise_stays_white() -> None:
    data = np.random.default_rng(1).standard_normal((1024, 1024)).astype(np.float32)
    image = prepare(Micrograph(data), 80).image
    power = np.abs(np.fft.fft2(image)) ** 2
    middle, high = power[60:100, :].mean(), power[160:240, :].mean()
    assert middle == pytest.approx(high, rel=0.1)


def test_the_unit_is_that_of_the_micrograph() -> None:
    data = 7 * np.random.default_rng(1).standard_normal((600, 640)).astype(np.float32)
    prepared = prepare(Micrograph(data + 50), 64)
    assert prepared.image.std() == pytest.approx(1, rel=1e-2)
    assert prepared.unit == pytest.approx(7 * SIDE / 64, rel=0.05)  # four pixels are averaged


def test_ice_is_refused(examples) -> None:
    micrograph, particles = examples[0].micrograph, examples[0].particles
    data = micrograph.data.copy()
    data[100:180, 100:180] -= 25
    prepared = prepare(dataclasses.replace(micrograph, data=data), BOX)
    far = particles.xy[(np.abs(particles.xy - 140) > 100).any(1)]
    limits = limits_of(prepared.spread_at(far))
    assert verified(prepared.spread_at(far), limits).mean() > 0.9
    edge = np.array([[100.0, 140.0], [140.0, 100.0]])
    assert not verified(prepared.spread_at(edge), limits).any()


def copy_of(
    contrast: float, at: float, others_at: float, rng: np.random.Generator
) -> tuple[float, np.ndarray, np.ndarray]:
    """Contrast, places and logits of 300 particles and of 900 other maxima."""
    particles = np.column_stack([np.arange(300) * 100.0, np.zeros(300)])
    others = np.column_stack([np.arange(900) * 100.0, np.full(900, 500.0)])
    logits = np.concatenate([rng.normal(at, 1, 300), rng.normal(others_at, 1, 900)])
    return contrast, np.concatenate([particles, others]), logits


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_calibration_counts_particles_that_nobody_clicked(share: float) -> None:
    rng = np.random.default_rng(0)
    copy = copy_of(MIDDLING, 2, -1, rng)
    known = copy[1][:300][rng.permutation(300)[: int(share * 300)]]
    made = fit_calibration(Calibration(1.0, -2.0), label_maxima([copy], known, 40))
    # Two normal distributions of variance 1: slope 3, and even odds where 300 f(x) = 900 g(x).
    assert made.slope == pytest.approx(3, rel=0.25)
    assert -made.offset / made.slope == pytest.approx(0.5 + np.log(3) / 3, abs=0.3)
    assert NEAR < 0.5


def test_calibration_without_any_particle_found_stays_near_the_prior() -> None:
    copy = copy_of(MIDDLING, 2, -1, np.random.default_rng(0))
    far = np.array([[-1000.0, -1000.0]])
    made = fit_calibration(Calibration(1.0, -2.0), label_maxima([copy], far, 40))
    assert np.isfinite(made.score(copy[2], MIDDLING)).all()


def test_calibration_knows_the_contrast() -> None:
    """A logit of 1 is a particle's in a faint micrograph, and none's in a clear one."""
    rng = np.random.default_rng(0)
    clear, faint = copy_of(1.0, 4, 0.5, rng), copy_of(0.1, 1, -1.5, rng)
    made = fit_calibration(Calibration(1.0, -2.0), label_maxima([clear, faint], clear[1][:300], 40))
    for (contrast, _, logits), at, others_at in ((clear, 4, 0.5), (faint, 1, -1.5)):
        # Even odds are log(3) / (at - others_at) above the middle of two normal distributions.
        even = (at + others_at) / 2 + np.log(3) / (at - others_at)
        near = made.probability(np.array([even - 0.35, even + 0.35]), contrast)
        assert near[0] < 0.5 < near[1]
        probability = made.probability(logits, contrast)
        assert probability.sum() == pytest.approx(300, rel=0.1)
        for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
            chosen = (probability >= low) & (probability <= high)
            particles = (np.flatnonzero(chosen) < 300).mean()
            assert particles == pytest.approx(probability[chosen].mean(), abs=0.12)
    between = [made.probability(np.array([1.5]), contrast)[0] for contrast in (0.1, 0.3, 1.0)]
    assert (np.diff(between) < 0).all()


def test_a_score_of_one_half_has_the_best_f1() -> None:
    """In a clear micrograph and in a faint one, where that is at another probability."""
    rng = np.random.default_rng(0)
    copies = [copy_of(1.0, 5, 0, rng), copy_of(0.3, 2, 0, rng), copy_of(0.09, 0.8, -0.8, rng)]
    made = fit_calibration(Calibration(1.0, -2.0), label_maxima(copies, copies[0][1][:300], 40))
    least = []
    for contrast, _, logits in copies:
        order = np.argsort(-logits)
        right = np.cumsum(order < 300)
        f1 = 2 * right / (np.arange(1, 1201) + 300)
        listed = int((made.score(logits, contrast) >= 0.5).sum())
        assert f1[listed - 1] > f1.max() - 0.02
        least.append(made.probability(np.sort(logits)[-listed:], contrast).min())
    assert least[0] > 0.4 and least[-1] < 0.35
    assert (np.diff(made.score(np.linspace(-3, 6, 30), 1.0)) > 0).all()
    np.testing.assert_allclose(
        Calibration(1.0, -2.0).score(np.linspace(-3, 6, 30), 1.0),
        Calibration(1.0, -2.0).probability(np.linspace(-3, 6, 30), 1.0),
        rtol=1e-6,
    )


def test_scores_never_fall_with_the_logit() -> None:
    """However far a contrast is from those that were seen."""
    steep = Calibration(1.0, -2.0, slope_change=2.0)
    for contrast in (0.02, 0.3, 5.0):
        assert (np.diff(steep.probability(np.linspace(-5, 5, 20), contrast)) > 0).all()


def test_below_what_a_calibration_has_seen_nothing_is_found() -> None:
    made = Calibration(1.0, -2.0, faintest=0.1)
    found = [made.probability(np.array([4.0]), contrast)[0] for contrast in (0.02, 0.05, 0.1, 0.5)]
    assert found[0] < 1e-6
    assert (np.diff(found)[:2] > 0).all()
    assert found[2] == found[3] == Calibration(1.0, -2.0).probability(np.array([4.0]), 0.1)[0]
