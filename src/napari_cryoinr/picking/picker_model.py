"""A trained picker, and its file.

The file is HDF5: an attribute `cinr_picker` of JSON with everything that is not an array, and the
network's arrays as plain datasets. Nothing in it is code.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import CinrError, MicrographError
from ..support import atomic_files, records
from ..support.records import checked_field
from .calibration import Calibration
from .networks.network_base import Arrays, Network
from .networks.network_registry import network_class
from .picking_settings import NETWORKS
from .verification import Limits

_INFO, _WEIGHTS = "cinr_picker", "weights"
_VERSION = 1
_MOST_BYTES = 1 << 28  # of one array
_MOST_ARRAYS = 1000


@dataclass(frozen=True)
class Round(records.Record):
    """One training: what the network was shown."""

    micrographs: int = checked_field("micrographs with particles or rejected ones", low=1)
    particles: int = checked_field("particles", low=1)
    rejected: int = checked_field("places that are none", low=0)
    seconds: float = checked_field("how long it took", low=0)
    held_out: int = checked_field("known particles that were only tested on", 0, low=0)
    found: int = checked_field("how many of these it finds with its threshold", 0, low=0)


@dataclass(frozen=True)
class _Info(records.Record):
    """What the file says beside the arrays."""

    version: int = checked_field("of this table", low=1)
    network: str = checked_field("which network", choices=NETWORKS)
    box: float = checked_field("side of the square around one particle, pixels", low=8, high=4096)
    calibration: tuple[float, ...] = checked_field(
        "see `Calibration`, its fields in order", length=(7, 7)
    )
    least_spread: float = checked_field(
        "standard deviation in a box, in noise levels, at least", low=0
    )
    largest_spread: float = checked_field("and at most", low=0)
    threshold: float = checked_field("least score of a particle", low=0, high=1)
    rounds: tuple[Round, ...] = checked_field("trainings, the first one first")


@dataclass(frozen=True, eq=False)
class PickerModel:
    """A trained picker.

    Attributes
    ----------
    network : scores places of micrographs.
    calibration : from its logits to the scores of particles.
    limits : least and largest standard deviation in a box, see `verification`.
    threshold : least score of a particle, unless somebody chooses another.
    rounds : the trainings that led to it.
    """

    network: Network
    calibration: Calibration
    limits: Limits
    threshold: float
    rounds: tuple[Round, ...]

    @property
    def box(self) -> float:
        """Side of the square around one particle, pixels."""
        return self.network.box

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an HDF5 file, beside its target, and rename it."""
        low, high = self.limits
        info = _Info(
            version=_VERSION,
            network=self.network.name,
            box=float(self.box),
            calibration=astuple(self.calibration),
            least_spread=low,
            largest_spread=high,
            threshold=self.threshold,
            rounds=self.rounds,
        )
        with atomic_files.replacing(Path(path)) as temporary, h5py.File(temporary, "w") as file:
            file.attrs[_INFO] = json.dumps(info.to_dict())
            for name, array in self.network.arrays().items():
                file.create_dataset(f"{_WEIGHTS}/{name}", data=array, track_times=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PickerModel:
        """Read a model.

        Raises
        ------
        MicrographError
            if the file is missing, no picker's model, of a newer version, or damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise MicrographError(f"{path}: no such file; train a model first")
        try:
            with h5py.File(path, "r") as file:
                info = _info(path, file)
                arrays = _arrays(path, file)
            network = network_class(info.network).from_arrays(info.box, arrays)
        except MicrographError:
            raise
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise MicrographError(f"{path}: no readable picker model ({reason})") from error
        return cls(
            network,
            Calibration(*info.calibration),
            (info.least_spread, info.largest_spread),
            info.threshold,
            info.rounds,
        )

    def __repr__(self) -> str:
        rounds = [asdict(one) for one in self.rounds]
        return f"PickerModel({self.network.name}, box {self.box:g}, rounds {rounds})"


def _info(path: Path, file: Any) -> _Info:
    text = file.attrs.get(_INFO)
    if not isinstance(text, str):
        raise MicrographError(f"{path}: an HDF5 file, but not a picker's model")
    try:
        data = json.loads(text)
        version = data.get("version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > _VERSION:
            raise MicrographError(
                f"{path}: version {version} of a picker's model; this program knows"
                f" {_VERSION}: install a newer napari-cryoinr"
            )
        return records.from_dict(_Info, data, MicrographError)
    except (json.JSONDecodeError, CinrError) as error:
        if str(error).startswith(str(path)):
            raise
        raise MicrographError(f"{path}: damaged ({error})") from error


def _arrays(path: Path, file: Any) -> Arrays:
    group = file.get(_WEIGHTS)
    if not isinstance(group, h5py.Group) or not 0 < len(group) <= _MOST_ARRAYS:
        raise MicrographError(f"{path}: damaged (no weights)")
    arrays: Arrays = {}
    for name in group:
        data = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
        if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fi":
            raise MicrographError(f"{path}: damaged ({name} is no array of numbers)")
        if data.external or data.is_virtual or data.chunks or data.nbytes > _MOST_BYTES:
            raise MicrographError(f"{path}: damaged ({name} is no plain array)")
        arrays[name] = np.asarray(data)
    return arrays
