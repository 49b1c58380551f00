"""Memory that is given back holds nothing that is still needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from napari_cryoinr.maps import density_map as density_map_module
from napari_cryoinr.support.memory import give_back, let_go


def test_freed_memory_can_be_given_back_at_any_time() -> None:
    kept = np.arange(1000)
    for _ in range(2):
        give_back()
    np.testing.assert_array_equal(kept, np.arange(1000))


def resident(path: Path) -> int | None:
    """Kilobytes of a mapped file that are in memory; None where the system does not tell."""
    table = Path("/proc/self/smaps")
    if not table.exists():
        return None
    lines = table.read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    return sum(
        int(line.split()[1])
        for start in starts
        for line in lines[start : start + 6]
        if line.startswith("Rss:")
    )


def test_pages_of_a_file_come_back_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cryoinr.synthetic_map(64, seed=1)
    cryoinr.write_map(made, tmp_path / "map.mrc")
    density_map = cryoinr.read_map(tmp_path / "map.mrc")
    monkeypatch.setattr(density_map_module, "SLAB_VOXELS", 5 * 64 * 64)
    total = 0.0
    for part in density_map.slabs():
        total += float(density_map.data[part].sum(dtype=np.float64))
    assert total == pytest.approx(float(made.data.sum(dtype=np.float64)), abs=1e-3)
    left = resident(tmp_path / "map.mrc")
    assert left is None or left < 100  # of 1024
    view = density_map.data.transpose(2, 0, 1)[3:]
    let_go(view)
    np.testing.assert_array_equal(density_map.data, made.data)
    np.testing.assert_array_equal(view, made.data.transpose(2, 0, 1)[3:])


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_what_was_written_to_a_mapping_stays(tmp_path: Path, mode: str) -> None:
    np.arange(4096, dtype=np.float32).tofile(tmp_path / "raw")
    mapped = np.memmap(tmp_path / "raw", np.float32, mode=mode)
    mapped[5] = -1
    let_go(mapped)
    assert mapped[5] == -1


def test_arrays_in_memory_stay() -> None:
    array = np.ones((3, 4))
    let_go(array[1:])
    assert array.all()
