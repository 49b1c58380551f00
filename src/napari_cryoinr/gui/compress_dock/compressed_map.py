"""A map that was compressed and is not saved yet: its file in a temporary folder."""

from __future__ import annotations

import shutil
import tempfile
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
from ..io.layer_matching import KEY
from ..io.map_layers import LayerData
from ..io.reader import member_layer

_KEPT_LETTERS = "-_.+ "


@dataclass(eq=False)
class Compressed:
    """The outcome of a compression.

    Attributes
    ----------
    archive : in a temporary folder that is removed with this object.
    original_id : `unique_id` of the layer that was compressed.
    saved : where it was saved to, if it was.
    """

    archive: Archive
    report: QualityReport
    original_id: str
    folder: Path
    saved: Path | None = None

    def __post_init__(self) -> None:
        # At the latest when this object is collected, or when the program ends.
        self._remove = finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def name(self) -> str:
        """Name of the map."""
        return self.archive[0].name

    @property
    def path(self) -> Path:
        """Where the file is until it is discarded."""
        return Path(self.archive.path)

    def save(self, path: Path) -> None:
        """Copy the file to its place.

        Raises
        ------
        CinrError
            if it cannot be written.
        """
        try:
            with atomic_files.replacing(path) as written:
                shutil.copyfile(self.path, written)
        except OSError as error:
            raise CinrError(f"{path}: cannot be written ({error.strerror or error})") from error
        self.saved = path

    def layer_steps(self) -> Steps[LayerData]:
        """Return the decoded map as a layer, which knows its original."""
        voxels = yield from self.archive[0].read_steps()
        data, meta, kind = member_layer(self.archive, self.archive[0], voxels)
        meta["name"] = f"{self.name} decoded"
        meta["metadata"][KEY]["original_id"] = self.original_id
        return data, meta, kind

    def discard(self) -> None:
        """Remove the file; nothing of it can be used any more."""
        self._remove()


def compressed_steps(
    density_map: DensityMap, settings: Settings, original_id: Any
) -> Steps[Compressed]:
    """Compress a map of a layer, in a process of its own; closing this leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="cryoinr-"))
    try:
        path = folder / f"{file_stem(density_map.name)}.cinr"
        (report,) = yield from workers.compress_steps(density_map, path, settings)
        return Compressed(open_archive(path), report, str(original_id), folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def file_stem(name: str) -> str:
    """Return a layer's name as the name of a file on any system."""
    plain = "".join(c if c.isalnum() or c in _KEPT_LETTERS else "_" for c in name)
    return plain.strip(" .")[:100] or "map"
