"""A map that was compressed and is not saved yet: its file in a temporary folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import finalize

from ... import workers
from ...archive import Archive, open_archive
from ...errors import CinrError
from ...maps.density_map import DensityMap
from ...progress import Steps
from ...quality.quality_report import QualityReport
from ...settings import Settings
from ...support import atomic_files
from ...support.output_paths import file_stems
from ..io.layer_matching import KEY
from ..io.map_layers import LayerData
from ..io.reader import member_layer


@dataclass(eq=False)
class Compressed:
    """The result of a compression, in a temporary folder that is removed with this object."""

    archive: Archive
    report: QualityReport
    original_id: str  # `unique_id` of the layer that was compressed
    saved: Path | None = None  # where it was saved to

    def __post_init__(self) -> None:
        # Called at the latest when this object is collected, or when the program ends.
        self.discard = finalize(self, shutil.rmtree, self.path.parent, ignore_errors=True)

    @property
    def name(self) -> str:
        """Name of the map."""
        return self.archive[0].name

    @property
    def path(self) -> Path:
        """Where the file is until it is discarded."""
        return Path(self.archive.path)

    def save(self, path: Path) -> None:
        """Copy the file to another path.

        Raises
        ------
        CinrError
            If it cannot be written.
        """
        try:
            with atomic_files.replacing(path) as written:
                shutil.copyfile(self.path, written)
        except OSError as error:
            raise CinrError(f"{path}: cannot be written ({error.strerror or error})") from error
        self.saved = path

    def layer_steps(self) -> Steps[LayerData]:
        """Decode the map into a layer, which refers to its original."""
        voxels = yield from self.archive[0].read_steps()
        data, meta, kind = member_layer(self.archive, self.archive[0], voxels)
        meta["name"] = f"{self.name} decoded"
        meta["metadata"][KEY]["original_id"] = self.original_id
        return data, meta, kind


def compressed_steps(
    density_map: DensityMap, settings: Settings, original_id: Any
) -> Steps[Compressed]:
    """Compress a map in a child process; closing the generator leaves nothing behind."""
    folder = atomic_files.new_temporary_folder()
    try:
        (stem,) = file_stems([density_map.name])
        path = folder / f"{stem}.cinr"
        (report,) = yield from workers.compress_steps(density_map, path, settings)
        return Compressed(open_archive(path), report, str(original_id))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
