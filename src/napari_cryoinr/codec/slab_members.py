"""The member of an archive that is made slab by slab: its header, its check, its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..archive import hdf5_writing
from ..archive.header import ArchiveHeader, MemberHeader, ModelHeader, pack_header
from ..maps.density_map import DensityMap, slabs
from ..maps.resolution import Resolution
from ..maps.survey import Survey
from ..maps.threshold import resolve_threshold
from ..progress import Clock, Progress, Steps, reported_steps
from ..quality.quality_report import QualityReport
from ..quality.slab_comparison import SlabComparison
from ..settings import Settings
from ..support import records
from ..support.atomic_files import replacing
from ..support.checksums import VoxelDigest
from ..support.streams import LongBytes
from .members import contrast_limits, draft_member, inward, mrc_parts, short_level


def slab_header(
    survey: Survey, setting: float | str, base: float, *, exactly: bool = False
) -> tuple[MemberHeader, dict[str, bytes]]:
    """Return the header but for what follows from the fit, and the streams of the MRC header."""
    density_map, stats = survey.map, survey.statistics
    level = resolve_threshold(setting, stats)
    fields, own = mrc_parts(density_map)
    header = MemberHeader(
        name=density_map.name,
        shape=density_map.data.shape,
        mode=density_map.mode,
        byte_order=density_map.mrc.byte_order,
        mrc=fields,
        background=base,
        contrast_limits=contrast_limits(stats, None),
        original_checksum=survey.checksum,
        decoded_checksum="",
        keep="volume",
        limits=None if exactly else inward(stats.low, stats.high),
        contour=None if level is None else short_level(level, stats),
    )
    return header, own


def measure_steps(
    header: MemberHeader,
    own: Mapping[str, LongBytes],
    model: ModelHeader,
    settings: Settings,
    comparison: SlabComparison,
    original: DensityMap,
    clock: Clock,
) -> Steps[tuple[str, QualityReport]]:
    """Decode what will be stored: its checksum, and what was lost."""
    member = draft_member(header, model, own, {}, settings.device, [])
    digest, depth = VoxelDigest(), header.shape[0]
    for part in member.decoder.slabs():
        now = Progress("measuring", part.start, depth, clock.seconds, share=part.start / depth)
        region: Any = (part,)
        decoded = yield from reported_steps(member.read_steps(region), now)
        digest.add(decoded)
        for planes in slabs(decoded.shape):
            place = slice(part.start + planes.start, part.start + planes.stop)
            comparison.add(place, original.data[place], decoded[planes])
            yield now
    given = settings.resolution
    resolution = None if isinstance(given, str) else Resolution(given, "given")
    done = Progress("measuring", depth, depth, clock.seconds, share=1.0)
    report = yield from reported_steps(comparison.report_steps(resolution, clock), done)
    return digest.text, report


def write_steps(
    target: Path,
    settings: Settings,
    header: MemberHeader,
    own: Mapping[str, LongBytes],
    clock: Clock,
) -> Steps[int]:
    """Write the archive of one member; return its bytes."""
    from .. import __version__

    changed = records.to_dict(settings, defaults=False)
    model = ModelHeader(settings.model_name)
    archive = pack_header(ArchiveHeader(__version__, changed, model, (header,)))
    size = sum(map(len, own.values()))
    yield Progress("writing", 0, 1, clock.seconds, bytes_so_far=size, share=1.0)
    with replacing(target) as temporary:
        hdf5_writing.write(temporary, archive, {}, [(header.name, own)])
        size = temporary.stat().st_size
    yield Progress("written", 1, 1, clock.seconds, bytes_so_far=size, share=1.0)
    return size
