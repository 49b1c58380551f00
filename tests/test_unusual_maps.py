"""Unusual but real maps, from the MRC file to a `.cinr` and back: nothing is lost in silence."""

from __future__ import annotations

import bz2
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.main import run
from napari_cryoinr.maps.mrc_header import MrcHeader, new_header

LOSSLESS = cryoinr.Settings(lossless=True, device="cpu")
IMOD_STAMP = 1146047817


def mrc_file(path: Path, voxels: np.ndarray, words: dict[int, int] | None = None, **fields: Any):
    """Write an MRC file by hand: `words` are integers by their byte in the header."""
    modes = {"i1": 0, "u1": 0, "i2": 1, "f4": 2}
    header = new_header(voxels.shape, (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    raw = bytearray(header.changed(mode=modes[voxels.dtype.str[1:]], **fields).raw)
    for place, value in (words or {}).items():
        raw[place : place + 4] = value.to_bytes(4, "little")
    path.write_bytes(bytes(raw) + voxels.tobytes())
    return path


def there_and_back(path: Path, settings: cryoinr.Settings) -> cryoinr.DensityMap:
    """The map after compression, decompression and reading of the MRC file."""
    cryoinr.compress(cryoinr.read_map(path), path.with_suffix(".cinr"), settings)
    cryoinr.decompress(path.with_suffix(".cinr"), path.with_name("back.mrc"))
    return cryoinr.read_map(path.with_name("back.mrc"), strict=True)


@pytest.fixture
def blobs(small_map) -> np.ndarray:
    """Densities of -1 to 10."""
    return small_map.data / small_map.data.max() * np.float32(10)


# -- bytes without a sign


@pytest.fixture
def unsigned(tmp_path: Path, blobs: np.ndarray) -> tuple[np.ndarray, Path]:
    """Bytes from 0 to 255 in mode 0, with IMOD's stamp and without its flag for a sign."""
    voxels = np.clip(20 * blobs + 55, 0, 255).astype(np.uint8)
    words = {152: IMOD_STAMP, 156: 0}
    return voxels, mrc_file(tmp_path / "bytes.rec", voxels, words, dmin=0, dmax=255)


def test_unsigned_bytes_of_imod_keep_their_values_and_their_mode(unsigned) -> None:
    voxels, path = unsigned
    read = cryoinr.read_map(path, strict=True)
    assert voxels.max() > 127 and np.array_equal(read.data, voxels)
    for settings in (LOSSLESS, cryoinr.Settings(max_error=2, effort="fast", device="cpu")):
        for name in ("bytes.cinr", "back.mrc"):
            path.with_name(name).unlink(missing_ok=True)
        back = there_and_back(path, settings)
        assert int(back.header.record.mode) == 0 and "uint8" in repr(back)
        assert path.with_name("back.mrc").stat().st_size == path.stat().st_size
        above = voxels > cryoinr.open_archive(path.with_suffix(".cinr"))[0].contour
        worst = np.abs(back.data - voxels)[above].max()
        assert worst <= (0 if settings.lossless else 2)
        assert (float(back.header.record.dmin), float(back.header.record.dmax)) == (
            back.data.min(),
            back.data.max(),
        )


def test_modes_for_bytes_set_the_flag(unsigned, tmp_path: Path) -> None:
    voxels, path = unsigned
    read = cryoinr.read_map(path)
    cryoinr.write_map(read, tmp_path / "a.mrc", mode="uint16")
    cryoinr.write_map(cryoinr.read_map(tmp_path / "a.mrc"), tmp_path / "b.mrc", mode="uint8")
    assert np.array_equal(cryoinr.read_map(tmp_path / "b.mrc", strict=True).data, voxels)
    with pytest.raises(cryoinr.MapError, match="do not fit int8"):
        cryoinr.write_map(read, tmp_path / "c.mrc", mode="int8")
    signed = cryoinr.DensityMap(read.data - 128, header=read.header)
    cryoinr.write_map(signed, tmp_path / "d.mrc", mode="int8")
    assert np.array_equal(cryoinr.read_map(tmp_path / "d.mrc", strict=True).data, signed.data)


@pytest.mark.parametrize(
    ("words", "low", "high", "said"),
    [
        ({}, 0, 255, "DMAX is 255 but bytes are read with a sign"),
        ({152: IMOD_STAMP, 156: 1}, 0, 200, "DMAX is 200 but bytes are read with a sign"),
        ({152: IMOD_STAMP, 156: 0}, -100, 100, "DMIN is -100 but bytes are read without a sign"),
        ({}, -100, 100, None),
        ({}, 0, 100, None),
        ({152: IMOD_STAMP, 156: 0}, 0, 255, None),
    ],
)
def test_statistics_that_contradict_the_sign_are_told(tmp_path, words, low, high, said) -> None:
    voxels = np.arange(64, dtype=np.int8).reshape(4, 4, 4)
    path = mrc_file(tmp_path / "a.mrc", voxels, words, dmin=low, dmax=high)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cryoinr.read_map(path)
    assert [said in str(warning.message) for warning in caught] == ([True] if said else [])


# -- labels


@pytest.mark.parametrize("counted", [0, 2, 10, 12, -1])
def test_all_labels_with_text_are_kept_whatever_their_count_says(
    tmp_path: Path, blobs: np.ndarray, counted: int
) -> None:
    labels = [f"line {number} of the history".encode() for number in range(10)]
    path = mrc_file(tmp_path / "a.mrc", blobs, nlabl=counted, label=labels)
    back = there_and_back(path, LOSSLESS)
    assert back.header is not None
    assert [bytes(label) for label in back.header.record.label] == labels
    assert int(back.header.record.nlabl) == 10


def test_a_label_is_added_behind_the_last_one_with_text(tmp_path: Path, blobs: np.ndarray) -> None:
    labels = [b"first", b"", b"third", *[b" " * 80] * 7]
    path = mrc_file(tmp_path / "a.mrc", blobs, nlabl=1, label=labels)
    cryoinr.write_map(cryoinr.read_map(path), tmp_path / "b.mrc", label="ours")
    after = cryoinr.read_map(tmp_path / "b.mrc").mrc
    assert after.labels == [b"first", b"", b"third", b"ours"]


# -- voxels that are no numbers, and numbers at the ends of float32


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", ["float32", "float16", "int16", "uint8"])
def test_what_is_not_finite_is_never_written(tmp_path, blobs, value: float, mode: str) -> None:
    data = np.abs(blobs)
    data[3, 4, 5] = value
    bad = cryoinr.DensityMap(data, name="bad")
    with pytest.raises(cryoinr.MapError, match=r"bad: voxel \(z, y, x\) = \(3, 4, 5\) is infinite"):
        cryoinr.write_map(bad, tmp_path / "a.mrc", mode=mode)
    assert not list(tmp_path.iterdir())


def test_densities_beyond_float32_are_refused_in_one_line(tmp_path: Path, blobs) -> None:
    large = cryoinr.DensityMap(blobs.astype(np.float64) * 1e300, name="large")
    with pytest.raises(cryoinr.MapError, match=r"large: .* infinite"):
        cryoinr.compress(large, tmp_path / "a.cinr", LOSSLESS)


def extreme(blobs: np.ndarray, kind: str) -> np.ndarray:
    """Densities of about 1e-40, 1e-30 or 1e38, or two voxels near the ends of float32."""
    if kind != "float limits":
        scale = {"denormal": 1e-40, "tiny": 1e-30, "huge": 3e37}[kind]
        return (blobs.astype(np.float64) * scale).astype(np.float32)
    blobs[1, 2, 3], blobs[2, 2, 3] = 3.4e38, -3.4e38
    return blobs


@pytest.mark.parametrize("kind", ["tiny", "huge", "float limits"])
def test_extreme_densities_without_loss(tmp_path: Path, blobs: np.ndarray, kind: str) -> None:
    data = extreme(blobs, kind)
    back = there_and_back(mrc_file(tmp_path / "a.mrc", data), LOSSLESS)
    assert back.data.tobytes() == data.tobytes()
    record = back.mrc.record
    assert (float(record.dmin), float(record.dmax)) == (data.min(), data.max())
    assert float(record.rms) == pytest.approx(data.std(dtype=np.float64), rel=1e-4)


@pytest.mark.parametrize("kind", ["tiny", "huge", "float limits"])
def test_extreme_densities_have_a_contour(tmp_path: Path, blobs: np.ndarray, kind: str) -> None:
    """What is relative does not know the scale: the same voxels count as for a usual map."""
    from napari_cryoinr.maps.map_statistics import statistics
    from napari_cryoinr.maps.threshold import resolve_threshold

    data = extreme(blobs.copy(), kind)
    threshold = resolve_threshold("auto", statistics(cryoinr.DensityMap(data)))
    assert threshold is not None and data.min() < threshold < data.max()
    if kind != "float limits":
        usual = resolve_threshold("auto", statistics(cryoinr.DensityMap(blobs)))
        assert threshold / float(data.max()) == pytest.approx(usual / blobs.max(), rel=1e-3)


WHOLE = {"threshold": "none", "target_psnr": 40.0}


@pytest.mark.parametrize(
    ("kind", "goal"),
    [
        ("tiny", {}),
        ("huge", WHOLE),
        ("float limits", {}),
        ("float limits", WHOLE),
        ("denormal", {"max_error": 2e-41}),
    ],
)
def test_extreme_densities_with_loss(tmp_path, blobs, kind: str, goal: dict[str, Any]) -> None:
    path = mrc_file(tmp_path / "a.mrc", extreme(blobs, kind))
    settings = cryoinr.Settings(effort="fast", device="cpu", model="field", **goal)
    report = cryoinr.compress(cryoinr.read_map(path), tmp_path / "a.cinr", settings)
    assert isinstance(report, cryoinr.QualityReport)
    if "max_error" in goal:
        assert report.max_error <= goal["max_error"]
    elif goal:
        assert report.psnr is not None and report.psnr >= 40
    else:
        assert report.nrmse <= 0.05
    assert np.isfinite(cryoinr.open_archive(tmp_path / "a.cinr")[0].read()).all()


# -- shapes, sizes, statistics


def test_a_map_of_one_section_comes_back(tmp_path: Path, blobs: np.ndarray) -> None:
    cryoinr.write_map(cryoinr.DensityMap(blobs[:1]), tmp_path / "one.mrc")
    back = there_and_back(tmp_path / "one.mrc", LOSSLESS)
    assert np.array_equal(back.data, blobs[:1])
    with mrcfile.new(tmp_path / "image.mrc") as image:
        image.set_data(blobs[0])
    with pytest.raises(cryoinr.MapError, match="2-D image"):
        cryoinr.read_map(tmp_path / "image.mrc")


def test_names_as_long_as_the_system_allows(tmp_path: Path, blobs: np.ndarray) -> None:
    path = tmp_path / f"{'n' * 250}.mrc"
    cryoinr.write_map(cryoinr.DensityMap(blobs), path)
    cryoinr.compress(cryoinr.read_map(path), path.with_suffix(".cinr"), LOSSLESS)
    assert len(list(tmp_path.iterdir())) == 2


def test_stale_statistics_are_recomputed(tmp_path: Path, blobs: np.ndarray) -> None:
    path = mrc_file(tmp_path / "a.mrc", blobs, dmin=0, dmax=1, dmean=0.5, rms=0.1)
    record = there_and_back(path, LOSSLESS).mrc.record
    found = [float(record[name]) for name in ("dmin", "dmax", "dmean", "rms")]
    data = blobs.astype(np.float64)
    assert found == pytest.approx([data.min(), data.max(), data.mean(), data.std()], rel=1e-4)


def huge(header: MrcHeader, **fields: Any) -> bytes:
    return header.changed(**fields).raw + bytes(1 << 20)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bz2"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"nx": 1000, "ny": 1000, "nz": 1000}, "need 4,000,000,000 bytes of memory and the limit"),
        ({"nsymbt": 1 << 30}, "an extended header of 1073741824 bytes is impossible"),
    ],
    ids=["voxels", "extended header"],
)
def test_wild_sizes_are_refused_before_memory_is_taken(
    tmp_path: Path, packed: bool, fields: dict[str, int], said: str
) -> None:
    data = huge(new_header((4, 4, 4), (1.0,) * 3, (0.0,) * 3), **fields)
    (tmp_path / "a.mrc").write_bytes(bz2.compress(data) if packed else data)
    if not packed and "nx" in fields:
        said = "truncated"
    with pytest.raises(cryoinr.MapError, match=said):
        cryoinr.read_map(tmp_path / "a.mrc", memory_limit=1 << 30)


def test_the_memory_limit_counts_voxels_as_float32(tmp_path: Path) -> None:
    path = mrc_file(tmp_path / "a.mrc", np.zeros((10, 10, 10), np.int8))
    with pytest.raises(cryoinr.MapError, match=r"need 4,000 bytes .* raise memory_limit"):
        cryoinr.read_map(path, memory_limit=3999)
    assert cryoinr.read_map(path, memory_limit=4000).data.shape == (10, 10, 10)


# -- files that change while they are used


def test_a_file_that_is_cut_short_after_reading_does_no_harm(tmp_path: Path, small_map) -> None:
    cryoinr.write_map(small_map, tmp_path / "a.mrc")
    code = (
        "import os, napari_cryoinr as c; m = c.read_map('a.mrc'); os.truncate('a.mrc', 2000);"
        " c.compress(m, 'a.cinr', c.Settings(lossless=True, device='cpu'))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert np.array_equal(cryoinr.open_archive(tmp_path / "a.cinr")[0].read(), small_map.data)


@pytest.mark.parametrize("axes", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_lazy_voxels_are_those_of_the_file(tmp_path: Path, axes, dtype) -> None:
    voxels = np.random.default_rng(0).integers(-99, 99, (6, 7, 8)).astype(dtype)
    path = mrc_file(tmp_path / "a.mrc", voxels, mapc=axes[0], mapr=axes[1], maps=axes[2])
    whole = cryoinr.read_map(path).data
    lazy: Any = cryoinr.read_map(path, lazy=True).data
    assert lazy.shape == whole.shape and lazy.size == whole.size and len(lazy) == len(whole)
    for index in (np.s_[:], np.s_[2], np.s_[1:4, ::2, -1], np.s_[..., 3:], np.s_[5, 2, 1]):
        assert np.array_equal(lazy[index], whole[index])
    assert np.array_equal(np.asarray(lazy), whole)


def test_lazy_voxels_of_a_file_that_changed_are_refused(tmp_path: Path) -> None:
    path = mrc_file(tmp_path / "a.mrc", np.ones((6, 7, 8), np.float32))
    lazy: Any = cryoinr.read_map(path, lazy=True).data
    with path.open("rb+") as file:
        file.truncate(1100)
    with pytest.raises(cryoinr.MapError, match="was changed since it was opened"):
        lazy[5]
    with pytest.raises(cryoinr.MapError, match="truncated"):
        cryoinr.read_map(path, lazy=True)


def test_the_command_line_says_what_is_wrong_with_a_map(tmp_path: Path, capsys) -> None:
    data = np.ones((4, 4, 4), np.float32)
    data[1, 1, 1] = np.nan
    path = mrc_file(tmp_path / "a.mrc", data)
    assert run(["compress", str(path), str(tmp_path / "a.cinr")]) == 1
    assert "infinite or NaN" in capsys.readouterr().err
