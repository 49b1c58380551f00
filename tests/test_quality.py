"""The quality report's numbers, against known answers and plain numpy."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cryoinr.errors import MapError, SettingsError
from napari_cryoinr.maps.density_map import DensityMap
from napari_cryoinr.maps.envelope import soft_mask
from napari_cryoinr.progress import Clock, Progress, drain
from napari_cryoinr.quality import QualityReport, compare, compare_steps, fsc
from napari_cryoinr.quality.comparison import BAND_EDGES
from napari_cryoinr.quality.verdict import VERDICTS
from napari_cryoinr.support import records

SHAPES = [
    ((20, 20, 20), (1.0, 1.0, 1.0)),
    ((25, 31, 27), (1.0, 1.0, 1.0)),
    ((25, 43, 73), (1.1, 1.3, 2.0)),
    ((24, 31, 18), (2.0, 1.0, 1.5)),
    ((7, 8, 9), (1.0, 3.0, 1.0)),
]


def noise(shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def curve(a, b, voxel_size=(1.0, 1.0, 1.0)):
    return drain(fsc.shell_correlation_steps(a, b, voxel_size, Clock()))


def radii(shape, voxel_size):
    """Spatial frequency, 1/Å, of every number of the full FFT."""
    axes = [np.fft.fftfreq(n, v) for n, v in zip(shape, voxel_size, strict=True)]
    return np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij")))


def reference_fsc(a, b, voxel_size):
    """The definition, on the full FFT in float64."""
    fa, fb = np.fft.fftn(a.astype(np.float64)), np.fft.fftn(b.astype(np.float64))
    step = 1 / max(n * v for n, v in zip(a.shape, voxel_size, strict=True))
    shell = np.rint(radii(a.shape, voxel_size) / step).astype(int)
    values = []
    for k in range(1, math.floor(0.5 / max(voxel_size) / step + 1e-6) + 1):
        p, q = fa[shell == k], fb[shell == k]
        values.append(
            (p * q.conj()).sum().real / np.sqrt((abs(p) ** 2).sum() * (abs(q) ** 2).sum())
        )
    return np.array(values), step


@pytest.mark.parametrize(("shape", "voxel_size"), SHAPES)
def test_fsc_is_that_of_the_full_fft(shape, voxel_size):
    a = noise(shape)
    b = a + noise(shape, 1)
    found = curve(a, b, voxel_size)
    values, step = reference_fsc(a, b, voxel_size)
    assert found.step == pytest.approx(step)
    assert found.values.shape == values.shape
    np.testing.assert_allclose(found.values, values, atol=1e-6)
    np.testing.assert_allclose(curve(a, a, voxel_size).values, 1, atol=1e-9)
    np.testing.assert_allclose(curve(a, -a, voxel_size).values, -1, atol=1e-9)


@pytest.mark.parametrize(("shape", "voxel_size"), SHAPES)
def test_fsc_in_blocks_is_that_of_one_block(monkeypatch, shape, voxel_size):
    a, b = noise(shape), noise(shape, 1)
    whole = curve(a, b, voxel_size)
    monkeypatch.setattr(fsc, "_BLOCK_NUMBERS", 4 * shape[0] * shape[1])
    monkeypatch.setattr("napari_cryoinr.maps.density_map.SLAB_VOXELS", 5 * shape[1] * shape[2])
    seen: list[Progress] = []
    blocks = drain(fsc.shell_correlation_steps(a, b, voxel_size, Clock()), seen.append)
    assert len(seen) > 3  # otherwise it was one block again
    assert [p.step for p in seen] == list(range(1, len(seen) + 1))
    assert {p.steps for p in seen} == {len(seen)}
    np.testing.assert_allclose(blocks.values, whole.values, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-24, 1e18])
def test_fsc_does_not_depend_on_the_scale_of_the_densities(scale):
    a, b = noise((20, 21, 22)), noise((20, 21, 22), 1)
    factor = np.float32(scale)
    np.testing.assert_allclose(curve(a * factor, b * factor).values, curve(a, b).values, atol=1e-5)


def test_fsc_does_not_depend_on_the_mean():
    a = np.round(noise((20, 21, 22), scale=100))
    b = np.round(a + noise((20, 21, 22), 1, scale=100))
    np.testing.assert_allclose(curve(a + 30000, b - 20000).values, curve(a, b).values, atol=1e-6)


def test_fsc_counts_silent_shells_as_one_and_lost_shells_as_zero():
    flat = np.full((25, 43, 73), 0.1, np.float32)
    assert (curve(flat, flat * np.float32(1.3)).values == 1).all()
    assert (curve(noise(flat.shape), flat).values == 0).all()


@pytest.mark.parametrize("resolution", [4.0, 8.0])
def test_a_low_passed_map_falls_below_one_half_at_its_resolution(resolution):
    voxel_size = (1.5, 1.5, 1.5)
    a = noise((48, 48, 48))
    spectrum = np.fft.fftn(a)
    spectrum[radii(a.shape, voxel_size) > 1 / resolution] = 0
    low = np.fft.ifftn(spectrum).real.astype(np.float32)
    found = curve(a, low, voxel_size)
    at = found.resolution_below(0.5)
    assert at is not None
    assert abs(1 / at - 1 / resolution) <= found.step
    report = compare(DensityMap(a, voxel_size), DensityMap(low, voxel_size))
    assert report.fsc_05 == pytest.approx(at)
    assert report.fsc_099 is not None
    assert report.fsc_099 >= report.fsc_05


def test_resolution_below_interpolates():
    found = fsc.ShellCorrelation(np.array([1.0, 0.8, 0.4, 0.9]), 0.1, np.ones(4))
    assert found.resolution_below(0.5) == pytest.approx(1 / 0.275)
    assert found.resolution_below(0.99) == pytest.approx(1 / 0.105)
    assert found.resolution_below(0.3) is None
    # Below from the first shell: the resolution of that shell, the coarsest there is.
    first = fsc.ShellCorrelation(np.array([0.0, 0.0]), 0.1, np.ones(2))
    assert first.resolution_below(0.5) == pytest.approx(1 / 0.1)
    # A shell without power tells nothing, unless there is none with power behind it.
    weak = fsc.ShellCorrelation(np.array([0.1, 0.9, 0.0, 0.4]), 0.1, np.array([0, 1, 0, 1]))
    assert weak.resolution_below(0.5) == pytest.approx(1 / 0.3)
    behind = fsc.ShellCorrelation(np.array([1.0, 1.0, 0.0]), 0.1, np.array([1, 1, 0]))
    assert behind.resolution_below(0.5) == pytest.approx(1 / 0.25)


@pytest.mark.parametrize("contour", [None, 0.7, -0.3])
@pytest.mark.parametrize("offset", [0.0, 3e4])
def test_numbers_are_those_of_plain_numpy(monkeypatch, contour, offset):
    monkeypatch.setattr("napari_cryoinr.maps.density_map.SLAB_VOXELS", 4000)  # several slabs
    contour = None if contour is None else contour + offset
    a = noise((21, 30, 25)) + np.float32(offset)
    b = a + noise(a.shape, 1, 0.1)
    report = compare(DensityMap(a), DensityMap(b), contour, keep="contour")
    x, y = a.astype(np.float64), b.astype(np.float64)
    psnr = 20 * math.log10((x.max() - x.min()) / math.sqrt(np.mean((x - y) ** 2)))
    chosen = np.ones(a.shape, bool) if contour is None else a > np.float32(contour)
    u, v = x[chosen], y[chosen]
    relative = np.abs(v - u) / np.abs(u)
    assert u.size > 0
    assert (report.voxels, report.kept_voxels) == (a.size, u.size)
    assert report.psnr == pytest.approx(psnr, rel=1e-9)
    assert report.nrmse == pytest.approx(math.sqrt(np.mean((u - v) ** 2)) / u.std(), rel=1e-7)
    assert report.correlation == pytest.approx(np.corrcoef(u, v)[0, 1], rel=1e-9)
    assert report.max_error == np.abs(u - v).max()
    assert report.within_20_percent == pytest.approx(np.mean(relative <= 0.2), rel=1e-12)
    assert report.mean_relative_error == pytest.approx(relative.mean(), rel=1e-9)
    share = np.abs(u) / np.abs(x).max()
    expected = []
    for low, high in itertools.pairwise(BAND_EDGES):
        band = (share >= low) & ((share < high) | (high == 1))
        if band.any():
            expected.append((low, high, band.sum(), np.mean(relative[band] <= 0.2)))
    found = [(band.low, band.high, band.voxels, band.within_20_percent) for band in report.bands]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert sum(band.voxels for band in report.bands) == u.size


def test_exactly_20_percent_is_within():
    a = np.full((4, 4, 4), 10, np.float32)
    b = a.copy()
    b[0] = 12
    b[1] = 12.5
    report = compare(DensityMap(a), DensityMap(b))
    assert report.within_20_percent == 0.75
    assert report.mean_relative_error == pytest.approx((0.2 + 0.25) / 4)


def test_a_density_on_an_edge_is_in_the_band_above_it():
    a = np.full((4, 4, 4), 10, np.float32)
    a[0], a[1] = 4, 1
    report = compare(DensityMap(a), DensityMap(a + 1))
    bands = [(b.low, b.high, b.voxels) for b in report.bands]
    assert bands == [(0.1, 0.2, 16), (0.4, 0.6, 16), (0.8, 1.0, 32)]


def test_zero_densities_have_no_relative_error():
    a = np.zeros((4, 4, 4), np.float32)
    a[0] = 1
    report = compare(DensityMap(a), DensityMap(a + np.float32(0.5)))
    assert report.within_20_percent == 0
    assert report.mean_relative_error == 0.5
    assert sum(band.voxels for band in report.bands) == 16


def test_overlap_is_measured_at_three_levels():
    a, b = np.zeros((2, 10, 10, 10), np.float32)
    a[:, :, 0], b[:, :, 0] = 0.95, 0.85  # apart above 0.9 only
    a[:, :, 1], b[:, :, 1] = 1.05, 1.05  # together above 0.9 and 1
    a[:, :, 2], b[:, :, 2] = 1.05, 1.2  # apart above 1.1 only
    a[:, :, 3:5], b[:, :, 3:5] = 2, 2
    report = drain(compare_steps(DensityMap(a), b, contour=None, level=1.0))
    assert report.iou == pytest.approx((4 / 5, 1.0, 2 / 3))
    assert report.level == 1.0


def test_equal_maps_have_no_error():
    a = noise((12, 13, 14))
    report = compare(DensityMap(a, (1.0, 2.0, 1.5)), DensityMap(a.copy(), (1.0, 2.0, 1.5)), 0.5)
    assert (report.nrmse, report.max_error, report.mean_relative_error) == (0, 0, 0)
    assert (report.correlation, report.within_20_percent) == (1, 1)
    assert report.iou == (1, 1, 1)
    assert (report.psnr, report.fsc_099, report.fsc_05) == (None, None, None)
    assert report.nyquist == 4.0
    assert set(report.fsc) == {1.0}


@pytest.mark.parametrize("value", [0.1, -53194.336, 3e-5])
def test_a_constant_map_has_no_spread_to_divide_by(value):
    a = np.full((21, 23, 9), value, np.float32)
    b = a * np.float32(1.01)
    report = compare(DensityMap(a), DensityMap(b))
    assert report.nrmse == pytest.approx(0.01, rel=1e-3)  # of the density itself
    assert report.correlation == 0
    assert report.psnr is None


def test_no_voxel_above_the_contour():
    a = noise((8, 8, 8))
    report = compare(DensityMap(a), DensityMap(a + 1), contour=100.0)
    assert report.kept_voxels == 0
    assert (report.bands, report.nrmse, report.max_error) == ((), 0, 0)
    assert report.psnr is not None


def test_shapes_must_agree():
    with pytest.raises(MapError, match=r"\(4, 5, 6\) and \(4, 5, 7\)"):
        compare(DensityMap(noise((4, 5, 6))), DensityMap(noise((4, 5, 7))))


@pytest.mark.parametrize("contour", [None, 0.5])
def test_a_report_goes_through_json(contour):
    a = noise((12, 13, 14))
    report = compare(DensityMap(a), DensityMap(a + noise(a.shape, 1, 0.3)), contour)
    for one in (report, report.stored(), report.with_size(1000, 4 * a.size)):
        text = json.dumps(records.to_dict(one))
        assert records.from_dict(QualityReport, json.loads(text)) == one
    assert report.stored().fsc is None
    sized = report.with_size(1000, 4 * a.size).to_dict()
    assert sized["ratio"] == pytest.approx(4 * a.size / 1000)
    assert sized["bits_per_voxel"] == pytest.approx(8 * 1000 / a.size)


def test_the_text_of_a_report_is_its_verdict_and_aligned_columns():
    a = noise((8, 8, 8))
    report = compare(DensityMap(a), DensityMap(a + noise(a.shape, 1, 0.3)))
    first, *others = report.bands
    report = replace(report, bands=(replace(first, voxels=123_456_789), *others))
    verdict, *lines = report.text().splitlines()
    assert verdict == report.verdict()
    numbers, bands = lines[: len(report.rows())], lines[len(report.rows()) :]
    starts = {line.index(value) for line, (_, value) in zip(numbers, report.rows(), strict=True)}
    assert len(starts) == 1
    assert len({len(line) for line in bands}) == 1
    assert bands[0].split()[:3] == ["density", "band", "voxels"]


GOOD = QualityReport(
    voxels=343_000,
    keep="contour",
    kept_voxels=7604,
    nrmse=0.0496,
    correlation=0.998,
    max_error=0.8,
    within_20_percent=0.99,
    mean_relative_error=0.03,
    bands=(),
    iou=(0.8, 0.934, 0.93),
    level=4.0,
    nyquist=6.0,
    psnr=31.0,
    contour=4.0,
    bytes=1711,
    raw_bytes=1_372_000,
)
SHELLS = {"keep": "envelope", "lowest_fsc": 0.99004, "resolution": 8.8, "iou": (0.97,) * 3}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "Kept above 4: NRMSE 0.050 there, surface overlap 0.93, 1.7 kB (802:1)"),
        (
            {"nrmse": 0.98, "iou": (0.1, 0.2, 0.3), "bytes": None},
            "Lost above 4: NRMSE 0.98 there, surface overlap 0.20 (another surface)",
        ),
        (
            {"nrmse": 0.4, "bytes": None, "level": 4.2},
            "Kept in part above 4: NRMSE 0.40 there, surface overlap 0.93 at 4.2",
        ),
        (
            {"iou": (0.8, 0.899, 0.8), "bytes": None},
            "Kept in part above 4: NRMSE 0.050 there, surface overlap 0.90",
        ),
        (
            {"nrmse": 0.0, "max_error": 0.0, "iou": (1.0,) * 3, "bytes": 1_372_000},
            "Kept exactly above 4, surface overlap 1.00, 1.4 MB (1:1)",
        ),
        (
            {"kept_voxels": 0, "bytes": None},
            "Lost: no voxel is above 4, nothing was compared there",
        ),
        (
            SHELLS,
            (
                "Kept to 8.8 Å inside the envelope: every Fourier shell correlates at least 0.990,"
                " surface overlap 0.97 at 4, 1.7 kB (802:1)"
            ),
        ),
        (
            SHELLS | {"iou": (0.3,) * 3, "bytes": None},
            (
                "Lost inside the envelope: every Fourier shell correlates at least 0.990 to 8.8 Å,"
                " surface overlap 0.30 at 4 (another surface)"
            ),
        ),
        (
            SHELLS | {"lowest_fsc": 0.98999, "fsc_099": 9.13, "bytes": None},
            (
                "Kept in part inside the envelope: Fourier shells fall below 0.99 at 9.13 Å, short"
                " of 8.8 Å, surface overlap 0.97 at 4"
            ),
        ),
        (
            SHELLS | {"lowest_fsc": 0.1, "fsc_099": 30.0, "fsc_05": 17.0, "bytes": None},
            (
                "Kept in part inside the envelope: Fourier shells fall below 0.99 at 30 Å, short of"
                " 8.8 Å, surface overlap 0.97 at 4"
            ),
        ),
        (
            SHELLS | {"lowest_fsc": 0.1, "fsc_099": 30.0, "fsc_05": 18.0, "bytes": None},
            (
                "Lost inside the envelope: Fourier shells fall below 0.5 at 18 Å, short of 8.8 Å,"
                " surface overlap 0.97 at 4"
            ),
        ),
        (
            SHELLS | {"lowest_fsc": 0.97, "error_of_noise": 0.099, "bytes": None},
            (
                "Kept to 8.8 Å inside the envelope: error in every Fourier shell at most 0.099 of"
                " the noise, surface overlap 0.97 at 4"
            ),
        ),
        (
            SHELLS | {"keep": "volume", "contour": None, "iou": (0.7,) * 3, "bytes": 512},
            (
                "Kept to 8.8 Å in the whole volume: every Fourier shell correlates at least 0.990,"
                " surface overlap 0.70 at 4, 512 bytes (2,680:1)"
            ),
        ),
    ],
)
def test_the_verdict_is_one_plain_line(change, verdict):
    report = replace(GOOD, **change)
    assert report.verdict() == verdict
    word = report.to_dict()["verdict"]
    assert word in VERDICTS
    assert verdict.lower().startswith(word)


numbers = st.floats(0, 1)


@given(
    keep=st.sampled_from(("envelope", "contour", "volume")),
    lowest=st.floats(-1, 1) | st.floats(0.98, 1),
    nrmse=st.floats(0, 2) | st.floats(0.09, 0.11),
    overlap=numbers | st.floats(0.89, 0.91),
    error=numbers,
    resolutions=st.tuples(*[st.floats(2, 30)] * 3),
)
def test_a_stored_report_has_the_verdict_of_the_fresh_one(
    keep, lowest, nrmse, overlap, error, resolutions
):
    at_099, at_05, resolution = resolutions
    fresh = replace(
        GOOD,
        keep=keep,
        lowest_fsc=lowest,
        nrmse=nrmse,
        iou=(overlap,) * 3,
        max_error=error,
        fsc_099=at_099,
        fsc_05=at_05,
        resolution=resolution,
    )
    stored = fresh.stored()
    assert stored.stored() == stored
    assert stored.with_size(1711, 1_372_000).verdict() == fresh.verdict()
    assert stored.lowest_fsc <= lowest + 1e-9


def test_the_verdict_of_a_constant_map_does_not_depend_on_its_scale():
    flat = DensityMap(np.full((6, 6, 6), 3e5, np.float32))
    report = compare(flat, DensityMap(flat.data + 300), contour=1e5, keep="contour")
    assert report.verdict().startswith("Kept above 1e+05: NRMSE 0.001 there")


def two_balls():
    """Two balls of density on noise, their envelope, and a copy without one of them."""
    z, y, x = np.indices((40, 40, 40))
    balls = [
        np.exp(-((z - 20) ** 2 + (y - 20) ** 2 + (x - c) ** 2) / 20).astype(np.float32)
        for c in (11, 29)
    ]
    return balls[0] + balls[1] + noise((40, 40, 40), scale=0.02), balls[0]


def test_what_is_outside_the_envelope_does_not_count():
    original, _ = two_balls()
    inside = soft_mask(original, 0.4)
    wrong = np.where(inside > 0, original, np.float32(7))
    report = compare(DensityMap(original), DensityMap(wrong), 0.4)
    assert report.keep == "envelope"
    assert report.kept_voxels == np.count_nonzero(inside >= 0.5)
    assert (report.max_error, report.iou, report.lowest_fsc) == (0, (1, 1, 1), 1)
    assert report.psnr is not None  # the whole volume is another matter
    assert report.verdict().startswith("Kept exactly inside the envelope")
    assert report.rows()[-1] == ("PSNR over the whole volume", f"{report.psnr:.2f} dB")
    whole = compare(DensityMap(original), DensityMap(wrong))
    assert (whole.keep, whole.kept_voxels) == ("volume", original.size)
    assert whole.max_error > 5


def test_the_shells_are_those_of_the_masked_maps():
    original, _ = two_balls()
    decoded = original + noise(original.shape, 1, 0.05)
    mask = soft_mask(original, 0.4)
    background = np.median(original[mask == 0])
    maps = (original, decoded)
    inside = [(m - background) * mask for m in maps]
    values, step = reference_fsc(*inside, (1.0, 1.0, 1.0))
    for density in (0, 7):  # of the solvent
        raised = [DensityMap(m + np.float32(density)) for m in maps]
        report = compare(*raised, 0.4 + density)
        np.testing.assert_allclose(report.fsc, values, atol=1e-4)
    for keep in ("envelope", "contour"):
        report = compare(DensityMap(original), DensityMap(decoded), 0.4, keep=keep)
        np.testing.assert_allclose(report.fsc, values, atol=1e-5)
        assert report.fsc_step == step
    report = compare(DensityMap(original), DensityMap(decoded), 0.4, resolution=8.0)
    assert (report.resolution, report.resolution_source) == (8.0, "given")
    assert report.lowest_fsc == pytest.approx(values[:5].min(), abs=1e-5)


@pytest.mark.parametrize("keep", ["envelope", "contour"])
def test_the_worst_place_is_where_structure_is_lost(keep):
    original, one = two_balls()
    size, origin = (1.5, 2.0, 3.0), (10.0, -20.0, 30.0)
    lost = one + noise(one.shape, 2, 0.02)
    report = compare(DensityMap(original, size, origin), DensityMap(lost, size), 0.4, keep=keep)
    first, *others = report.worst
    z, y, x = first.voxel
    assert abs(z - 20) < 5 and abs(y - 20) < 5 and abs(x - 29) < 5
    assert first.position == pytest.approx((10 + 1.5 * z, -20 + 2 * y, 30 + 3 * x))
    assert first.correlation < 0.5
    assert [first.correlation] <= [place.correlation for place in others]
    assert "x " in dict(report.rows())["lowest local correlation, place 1"]


def test_equal_maps_have_no_worst_place():
    original, _ = two_balls()
    assert compare(DensityMap(original), DensityMap(original), 0.4).worst == ()


def test_what_is_kept_must_be_known():
    original, _ = two_balls()
    with pytest.raises(SettingsError, match="must be envelope or contour"):
        compare(DensityMap(original), DensityMap(original), 0.4, keep="all")
