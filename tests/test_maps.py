"""Maps come out of MRC files as they are, whatever the file looks like, and go in again."""

from __future__ import annotations

import bz2
import gzip
import itertools
import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_files import REAL_MAPS
from napari_cryoinr import DensityMap, MapError, MapWarning, OutputError, read_map, write_map
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.maps.mrc_header import MODE_NAMES, VOXEL_TYPES, MrcHeader, new_header

HEADER_FIELDS = tuple(new_header((1, 1, 1), (1, 1, 1), (0, 0, 0)).record.dtype.names)
# What writing may change: statistics, machine stamp and labels (and where labels begin to count).
REWRITTEN = {"dmin", "dmax", "dmean", "rms", "machst", "map", "nlabl", "label"}
COMPRESSIONS = {"": lambda data: data, ".gz": gzip.compress, ".bz2": bz2.compress}


def voxels_of(mode: int, shape: tuple[int, ...] = (3, 4, 5), seed: int = 0) -> np.ndarray:
    """Values that are exact in a mode, all different where there is room."""
    random = np.random.default_rng(seed)
    dtype = VOXEL_TYPES[mode]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    return random.normal(0, 10, shape).astype(dtype)


def mrc_bytes(
    voxels: np.ndarray, mode: int, byte_order: str = "<", extended: bytes = b"", **fields: Any
) -> bytes:
    """An MRC file by hand; voxels in file order (section, row, column), fields as in the header."""
    header = MrcHeader(bytes(1024), b"", byte_order)
    nz, ny, nx = voxels.shape
    header = header.changed(
        nx=nx,
        ny=ny,
        nz=nz,
        mx=nx,
        my=ny,
        mz=nz,
        cella=(2.0 * nx, 2.0 * ny, 2.0 * nz),
        cellb=(90.0, 90.0, 90.0),
        mapc=1,
        mapr=2,
        maps=3,
        ispg=1,
        map=b"MAP ",
        machst=[0x44, 0x44, 0, 0] if byte_order == "<" else [0x11, 0x11, 0, 0],
        nsymbt=len(extended),
        nversion=20141,
        dmin=0.0,
        dmax=-1.0,
        dmean=-2.0,
        rms=-1.0,
    )
    header = header.with_mode(mode).changed(**fields)
    return header.raw + extended + voxels.astype(voxels.dtype.newbyteorder(byte_order)).tobytes()


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def fields_of(header: MrcHeader) -> dict[str, Any]:
    """The header's fields as plain lists, whatever its byte order."""
    return {name: np.asarray(header.record[name]).tolist() for name in HEADER_FIELDS}


def no_trace(folder: Path, *expected: str) -> None:
    assert sorted(p.name for p in folder.iterdir()) == sorted(expected)


# ------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("mode", VOXEL_TYPES)
def test_every_mode_byte_order_and_compression(
    tmp_path: Path, mode: int, byte_order: str, suffix: str
) -> None:
    voxels = voxels_of(mode)
    data = COMPRESSIONS[suffix](mrc_bytes(voxels, mode, byte_order))
    made = read_map(saved(tmp_path / f"some.mrc{suffix}", data), strict=True)
    assert made.data.dtype == np.float32
    assert np.array_equal(made.data, voxels.astype(np.float32))
    assert made.voxel_size == (2.0, 2.0, 2.0) and made.origin == (0.0, 0.0, 0.0)
    assert made.mode == mode and made.name == "some"
    assert MODE_NAMES[mode] in repr(made) and made.raw_bytes == 4 * 60


def test_compression_is_seen_by_content_not_by_name(tmp_path: Path) -> None:
    data = mrc_bytes(voxels_of(2), 2)
    for name, compress in (("a.map", gzip.compress), ("b.mrc", bz2.compress), ("c.gz", bytes)):
        made = read_map(saved(tmp_path / name, compress(data)))
        assert np.array_equal(made.data, voxels_of(2))


@pytest.mark.parametrize("axes", list(itertools.permutations((1, 2, 3))))
def test_every_axis_order(tmp_path: Path, axes: tuple[int, int, int]) -> None:
    """`axes` are MAPC, MAPR, MAPS: which of x (1), y (2) and z (3) columns, rows, sections are."""
    xyz = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)  # by x, y, z
    columns, rows, sections = (a - 1 for a in axes)
    in_file = xyz.transpose(sections, rows, columns)
    starts = {1: 10, 2: 20, 3: 30}
    data = mrc_bytes(
        in_file,
        2,
        mapc=axes[0],
        mapr=axes[1],
        maps=axes[2],
        mx=5,
        my=4,
        mz=3,
        cella=(5.0, 8.0, 9.0),
        nxstart=starts[axes[0]],
        nystart=starts[axes[1]],
        nzstart=starts[axes[2]],
    )
    made = read_map(saved(tmp_path / "a.mrc", data), strict=True)
    assert np.array_equal(made.data, xyz.transpose(2, 1, 0))
    assert made.voxel_size == (3.0, 2.0, 1.0)
    assert made.origin == (90.0, 40.0, 10.0)
    write_map(made, tmp_path / "b.mrc")
    again = read_map(tmp_path / "b.mrc", strict=True)
    with mrcfile.mmap(tmp_path / "b.mrc") as file:
        assert np.array_equal(file.data, in_file)
    assert np.array_equal(again.data, made.data) and again.origin == made.origin


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({}, (0.0, 0.0, 0.0)),
        ({"origin": (1.5, -2.5, 3.5)}, (3.5, -2.5, 1.5)),
        ({"nxstart": -3, "nystart": 4, "nzstart": 5}, (10.0, 8.0, -6.0)),
        ({"nxstart": -3, "nystart": 4, "nzstart": 5, "origin": (1.0, 0.0, 0.0)}, (0.0, 0.0, 1.0)),
        ({"nxstart": 2, "origin": (float("nan"), 0.0, 0.0)}, (0.0, 0.0, 4.0)),
    ],
    ids=["neither", "origin", "start", "origin wins", "origin is nonsense"],
)
def test_placement(tmp_path: Path, fields: dict[str, Any], origin: tuple[float, ...]) -> None:
    made = read_map(saved(tmp_path / "a.mrc", mrc_bytes(voxels_of(2), 2, **fields)))
    assert made.origin == origin


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_extended_header_byte_for_byte(tmp_path: Path, suffix: str) -> None:
    extended = bytes(range(256)) * 3 + b"\0\xff" * 16
    data = mrc_bytes(voxels_of(1), 1, extended=extended, exttyp=b"FEI1")
    made = read_map(saved(tmp_path / "a.mrc", data), strict=True)
    assert made.mrc.extended == extended
    assert np.array_equal(made.data, voxels_of(1))
    write_map(made, tmp_path / f"b.mrc{suffix}")
    again = read_map(tmp_path / f"b.mrc{suffix}", strict=True)
    assert again.mrc.extended == extended
    assert bytes(again.mrc.record.exttyp) == b"FEI1"


def test_both_kinds_of_path_are_taken(tmp_path: Path) -> None:
    saved(tmp_path / "a.mrc", mrc_bytes(voxels_of(2), 2))
    assert read_map(str(tmp_path / "a.mrc")).data.shape == (3, 4, 5)


CELL = (10.0, 8.0, 6.0)
FORGIVEN: dict[str, tuple[dict[str, Any], bytes, str]] = {
    "machine stamp": ({"machst": [1, 2, 3, 4]}, b"", "stamp"),
    "no machine stamp": ({"machst": [0, 0, 0, 0]}, b"", "stamp"),
    "map string": ({"map": b"PAM "}, b"", "map string"),
    "voxel size 0": ({"cella": (0.0, 0.0, 0.0)}, b"", "1 Å is assumed"),
    "voxel size NaN": ({"cella": (float("nan"),) * 3}, b"", "1 Å is assumed"),
    "voxel size negative": ({"cella": (-10.0, 8.0, 6.0)}, b"", "1 Å is assumed"),
    "voxel size infinite": ({"cella": (float("inf"), 8.0, 6.0)}, b"", "1 Å is assumed"),
    "no sampling": ({"mx": 0}, b"", "1 Å is assumed"),
    "other machine stamp": ({"machst": None}, b"", "contradicts the byte order"),
    "axes": ({"mapc": 1, "mapr": 1, "maps": 1}, b"", "MAPC"),
    "no axes": ({"mapc": 0, "mapr": 0, "maps": 0}, b"", "MAPC"),
    "bytes behind": ({}, b"more", "behind the last voxel"),
}


@pytest.mark.parametrize(("fields", "behind", "words"), FORGIVEN.values(), ids=list(FORGIVEN))
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_forgiven_faults_warn_and_strict_reading_refuses(
    tmp_path: Path, fields: dict[str, Any], behind: bytes, words: str, byte_order: str
) -> None:
    if "machst" in fields and fields["machst"] is None:
        fields = {"machst": [0x11, 0x11, 0, 0] if byte_order == "<" else [0x44, 0x44, 0, 0]}
    data = mrc_bytes(voxels_of(2), 2, byte_order, **{"cella": CELL, **fields}) + behind
    path = saved(tmp_path / "a.mrc", data)
    with pytest.warns(MapWarning, match=words) as caught:
        made = read_map(path)
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert np.array_equal(made.data, voxels_of(2))
    assert made.voxel_size == ((1.0,) * 3 if "1 Å" in words else (2.0,) * 3)
    with pytest.raises(MapError, match=words) as refused:
        read_map(path, strict=True)
    assert "\n" not in str(refused.value) and "strict" in str(refused.value)


def not_finite(value: float) -> bytes:
    voxels = voxels_of(2)
    voxels[1, 2, 3] = value
    return mrc_bytes(voxels, 2)


GOOD = mrc_bytes(voxels_of(2), 2)
REFUSED: dict[str, tuple[bytes, str]] = {
    "NaN": (not_finite(np.nan), r"\(z, y, x\) = \(1, 2, 3\) is infinite or NaN"),
    "infinite": (not_finite(np.inf), r"\(1, 2, 3\) is infinite or NaN"),
    "minus infinite": (not_finite(-np.inf), r"\(1, 2, 3\) is infinite or NaN"),
    "empty": (b"", "empty"),
    "half a header": (GOOD[:500], "500 bytes are too few"),
    "header only": (GOOD[:1024], "truncated: 1024 bytes where the header promises 1264"),
    "truncated": (GOOD[:-1], "truncated: 1263 bytes where the header promises 1264"),
    "half an extended header": (mrc_bytes(voxels_of(2), 2, nsymbt=1000), "extended header of 1000"),
    "negative extended header": (mrc_bytes(voxels_of(2), 2, nsymbt=-8), "extended header of -8"),
    "truncated gz": (gzip.compress(GOOD)[:-20], "cannot be read|not a readable"),
    "truncated bz2": (bz2.compress(GOOD)[:-20], "cannot be read|not a readable"),
    "truncated in gz": (gzip.compress(GOOD[:-4]), "truncated: 1260 bytes"),
    "gz magic only": (b"\x1f\x8b", "not a readable MRC file"),
    "garbage gz": (b"\x1f\x8b" + bytes(range(200)), "not a readable MRC file"),
    "garbage": (np.random.default_rng(0).bytes(5000), "not an MRC file?"),
    "zeros": (bytes(5000), "not an MRC file?"),
    "text": (b"ATOM      1  N   MET A   1\n" * 100, "MRC mode 538988064 is not"),
    "one image": (mrc_bytes(voxels_of(2, (1, 8, 9)), 2, ispg=0), "2-D image of 8 × 9"),
    "stack of images": (mrc_bytes(voxels_of(2), 2, ispg=0, mz=1), "stack of 3 2-D images"),
    "stack of volumes": (mrc_bytes(voxels_of(2), 2, ispg=401, mz=3), "stack of volumes"),
    "complex": (mrc_bytes(voxels_of(2), 4), "mode 4 is not a density map's"),
    "unknown mode": (mrc_bytes(voxels_of(2), 77), "MRC"),
    "no columns": (mrc_bytes(voxels_of(2), 2, nx=0), "3 × 4 × 0 is impossible"),
    "negative rows": (mrc_bytes(voxels_of(2), 2, ny=-4), "3 × -4 × 5 is impossible"),
    "huge extended header": (mrc_bytes(voxels_of(2), 2, nsymbt=2**31 - 1), "extended header"),
    "huge": (mrc_bytes(voxels_of(2), 2, nx=2**31 - 1, ny=2**31 - 1, nz=2**31 - 1), "truncated"),
    "huge gz": (
        gzip.compress(mrc_bytes(voxels_of(2), 2, nx=2**31 - 1, ny=2**31 - 1, nz=2**31 - 1)),
        "bytes of memory and the limit is",
    ),
}


@pytest.mark.parametrize("mode", VOXEL_TYPES)
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_byte_order_is_found_without_a_machine_stamp(
    tmp_path: Path, mode: int, byte_order: str
) -> None:
    data = mrc_bytes(voxels_of(mode), mode, byte_order, machst=[0, 0, 0, 0])
    with pytest.warns(MapWarning, match="stamp"):
        made = read_map(saved(tmp_path / "a.mrc", data))
    assert np.array_equal(made.data, voxels_of(mode).astype(np.float32))


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=list(REFUSED))
def test_refused_files(tmp_path: Path, data: bytes, words: str) -> None:
    path = saved(tmp_path / "a.mrc", data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapWarning)
        with pytest.raises(MapError, match=words) as caught:
            read_map(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith((f"{path}: ", "a: "))
    no_trace(tmp_path, "a.mrc")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mrc", tmp_path):
        with pytest.raises(MapError, match="no such file"):
            read_map(path)


def test_voxels_that_are_not_finite_can_be_asked_for(tmp_path: Path) -> None:
    made = read_map(saved(tmp_path / "a.mrc", not_finite(np.nan)), finite=False)
    assert np.isnan(made.data[1, 2, 3])


def test_finite_check_finds_the_place_in_any_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density_map_module, "SLAB_VOXELS", 40)
    data = np.zeros((9, 4, 5), np.float32)
    density_map_module.check_finite(data, "fine")
    data[7, 1, 2] = np.inf
    with pytest.raises(MapError, match=r"\(7, 1, 2\)"):
        density_map_module.check_finite(data, "not fine")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.binary(max_size=1400), st.sampled_from(["raw", "header", "gz"]))
def test_any_bytes_are_a_map_or_a_map_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, kind: str
) -> None:
    if kind == "header":  # noise over a good header
        noise = noise + GOOD[len(noise) :]
    path = saved(
        tmp_path_factory.getbasetemp() / "any.mrc", gzip.compress(noise) if kind == "gz" else noise
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapWarning)
        try:
            assert read_map(path).data.ndim == 3
        except MapError as error:
            assert "\n" not in str(error)


# ------------------------------------------------------------------------------------ writing


def full_header(byte_order: str = "<", labels: int = 3) -> bytes:
    """A file in which every field that has a free value has an unusual one."""
    label = [f"label number {n}".encode() for n in range(labels)] + [b""] * (10 - labels)
    return mrc_bytes(
        voxels_of(2),
        2,
        byte_order,
        extended=b"symmetry" * 20,
        nxstart=1,
        nystart=-2,
        nzstart=3,
        mx=7,
        my=9,
        mz=11,
        cella=(14.0, 27.0, 44.0),
        cellb=(90.0, 91.5, 120.0),
        mapc=3,
        mapr=1,
        maps=2,
        ispg=19,
        extra1=b"extra 1 ",
        exttyp=b"CCP4",
        nversion=20140,
        extra2=b"\x01\x02more",
        origin=(0.5, 0.25, -1.0),
        nlabl=labels,
        label=label,
    )


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_header_survives_field_by_field(tmp_path: Path, byte_order: str, suffix: str) -> None:
    made = read_map(saved(tmp_path / "a.mrc", full_header(byte_order)), strict=True)
    write_map(made, tmp_path / f"b.mrc{suffix}", label="one more")
    again = read_map(tmp_path / f"b.mrc{suffix}", strict=True)
    before, after = fields_of(made.mrc), fields_of(again.mrc)
    changed = {name for name in HEADER_FIELDS if before[name] != after[name]}
    assert changed == {"dmin", "dmax", "dmean", "rms", "nlabl", "label"}
    assert again.mrc.byte_order == byte_order
    assert again.mrc.extended == made.mrc.extended
    assert (again.voxel_size, again.origin) == (made.voxel_size, made.origin)
    assert np.array_equal(again.data, made.data)


@pytest.mark.parametrize("mode", VOXEL_TYPES)
def test_statistics_are_those_of_the_voxels(tmp_path: Path, mode: int) -> None:
    made = read_map(saved(tmp_path / "a.mrc", mrc_bytes(voxels_of(mode), mode)))
    write_map(made, tmp_path / "b.mrc")
    again = read_map(tmp_path / "b.mrc", strict=True)
    assert again.mode == mode and np.array_equal(again.data, made.data)
    record, data = again.mrc.record, made.data.astype(np.float64)
    found = [float(record[name]) for name in ("dmin", "dmax", "dmean", "rms")]
    assert found == pytest.approx([data.min(), data.max(), data.mean(), data.std()], rel=1e-3)


def test_new_maps_get_a_standard_header(tmp_path: Path) -> None:
    data = voxels_of(2)
    write_map(DensityMap(data, (3.0, 2.0, 1.5), (30.0, -20.0, 10.0)), tmp_path / "a.mrc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert mrcfile.validate(tmp_path / "a.mrc")
    made = read_map(tmp_path / "a.mrc", strict=True)
    assert (made.voxel_size, made.origin) == ((3.0, 2.0, 1.5), (30.0, -20.0, 10.0))
    assert np.array_equal(made.data, data) and made.mrc.labels == []
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.is_volume() and file.voxel_size.x == 1.5 and file.header.origin.z == 30


def test_label_is_added(tmp_path: Path) -> None:
    made = read_map(saved(tmp_path / "a.mrc", full_header(labels=3)))
    write_map(made, tmp_path / "b.mrc", label="späße " + "x" * 100)
    labels = read_map(tmp_path / "b.mrc").mrc.labels
    assert labels[:3] == made.mrc.labels and len(labels) == 4
    assert labels[3] == b"sp??e " + b"x" * 74
    write_map(made, tmp_path / "c.mrc")
    assert read_map(tmp_path / "c.mrc").mrc.labels == made.mrc.labels


def test_a_full_set_of_labels_is_kept(tmp_path: Path) -> None:
    made = read_map(saved(tmp_path / "a.mrc", full_header(labels=10)))
    write_map(made, tmp_path / "b.mrc", label="one too many")
    again = read_map(tmp_path / "b.mrc")
    assert again.mrc.labels == made.mrc.labels and len(again.mrc.labels) == 10


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("int8", [-128.4, -0.6, 1.5, 127.4], [-128, -1, 2, 127]),
        ("int16", [-32768.0, 2.5, 3.5, 32767.49], [-32768, 2, 4, 32767]),
        ("uint16", [-0.4, 0.6, 7.0, 65535.0], [0, 1, 7, 65535]),
        ("float16", [0.1, -70.3, 1e-3, 65504.0], np.float16([0.1, -70.3, 1e-3, 65504.0])),
        ("float32", [0.1, -1e30, 1e-30, 3.0], np.float32([0.1, -1e30, 1e-30, 3.0])),
    ],
)
def test_other_modes_round(tmp_path: Path, mode: str, values: list[float], expected: Any) -> None:
    made = DensityMap(np.array(values, np.float32).reshape(2, 1, 2))
    write_map(made, tmp_path / "a.mrc", mode=mode)
    again = read_map(tmp_path / "a.mrc", strict=True)
    assert MODE_NAMES[again.mode] == mode
    assert again.data.ravel().tolist() == [float(v) for v in expected]


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("int8", 128.0),
        ("int8", -129.0),
        ("int16", 32768.0),
        ("int16", -32769.0),
        ("uint16", -1.0),
        ("uint16", 65536.0),
        ("float16", 66000.0),
        ("float16", -1e6),
    ],
)
def test_densities_that_do_not_fit_are_refused(tmp_path: Path, mode: str, value: float) -> None:
    made = DensityMap(np.array([0, value], np.float32).reshape(2, 1, 1), name="mine")
    with pytest.raises(MapError, match=f"mine: .* do not fit {mode}; write float32"):
        write_map(made, tmp_path / "a.mrc", mode=mode)
    no_trace(tmp_path)


def test_unknown_modes_are_refused(tmp_path: Path) -> None:
    made = DensityMap(np.zeros((2, 2, 2), np.float32))
    with pytest.raises(MapError, match=r"mode 'int32': must be one of int8, int16"):
        write_map(made, tmp_path / "a.mrc", mode="int32")
    no_trace(tmp_path)


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = DensityMap(voxels_of(2))
    write_map(made, tmp_path / "a.mrc")
    before = (tmp_path / "a.mrc").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_cryoinr.support.atomic_files.os.fsync", full)
    with pytest.raises(MapError, match=r"cannot be written.*No space left"):
        write_map(DensityMap(np.zeros((2, 2, 2), np.float32)), tmp_path / "a.mrc", overwrite=True)
    assert (tmp_path / "a.mrc").read_bytes() == before
    no_trace(tmp_path, "a.mrc")


def test_places_that_are_no_output_are_refused(tmp_path: Path) -> None:
    made = DensityMap(voxels_of(2))
    saved(tmp_path / "there.mrc", b"kept")
    for name in ("", "none/a.mrc", "a.tif", "a.mrc.xz", "there.mrc"):
        with pytest.raises(OutputError) as caught:
            write_map(made, tmp_path / name)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "there.mrc").read_bytes() == b"kept"
    no_trace(tmp_path, "there.mrc")


def test_a_map_can_be_written_over_the_file_it_is_read_from(tmp_path: Path) -> None:
    made = read_map(saved(tmp_path / "a.mrc", GOOD))
    write_map(made, tmp_path / "a.mrc", mode="float16", overwrite=True)
    assert np.array_equal(made.data, voxels_of(2))
    again = read_map(tmp_path / "a.mrc")
    assert np.array_equal(again.data, voxels_of(2).astype(np.float16).astype(np.float32))
    no_trace(tmp_path, "a.mrc")


# ----------------------------------------------------------------------------- the map itself


@pytest.mark.parametrize(
    ("data", "voxel_size", "words"),
    [
        (np.zeros((2, 2), np.float32), (1.0, 1.0, 1.0), "2 dimensions"),
        (np.zeros((2, 0, 2), np.float32), (1.0, 1.0, 1.0), "holds no voxel"),
        (np.zeros((2, 2, 2), np.float32), (1.0, 0.0, 1.0), "must be positive"),
        (np.zeros((2, 2, 2), np.float32), (1.0, -1.0, 1.0), "must be positive"),
        (np.zeros((2, 2, 2), np.float32), (1.0, float("nan"), 1.0), "must be positive"),
    ],
)
def test_impossible_maps_are_refused(data: np.ndarray, voxel_size: Any, words: str) -> None:
    with pytest.raises(MapError, match=f"mine: .*{words}"):
        DensityMap(data, voxel_size, name="mine")


def test_other_number_types_become_float32() -> None:
    made = DensityMap(np.arange(8).reshape(2, 2, 2))
    assert made.data.dtype == np.float32 and made.data.ravel().tolist() == list(range(8))


def test_slabs_cover_every_section_once() -> None:
    for shape in ((1, 1, 1), (7, 3000, 3000), (500, 300, 300), (3, 1, 1 << 23)):
        parts = density_map_module.slabs(shape)
        indices = [i for part in parts for i in range(part.start, part.stop)]
        assert indices == list(range(shape[0]))


def test_moving_changes_the_header_too(tmp_path: Path) -> None:
    made = read_map(saved(tmp_path / "a.mrc", full_header()))
    assert made.voxel_size == (4.0, 3.0, 2.0)
    assert made.moved(made.voxel_size, made.origin) is made
    moved = made.moved((1.5, 1.0, 0.5), (7.0, -8.0, 9.0))
    write_map(moved, tmp_path / "b.mrc")
    again = read_map(tmp_path / "b.mrc", strict=True)
    for found in (moved, again):
        assert found.voxel_size == (1.5, 1.0, 0.5) and found.origin == (7.0, -8.0, 9.0)
        assert np.array_equal(found.data, made.data)
    kept = set(HEADER_FIELDS) - REWRITTEN - {"cella", "origin", "nxstart", "nystart", "nzstart"}
    before, after = fields_of(made.mrc), fields_of(again.mrc)
    assert {name: before[name] for name in kept} == {name: after[name] for name in kept}
    assert made.voxel_size == (4.0, 3.0, 2.0)  # untouched


def test_moving_to_the_zero_point_and_without_a_header(tmp_path: Path) -> None:
    data = mrc_bytes(voxels_of(2), 2, nxstart=5, nystart=5, nzstart=5)
    made = read_map(saved(tmp_path / "a.mrc", data)).moved((2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    write_map(made, tmp_path / "b.mrc")
    assert read_map(tmp_path / "b.mrc").origin == (0.0, 0.0, 0.0)
    plain = DensityMap(voxels_of(2)).moved((4.0, 5.0, 6.0), (1.0, 2.0, 3.0))
    write_map(plain, tmp_path / "c.mrc")
    again = read_map(tmp_path / "c.mrc", strict=True)
    assert (again.voxel_size, again.origin) == ((4.0, 5.0, 6.0), (1.0, 2.0, 3.0))


# ------------------------------------------------------------------------------------ real maps


@pytest.mark.parametrize("path", REAL_MAPS, ids=lambda path: path.name)
def test_real_maps_survive(path: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapWarning)
        made = read_map(path)
        write_map(made, tmp_path / "again.mrc", label="written by a test")
        again = read_map(tmp_path / "again.mrc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one has a strange machine stamp
        with mrcfile.open(path, permissive=True) as file:
            axes = {int(file.header[n]): axis for axis, n in enumerate(("maps", "mapr", "mapc"))}
            assert np.array_equal(made.data, file.data.transpose(axes[3], axes[2], axes[1]))
    assert again.data.tobytes() == made.data.tobytes()
    assert (again.voxel_size, again.origin) == (made.voxel_size, made.origin)
    assert (again.mode, again.mrc.extended) == (made.mode, made.mrc.extended)
    before, after = fields_of(made.mrc), fields_of(again.mrc)
    for name in set(HEADER_FIELDS) - REWRITTEN:
        assert after[name] == before[name], name
    data = made.data.astype(np.float64)
    found = [float(again.mrc.record[name]) for name in ("dmin", "dmax", "dmean", "rms")]
    expected = [data.min(), data.max(), data.mean(), data.std()]
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5 * data.std())
