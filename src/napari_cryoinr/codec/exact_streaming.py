"""Lossless compression of one volume of any size, tile by tile.

Three passes: what the map is, the tiles, and decoding as a reader does it. Coded tiles go to a
temporary file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..archive.header import ModelHeader
from ..coding.tiled_stream import Shape, entries_of, index_of, tiles_of
from ..maps.auto_threshold import auto_threshold
from ..maps.density_map import DensityMap
from ..maps.survey import survey_steps
from ..models.lossless.tiled_volume import encode_tile_steps
from ..progress import Clock, Progress, Steps, part_of, reported_steps
from ..quality.quality_report import QualityReport
from ..quality.slab_comparison import SlabComparison
from ..settings import Settings
from ..support.streams import FileBytes, LongBytes
from .goal_check import check_goal
from .slab_members import measure_steps, slab_header, write_steps

_PARTS = 3  # of the work


def stream_exact_steps(
    density_map: DensityMap,
    setting: float | str,
    target: Path,
    settings: Settings,
    sides: Shape,
    clock: Clock,
) -> Steps[QualityReport]:
    """Compress a map tile by tile, bit for bit.

    Parameters
    ----------
    setting : its threshold as in `Settings`.
    sides : of a tile.

    Raises
    ------
    GoalMissed
        If a voxel does not come back; nothing is written then.
    MapError, SettingsError
        For voxels and settings that cannot be used.
    """
    survey = yield from part_of(survey_steps(density_map, clock), 0, _PARTS)
    density_map, stats = survey.map, survey.statistics
    base = float(f"{survey.median:.6g}")
    header, own = slab_header(survey, setting, base, exactly=True)
    level = auto_threshold(stats) if header.contour is None else header.contour
    with FileBytes(target.parent) as stream:
        coding = _code_steps(density_map, sides, stream, clock)
        index = yield from part_of(coding, 1, _PARTS)
        made: dict[str, LongBytes] = {**own, "lossless_index": index, "lossless": stream}
        comparison = SlabComparison(density_map, level, max(abs(stats.low), abs(stats.high)))
        model = ModelHeader(settings.model_name)
        checking = measure_steps(header, made, model, settings, comparison, density_map, clock)
        checksum, report = yield from part_of(checking, 2, _PARTS)
        final = replace(header, decoded_checksum=checksum, quality=report.stored())
        check_goal(settings, settings.request(), report, final)
        size = yield from write_steps(target, settings, final, made, clock)
    return report.with_size(size, density_map.raw_bytes)


def _code_steps(
    density_map: DensityMap, sides: Shape, stream: FileBytes, clock: Clock
) -> Steps[bytes]:
    """Code all tiles into a stream; return their index."""
    regions, entries = tiles_of(density_map.data.shape, sides), []
    for number, region in enumerate(regions):
        done = number / len(regions)
        now = Progress(
            "lossless", number, len(regions), clock.seconds, bytes_so_far=len(stream), share=done
        )
        voxels = density_map.data[region]
        yield now
        coded = yield from reported_steps(encode_tile_steps(voxels, density_map.mode, clock), now)
        stream.append(coded)
        entries.append(entries_of([coded]))
    return index_of(sides, b"".join(entries))
