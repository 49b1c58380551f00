"""The parts of the model `field`, and how a map is encoded without each of them.

What stands in the place of a part is the best simple thing that would be taken if the part were not
there. Where no setting takes a part out, a function of the package is replaced for one encoding.

Parts that only code what a basis gives are taken out in the basis that the whole encoder chose, so
that a choice which turns out otherwise by chance is not counted as theirs; with the others, the
encoder chooses anew.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partialmethod
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from ablation_editions import Editions
from editions import use_edition

import napari_cryoinr as cryoinr
from napari_cryoinr.archive import hdf5_file, header_coding
from napari_cryoinr.archive.header import ArchiveHeader
from napari_cryoinr.bench import Case
from napari_cryoinr.bench.error_measures import ErrorMeasure
from napari_cryoinr.models.field import encoder
from napari_cryoinr.models.field.blocks import Blocks
from napari_cryoinr.models.field.problem import Floats
from napari_cryoinr.models.field.solver import Solver
from napari_cryoinr.models.mask_stream import unpack_mask
from napari_cryoinr.models.paper.gzip_mask import encode_mask
from napari_cryoinr.support.checksums import stream_checksum

REGIMES = ("contour", "whole")
_DEAD_ZONE = 0.6  # in steps: about the best for a quantiser that does not know what bits cost


@dataclass(frozen=True, eq=False)
class Archive:
    """What one encoding made: its bytes, and the error of what it decodes to."""

    bytes: int
    error: float
    header: ArchiveHeader
    streams: dict[str, bytes]

    def with_stream(self, name: str, data: bytes) -> Archive:
        """The same archive, but for one stream."""
        return _archive(self.error, self.header, {**self.streams, name: data})


def _archive(error: float, header: ArchiveHeader, streams: dict[str, bytes]) -> Archive:
    (member,) = header.members
    checksums = {name: stream_checksum(data) for name, data in streams.items()}
    header = replace(header, members=(replace(member, streams=checksums),))
    packed = header_coding.pack_header(header)
    size = hdf5_file.size_of(packed, {}, [(member.name, streams)])
    return Archive(size, error, header, streams)


class Subject:
    """One map, its goal, and the editions to encode it with.

    Parameters
    ----------
    density_map : DensityMap
    case : Case
        Has a goal.
    editions : Editions
    effort : str
    """

    def __init__(
        self, density_map: cryoinr.DensityMap, case: Case, editions: Editions, effort: str
    ) -> None:
        self.map = density_map
        self.editions = editions
        self._asked = case.asked
        self._settings = case.settings(cryoinr.Settings(effort=effort, device="cpu"))
        self._measure = ErrorMeasure(density_map.data, case.regime, case.threshold)

    def encode(self, edition: Path | None = None, **field: Any) -> Archive:
        """Encode and decode.

        Parameters
        ----------
        edition : Path, optional
            By default the whole one.
        **field
            Settings of the model.

        Raises
        ------
        GoalMissed
            If the goal is missed, also by what is decoded.
        """
        use_edition(edition or self.editions.whole)
        settings = replace(self._settings, field=cryoinr.FieldSettings(**field))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "map.cinr"
            cryoinr.compress(self.map, path, settings)
            with cryoinr.open_archive(path) as archive:
                header, (member,) = archive.header, archive.header.members
                error = self._measure.of(archive[0].read())
            file = hdf5_file.Hdf5File(path)
            streams = {name: file.read(member.name, name) for name in member.streams}
            file.close()
        if not self._measure.meets(error, self._asked):
            raise cryoinr.GoalMissed(f"{self.map.name}: {error:g}, {self._asked:g} was asked for")
        # The header's record of the settings is none of the parts: the same for all.
        return _archive(error, replace(header, settings=self._settings.changes()), streams)

    @cached_property
    def whole(self) -> Archive:
        """With all parts."""
        return self.encode()

    @property
    def basis(self) -> dict[str, Any]:
        """The settings that stand for the basis that was chosen with all parts."""
        config = self.whole.header.members[0].config
        return {name: config[name] for name in ("block", "shape")}

    @cached_property
    def exact(self) -> Archive:
        """With a mask."""
        return self.encode(occupancy="exact")


@dataclass(frozen=True)
class Part:
    """A part of the model."""

    key: str  # its name in the JSON file
    # part, instead: what it is, and what stands in its place
    part: str
    instead: str
    without: Callable[[Subject], Archive]  # encodes without it
    beside: Callable[[Subject], Archive] = lambda subject: subject.whole  # the archive that has it
    regimes: tuple[str, ...] = REGIMES  # where it can be used at all


def _with_settings(**field: Any) -> Callable[[Subject], Archive]:
    return lambda subject: subject.encode(**field)


def _with_edition(choose: Callable[[Editions], Path]) -> Callable[[Subject], Archive]:
    return lambda subject: subject.encode(choose(subject.editions))


def _with_network(choose: Callable[[Editions], Path]) -> Callable[[Subject], Archive]:
    return lambda subject: subject.encode(choose(subject.editions), **subject.basis)


def _rounded(how: Callable[[Floats], Floats]) -> Callable[[Subject], Archive]:
    def round_latents(scaled: Blocks, *_: Any) -> Blocks:
        return Blocks(scaled.grid, scaled.numbers, how(scaled.latents).astype(np.int32))

    def encode(subject: Subject) -> Archive:
        with patch.object(encoder, "round_latents", round_latents):
            return subject.encode(**subject.basis)

    return encode


def _dead_zone(scaled: Floats) -> Floats:
    return np.where(np.abs(scaled) > _DEAD_ZONE, np.rint(scaled), 0)


def _with_effort(**less: Any) -> Callable[[Subject], Archive]:
    def encode(subject: Subject) -> Archive:
        efforts = {name: replace(one, **less) for name, one in encoder.EFFORTS.items()}
        with patch.object(encoder, "EFFORTS", efforts):
            return subject.encode()

    return encode


def _projected(subject: Subject) -> Archive:
    """Projected on the basis: with zeros in place of what is free, or as the map is there."""

    def nothing(solver: Solver, *_: Any) -> Iterator[Any]:
        yield solver.zero()

    def analysed(solver: Solver, with_zeros: bool, _: Any) -> Any:
        out = solver.zero()
        for number, region in enumerate(solver._transform.slabs):
            values, weights = solver._problem.values(region), solver._problem.weights(region)
            if with_zeros and weights is not None:
                values *= weights > 0
            voxels = solver._on_device(values)
            out[solver._transform.planes[number]] += solver._transform.analyse(number, voxels)
        return out

    archives = []
    for with_zeros in (True, False):
        moved = partialmethod(analysed, with_zeros)
        with patch.object(Solver, "solve", nothing), patch.object(Solver, "moved", moved):
            archives.append(subject.encode())
    return min(archives, key=lambda archive: archive.bytes)


def _gzipped_mask(subject: Subject) -> Archive:
    exact = subject.exact
    mask = unpack_mask(exact.streams["mask"], subject.map.data.shape)
    return exact.with_stream("mask", encode_mask(mask))


def _plain_headers(subject: Subject) -> Archive:
    def deflated(data: bytes, _: int) -> bytes:
        return zlib.compress(data, 9)

    with patch.object(header_coding, "_deflated", deflated):
        return subject.whole.with_stream("mrc", zlib.compress(subject.map.mrc.raw, 9))


PARTS = (
    Part(
        "basis-classical",
        "learned basis",
        "classical lapped transform",
        _with_settings(shape="smooth"),
    ),
    Part(
        "basis-cosines", "basis that overlaps", "DCT of each block", _with_edition(Editions.cosines)
    ),
    *(
        Part(
            f"block-{block}",
            "choice of the block",
            f"always {block} voxels",
            _with_settings(block=block),
        )
        for block in (6, 8, 10, 12)
    ),
    Part(
        "context-magnitudes",
        "contexts from magnitudes of other latents",
        "contexts from frequency, means of the map, extent of the blocks",
        _with_network(Editions.by_extent),
    ),
    Part(
        "context-all",
        "all contexts",
        "one distribution for each frequency and mean of the map there",
        _with_network(Editions.by_frequency),
    ),
    Part(
        "pretrained",
        "learned from maps",
        "learned from six synthetic maps",
        _with_edition(Editions.synthetic),
    ),
    Part(
        "rates-dead-zone",
        "rounding by cost",
        f"dead zone of {_DEAD_ZONE} steps",
        _rounded(_dead_zone),
    ),
    Part("rates-nearest", "rounding by cost", "nearest integer", _rounded(np.rint)),
    Part(
        "solver",
        "sparse fit of what is free",
        "projection of the map or of the map set to zero there, the smaller",
        _projected,
    ),
    Part("solves", "runs of the solver", "a single one", _with_effort(solves=1)),
    Part(
        "finalists",
        "bases that are brought to the goal",
        "the best of the trials alone",
        _with_effort(finalists=1),
    ),
    Part(
        "soft",
        "no mask, densities stay below the contour",
        "exact mask, by context",
        lambda subject: subject.exact,
        regimes=("contour",),
    ),
    Part(
        "mask",
        "exact mask by context, in an archive with a mask",
        "gzip",
        _gzipped_mask,
        lambda subject: subject.exact,
        ("contour",),
    ),
    Part("symmetry", "symmetry", "none", _with_settings(symmetry="none")),
    Part("headers", "packed headers (ours, MRC)", "deflated (JSON, MRC)", _plain_headers),
)
