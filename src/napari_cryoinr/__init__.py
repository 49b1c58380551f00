"""Small files for cryo-EM density maps, by implicit neural representation.

The names below are loaded when they are first used: importing the package loads neither torch
nor napari nor Qt.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .archive import Archive, Member, open_archive
    from .batches.running import batch, batch_steps
    from .codec.compression import compress, compress_steps
    from .codec.decompression import decompress, decompress_steps
    from .errors import (
        CinrError,
        DamagedArchive,
        GoalMissed,
        MapError,
        MapWarning,
        MicrographError,
        NotACinrFile,
        OutOfMemory,
        OutputError,
        SettingsError,
        UnreadableFile,
    )
    from .maps.density_map import DensityMap
    from .maps.framing import bin_map, crop_map, structure_box
    from .maps.map_reading import read_map
    from .maps.map_writing import write_map
    from .maps.repair import fill_no_density
    from .maps.synthetic_maps import synthetic_map
    from .ome_zarr.pyramid_writing import to_zarr, to_zarr_steps
    from .picking.coordinates import read_coordinates, write_coordinates
    from .picking.examples import Example
    from .picking.micrographs import Micrograph, read_micrograph
    from .picking.particles import Particles
    from .picking.picker_model import PickerModel
    from .picking.picking_settings import SelectionSettings, TrainingSettings
    from .picking.pretrained_picker import pretrained_picker
    from .picking.scaled_picking import pick, pick_steps, train_picker, train_picker_steps
    from .progress import Progress, drain
    from .quality import ModelReport, QualityReport, compare, compare_steps
    from .quality.atomic_model import compare_with_model
    from .settings import FieldSettings, InrSettings, PaperSettings, Settings
    from .workers.map_jobs import BatchProgress, MapResult

_NAMES = {
    "archive": "Archive Member open_archive",
    "batches.running": "batch batch_steps",
    "codec.compression": "compress compress_steps",
    "codec.decompression": "decompress decompress_steps",
    "errors": (
        "CinrError DamagedArchive GoalMissed MapError MapWarning MicrographError NotACinrFile"
        " OutOfMemory OutputError SettingsError UnreadableFile"
    ),
    "maps.density_map": "DensityMap",
    "maps.framing": "bin_map crop_map structure_box",
    "maps.map_reading": "read_map",
    "maps.map_writing": "write_map",
    "maps.repair": "fill_no_density",
    "maps.synthetic_maps": "synthetic_map",
    "ome_zarr.pyramid_writing": "to_zarr to_zarr_steps",
    "picking.coordinates": "read_coordinates write_coordinates",
    "picking.examples": "Example",
    "picking.micrographs": "Micrograph read_micrograph",
    "picking.particles": "Particles",
    "picking.picker_model": "PickerModel",
    "picking.picking_settings": "SelectionSettings TrainingSettings",
    "picking.pretrained_picker": "pretrained_picker",
    "picking.scaled_picking": "pick pick_steps train_picker train_picker_steps",
    "progress": "Progress drain",
    "quality": "ModelReport QualityReport compare compare_steps",
    "quality.atomic_model": "compare_with_model",
    "settings": "FieldSettings InrSettings PaperSettings Settings",
    "workers.map_jobs": "BatchProgress MapResult",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-cryoinr")
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
