"""Integer latents of a map as a stream, and what is lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...coding.varints import to_varint
from ...maps.voxel_types import snap
from ...progress import Clock, drain
from ...support.array_types import AnyArray, Float32Array, Float64Array, Int64Array
from ...support.regions import pieces, whole_region
from ..problem import Problem
from ..shell_measure import ShellMeasure
from .context_model import ContextModel
from .inr_settings import InrConfig
from .latent_stream import WholeLatents, pack_latents
from .parameters import changed, pack_numbers, synthesis_network
from .pretrained import EDITIONS, pretrained
from .pyramid import Pyramid
from .rate import CHANGE_BITS, ContextNetwork
from .reference import Reference
from .representation import InrRepresentation

_DEPTH = 96  # voxels along z that are decoded at a time


@dataclass(frozen=True, eq=False)
class Measured:
    """Latents of all nodes, what else there is to store, and what is lost by it.

    Attributes
    ----------
    steps : of the levels, in densities.
    changes : of the context network, in 2^-CHANGE_BITS.
    correction : the numbers of the network that corrects the sums of the levels, if there is one.
    unit : in which that network sees them.
    losses : of the shells, or the squared error, as shares of what is allowed.
    """

    levels: Sequence[AnyArray]
    steps: Sequence[float]
    changes: Sequence[Int64Array]
    correction: Sequence[Int64Array]
    unit: float
    losses: Float64Array

    @property
    def loss(self) -> float:
        """The largest loss."""
        return float(self.losses.max())

    @property
    def meets(self) -> bool:
        """Whether the goal is met."""
        return self.loss <= 1

    @property
    def rank(self) -> tuple[bool, float]:
        """Rank what meets the goal first, the more is lost the better; else what loses least."""
        return not self.meets, -self.loss if self.meets else self.loss


@dataclass(frozen=True, eq=False)
class Encoding(Measured):
    """The same as a stream."""

    config: InrConfig
    stream: bytes


@dataclass(frozen=True, eq=False)
class Coder:
    """Codes the latents of one problem on one pyramid.

    `reference` is an earlier member that tells about this one.
    """

    problem: Problem
    measure: ShellMeasure | None
    pyramid: Pyramid
    reference: Reference | None

    @property
    def known(self) -> ContextModel:
        """The context model that is there before."""
        return pretrained() if self.reference is None else self.reference.representation.contexts

    def measured(
        self,
        levels: Sequence[AnyArray],
        steps: Sequence[float],
        network: ContextNetwork,
        correction: Sequence[Int64Array] = (),
        unit: float = 0.0,
    ) -> Measured:
        """Decode latents and measure what is lost; see `Measured`."""
        losses = self._losses(levels, steps, correction, unit)
        return Measured(levels, steps, network.changes(), correction, unit, losses)

    def plane(
        self,
        z: int,
        levels: Sequence[AnyArray],
        steps: Sequence[float],
        correction: Sequence[Int64Array],
        unit: float,
    ) -> Float32Array:
        """Return one plane of what latents are decoded to, shape (y, x)."""
        made = self._representation(levels, steps, correction, unit)
        _, y, x = whole_region(self.problem.shape)
        return drain(made.region_steps((slice(z, z + 1), y, x), None, Clock()))[0]

    def encode(self, found: Measured) -> Encoding:
        """Return latents as a stream."""
        known, own = self.known, list(found.correction)
        # What was learned of this map is stored where it pays.
        stream, contexts = self._packed(found.levels, known, own), 0
        model = changed(known, found.changes, CHANGE_BITS)
        packed = self._packed(found.levels, model, [*own, *found.changes])
        if len(packed) < len(stream):
            stream, contexts = packed, CHANGE_BITS
        config = replace(self._config(found.steps, own, found.unit), contexts=contexts)
        return Encoding(**vars(found), config=config, stream=stream)

    def _config(
        self, steps: Sequence[float], correction: Sequence[Int64Array], unit: float
    ) -> InrConfig:
        """Return what the header says, but for changes of the context network."""
        lattice, reference = self.pyramid.lattices[0], self.reference
        return InrConfig(
            EDITIONS[-1],
            lattice.spacing,
            lattice.degree,
            tuple(float(f"{step:.5g}") for step in steps),
            self.problem.base,
            synthesis=unit if correction else 0.0,
            reference=None if reference is None else reference.number,
            gains=() if reference is None else reference.gains,
            **_of_symmetry(self.problem),
        )

    def _packed(
        self, levels: Sequence[AnyArray], model: ContextModel, groups: Sequence[Int64Array]
    ) -> bytes:
        """Return the stream of latents, behind groups of the numbers of networks."""
        lattice, tiles = self.pyramid.lattices[0], self.pyramid.map_tiles
        stream = pack_latents(levels, tiles, lattice.first, model, lattice.degree)
        if not groups:
            return stream
        packed = pack_numbers(groups, model.tables)
        return to_varint(len(packed)) + packed + stream

    def _losses(
        self,
        levels: Sequence[AnyArray],
        steps: Sequence[float],
        correction: Sequence[Int64Array],
        unit: float,
    ) -> Float64Array:
        problem = self.problem
        made = self._representation(levels, steps, correction, unit)
        _, y, x = whole_region(problem.shape)
        if self.measure is not None:
            self.measure.measure_slabs(
                (z, snap(drain(made.region_steps((z, y, x), None, Clock())), problem.mode))
                for z in pieces(problem.shape[0], _DEPTH)
            )
            return self.measure.losses
        if problem.folded is not None:  # all copies count
            problem = problem.folded.whole
        voxels = drain(made.region_steps(problem.box, None, Clock()))
        error = problem.squared_error(voxels - np.float32(problem.base), problem.box)
        return np.array([error / max(problem.allowed or 0.0, 1e-300)])

    def _representation(
        self,
        levels: Sequence[AnyArray],
        steps: Sequence[float],
        correction: Sequence[Int64Array],
        unit: float,
    ) -> InrRepresentation:
        known, network = None, None
        config = self._config(steps, correction, unit)
        if self.reference is not None:
            known = self.reference.representation
            config = replace(config, gains=self.reference.scaled_gains)
        if correction:
            network = synthesis_network(correction, len(levels))
        latents = WholeLatents(levels, self.pyramid.lattices[0].first)
        return InrRepresentation(config, self.problem.shape, latents, self.known, network, known)


def _of_symmetry(problem: Problem) -> dict[str, Any]:
    """Return what the header says of the symmetry of a problem."""
    if problem.folded is None:
        return {}
    one = problem.folded.symmetry
    centre, helix = one.to_floats()
    return {"symmetry": one.group, "centre": centre, "frame": one.frame, "helix": helix}
