"""The file of a picker's model: nothing in it makes HDF5 hang, or allocate what is not there."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_cryoinr import MicrographError, PickerModel
from napari_cryoinr.picking.calibration import Calibration
from napari_cryoinr.picking.networks.modern.modern_network import ModernNetwork, fresh_layers
from napari_cryoinr.picking.picker_model import sealed

WEIGHT = "weights/coarse.normalisation.bias"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    network = ModernNetwork(84, fresh_layers(0))
    model = PickerModel(network, Calibration(1.0, 0.0), (0.3, 25.0), 0.5, (), 1.5)
    model.save(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def replaced(path: Path, name: str, make: Callable[[h5py.File], object]) -> None:
    """Replace a dataset, and seal the file as if this were right."""
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)
    path.write_bytes(sealed(path.read_bytes()))


def test_the_pixel_size_is_kept_and_optional(path: Path) -> None:
    assert PickerModel.load(path).pixel_size == 1.5
    with h5py.File(path, "r") as file:
        assert file["picker"].dtype.kind == "S"  # of fixed length
        info = json.loads(file["picker"][()])
        assert all(file["weights"][name].chunks is None for name in file["weights"])
    assert PickerModel.load(path).focused
    del info["pixel_size"], info["focused"]  # as before version 0.3
    text = np.bytes_(json.dumps(info))
    replaced(path, "picker", lambda file: file.create_dataset("picker", data=text))
    assert PickerModel.load(path).pixel_size is None
    assert not PickerModel.load(path).focused
    info["pixel_size"] = -1
    replaced(path, "picker", lambda file: file.create_dataset("picker", data=json.dumps(info)))
    with pytest.raises(MicrographError, match="damaged"):  # a string of variable length
        PickerModel.load(path)


UNUSUAL: dict[str, tuple[str, Callable[[h5py.File], object]]] = {
    "huge chunks": (
        WEIGHT,
        lambda file: file.create_dataset(WEIGHT, (1 << 30,), "f4", chunks=(1 << 24,)),
    ),
    "huge": (WEIGHT, lambda file: file.create_dataset(WEIGHT, (1 << 30,), "f4")),
    "not stored": (WEIGHT, lambda file: file.create_dataset(WEIGHT, (32,), "f4")),
    "text": (WEIGHT, lambda file: file.create_dataset(WEIGHT, data=np.bytes_("a"))),
    "a group": (WEIGHT, lambda file: file.create_group(WEIGHT)),
    "another file": (
        WEIGHT,
        lambda file: file.create_dataset(WEIGHT, (32,), "f4", external=[("b.raw", 0, 128)]),
    ),
    "a link": (WEIGHT, lambda file: file.__setitem__(WEIGHT, h5py.ExternalLink("b.h5", "/a"))),
    "no link": (WEIGHT, lambda file: file.__setitem__(WEIGHT, h5py.SoftLink("/picker"))),
    "a huge text": ("picker", lambda file: file.create_dataset("picker", (), f"S{1 << 30}")),
    "nothing": (WEIGHT, lambda file: None),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_datasets_are_refused(path: Path, kind: str) -> None:
    replaced(path, *UNUSUAL[kind])
    tracemalloc.start()
    with pytest.raises(MicrographError, match=r"a\.h5: damaged") as caught:
        PickerModel.load(path)
    assert "\n" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_a_file_without_its_checksum_does_not_reach_hdf5(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "of variable length"  # can hang HDF5 once a byte is changed
    monkeypatch.setattr(h5py, "File", None)
    with pytest.raises(MicrographError, match="its checksum is wrong"):
        PickerModel.load(path)
