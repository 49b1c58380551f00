"""What came out of a compression: a file in a temporary folder until it is saved or removed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import finalize

from ... import workers
from ...archive import Archive, Member, open_archive
from ...codec.members import HalfMaps
from ...errors import CinrError
from ...maps.density_map import DensityMap
from ...progress import Progress, Steps
from ...quality.quality_report import QualityReport
from ...quality.verdict import VERDICTS, verdict_of
from ...settings import Settings
from ...support import atomic_files
from ...support.checksums import voxel_checksum
from ...support.output_paths import check_output, file_stems
from .layer_matching import KEY
from .map_layers import LayerData, MapsReader
from .map_stacks import stacked
from .reader import member_layer
from .words import kept_words, settings_words


@dataclass(eq=False)
class Compressed:
    """The result of a compression, in a temporary folder that is removed with this object."""

    archive: Archive
    report: QualityReport  # of the worst member
    original_id: str  # `unique_id` of the layer that was compressed
    settings: Settings
    saved: Path | None = None  # where it was saved to
    member: int | None = 0  # the number of that of the layer; None: the layer is a stack of all
    worst: int = 0  # the number of the worst one

    def __post_init__(self) -> None:
        # Called at the latest when this object is collected, or when the program ends.
        self.discard = finalize(self, shutil.rmtree, self.path.parent, ignore_errors=True)

    @property
    def name(self) -> str:
        """Name of the map, or of several."""
        first, last = self.archive[0].name, self.archive[-1].name
        if len(self.archive) == 1:
            return first
        return f"{first} {'and' if len(self.archive) == 2 else 'to'} {last}"

    @property
    def kept(self) -> str:
        """What is kept, in words; of several members, by the worst."""
        words = kept_words(self.report)
        if len(self.archive) == 1:
            return words
        return f"{words} ({self.archive[self.worst].name}, the worst of {len(self.archive)})"

    @property
    def path(self) -> Path:
        """Where the file is until it is discarded."""
        return Path(self.archive.path)

    @property
    def summary(self) -> str:
        """The map, the size of the file and what is kept."""
        return f"{self.name}: {self.archive.bytes:,} bytes, {self.kept}"

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

    def is_of(self, maps: Sequence[DensityMap]) -> bool:
        """Whether these very maps were compressed, with the same names and places."""
        return len(maps) == len(self.archive) and all(map(_is_of, self.archive, maps))

    def layer_steps(self) -> Steps[LayerData]:
        """Decode the layer that was compressed into another one, which refers to it."""
        members = list(self.archive) if self.member is None else [self.archive[self.member]]
        layers = []
        for member in members:
            voxels = yield from member.read_steps()
            layers.append(member_layer(self.archive, member, voxels))
        details, name = layers[0][1]["metadata"][KEY], members[0].name
        if self.member is None:
            layers, name = stacked(layers), self.name
        data, meta, kind = layers[0]
        meta["name"] = f"{name} decoded"
        meta["metadata"] = {KEY: details | {"original_id": self.original_id}}
        return data, meta, kind


def compressed_steps(
    read: MapsReader,
    name: str,
    original_id: Any,
    settings: Settings,
    half_maps: HalfMaps | None = None,
) -> Steps[Compressed]:
    """Compress maps in a child process; closing the generator leaves nothing behind.

    The original layer is the map called `name`, or a stack of them all.
    """
    yield Progress("reading", 0, 1)
    maps = read()
    names = [density_map.name for density_map in maps]
    folder = atomic_files.new_temporary_folder()
    try:
        (stem,) = file_stems([name])
        path = folder / f"{stem}.cinr"
        reports = yield from workers.compress_steps(
            maps, path, settings, half_maps=half_maps, shows=True
        )
        worst = max(range(len(reports)), key=lambda number: _badness(reports[number]))
        member = names.index(name) if name in names else None
        report, archive = reports[worst], open_archive(path)
        own = str(original_id)
        return Compressed(archive, report, own, settings, member=member, worst=worst)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_of(member: Member, density_map: DensityMap) -> bool:
    return (
        (member.name, member.shape) == (density_map.name, density_map.data.shape)
        and (member.voxel_size, member.origin) == (density_map.voxel_size, density_map.origin)
        and member.header.original_checksum == voxel_checksum(density_map.data)
    )


def _badness(report: QualityReport) -> tuple[int, float]:
    """Return what is larger for what is kept less: by verdict, then by the lowest correlation."""
    lowest = 1.0 if report.lowest_fsc is None else report.lowest_fsc
    return VERDICTS.index(verdict_of(report)), -lowest
