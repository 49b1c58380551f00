"""A trained picker, and its file.

The file is HDF5: a dataset `picker` with JSON of everything that is not an array, a string of fixed
length, and the network's arrays as datasets of the group `weights`. Nothing in it is code, and
everything is stored in one piece. The user block before the HDF5 part holds a checksum of it,
because the HDF5 library can hang on a damaged file. The shapes of the arrays follow from network
and box, so that no file makes a reader allocate more.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from ..errors import CinrError, MicrographError, one_line
from ..support import atomic_files, records
from ..support.array_types import Float32Array
from ..support.checksums import checksum
from ..support.output_paths import check_output
from ..support.records import checked_field
from .calibration import Calibration
from .networks.network_base import Network, network_class
from .picking_settings import NETWORKS
from .selection import Limits

_INFO, _WEIGHTS = "picker", "weights"
_VERSION = 1
_MAGIC = b"cinr picker, checksum of the rest: "
_SCALE_FREE = ("modern",)
_SMALLEST_BOX, _LARGEST_BOX = 8, 4096  # pixels
_USER_BLOCK = 512  # bytes before the HDF5 part
_MOST_BYTES = 1 << 24  # of a file; the largest network needs a fiftieth
# What h5py and the checks raise for a file whose content is not that of a model.
_DAMAGED = (AttributeError, CinrError, KeyError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Round(records.Record):
    """One training: what the network was shown."""

    micrographs: int = checked_field("micrographs with particles or rejected places", low=1)
    particles: int = checked_field("particles", low=1)
    rejected: int = checked_field("places that are no particles", low=0)
    seconds: float = checked_field("duration", low=0)
    held_out: int = checked_field("known particles used for testing only", 0, low=0)
    found: int = checked_field("how many of these have a score above the threshold", 0, low=0)


@dataclass(frozen=True)
class _Info(records.Record):
    """What the file holds besides the arrays."""

    version: int = checked_field("of this table", low=1)
    network: str = checked_field("which network", choices=NETWORKS)
    box: float = checked_field(
        "side of the square around one particle, pixels", low=_SMALLEST_BOX, high=_LARGEST_BOX
    )
    calibration: tuple[float, ...] = checked_field(
        "see `Calibration`, its fields in order", length=(7, 9)
    )
    limits: tuple[float, ...] = checked_field(
        "least and largest standard deviation in a box, in noise levels", length=(2, 2), low=0
    )
    threshold: float = checked_field("least score of a particle", low=0, high=1)
    rounds: tuple[Round, ...] = checked_field("trainings, the first one first")
    pixel_size: float | None = checked_field(
        "of the micrographs that it was trained on, Å", None, above=0
    )
    view: float = checked_field("what the network sees as one box, in boxes", 1.0, low=0.5, high=4)
    focused: bool = checked_field("whether contrasts are those at particles", False)


@dataclass(frozen=True, eq=False)
class PickerModel:
    """A trained picker.

    Attributes
    ----------
    network : Network
        Scores places of micrographs.
    calibration : Calibration
        From its logits to the scores of particles.
    limits : tuple of float
        Least and largest standard deviation in a box, see `selection`.
    threshold : float
        Default least score of a particle.
    rounds : tuple of Round
        The trainings that led to it.
    pixel_size : float or None
        Å per pixel of the micrographs that it was trained on; None if unknown.
    view : float
        Side of what the network sees as one box, in boxes.
    focused : bool
        Whether contrasts are those at particles, not of whole micrographs, as in models of version
        0.2.

    Examples
    --------
    `train_picker` makes one; `save` and `load` keep it in a file.

    >>> PickerModel.load("missing.h5")
    Traceback (most recent call last):
    napari_cryoinr.errors.MicrographError: missing.h5: no such file; train a model first
    """

    network: Network
    calibration: Calibration
    limits: Limits
    threshold: float
    rounds: tuple[Round, ...]
    pixel_size: float | None = None
    view: float = 1.0
    focused: bool = True

    @property
    def box(self) -> float:
        """Side of the square around one particle, pixels."""
        return round(self.network.box / self.view, 6)

    @property
    def is_scale_free(self) -> bool:
        """Whether the network can have another box: whether that is only how images are resampled.

        The layers of `deepem` depend on the box.
        """
        return self.network.name in _SCALE_FREE

    def at(self, pixel_size: float) -> PickerModel:
        """Return the same scale-free model for micrographs of another binning.

        Raises
        ------
        MicrographError
            If the box, which is as long in Å, has too few or too many pixels.
        """
        assert self.is_scale_free and self.pixel_size is not None
        box = round(self.box * self.pixel_size / pixel_size, 3)
        if not _SMALLEST_BOX <= box <= _LARGEST_BOX:
            raise MicrographError(
                f"the model's box of {self.box * self.pixel_size:.4g} Å is {box:.4g} pixels of"
                f" {pixel_size:g} Å: must be {_SMALLEST_BOX} to {_LARGEST_BOX}; pick micrographs of"
                " another binning"
            )
        network = type(self.network).from_arrays(box * self.view, self.network.arrays())
        return replace(self, network=network, pixel_size=pixel_size)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model to a file.

        Parameters
        ----------
        path : str or path
            The file, usually with the suffix .h5.
        overwrite : bool
            Replace a file that exists.

        Raises
        ------
        OutputError
            If the path cannot be an output: see the message.
        OSError
            If it cannot be written.
        """
        path = check_output(path, overwrite=overwrite)
        kind = (_VERSION, self.network.name, float(self.box))
        numbers = (astuple(self.calibration), self.limits, self.threshold)
        info = _Info(*kind, *numbers, self.rounds, self.pixel_size, self.view, self.focused)
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", userblock_size=_USER_BLOCK) as file:
            file[_INFO] = np.bytes_(json.dumps(info.to_dict()))
            for name, array in self.network.arrays().items():
                file[f"{_WEIGHTS}/{name}"] = array
        atomic_files.write_bytes(path, sealed(buffer.getvalue()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PickerModel:
        """Read a model.

        Parameters
        ----------
        path : str or path
            A file that `save` has written.

        Returns
        -------
        PickerModel

        Raises
        ------
        MicrographError
            If the file is missing, not a picker's model, of a newer version, or damaged.
        """
        path = Path(path)
        if not path.is_file():
            raise MicrographError(f"{path}: no such file; train a model first")
        data = _checked_bytes(path)
        try:
            with h5py.File(io.BytesIO(data), "r") as file:
                info = _read_info(path, _dataset(file, _INFO, "S"))
                network_type = network_class(info.network)
                arrays = {
                    name: _read_array(_dataset(file, f"{_WEIGHTS}/{name}", "fiu"), shape)
                    for name, shape in network_type.shapes(info.box * info.view).items()
                }
        except MicrographError:
            raise
        except _DAMAGED as error:
            raise MicrographError(f"{path}: damaged ({one_line(error)})") from error
        low, high = info.limits
        network = network_type.from_arrays(info.box * info.view, arrays)
        calibration = Calibration(*info.calibration)
        numbers = ((low, high), info.threshold)
        made = cls(network, calibration, *numbers, info.rounds, info.pixel_size, info.view)
        return replace(made, focused=info.focused)

    def __repr__(self) -> str:
        rounds = [asdict(one) for one in self.rounds]
        return f"PickerModel({self.network.name}, box {self.box:g}, rounds {rounds})"


def sealed(data: bytes) -> bytes:
    """Return a model's file with the checksum of its HDF5 part in the user block."""
    rest = data[_USER_BLOCK:]
    seal = _MAGIC + checksum(rest).hex().encode()
    return seal.ljust(_USER_BLOCK, b"\n") + rest


def _checked_bytes(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise MicrographError(
            f"{path}: too large: a picker's model has at most {_MOST_BYTES:,} bytes"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MicrographError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.startswith(_MAGIC):
        raise MicrographError(f"{path}: not a picker's model")
    if data != sealed(data):
        raise MicrographError(f"{path}: damaged (its checksum is wrong); train the model again")
    return data


def _dataset(file: h5py.File, name: str, kinds: str) -> h5py.Dataset:
    """Return a dataset whose values, numbers or a string of fixed length, are all in this file."""
    group, last = name.rpartition("/")[::2]
    parent = file[group] if group else file
    if not isinstance(parent.get(last, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    dataset = parent[last]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in kinds:
        raise ValueError(f"{name} is of another kind")
    # No chunks, no values in other files or that were never stored: what is allocated is here.
    plain = dataset.chunks is None and not dataset.external and not dataset.is_virtual
    if not plain or dataset.id.get_storage_size() != dataset.nbytes:
        raise ValueError(f"{name} is not stored as one piece")
    return dataset


def _read_info(path: Path, dataset: h5py.Dataset) -> _Info:
    data = json.loads(dataset[()])
    version = data.get("version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > _VERSION:
        raise MicrographError(
            f"{path}: version {version} of a picker's model; this program knows"
            f" {_VERSION}: install a newer napari-cryoinr"
        )
    return records.from_dict(_Info, data)


def _read_array(dataset: h5py.Dataset, shape: tuple[int, ...]) -> Float32Array:
    if dataset.shape != shape:
        raise ValueError(f"{dataset.name} is no array of shape {shape}")
    array = np.asarray(dataset.astype(np.float32)[()])
    if not np.isfinite(array).all():
        raise ValueError(f"{dataset.name} holds infinite values or NaN")
    return array
