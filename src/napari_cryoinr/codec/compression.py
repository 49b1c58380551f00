"""From maps to an archive: preparing, fitting, checking what will be read, writing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .. import models
from ..archive import hdf5_writing
from ..archive.header import MAX_NAME, ArchiveHeader, ModelHeader, pack_header
from ..archive.member import Member
from ..errors import GoalMissed, MapError, SettingsError
from ..maps.density_map import DensityMap
from ..models.base import Target
from ..progress import Clock, Progress, Steps, TaskRunner, drain, in_turn_steps, part_of
from ..quality.quality_report import QualityReport
from ..settings import Settings
from ..support import records
from ..support.array_types import AnyArray
from ..support.atomic_files import replacing
from ..support.memory import trim_heap
from ..support.output_paths import check_output
from .goal_check import ShellsMissed
from .members import HalfMaps, Prepared, member_steps, prepare_steps
from .recognition import recognise_steps
from .streaming import check_memory, stream_steps, streams

Masks = DensityMap | AnyArray | Sequence[DensityMap | AnyArray | None] | None
HalfMapsOfEach = HalfMaps | Sequence[HalfMaps | None] | None

SUFFIX = ".cinr"
USUAL_OVERHEAD = 500  # bytes of an archive of one map that are not the model's
_SIZE_ROUNDS = 4
_SHELL_TRIES = 3
_SIZE_WINDOW = 0.98


def compress(
    maps: DensityMap | Sequence[DensityMap],
    path: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    masks: Masks = None,
    half_maps: HalfMapsOfEach = None,
    overwrite: bool = False,
) -> QualityReport | list[QualityReport]:
    """Compress one map or several into one archive.

    Parameters
    ----------
    maps : DensityMap or sequence of DensityMap
        One map, or several in one archive: the model `paper` fits one network to all of them, and
        `field` may store a map as the difference from an earlier one.
    path : str or path
        The `.cinr` file, written beside its place and then renamed.
    settings : Settings, optional
        What to keep, how well, and by which model. Where they say neither what to keep nor how
        well, masks and labels are stored exactly; volumes in which no solvent can be told from
        density, as tomograms, and two half-maps that follow each other, are kept as a whole.
    masks : DensityMap or ndarray, or sequence of them, optional
        A soft mask of the shape of its map (z, y, x), 1 inside and 0 outside, that is kept in
        place of the one round the structure. Of several maps one for each; None where there is
        none.
    half_maps : pair of DensityMap, or sequence of pairs, optional
        The independent half-maps of a map, on its grid. The error in each Fourier shell up to
        where they correlate to 0.143, inside what is kept, is then at most a tenth of the noise
        that they show; no other goal can be given. Of several maps one pair for each; None where
        there is none.
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    QualityReport or list of QualityReport
        What was lost; a list where a sequence of maps was given.

    Raises
    ------
    OutputError
        If the path cannot be an output: see the message.
    MapError, SettingsError
        For maps and settings that cannot be used.
    GoalMissed
        If the goal was not met; nothing is written then.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> report = cryoinr.compress(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> report.max_error, report.raw_bytes
    (0.0, 16384)
    """
    chosen = settings or Settings()
    steps = compress_steps(
        maps, path, chosen, masks=masks, half_maps=half_maps, overwrite=overwrite
    )
    reports = drain(steps)
    return reports[0] if isinstance(maps, DensityMap) else reports


def compress_steps(
    maps: DensityMap | Sequence[DensityMap],
    path: str | os.PathLike[str],
    settings: Settings,
    thresholds: Sequence[float | str] | None = None,
    *,
    masks: Masks = None,
    half_maps: HalfMapsOfEach = None,
    overwrite: bool = False,
    shows: bool = False,
    run: TaskRunner = in_turn_steps,
) -> Steps[list[QualityReport]]:
    """`compress` as a generator of progress; closing it cancels and leaves nothing behind.

    Parameters
    ----------
    maps, path, settings, masks, half_maps, overwrite
        As for `compress`.
    thresholds : sequence of float or str, optional
        One for each map, in place of that of the settings.
    shows : bool
        Whether records of a training have a plane of the map as it would be decoded then, about
        once a second; the model `inr` has them.
    run : callable, optional
        Does the tasks into which the coding of a large volume is divided, in place of one after
        the other. The bytes do not depend on it.

    Returns
    -------
    list of QualityReport
        What was lost, one for each map; `drain` returns it.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> steps = cryoinr.compress_steps(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> next(steps).phase
    'preparing'
    >>> cryoinr.drain(steps)[0].max_error
    0.0
    """
    clock = Clock()
    target_path = check_output(path, suffixes=(SUFFIX,), overwrite=overwrite)
    # Neither may it be a link to a file that is no archive.
    check_output(os.path.realpath(path), suffixes=(SUFFIX,), overwrite=overwrite)
    several = [maps] if isinstance(maps, DensityMap) else list(maps)
    _check_names(several)
    chosen = thresholds or [settings.threshold] * len(several)
    single = isinstance(maps, DensityMap)
    own_masks = _for_each("masks", [masks] if single else masks, several)
    own_halves = _for_each("half_maps", [half_maps] if single else half_maps, several)
    given = list(zip(own_masks, own_halves, strict=True))
    asked = [mask is not None or halves is not None for mask, halves in given]
    if streams(several, settings) and not any(asked):
        report = yield from stream_steps(several[0], chosen[0], target_path, settings, run, clock)
        return [report]
    check_memory(several)
    several = [density_map.in_memory() for density_map in several]
    kinds, settings = yield from recognise_steps(several, chosen, asked, settings, clock)
    raw = sum(density_map.raw_bytes for density_map in several)
    allowed = None if settings.target_ratio is None else int(raw / settings.target_ratio)

    def prepared_steps(by: Settings) -> Steps[tuple[list[Prepared], list[Target]]]:
        prepared, targets = [], []
        for density_map, threshold, kind, (mask, halves) in zip(
            several, chosen, kinds, given, strict=True
        ):
            item, target = yield from prepare_steps(
                density_map, threshold, by, clock, kind, _voxels(mask), halves
            )
            prepared.append(replace(item, request=replace(item.request, shows=shows)))
            targets.append(target)
            del target  # so that the list alone holds its mask
        return prepared, targets

    prepared, targets = yield from prepared_steps(settings)
    others = [] if "labels" in kinds else _worth_a_try(settings, targets)
    count = 1 + len(others)
    fits = _content_steps(prepared, targets, settings, allowed, clock)
    content = yield from part_of(fits, 0, count)
    for number, name in enumerate(others, 1):
        by = replace(settings, model=name)
        try:
            prepared, targets = yield from prepared_steps(by)
            prepared = [replace(p, request=replace(p.request, unasked=True)) for p in prepared]
            fits = _content_steps(prepared, targets, by, allowed, clock)
            content = content.or_smaller((yield from part_of(fits, number, count)))
        except GoalMissed:
            continue  # what there is meets it
    yield Progress("writing", 0, 1, clock.seconds, bytes_so_far=content.stream_bytes)
    with replacing(target_path) as temporary:
        hdf5_writing.write(temporary, content.header, content.shared, content.members)
        size = temporary.stat().st_size
    yield Progress("written", 1, 1, clock.seconds, bytes_so_far=size)
    return [report.with_size(size, raw) for report in content.reports]


def _worth_a_try(settings: Settings, targets: Sequence[Target]) -> list[str]:
    """Return the models that auto tries beside the usual one; none where it has to be fast."""
    if settings.model != models.AUTO or settings.effort == "fast":
        return []
    occupied = sum(target.occupied for target in targets)
    names = models.alternatives(settings.goal)
    return [name for name in names if models.get(name).quick(occupied, settings.device)]


@dataclass(frozen=True, eq=False)
class _Content:
    """What an archive will hold, with the reports of its members."""

    archive: ArchiveHeader
    shared: dict[str, bytes]
    members: list[tuple[str, dict[str, bytes]]]
    reports: list[QualityReport]

    @cached_property
    def header(self) -> bytes:
        """The header as bytes."""
        return pack_header(self.archive)

    def or_smaller(self, other: _Content) -> _Content:
        """Return the smaller one, with a note of what the other came to."""
        kept, left = (other, self) if other.size < self.size else (self, other)
        model = replace(kept.archive.model, other=left.archive.model.name, other_bytes=left.size)
        return replace(kept, archive=replace(kept.archive, model=model))

    @cached_property
    def size(self) -> int:
        """Bytes of the file."""
        return hdf5_writing.size_of(self.header, self.shared, self.members)

    @property
    def stream_bytes(self) -> int:
        parts = [self.shared, *(own for _, own in self.members)]
        return sum(len(data) for part in parts for data in part.values())


def _content_steps(
    prepared: Sequence[Prepared],
    targets: list[Target],
    settings: Settings,
    allowed: int | None,
    clock: Clock,
) -> Steps[_Content]:
    """Fit the maps, several times if the size is the goal.

    Without a size that is allowed, the list of targets is empty afterwards.
    """
    fixed = sum(len(data) for item in prepared for data in item.streams.values())
    if allowed is None:
        return (yield from _fit_steps(prepared, targets, settings, fixed, None, clock))
    overhead = fixed + min(USUAL_OVERHEAD * len(prepared), max(allowed - fixed, 0) // 2)
    best: _Content | None = None
    for _ in range(_SIZE_ROUNDS):
        limit = max(1, allowed - overhead)
        content = yield from _fit_steps(prepared, targets, settings, fixed, limit, clock)
        if best is None or _rank(content.size, allowed) > _rank(best.size, allowed):
            best = content
        if _SIZE_WINDOW * allowed <= content.size <= allowed:
            break
        previous, overhead = overhead, content.size - content.stream_bytes + fixed
        if "target_ratio" not in models.get(settings.model_name).aims:
            if content.size <= allowed:
                break
            # Its streams took more than was left to them, and will again.
            overhead = max(overhead, previous + content.size - allowed + allowed // 50)
        if overhead >= allowed or overhead == previous:
            break
    assert best is not None
    if best.size > allowed:
        raise GoalMissed(
            f"the archive has {best.size:,} bytes where {allowed:,} are left by the ratio asked"
            " for; nothing written"
        )
    return best


def _rank(size: int, allowed: int) -> tuple[bool, int]:
    """Rank what is allowed above what is not, then by the distance from what is allowed."""
    return size <= allowed, -abs(size - allowed)


def _fit_steps(
    prepared: Sequence[Prepared],
    targets: list[Target],
    settings: Settings,
    fixed: int,
    limit: int | None,
    clock: Clock,
) -> Steps[_Content]:
    """Fit the maps, again if what comes after the fit takes too much of their shells."""
    names = [item.map.name for item in prepared]
    common = prepared, targets, settings, fixed, limit, clock
    for _ in range(_SHELL_TRIES - 1):
        try:
            return (yield from _single_fit_steps(*common))
        except ShellsMissed as missed:
            number = names.index(missed.name)
            targets[number] = missed.tighter(targets[number])
    return (yield from _single_fit_steps(*common, last_try=True))


def _single_fit_steps(
    prepared: Sequence[Prepared],
    targets: list[Target],
    settings: Settings,
    fixed: int,
    limit: int | None,
    clock: Clock,
    *,
    last_try: bool = False,
) -> Steps[_Content]:
    """Fit the maps, and make the content of their archive."""
    from .. import __version__

    model = models.get(settings.model_name)
    request = prepared[0].request  # that of all: they have one model and goal
    alone = [item.header.lossless for item in prepared]
    shared = [target for target, bitwise in zip(targets, alone, strict=True) if not bitwise]
    fitted = yield from model.fit_steps(shared, request, fixed, limit)
    numbers = [number for number, bitwise in enumerate(alone) if not bitwise]
    own_configs = [_with_reference(config, numbers) for config in fitted.own_configs]
    pairs = iter(zip(fitted.own, own_configs, strict=True))
    fits: list[tuple[dict[str, bytes], Any]] = []
    for target, bitwise in zip(targets, alone, strict=True):
        if bitwise:
            exact = yield from models.get("lossless").fit_steps([target], request, fixed)
            fits.append((exact.own[0], None))
        else:
            fits.append(next(pairs))
    del shared
    if limit is None and all(target.shells is None for target in targets):
        targets.clear()  # their masks are large, and there is no second round
    trim_heap()
    config = None if fitted.config is None else records.to_dict(fitted.config, defaults=False)
    header = ModelHeader(settings.model_name, config)
    made = []
    earlier: list[Member] = []
    for item, (own, own_config) in zip(prepared, fits, strict=True):
        one = yield from member_steps(
            item, own, own_config, header, fitted.shared, settings, earlier, clock, last_try
        )
        made.append(one)
    headers, streams, reports = zip(*made, strict=True)
    changed = records.to_dict(settings, defaults=False)
    archive = ArchiveHeader(__version__, changed, header, headers)
    members = [(one.name, own) for one, own in zip(headers, streams, strict=True)]
    return _Content(archive, fitted.shared, members, list(reports))


def _with_reference(config: Any, numbers: Sequence[int]) -> Any:
    """Return the record of a map, its reference as a member's number in place of a target's."""
    reference = getattr(config, "reference", None)
    return config if reference is None else replace(config, reference=numbers[reference])


def _for_each(name: str, given: Any, maps: Sequence[DensityMap]) -> list[Any]:
    """Return what was given for each map; None for each where nothing was."""
    if given is None:
        return [None] * len(maps)
    if len(given) != len(maps):
        raise SettingsError(
            f"{name}: {len(given)} for {len(maps)} maps; give one for each, None where there is"
            " none"
        )
    return list(given)


def _voxels(mask: DensityMap | AnyArray | None) -> AnyArray | None:
    return mask.data if isinstance(mask, DensityMap) else mask


def _check_names(maps: Sequence[DensityMap]) -> None:
    if not maps:
        raise MapError("no map was given; give at least one")
    names = [density_map.name for density_map in maps]
    for name in names:
        if not 1 <= len(name) <= MAX_NAME:
            raise MapError(
                f"the name {name[:40]!r} has {len(name)} letters: must have 1 to {MAX_NAME}"
            )
        if names.count(name) > 1:
            raise MapError(f"two maps are called {name!r}; members need different names")
