"""A member of an archive that is being made: decoded as it will be read, refined, measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..archive import residual
from ..archive.header import MemberHeader, ModelHeader
from ..archive.member import Member
from ..archive.streams import MemoryStreams
from ..errors import GoalMissed
from ..maps.density_map import slabs
from ..progress import Clock, Progress, Steps
from ..quality.comparison import compare_steps
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import records
from ..support.checksums import voxel_checksum
from ..support.memory import trim_heap
from .preparation import Prepared

_NO_LIMIT = 1 << 62


@dataclass(frozen=True, eq=False)
class MadeMember:
    """A member that is ready to be written."""

    header: MemberHeader
    streams: dict[str, bytes]
    report: QualityReport


def member_steps(
    item: Prepared,
    own: dict[str, bytes],
    own_config: Any,
    model: ModelHeader,
    shared: dict[str, bytes],
    settings: Settings,
    earlier: list[Member],
    clock: Clock,
) -> Steps[MadeMember]:
    """Decode what will be stored, add the residual that the goal needs, check and measure.

    Parameters
    ----------
    own, own_config : streams and record of the fitted model for this map.
    earlier : members before this one, to which it is added.

    Raises
    ------
    GoalMissed
        If the goal is not met.
    """
    density_map, config = item.map, item.residual
    shape, streams = density_map.data.shape, item.streams | own
    member_config = None if own_config is None else records.to_dict(own_config, defaults=False)
    draft = replace(item.header, config=member_config)
    # The mask is decoded from its stream again: what is checked is what will be read.
    memory = MemoryStreams(shared | streams)
    member = Member(draft, model, memory, _NO_LIMIT, settings.device, earlier)
    earlier.append(member)
    decoder = member.decoder
    decoded = yield from decoder.base_steps(decoder.whole(), clock)
    if config is not None:
        added = yield from residual.encode_steps(density_map, decoded, decoder.mask, config, clock)
        streams |= added
        yield Progress("refining", 0, 1, clock.seconds, bytes_so_far=sum(map(len, added.values())))
        refined = residual.Residual(MemoryStreams(streams), config, shape, density_map.mode)
        decoder = replace(decoder, residual=refined)
        yield from decoder.refine_steps(decoded, decoder.whole(), clock)
    trim_heap()
    report = yield from compare_steps(density_map, decoded, draft.threshold, member.contour, clock)
    header = replace(
        draft,
        decoded_checksum=voxel_checksum(decoded[part] for part in slabs(decoded.shape)),
        residual=config,
        quality=report.stored(),
    )
    _check_goal(settings, report, header)
    return MadeMember(header, streams, report)


def _check_goal(settings: Settings, report: QualityReport, header: MemberHeader) -> None:
    def missed(text: str) -> GoalMissed:
        return GoalMissed(f"{header.name}: {text}; nothing written")

    nrmse, psnr, largest = settings.target_nrmse, settings.target_psnr, settings.max_error
    if nrmse is not None and report.nrmse > nrmse:
        raise missed(f"NRMSE {report.nrmse:.4g} where {nrmse:g} was asked for")
    if psnr is not None and report.psnr is not None and report.psnr < psnr:
        raise missed(f"PSNR {report.psnr:.2f} dB where {psnr:g} was asked for")
    if largest is not None and report.max_error > largest:
        raise missed(f"maximum error {report.max_error:g} where {largest:g} was asked for")
    if settings.goal == "lossless" and header.decoded_checksum != header.original_checksum:
        raise missed("not every voxel came back bit for bit")
