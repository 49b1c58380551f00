"""Archives of which a region costs what it holds: tiles of lossless volumes and of masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.coding import tiled_stream
from napari_cryoinr.models.lossless import tiled_volume

SHAPE = (44, 40, 37)
LOSSLESS = cryoinr.Settings(lossless=True)


def noisy(shape: tuple[int, int, int] = SHAPE, mode: int = 2) -> cryoinr.DensityMap:
    """Return noise in which nothing repeats, whole numbers where the mode is of such."""
    data = np.random.default_rng(3).normal(0, 20, shape)
    header = cryoinr.DensityMap(np.zeros(shape)).mrc.with_mode(mode)
    data = data if mode == 2 else np.rint(data)
    return cryoinr.DensityMap(data.astype(np.float32), header=header, name="noise")


@pytest.fixture
def small_tiles(monkeypatch) -> Iterator[None]:
    """Tiles of 16 × 16 × 16 voxels."""
    monkeypatch.setattr(tiled_stream, "_WHOLE", 1 << 12)
    monkeypatch.setattr(tiled_stream, "_TILE", 1 << 12)
    monkeypatch.setattr(tiled_stream, "_MOST", 16)
    yield


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """The tiles of lossless volumes that are decoded, by their voxels."""
    sizes: list[int] = []
    decode = tiled_volume.decode_steps

    def counted(stream, shape, mode, clock):
        sizes.append(int(np.prod(shape)))
        return decode(stream, shape, mode, clock)

    monkeypatch.setattr(tiled_volume, "decode_steps", counted)
    return sizes


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("mode", [0, 2, 12])
def test_a_region_of_a_lossless_volume_costs_what_it_holds(
    tmp_path: Path, mode: int, decoded: list[int]
) -> None:
    original = noisy(mode=mode)
    if mode == 12:
        half = original.data.astype(np.float16).astype(np.float32)
        original = cryoinr.DensityMap(half, header=original.header, name="noise")
    cryoinr.compress(original, tmp_path / "a.cinr", LOSSLESS)
    decoded.clear()
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        part = np.s_[14:18, 3:9, 30]
        np.testing.assert_array_equal(archive[0].read(part), original.data[part])
        assert len(decoded) == 2
        assert archive[0].read(np.s_[5:5]).shape == (0, 40, 37)
        assert len(decoded) == 2
        np.testing.assert_array_equal(archive[0].read(), original.data)
        assert len(decoded) == 27
        assert archive[0].read(level=1).shape == (22, 20, 19)
        cryoinr.drain(archive[0].check_steps())
        assert len(decoded) == 27


@pytest.mark.usefixtures("small_tiles")
def test_a_damaged_tile_is_found_and_the_others_are_read(tmp_path: Path) -> None:
    original = noisy()
    path = tmp_path / "a.cinr"
    cryoinr.compress(original, path, LOSSLESS)
    with cryoinr.open_archive(path) as archive:
        last = archive[0]._streams.part("lossless", 0, 1 << 10)
    raw = bytearray(path.read_bytes())
    place = raw.index(last) + 500
    raw[place] ^= 255
    path.write_bytes(raw)
    with cryoinr.open_archive(path) as archive:
        np.testing.assert_array_equal(archive[0].read(np.s_[30:]), original.data[30:])
        with pytest.raises(cryoinr.DamagedArchive, match="tile 0 is damaged"):
            archive[0].read(np.s_[0])
        with pytest.raises(cryoinr.DamagedArchive):
            cryoinr.drain(archive[0].check_steps())


@pytest.mark.usefixtures("small_tiles")
def test_what_repeats_is_not_divided(tmp_path: Path) -> None:
    quarter = noisy((20, 16, 16)).data
    half = np.concatenate([quarter, quarter[:, ::-1]], 1)
    data = np.concatenate([half, half[:, :, ::-1]], 2)
    cryoinr.compress(cryoinr.DensityMap(data), tmp_path / "a.cinr", LOSSLESS)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert "lossless_index" not in list(archive[0]._streams)
        np.testing.assert_array_equal(archive[0].read(), data)


def test_small_volumes_are_one_tile() -> None:
    assert tiled_stream.tile_shape((160, 160, 160)) is None
    assert tiled_stream.tile_shape((256, 256, 256)) == (128, 128, 128)
    assert tiled_stream.tile_shape((512, 2048, 2048)) == (16, 360, 360)


@pytest.mark.parametrize("damage", ["sides", "length", "zero"])
def test_impossible_indexes_are_refused(damage: str) -> None:
    index = tiled_stream.index_of((16, 16, 16), tiled_stream.entries_of([b"a"] * 27))
    if damage == "sides":
        index = np.array([9999] * 3, "<i4").tobytes() + index[12:]
    elif damage == "zero":
        index = bytes(12) + index[12:]
    else:
        index = index[:-1]
    with pytest.raises(cryoinr.DamagedArchive):
        tiled_stream.Tiles(index, SHAPE, lambda start, length: b"", "lossless")
