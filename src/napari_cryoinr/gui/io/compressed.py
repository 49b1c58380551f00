"""What came out of a compression: a file in a temporary folder until it is saved or removed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import finalize

from ... import workers
from ...archive import Archive, open_archive
from ...codec.members import HalfMaps
from ...errors import CinrError
from ...maps.density_map import DensityMap
from ...progress import Steps
from ...quality.quality_report import QualityReport
from ...settings import Settings
from ...support import atomic_files
from ...support.checksums import voxel_checksum
from ...support.output_paths import check_output, file_stems
from .layer_matching import KEY
from .map_layers import LayerData
from .reader import member_layer
from .words import kept_words, settings_words


@dataclass(eq=False)
class Compressed:
    """The result of a compression, in a temporary folder that is removed with this object."""

    archive: Archive
    report: QualityReport
    original_id: str  # `unique_id` of the layer that was compressed
    settings: Settings
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

    @property
    def summary(self) -> str:
        """The map, the size of the file and what is kept."""
        return f"{self.name}: {self.archive.bytes:,} bytes, {kept_words(self.report)}"

    @property
    def how(self) -> str:
        """The settings in words."""
        return settings_words(self.settings, self.archive.header.model.name)

    def save(self, path: Path) -> None:
        """Copy the file to another path; raise `CinrError` if that cannot be written."""
        check_output(path, inputs=[self.path], overwrite=True)
        try:
            with atomic_files.replacing(path) as written:
                shutil.copyfile(self.path, written)
        except OSError as error:
            raise CinrError(f"{path}: cannot be written ({error.strerror or error})") from error
        self.saved = path

    def is_of(self, density_map: DensityMap) -> bool:
        """Whether this very map was compressed, with the same name and place."""
        member = self.archive[0]
        return (
            (member.name, member.shape) == (density_map.name, density_map.data.shape)
            and (member.voxel_size, member.origin) == (density_map.voxel_size, density_map.origin)
            and member.header.original_checksum == voxel_checksum(density_map.data)
        )

    def layer_steps(self) -> Steps[LayerData]:
        """Decode the map into a layer, which refers to its original."""
        voxels = yield from self.archive[0].read_steps()
        data, meta, kind = member_layer(self.archive, self.archive[0], voxels)
        meta["name"] = f"{self.name} decoded"
        meta["metadata"][KEY]["original_id"] = self.original_id
        return data, meta, kind


def compressed_steps(
    density_map: DensityMap, settings: Settings, original_id: Any, half_maps: HalfMaps | None = None
) -> Steps[Compressed]:
    """Compress a map in a child process; closing the generator leaves nothing behind."""
    folder = atomic_files.new_temporary_folder()
    try:
        (stem,) = file_stems([density_map.name])
        path = folder / f"{stem}.cinr"
        (report,) = yield from workers.compress_steps(
            density_map, path, settings, half_maps=half_maps, shows=True
        )
        return Compressed(open_archive(path), report, str(original_id), settings)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
