"""Micrographs come out of MRC and TIFF files as they are, with the pixel size that is stated."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import Micrograph, MicrographError, read_micrograph
from napari_cryoinr.maps.mrc_header import VOXEL_TYPES
from napari_cryoinr.picking.micrographs import find_micrographs, micrograph_name, micrographs_below
from test_maps import COMPRESSIONS, mrc_bytes, saved
from test_package import loaded_by

ROWS, COLUMNS = 40, 48


def image_of(dtype: str = "f4") -> np.ndarray:
    """Values that are exact in a type, no two rows or columns alike."""
    return (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 97).astype(dtype)


def mrc_of(image: np.ndarray, mode: int = 2, byte_order: str = "<", **fields: Any) -> bytes:
    """An MRC file with one section; fields as in the header."""
    cell = (1.5 * image.shape[1], 1.5 * image.shape[0], 1.5)
    return mrc_bytes(image[None], mode, byte_order, **{"ispg": 0, "cella": cell, **fields})


def tiff(path: Path, image: np.ndarray, cut: int | None = None, **options: Any) -> Path:
    tifffile.imwrite(path, image, **options)
    return saved(path, path.read_bytes()[:cut])


# ---------------------------------------------------------------------------------------- MRC


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("mode", VOXEL_TYPES)
def test_every_mode_byte_order_and_compression(
    tmp_path: Path, mode: int, byte_order: str, suffix: str
) -> None:
    data = mrc_of(image_of(VOXEL_TYPES[mode]), mode, byte_order)
    made = read_micrograph(saved(tmp_path / f"some.mrc{suffix}", COMPRESSIONS[suffix](data)))
    assert np.array_equal(made.data, image_of())
    assert made.data.dtype == np.float32 and made.data.flags.c_contiguous
    assert made.data.flags.writeable and made.pixel_size == 1.5 and made.name == "some"


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("fields", [{"machst": [0, 0, 0, 0]}, {"map": b"    "}, {"mapc": 0}])
def test_faults_of_a_header_that_leave_the_image_are_passed_over(
    tmp_path: Path, byte_order: str, fields: dict[str, Any]
) -> None:
    data = mrc_of(image_of(), 2, byte_order, **fields) + b"more"
    assert np.array_equal(read_micrograph(saved(tmp_path / "a.mrc", data)).data, image_of())


@pytest.mark.parametrize("shape", [(ROWS, COLUMNS), (1, ROWS, COLUMNS)])
def test_files_of_mrcfile(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(image_of("i2").reshape(shape))
        file.voxel_size = 0.83
    made = read_micrograph(str(tmp_path / "a.mrc"))
    assert np.array_equal(made.data, image_of()) and made.pixel_size == pytest.approx(0.83)


@pytest.mark.parametrize(
    "fields",
    [
        {"cella": (0.0, 0.0, 0.0)},
        {"cella": (float("nan"),) * 3},
        {"cella": (float("inf"),) * 3},
        {"cella": (-COLUMNS, -ROWS, 1.0)},
        {"cella": (2 * COLUMNS, ROWS, 1.0)},
        {"cella": (1e6 * COLUMNS, 1e6 * ROWS, 1.0)},
        {"mx": 0},
    ],
    ids=["zero", "NaN", "infinite", "negative", "not square", "a metre or so", "no sampling"],
)
def test_no_pixel_size_without_a_sensible_one(tmp_path: Path, fields: dict[str, Any]) -> None:
    made = read_micrograph(saved(tmp_path / "a.mrc", mrc_of(image_of(), **fields)))
    assert made.pixel_size is None


def with_some(value: float) -> np.ndarray:
    """An image in which 19 pixels have another value."""
    return np.where(image_of() > 95, np.float32(value), image_of())


GOOD = mrc_of(image_of())
REFUSED_MRC: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "half a header": (GOOD[:500], "500 bytes are too few"),
    "truncated": (GOOD[:-1], "truncated: 8703 bytes where the header promises 8704"),
    "truncated gz": (gzip.compress(GOOD)[:-20], "cannot be read|not a readable"),
    "zeros": (bytes(5000), "not an MRC or TIFF file?"),
    "text": (b"ATOM      1  N   MET A   1\n" * 100, "MRC mode 538988064"),
    "movie": (mrc_of(image_of(), nz=7, mz=1), "7 sections.*average the movie's frames first"),
    "volume": (mrc_of(image_of(), nz=40, mz=40, ispg=1), "40 sections, a movie or a volume"),
    "complex": (mrc_of(image_of(), 4), "mode 4 is not a micrograph"),
    "mode": (mrc_of(image_of(), 101), "mode 101 .* modes 0, 1, 2, 6, 12 are read"),
    "small": (mrc_of(image_of()[:31]), "48 × 31 pixels; .* at least 32"),
    "narrow": (mrc_of(image_of()[:, :31]), "31 × 40 pixels"),
    "constant": (mrc_of(np.full((ROWS, COLUMNS), 3, "f4")), "all pixels are 3"),
    "NaN": (mrc_of(with_some(np.nan)), "19 of 1920 pixels are infinite or NaN; replace them"),
    "infinite": (mrc_of(with_some(-np.inf)), "19 of 1920 pixels"),
}


@pytest.mark.parametrize(("data", "words"), REFUSED_MRC.values(), ids=list(REFUSED_MRC))
def test_refused_mrc_files(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(MicrographError, match=words) as caught:
        read_micrograph(saved(tmp_path / "a.mrc", data))
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mrc", tmp_path / "none.tif", tmp_path):
        with pytest.raises(MicrographError, match="no such file"):
            read_micrograph(path)


# --------------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "f2", "f4", "f8"])
@pytest.mark.parametrize(
    "options",
    [{}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}, {"compression": "zlib"}],
    ids=["plain", "big-endian", "BigTIFF", "tiled", "deflate"],
)
def test_tiff_of_every_type(tmp_path: Path, dtype: str, options: dict[str, Any]) -> None:
    made = read_micrograph(tiff(tmp_path / "some.tif", image_of(dtype), **options))
    assert np.array_equal(made.data, image_of())
    assert made.data.dtype == np.float32 and made.data.flags.c_contiguous
    assert made.pixel_size is None and made.name == "some"


@pytest.mark.parametrize("compression", ["lzw", "zstd", "packbits"])
@pytest.mark.parametrize("predictor", [False, True])
def test_compressed_tiff(tmp_path: Path, compression: str, predictor: bool) -> None:
    options = {"compression": compression, "predictor": predictor and compression != "packbits"}
    path = tiff(tmp_path / "a.tif", image_of("u2"), **options)
    assert np.array_equal(read_micrograph(path).data, image_of())
    data = bytearray(path.read_bytes())
    for place in range(8, len(data) // 2, 7):
        data[place] ^= 0x55
    try:  # a damaged stream may decode to other values
        read_micrograph(saved(path, data))
    except MicrographError as error:
        assert "\n" not in str(error)


def test_of_eer_the_sum_of_the_frames_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.eer"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for _ in range(3):
            file.write(np.zeros((ROWS, COLUMNS), np.uint8), metadata=None)
        file.write(image_of("u2"), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for page in file.pages[:3]:
            page.tags["Compression"].overwrite(65001)
    made = read_micrograph(path)
    assert np.array_equal(made.data, image_of()) and made.name == "a"
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[3].tags["Compression"].overwrite(65001)
    with pytest.raises(MicrographError, match=r"4 frames of events .EER. .* correct the motion"):
        read_micrograph(path)


def test_tiff_is_seen_by_content_too(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", image_of())
    path = (tmp_path / "a.tif").rename(tmp_path / "a.image")
    assert np.array_equal(read_micrograph(path).data, image_of())


def imagej(unit: str, x: float = 1.5, y: float = 1.5) -> dict[str, Any]:
    return {"imagej": True, "resolution": (1 / x, 1 / y), "metadata": {"unit": unit}}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (imagej("nm"), 15.0),
        (imagej("\\u00C5"), 1.5),  # how ImageJ spells Å
        (imagej("angstrom"), 1.5),
        (imagej("micron", 1e-4, 1e-4), 1.0),
        (imagej("\\u00B5m", 1e-4, 1e-4), 1.0),
        (imagej("pixel"), None),
        (imagej("nm", 1.5, 2.5), None),
        ({"resolution": ((200_000_000, 3),) * 2, "resolutionunit": 3}, 1.5),
        ({"resolution": (2.54e8, 2.54e8), "resolutionunit": 2}, 1.0),
        ({"resolution": (300, 300), "resolutionunit": 2}, None),  # a printer's
        ({"resolution": (0.5, 0.5), "resolutionunit": 1}, None),
        ({"resolution": (0, 0), "resolutionunit": 3}, None),
    ],
)
def test_pixel_size_of_tiff(
    tmp_path: Path, options: dict[str, Any], expected: float | None
) -> None:
    made = read_micrograph(tiff(tmp_path / "a.tif", image_of(), **options))
    assert made.pixel_size == (None if expected is None else pytest.approx(expected, rel=1e-5))


MOVIE = np.zeros((7, ROWS, COLUMNS), np.uint8)
REFUSED_TIFF: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "colour": (MOVIE[:3], {"photometric": "rgb"}, "colour image .3 values"),
    "palette": (
        MOVIE[0],
        {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
        "colour image",
    ),
    "movie": (MOVIE, {}, "7 images.*average the movie's frames first"),
    "ImageJ stack": (MOVIE, {"imagej": True}, "7 images"),
    "complex": (image_of("c8"), {}, "values of type complex64"),
    "small": (image_of()[:20], {}, "48 × 20 pixels"),
    "constant": (MOVIE[0], {}, "all pixels are 0"),
    "NaN": (np.full((ROWS, COLUMNS), np.nan, "f4"), {}, "1920 of 1920 pixels"),
    "too large for float32": (image_of("f8") * 1e300, {}, "of 1920 pixels are infinite"),
    "truncated": (image_of(), {"cut": -100}, "truncated"),
    "truncated, packed": (image_of(), {"cut": -100, "compression": "zlib"}, "truncated"),
    "header only": (image_of(), {"cut": 8}, "not a readable TIFF file"),
    "half a header": (image_of(), {"cut": 6}, "not a readable TIFF file"),
    "empty": (image_of(), {"cut": 0}, "the file is empty"),
}


@pytest.mark.parametrize(
    ("image", "options", "words"), REFUSED_TIFF.values(), ids=list(REFUSED_TIFF)
)
def test_refused_tiff_files(
    tmp_path: Path, image: np.ndarray, options: dict[str, Any], words: str
) -> None:
    path = tiff(tmp_path / "a.tif", image, **options)
    with pytest.raises(MicrographError, match=words) as caught:
        read_micrograph(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "value", "dtype"),
    [
        ("RowsPerStrip", 0, None),  # tifffile divides by it
        ("RowsPerStrip", 5e-324, "d"),  # an infinite number of strips
        ("RowsPerStrip", 1 << 31, "I"),
        ("ImageLength", 1 << 31, "I"),
        ("ImageWidth", 1 << 31, "I"),
    ],
)
def test_tiff_with_impossible_tags_is_refused(
    tmp_path: Path, tag: str, value: float, dtype: str | None
) -> None:
    path = tiff(tmp_path / "a.tif", image_of("i2"), compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags[tag].overwrite(value, dtype=dtype)
    with pytest.raises(MicrographError, match=r"a\.tif: ") as caught:
        read_micrograph(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.mrc", "a.mrc.gz", "a.tif"])
def test_images_larger_than_the_memory_limit_are_refused(tmp_path: Path, name: str) -> None:
    data = {"a.mrc": GOOD, "a.mrc.gz": gzip.compress(GOOD)}.get(name)
    path = saved(tmp_path / name, data) if data else tiff(tmp_path / name, image_of())
    assert read_micrograph(path, memory_limit=4 * ROWS * COLUMNS).data.size == ROWS * COLUMNS
    with pytest.raises(MicrographError, match="limit"):
        read_micrograph(path, memory_limit=4 * ROWS * COLUMNS - 1)


def test_text_that_calls_itself_tiff_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MicrographError, match="not a readable TIFF file"):
        read_micrograph(saved(tmp_path / "a.TIFF", b"hello" * 100))


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.data())
def test_any_bytes_are_a_micrograph_or_a_micrograph_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    suffix = data.draw(st.sampled_from([".mrc", ".tif"]))
    good = GOOD if suffix == ".mrc" else tiff(folder / "b.tif", image_of()).read_bytes()
    damaged = bytearray(good)
    for place in data.draw(st.lists(st.integers(0, 300), max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.none() | st.integers(0, len(good)))
    try:
        assert read_micrograph(saved(folder / f"a{suffix}", damaged[:end])).data.ndim == 2
    except MicrographError as error:
        assert "\n" not in str(error)


# --------------------------------------------------------------------------------- micrographs


def test_micrograph_of_an_array() -> None:
    made = Micrograph(image_of("u2").T, 2.0, "mine")
    assert made.data.dtype == np.float32 and made.data.flags.c_contiguous
    assert np.array_equal(made.data, image_of().T)
    for data, words in (
        (np.zeros((ROWS, COLUMNS, 3)), "mine: a colour image"),
        (np.zeros((2, ROWS, COLUMNS)), "mine: the data has 3 dimensions"),
        (np.full((ROWS, COLUMNS), "a"), "values of type"),
    ):
        with pytest.raises(MicrographError, match=words):
            Micrograph(data, name="mine")
    for size in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(MicrographError, match="must be positive"):
            Micrograph(image_of(), size)


def test_names() -> None:
    expected = {
        "a/A.mrc": "A",
        "A_1.2_avg.mrc": "A_1.2_avg",
        "A.1": "A.1",
        "A.MRC": "A",
        "A.mrc.gz": "A",
        "A.mrcs": "A",
        "A.tiff": "A",
        "A.dat": "A.dat",
    }
    assert {name: micrograph_name(name) for name in expected} == expected


def test_find_micrographs_in_folders(tmp_path: Path) -> None:
    names = ["b.mrc", "a.TIF", "c.tiff", "d.mrc.gz", "e.mrc.bz2"]
    for name in (*names, "f.mrcs", ".g.mrc", "h.csv", "i.mrc.txt"):
        saved(tmp_path / name, b"")
    (tmp_path / "j.mrc").mkdir()
    saved(tmp_path / "j.mrc" / "k.mrc", b"")
    other = saved(tmp_path / "h.dat", b"")
    assert find_micrographs([tmp_path]) == [tmp_path / name for name in sorted(names)]
    assert find_micrographs([other, tmp_path / "b.mrc", tmp_path])[:3] == [
        other,
        tmp_path / "b.mrc",
        tmp_path / "a.TIF",
    ]


def test_micrographs_of_sub_folders_keep_them(tmp_path: Path) -> None:
    for name in ("b.mrc", "one/a.mrc", "two/a.tif", ".hidden/c.mrc", "two/.d.mrc", "e.mrcs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        saved(tmp_path / name, b"")
    expected = {"b.mrc": "b", "one/a.mrc": "one/a", "two/a.tif": "two/a"}
    found = micrographs_below([tmp_path, tmp_path / "two" / ".." / "b.mrc"])
    assert found == {tmp_path / path: Path(result) for path, result in expected.items()}
    with pytest.raises(MicrographError, match="have one name, a: "):
        micrographs_below([tmp_path / "one", tmp_path / "two"])


def test_find_micrographs_refuses(tmp_path: Path) -> None:
    for folder in ("one", "two", "none"):
        (tmp_path / folder).mkdir()
    for name in ("one/a.mrc", "one/b.mrc", "two/a.tif"):
        saved(tmp_path / name, b"")
    for paths, words in (
        (["one", "two"], r"one.a\.mrc and .*two.a\.tif have one name, a: .* rename"),
        (["one", "missing.mrc"], r"missing\.mrc: no such file or folder"),
        (["none"], "no micrographs in this folder"),
        ([], "give files or folders"),
    ):
        with pytest.raises(MicrographError, match=words):
            find_micrographs([tmp_path / path for path in paths])


def test_importing_and_reading_mrc_loads_no_other_reader(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.mrc", GOOD)
    loaded = loaded_by(
        "import napari_cryoinr as c; c.Particles, c.read_coordinates, c.write_coordinates;"
        f"c.read_micrograph({str(path)!r})"
    )
    assert not loaded & {"pandas", "starfile", "tifffile", "torch", "pyarrow"}
