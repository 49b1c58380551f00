"""Zarr arrays whose chunks the codec `cinr` stores, and OME-Zarr pyramids of such arrays."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.archive.residual import STREAMS
from napari_cryoinr.archive.residual_config import ResidualConfig
from napari_cryoinr.cli.main import run
from napari_cryoinr.ome_zarr.chunk_coding import decode_chunk, encode_chunk_steps
from napari_cryoinr.ome_zarr.chunk_format import (
    CONSTANT,
    KINDS,
    Chunk,
    ChunkHeader,
    pack_chunk,
    unpack_chunk,
)
from napari_cryoinr.ome_zarr.chunk_settings import ChunkSettings
from napari_cryoinr.ome_zarr.codec import CinrCodec
from napari_cryoinr.ome_zarr.zarr_output import import_zarr
from napari_cryoinr.progress import drain
from napari_cryoinr.support.byte_cache import ByteCache
from napari_cryoinr.support.checksums import CHECKSUM_BYTES, checksum

SIZE = 40


@pytest.fixture(scope="module")
def voxels() -> np.ndarray:
    return cryoinr.synthetic_map(SIZE).data


def stored(values: np.ndarray, goal: dict[str, Any], fill: Any = 0) -> bytes:
    return drain(encode_chunk_steps(values, ChunkSettings(**goal), fill, "cpu"))


def new_array(store: Any, values: np.ndarray, chunks: tuple[int, ...], **more: Any) -> Any:
    deviation = float(values.std(dtype=np.float64))
    goal = {"nrmse": 0.2, "standard_deviation": deviation}
    array = zarr.create_array(
        store,
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype,
        serializer=more.pop("serializer", None) or CinrCodec(**goal),
        compressors=None,
        **more,
    )
    array[...] = values
    return array


def rms(values: np.ndarray, decoded: np.ndarray) -> float:
    return math.sqrt(np.square(decoded.astype(np.float64) - values).mean())


# ------------------------------------------------------------------------------------ chunks


@pytest.mark.parametrize(
    ("goal", "allowed"),
    [
        ({"rms_error": 0.1}, 0.1),
        ({"psnr": 40.0, "value_range": 20.0}, 0.2),
        ({"nrmse": 0.25, "standard_deviation": 2.0}, 0.5),
        ({"rms_error": 0.1, "effort": "balanced"}, 0.1),
    ],
)
def test_a_chunk_is_as_exact_as_asked(voxels, goal: dict[str, Any], allowed: float) -> None:
    data = stored(voxels, goal)
    found = rms(voxels, decode_chunk(data, voxels.shape, voxels.dtype))
    assert 0.95 * allowed < found <= allowed
    assert len(data) < voxels.nbytes / 50


@pytest.mark.parametrize("allowed", [0.5, 1e-3])
def test_the_largest_error_of_a_voxel(voxels, allowed: float) -> None:
    decoded = decode_chunk(stored(voxels, {"max_error": allowed}), voxels.shape, voxels.dtype)
    assert np.abs(decoded - voxels).max() <= allowed


@pytest.mark.parametrize("kind", ["f2", "f8", ">f4", "i1", "u1", "i2", ">u2"])
def test_data_types(voxels, kind: str) -> None:
    dtype = np.dtype(kind)
    scaled = voxels * (100 / voxels.max())
    values = (scaled if dtype.kind == "f" else np.abs(np.rint(scaled))).astype(dtype)
    for goal in ({"rms_error": 1.5}, {"max_error": 3.0}):
        decoded = decode_chunk(stored(values, goal), values.shape, dtype)
        assert decoded.dtype == dtype
        assert rms(values, decoded) <= 1.5


@pytest.mark.parametrize("goal", [{"rms_error": 1e-9}, {"max_error": 1e-9}])
def test_what_latents_cannot_reach_is_stored_exactly(voxels, goal: dict[str, float]) -> None:
    values = voxels[:12, :12, :12]
    decoded = decode_chunk(stored(values, goal), values.shape, values.dtype)
    np.testing.assert_array_equal(decoded, values)


def test_more_than_float32_is_refused(voxels) -> None:
    values = voxels[:8, :8, :8] + np.random.default_rng(0).normal(size=(8, 8, 8))
    with pytest.raises(cryoinr.GoalMissed, match="allow a larger error"):
        stored(values, {"rms_error": 1e-12})


@pytest.mark.parametrize("value", [0.0, 0.1, -3e30])
def test_one_value_takes_a_few_bytes(value: float) -> None:
    values = np.full((64, 64, 64), value, np.float32)
    data = stored(values, {"rms_error": 1e-20})
    assert len(data) < 16
    np.testing.assert_array_equal(decode_chunk(data, values.shape, values.dtype), values)


def test_noise_below_the_allowed_error_takes_a_few_bytes() -> None:
    noise = np.random.default_rng(0).normal(5, 1, (32, 32, 32)).astype(np.float32)
    data = stored(noise, {"rms_error": 1.01})
    assert len(data) < 16
    assert rms(noise, decode_chunk(data, noise.shape, noise.dtype)) <= 1.01


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(voxels, value: float) -> None:
    values = voxels.copy()
    values[3, 4, 5] = value
    with pytest.raises(cryoinr.MapError, match=r"\(3, 4, 5\) is infinite or NaN"):
        stored(values, {"rms_error": 0.1})


@pytest.mark.parametrize("fill", [0.0, -7.0, np.nan])
def test_what_fills_a_chunk_up_is_free_and_exact(voxels, fill: float) -> None:
    padded = np.full((64, 64, 64), fill, np.float32)
    inside = tuple(slice(0, n) for n in voxels.shape)
    padded[inside] = voxels
    data = stored(padded, {"rms_error": 0.1}, fill)
    assert len(data) == len(stored(voxels, {"rms_error": 0.1}))
    decoded = decode_chunk(data, padded.shape, padded.dtype, fill)
    assert rms(voxels, decoded[inside]) <= 0.1
    decoded[inside] = padded[inside] = 0
    np.testing.assert_array_equal(decoded, padded)


# ------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("goal", "line"),
    [
        ({}, "give one of"),
        ({"rms_error": 1.0, "max_error": 1.0}, "rms_error and max_error"),
        ({"psnr": 30.0}, "psnr and value_range go together"),
        ({"rms_error": 1.0, "value_range": 1.0}, "psnr and value_range go together"),
        ({"nrmse": 0.1}, "nrmse and standard_deviation go together"),
        ({"rms_error": 0.0}, "must be above 0"),
        ({"rms_error": math.nan}, "must be finite"),
        ({"rms_error": 1.0, "effort": "much"}, "must be one of"),
        ({"level": 1.0}, "unknown field"),
    ],
)
def test_settings_that_say_no_error(goal: dict[str, Any], line: str) -> None:
    with pytest.raises(cryoinr.SettingsError, match=line):
        CinrCodec(**goal)


@pytest.mark.parametrize(
    "goal",
    [
        {"rms_error": 0.012},
        {"max_error": 3},
        {"psnr": 30.0, "value_range": 0.1},
        {"nrmse": 0.1, "standard_deviation": 2.5, "effort": "best"},
    ],
)
def test_the_configuration_comes_back_from_zarr_json(tmp_path: Path, goal: dict[str, Any]) -> None:
    codec = CinrCodec(**goal)
    zarr.create_array(
        tmp_path, shape=(8, 8, 8), dtype="f4", serializer=codec, compressors=None, chunks=(4, 4, 4)
    )
    written = json.loads((tmp_path / "zarr.json").read_text())
    assert written["codecs"] == [{"name": "cinr", "configuration": goal}]
    assert zarr.open_array(tmp_path, mode="r").serializer == codec


# ------------------------------------------------------------------------------------ format


@st.composite
def chunks(draw: st.DrawFn) -> tuple[Chunk, tuple[int, int, int], int]:
    box = draw(st.tuples(*[st.integers(1, 300)] * 3))
    z, y, x = (side + draw(st.integers(0, 200)) for side in box)
    kind, itemsize = draw(st.sampled_from(KINDS)), draw(st.sampled_from([1, 2, 4, 8]))
    if kind == CONSTANT:
        value = draw(st.binary(min_size=itemsize, max_size=itemsize))
        return Chunk(kind, box, value), (z, y, x), itemsize
    config = {"step": draw(st.floats(allow_nan=False, allow_infinity=False))}
    names = ["latents" if kind == "field" else "lossless"]
    residual = None
    if draw(st.booleans()):
        residual = ResidualConfig("max_error", draw(st.floats(1e-9, 1e9)))
        names += STREAMS
    streams = {name: draw(st.binary(max_size=200)) for name in names}
    return Chunk(kind, box, b"", ChunkHeader(config, residual), streams), (z, y, x), itemsize


@given(chunks())
@settings(deadline=None)
def test_any_chunk_comes_back(made: tuple[Chunk, tuple[int, int, int], int]) -> None:
    chunk, shape, itemsize = made
    found = unpack_chunk(pack_chunk(chunk), shape, itemsize)
    assert vars(found) == vars(chunk)


@pytest.fixture(scope="module")
def some_bytes(voxels) -> bytes:
    return stored(voxels[:24], {"max_error": 0.7})


@given(data=st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_damage_is_a_value_error(some_bytes: bytes, data: st.DataObject) -> None:
    """Whatever bytes say, with a checksum that fits or without."""
    broken = bytearray(some_bytes)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(broken) - CHECKSUM_BYTES - 1))
        broken[place] = data.draw(st.integers(0, 255))
    del broken[data.draw(st.integers(1, len(broken))) :]
    if data.draw(st.booleans()):
        content = bytes(broken[:-CHECKSUM_BYTES])
        broken[-CHECKSUM_BYTES:] = checksum(content)
    try:
        decoded = decode_chunk(bytes(broken), (24, SIZE, SIZE), np.dtype("f4"))
    except (ValueError, cryoinr.OutOfMemory):
        return
    assert decoded.shape == (24, SIZE, SIZE)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda data: data[:3], "too few"),
        (lambda data: data[:-1], "checksum"),
        (lambda data: bytes([2]) + data[1:], "format version 2"),
        (lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:], "checksum"),
    ],
)
def test_damage_is_named(some_bytes: bytes, change: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        decode_chunk(change(some_bytes), (24, SIZE, SIZE), np.dtype("f4"))


def test_a_chunk_is_not_larger_than_its_array_says(some_bytes: bytes) -> None:
    with pytest.raises(ValueError, match=r"24 × 40 × 40 voxels in a chunk of 8 × 8 × 8"):
        decode_chunk(some_bytes, (8, 8, 8), np.dtype("f4"))


def test_no_chunk_takes_all_memory() -> None:
    data = stored(np.ones((8, 8, 8), np.float32), {"rms_error": 0.1})
    with pytest.raises(cryoinr.OutOfMemory, match="use smaller ones"):
        decode_chunk(data, (1 << 20, 1 << 20, 8), np.dtype("f4"))


# ------------------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("sides", [(24, 24, 24), (40, 16, 32)])
def test_an_array(tmp_path: Path, voxels, sides: tuple[int, ...]) -> None:
    new_array(tmp_path / "a.zarr", voxels, sides, fill_value=-1)
    array = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert rms(voxels, array[...]) <= 0.2 * voxels.std()
    np.testing.assert_array_equal(array[3:20, 22:27, 39], array[...][3:20, 22:27, 39])


def test_axes_before_the_voxels(tmp_path: Path, voxels) -> None:
    values = np.stack([voxels, voxels[::-1]])[:, None]
    array = new_array(tmp_path / "a.zarr", values, (1, 1, 40, 40, 40))
    assert rms(values, array[...]) <= 0.2 * values.std()
    with pytest.raises(cryoinr.CinrError, match="three axes"):
        new_array(tmp_path / "b.zarr", values, (2, 1, 40, 40, 40))


def test_a_part_can_be_written_again(tmp_path: Path, voxels) -> None:
    array = new_array(tmp_path / "a.zarr", voxels, (40, 40, 40))
    before = array[...]
    array[:10] = 5
    after = array[...]
    assert rms(np.full((10, 40, 40), 5), after[:10]) < 1
    assert rms(before[10:], after[10:]) <= 0.4 * voxels.std()  # both errors
    before[...] = 0  # what was read is the reader's own
    assert array[...].any()


def test_what_was_decoded_last_is_kept() -> None:
    cache, made = ByteCache[np.ndarray](limit=100), []

    def get(key: str, size: int = 40) -> None:
        assert cache.get(key, lambda: made.append(key) or np.zeros(size, "u1")).nbytes == size

    for key in "abacab":
        get(key)
    assert made == list("abcb")
    get("large", 200)
    get("large", 200)
    assert made[-2:] == ["large"] * 2


def test_shards(tmp_path: Path, voxels) -> None:
    values = voxels[:32, :32, :32]
    array = new_array(tmp_path / "a.zarr", values, (16, 16, 16), shards=(32, 32, 32))
    assert rms(values, array[...]) <= 0.2 * values.std()
    assert len(list((tmp_path / "a.zarr").rglob("c/*/*/*"))) == 1


def test_other_data_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(cryoinr.SettingsError, match="data type int64"):
        new_array(tmp_path / "a.zarr", np.arange(64).reshape(4, 4, 4), (4, 4, 4))


_OPEN = """
import sys
import zarr
group = zarr.open(sys.argv[1], mode="r")
print(group["0"][2:5, 3, 4].tolist())
print([name for name in ("torch", "napari", "qtpy") if name in sys.modules])
"""


def test_a_fresh_process_opens_it_without_torch(tmp_path: Path, voxels) -> None:
    zarr.create_group(tmp_path / "a.zarr")
    array = new_array(tmp_path / "a.zarr/0", voxels, (40, 40, 40))
    command = [sys.executable, "-W", "error", "-c", _OPEN, str(tmp_path / "a.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert json.loads(first) == array[2:5, 3, 4].tolist()
    assert second == "[]"


def test_no_steps_where_chunks_meet() -> None:
    """The error changes from a chunk to the next hardly more than inside, and as asked at most."""
    whole = cryoinr.synthetic_map(64).data
    allowed = 0.3 * float(whole.std())
    wrong = np.empty(whole.shape)
    for start in (0, 32):
        part = slice(start, start + 32)
        data = stored(whole[part], {"rms_error": allowed})
        wrong[part] = decode_chunk(data, (32, 64, 64), whole.dtype) - whole[part]
    steps = [rms(wrong[z], wrong[z + 1]) for z in range(63)]
    assert steps[31] <= 1.5 * max(allowed, max(steps[:31] + steps[32:]))


# ------------------------------------------------------------------------------------ pyramids


@pytest.fixture
def tomogram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voxels) -> cryoinr.DensityMap:
    monkeypatch.chdir(tmp_path)
    made = cryoinr.DensityMap(voxels[:33], (2.0, 3.0, 4.0), (10.0, 0.0, -8.0), name="tomogram")
    cryoinr.write_map(made, "tomogram.mrc")
    return cryoinr.read_map("tomogram.mrc")


def test_a_pyramid(tomogram) -> None:
    made = cryoinr.to_zarr(
        "tomogram.mrc", "t.ome.zarr", nrmse=0.2, chunk=24, levels=3, device="cpu"
    )
    assert made.shapes == ((33, 40, 40), (17, 20, 20), (9, 10, 10))
    group = zarr.open_group("t.ome.zarr", mode="r")
    image = group.attrs["ome"]["multiscales"][0]
    assert group.attrs["ome"]["version"] == "0.5"
    assert [(axis["name"], axis["unit"]) for axis in image["axes"]] == [
        (name, "angstrom") for name in "zyx"
    ]
    places = []
    for data in image["datasets"]:
        scale, move = data["coordinateTransformations"]
        places.append((data["path"], scale["scale"], move["translation"]))
    assert places == [
        ("0", [2.0, 3.0, 4.0], [10.0, 0.0, -8.0]),
        ("1", [4.0, 6.0, 8.0], [11.0, 1.5, -6.0]),
        ("2", [8.0, 12.0, 16.0], [13.0, 4.5, -2.0]),
    ]
    wanted = tomogram.data
    for level, shape in enumerate(made.shapes):
        array = group[str(level)]
        assert (array.shape, array.dtype) == (shape, np.float32)
        assert array.metadata.dimension_names == ("z", "y", "x")
        assert rms(wanted, array[...]) <= 0.2 * wanted.std() * 1.0001
        padded = np.pad(wanted, [(0, n % 2) for n in wanted.shape], constant_values=np.nan)
        blocks = [padded[i::2, j::2, k::2] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        wanted = np.nanmean(blocks, axis=0)
    assert [path.name for path in Path().iterdir() if path.suffix != ".mrc"] == ["t.ome.zarr"]
    assert not list(Path("t.ome.zarr").glob(".means*"))
    files = [path for path in Path("t.ome.zarr").rglob("*") if path.is_file()]
    assert made.bytes == sum(path.stat().st_size for path in files)


@pytest.mark.parametrize("goal", ["psnr", "max_error"])
def test_goals_refer_to_the_whole_volume(tomogram, goal: str) -> None:
    amount = {"psnr": 30.0, "max_error": 0.8}[goal]
    cryoinr.to_zarr("tomogram.mrc", "t.zarr", **{goal: amount}, chunk=24, levels=1, device="cpu")
    decoded, original = zarr.open_array("t.zarr/0", mode="r")[...], tomogram.data
    if goal == "max_error":
        assert np.abs(decoded - original).max() <= 0.8
    else:
        assert 30 <= 20 * math.log10(np.ptp(original) / rms(original, decoded)) < 31


def test_integers_stay_integers(tomogram) -> None:
    scaled = np.rint(tomogram.data * 50)
    cryoinr.write_map(cryoinr.DensityMap(scaled), "i.mrc", mode="int16")
    cryoinr.to_zarr("i.mrc", "i.zarr", nrmse=0.2, chunk=32, device="cpu")
    arrays = zarr.open_group("i.zarr", mode="r")
    assert {arrays[name].dtype.name for name in ("0", "1")} == {"int16"}
    assert rms(scaled, arrays["0"][...]) <= 0.2 * scaled.std()


def test_chunks_of_zeros_are_not_written(tomogram) -> None:
    data = np.zeros((16, 16, 32), np.float32)
    data[:, :, 16:] = tomogram.data[:16, :16, :16]
    cryoinr.write_map(cryoinr.DensityMap(data), "half.mrc")
    cryoinr.to_zarr("half.mrc", "half.zarr", chunk=16, levels=1, device="cpu")
    assert [path.name for path in Path("half.zarr/0/c/0/0").iterdir()] == ["1"]
    assert not zarr.open_array("half.zarr/0", mode="r")[:, :, :16].any()


def test_one_value_everywhere(tomogram) -> None:
    cryoinr.write_map(cryoinr.DensityMap(np.full((20, 20, 20), 3.0)), "flat.mrc")
    cryoinr.to_zarr("flat.mrc", "flat.zarr", psnr=30, chunk=16)
    assert (zarr.open_group("flat.zarr", mode="r")["1"][...] == 3).all()


def test_cancelling_leaves_nothing(tomogram) -> None:
    steps = cryoinr.to_zarr_steps("tomogram.mrc", "t.zarr", chunk=16, device="cpu")
    for record in steps:
        if record.phase == "encoding" and record.step:
            break
    steps.close()
    assert [path.name for path in Path().iterdir()] == ["tomogram.mrc"]


def test_progress_goes_on(tomogram) -> None:
    shares: list[float] = []
    steps = cryoinr.to_zarr_steps("tomogram.mrc", "t.zarr", chunk=24, device="cpu")
    drain(steps, lambda record: shares.append(record.share or 0))
    encoding = [share for share in shares if share]
    assert encoding == sorted(encoding)
    assert encoding[-1] == 1


def test_what_exists_is_replaced_only_when_asked(tomogram, capsys) -> None:
    quick = ["--levels", "1", "--chunk", "40", "--device", "cpu", "--psnr", "25"]
    assert run(["to-zarr", "tomogram.mrc", "t.zarr", *quick]) == 0
    assert "level 0: 33 × 40 × 40 voxels" in capsys.readouterr().out
    assert run(["to-zarr", "tomogram.mrc", "t.zarr", *quick]) == 1
    assert "exists already" in capsys.readouterr().err
    Path("t.zarr/mine").write_text("")
    assert run(["to-zarr", "tomogram.mrc", "t.zarr", *quick, "--overwrite", "--quiet"]) == 0
    assert not Path("t.zarr/mine").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["t.zarr", "tomogram.mrc"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["tomogram.mrc", "t.mrc"], "must end in .zarr"),
        (["tomogram.mrc", "nowhere/t.zarr"], "does not exist"),
        (["tomogram.mrc", "folder.zarr", "--overwrite"], "is no Zarr group"),
        (["tomogram.mrc", "t.zarr", "--psnr", "30", "--nrmse", "0.1"], "one goal at most"),
        (["tomogram.mrc", "t.zarr", "--nrmse", "0"], "must be above 0"),
        (["tomogram.mrc", "t.zarr", "--nrmse", "2"], "nothing would be left"),
        (["tomogram.mrc", "t.zarr", "--psnr", "3"], "nothing would be left"),
        (["tomogram.mrc", "t.zarr", "--chunk", "8"], "must be 16 to 256"),
        (["tomogram.mrc", "t.zarr", "--levels", "9"], "levels = 9"),
        (["tomogram.mrc", "t.zarr", "--levels", "some"], "give a number, or auto"),
        (["none.mrc", "t.zarr"], "no such file"),
    ],
)
def test_what_cannot_be_written(tomogram, capsys, arguments: list[str], line: str) -> None:
    Path("folder.zarr").mkdir()
    Path("folder.zarr/mine").write_text("")
    assert run(["to-zarr", *arguments]) != 0
    assert line in capsys.readouterr().err
    assert Path("folder.zarr/mine").exists()
    assert sorted(path.name for path in Path().iterdir()) == ["folder.zarr", "tomogram.mrc"]


def test_an_input_inside_the_output_is_refused(tomogram) -> None:
    zarr.create_group("t.zarr")
    Path("tomogram.mrc").rename("t.zarr/tomogram.mrc")
    with pytest.raises(cryoinr.OutputError, match="holds the input"):
        cryoinr.to_zarr("t.zarr/tomogram.mrc", "t.zarr", overwrite=True)


def test_where_the_first_voxel_is_that_is_not_finite(tomogram) -> None:
    data = tomogram.data.copy()
    data[20, 1, 2] = np.nan
    raw = bytearray(Path("tomogram.mrc").read_bytes())
    raw[1024:] = data.tobytes()
    Path("tomogram.mrc").write_bytes(raw)
    with pytest.raises(cryoinr.MapError, match=r"\(20, 1, 2\) is infinite or NaN"):
        cryoinr.to_zarr("tomogram.mrc", "t.zarr")
    assert [path.name for path in Path().iterdir()] == ["tomogram.mrc"]


def test_without_zarr_there_is_one_line(tomogram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(cryoinr.SettingsError, match=r"pip install 'napari-cryoinr\[zarr\]'"):
        import_zarr()
