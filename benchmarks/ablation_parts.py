"""The parts of the model `field`, and how maps are encoded without each of them.

What stands in the place of a part is the best simple thing that would be taken if the part were not
there. Where no setting takes a part out, a function of the package is replaced for one encoding.

Parts that only code what a basis gives are taken out in the basis that the whole encoder chose, so
that a choice which turns out otherwise by chance is not counted as theirs; with the others, the
encoder chooses anew.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from ablation_editions import Editions
from ablation_subject import Archive, Subject

from napari_cryoinr.archive import container
from napari_cryoinr.archive.mrc_packing import unpack_mrc_header
from napari_cryoinr.bench.error_measures import REGIMES
from napari_cryoinr.coding.masks import decode_mask_by_context
from napari_cryoinr.models.field import encoder
from napari_cryoinr.models.field.blocks import Blocks
from napari_cryoinr.models.field.problem import Floats
from napari_cryoinr.models.field.solver import Solver
from napari_cryoinr.models.paper.gzip_mask import encode_mask

_DEAD_ZONE = 0.6  # in steps: about the best for a quantiser that does not know what bits cost


@dataclass(frozen=True)
class Part:
    """A part of the model.

    Attributes
    ----------
    key : in the JSON file.
    part, instead : what it is, what stands in its place.
    without : encodes without it.
    beside : the archive that has it.
    regimes : where it can be used at all.
    """

    key: str
    part: str
    instead: str
    without: Callable[[Subject], Archive]
    beside: Callable[[Subject], Archive] = lambda subject: subject.whole
    regimes: tuple[str, ...] = REGIMES[:2]


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

    def analysed(solver: Solver, with_zeros: bool) -> Any:
        out = solver.zero()
        for number, region in enumerate(solver._transform.slabs):
            values, weights = solver._problem.values(region), solver._problem.weights(region)
            if with_zeros and weights is not None:
                values *= weights > 0
            voxels = solver._on_device(values)
            out[solver._transform.planes[number]] += solver._transform.analyse(number, voxels)
        return out

    def of_zeros(solver: Solver, _: Any) -> Any:
        return analysed(solver, True)

    def of_the_map(solver: Solver, _: Any) -> Any:
        return analysed(solver, False)

    found = []
    for moved in (of_zeros, of_the_map):
        with patch.object(Solver, "solve", nothing), patch.object(Solver, "moved", moved):
            found.append(subject.encode())
    return min(found, key=lambda archive: archive.bytes)


def _gzipped_mask(subject: Subject) -> Archive:
    exact = subject.exact
    mask = decode_mask_by_context(exact.streams["mask"], subject.map.data.shape)
    return exact.with_stream("mask", encode_mask(mask))


def _plain_headers(subject: Subject) -> Archive:
    def deflated(data: Any, _: Any) -> bytes:
        return zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)

    whole = subject.whole
    mrc = unpack_mrc_header(whole.streams["mrc"])
    with patch.object(container, "pack", deflated):
        return whole.with_stream("mrc", zlib.compress(mrc, 9))


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
        regimes=REGIMES[:1],
    ),
    Part(
        "mask",
        "exact mask by context, in an archive with a mask",
        "gzip",
        _gzipped_mask,
        lambda subject: subject.exact,
        REGIMES[:1],
    ),
    Part("symmetry", "symmetry", "none", _with_settings(symmetry="none")),
    Part("headers", "packed headers (ours, MRC)", "deflated (JSON, MRC)", _plain_headers),
)
