"""Small files for cryo-EM density maps, by implicit neural representation.

The names below are loaded when they are first used: importing the package loads neither torch
nor napari nor Qt.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .archive import Archive, Member, open_archive
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
    from .maps.map_reading import read_map
    from .maps.map_writing import write_map
    from .maps.synthetic_maps import synthetic_map
    from .picking.coordinates import read_coordinates, write_coordinates
    from .picking.examples import Example
    from .picking.micrographs import Micrograph, read_micrograph
    from .picking.particles import Particles
    from .picking.picker import pick, pick_steps, train_picker, train_picker_steps
    from .picking.picker_model import PickerModel
    from .picking.picking_settings import SelectionSettings, TrainingSettings
    from .progress import Progress, drain
    from .quality import QualityReport, compare, compare_steps
    from .settings import FieldSettings, PaperSettings, Settings

_HOME = {
    "Archive": "archive",
    "Member": "archive",
    "open_archive": "archive",
    "compress": "codec.compression",
    "compress_steps": "codec.compression",
    "decompress": "codec.decompression",
    "decompress_steps": "codec.decompression",
    "CinrError": "errors",
    "DamagedArchive": "errors",
    "GoalMissed": "errors",
    "MapError": "errors",
    "MapWarning": "errors",
    "MicrographError": "errors",
    "NotACinrFile": "errors",
    "OutOfMemory": "errors",
    "OutputError": "errors",
    "SettingsError": "errors",
    "UnreadableFile": "errors",
    "DensityMap": "maps.density_map",
    "read_map": "maps.map_reading",
    "write_map": "maps.map_writing",
    "synthetic_map": "maps.synthetic_maps",
    "read_coordinates": "picking.coordinates",
    "write_coordinates": "picking.coordinates",
    "Example": "picking.examples",
    "Micrograph": "picking.micrographs",
    "read_micrograph": "picking.micrographs",
    "Particles": "picking.particles",
    "pick": "picking.picker",
    "pick_steps": "picking.picker",
    "train_picker": "picking.picker",
    "train_picker_steps": "picking.picker",
    "PickerModel": "picking.picker_model",
    "SelectionSettings": "picking.picking_settings",
    "TrainingSettings": "picking.picking_settings",
    "Progress": "progress",
    "drain": "progress",
    "QualityReport": "quality",
    "compare": "quality",
    "compare_steps": "quality",
    "FieldSettings": "settings",
    "PaperSettings": "settings",
    "Settings": "settings",
}

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
