"""Training of a map that does not fit into memory, part by part.

The map is divided into boxes. One after the other is trained with a margin about it; then the
latents of its own nodes stay, and those of the margin are forgotten. The next ones see what stays
as something that is added to their density. Steps, and the network of contexts, are those of the
first box, which is the one that holds most.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...progress import Steps
from ...support.array_types import AnyArray, BoolArray, Float32Array, Float64Array, Region
from ...support.regions import grown, intersection, region_shape, relative_to
from ..problem import Problem
from .encoder import Encoder
from .encoding import Coder, Encoding
from .lattice import UNIT
from .level_sums import level_sums
from .pyramid import Pyramid, Rest, unit_of
from .rate import ContextNetwork

_LATENT_BYTES, _VOXEL_BYTES = 900, 200  # that training takes, about
_REACHING = 3.0  # times the voxels that count: those that splines with latents reach, about
_SIDE = 128  # voxels of a box, about, where memory allows
_LEAST_SIDE = 16
_MARGIN = 8  # nodes of the finest lattice about a box
_AIM = 0.985  # of what is allowed
_ENOUGH = 0.96
_AGAIN = 3  # times that all boxes are settled once more

Costing = Callable[[Problem, Pyramid, Rest, ContextNetwork | None], Encoder]
"""Returns the encoder of a part of a map; the network is None for the first one."""


def boxes_of(problem: Problem, spacing: int, limit: int) -> list[Region]:
    """Return the boxes whose training takes so many bytes at most; one where all of it does."""
    box = problem.box
    voxels, latents = math.prod(region_shape(box)), (UNIT / spacing) ** 3 * 8 / 7
    # Splines that reach beyond what counts have latents too.
    share = min(_REACHING * problem.total_in(box) / voxels, 1.0)
    if voxels * (_VOXEL_BYTES + _LATENT_BYTES * latents * share) <= limit:
        return [box]
    each = _VOXEL_BYTES + _LATENT_BYTES * latents
    margin = 2 * _MARGIN * spacing // UNIT
    side = min(int((limit / each) ** (1 / 3)) - margin, _SIDE)
    side = max(side, _LEAST_SIDE)
    spans = []
    for part in box:
        count = -(-(part.stop - part.start) // side)
        ends = np.linspace(part.start, part.stop, count + 1).round().astype(int).tolist()
        spans.append([slice(a, b) for a, b in itertools.pairwise(ends)])
    return [(z, y, x) for z, y, x in itertools.product(*spans)]


@dataclass(eq=False)
class Canvas:
    """The latents of all nodes of a map, as far as they are known.

    Attributes
    ----------
    levels, known : of all nodes: latents, and whether they stay.
    steps : of the levels, in densities.
    """

    pyramid: Pyramid
    levels: list[AnyArray]
    known: list[BoolArray]
    steps: list[float] | None = None

    @classmethod
    def over(cls, pyramid: Pyramid) -> Canvas:
        """Return one of which nothing is known."""
        counts = [lattice.counts for lattice in pyramid.lattices]
        return cls(
            pyramid, [np.zeros(n, np.int32) for n in counts], [np.zeros(n, bool) for n in counts]
        )

    def copied_levels(self) -> list[AnyArray]:
        """Return the latents of all nodes as they are now."""
        return [level.copy() for level in self.levels]

    def window(self, arrays: Sequence[AnyArray], windows: Sequence[Region]) -> list[AnyArray]:
        """Return windows of arrays of all nodes, zeros beyond them."""
        out = []
        for lattice, array, window in zip(self.pyramid.lattices, arrays, windows, strict=True):
            z, y, x = (slice(lattice.first, lattice.first + n) for n in lattice.counts)
            common = intersection((z, y, x), window)
            own = np.zeros(region_shape(window), array.dtype)
            if all(region_shape(common)):
                own[relative_to(common, window)] = array[relative_to(common, (z, y, x))]
            out.append(own)
        return out

    def densities(self, box: Region) -> Float32Array:
        """Return what the latents that stay add up to."""

        def read(windows: Sequence[Region]) -> list[Float64Array]:
            latents, known = (self.window(a, windows) for a in (self.levels, self.known))
            return [
                np.where(k, v, 0).astype(np.float64) for v, k in zip(latents, known, strict=True)
            ]

        assert self.steps is not None
        sums = level_sums(self.pyramid.lattices, self.steps, box, read)
        return np.asarray(sum(sums[1:], sums[0]), np.float32)

    def own(self, box: Region, whole: Region) -> list[Region]:
        """Return the nodes of each level that lie in a box, as regions of all nodes.

        Boxes at the edge of the whole have all nodes beyond it.
        """
        out = []
        for lattice in self.pyramid.lattices:
            spans = []
            for part, all_, count in zip(box, whole, lattice.counts, strict=True):
                ends = [
                    -(-edge * UNIT // lattice.spacing) - lattice.first
                    for edge in (part.start, part.stop)
                ]
                low = 0 if part.start == all_.start else ends[0]
                high = count if part.stop == all_.stop else ends[1]
                spans.append(slice(min(max(low, 0), count), min(max(high, low, 0), count)))
            z, y, x = spans
            out.append((z, y, x))
        return out

    def put(self, found: Sequence[AnyArray], windows: Sequence[Region], own: list[Region]) -> None:
        """Let the latents of own nodes stay; those without any are zero."""
        for number, (lattice, window, region) in enumerate(
            zip(self.pyramid.lattices, windows, own, strict=True)
        ):
            z, y, x = (slice(s.start - lattice.first, s.stop - lattice.first) for s in window)
            common = intersection((z, y, x), region)
            self.levels[number][region] = 0
            if all(region_shape(common)):
                new = found[number][relative_to(common, (z, y, x))]
                self.levels[number][common] = new
            self.known[number][region] = True

    def release(self, own: Sequence[Region]) -> None:
        """Let the latents of own nodes change again."""
        for known, region in zip(self.known, own, strict=True):
            known[region] = False


def by_parts_steps(
    coder: Coder, boxes: Sequence[Region], encoder_for: Costing, steps: int
) -> Steps[Encoding]:
    """Train the boxes one after the other, and return the encoding of them all."""
    problem, canvas = coder.problem, Canvas.over(coder.pyramid)
    unit, lattice = unit_of(problem), coder.pyramid.lattices[0]
    margin = -(-_MARGIN * lattice.spacing // UNIT)
    weights = {n: problem.total_in(box) for n, box in enumerate(boxes)}
    order = sorted(weights, key=lambda n: -weights[n])
    network: ContextNetwork | None = None

    def encoder(box: Region) -> tuple[Encoder, Pyramid]:
        near = grown(box, margin, problem.shape)
        allowed = problem.allowed
        if allowed is not None:
            allowed *= problem.total_in(near) / max(sum(weights.values()), 1e-30)
        part = replace(problem, box=near, allowed=allowed)
        levels = len(coder.pyramid.lattices)
        pyramid = Pyramid.over(problem.shape, near, lattice.spacing, lattice.degree, levels)
        fixed = canvas.window(canvas.known, pyramid.windows)
        rest = Rest(unit, fixed, canvas.steps, canvas.densities)
        return encoder_for(part, pyramid, rest, network), pyramid

    for number in order:
        own = canvas.own(boxes[number], problem.box)
        if not weights[number]:
            canvas.put([np.zeros((0, 0, 0))] * len(own), [_NOWHERE] * len(own), own)
            continue
        one, pyramid = encoder(boxes[number])
        latents, _ = yield from one.trained_steps(steps)
        latents = yield from one.settled_steps(latents, _AIM)
        if network is None:
            network = one.costs.network.requires_grad_(False)
            canvas.steps = [float(f"{s * unit:.5g}") for s in one.costs.steps]
        canvas.put(one.costs.rounded(latents), pyramid.windows, own)
    assert network is not None and canvas.steps is not None
    best = found = coder.measured(canvas.copied_levels(), canvas.steps, network)
    allowed = _AIM
    for _ in range(_AGAIN):
        if problem.allowed is None or _ENOUGH <= found.loss <= 1:
            break
        allowed = min(allowed * _AIM / found.loss, 1.5)
        for number in order:
            if not weights[number]:
                continue
            own = canvas.own(boxes[number], problem.box)
            canvas.release(own)
            one, pyramid = encoder(boxes[number])
            before = canvas.window(canvas.levels, pyramid.windows)
            latents = one.costs.from_dense(before)
            latents = yield from one.settled_steps(latents, allowed)
            canvas.put(one.costs.rounded(latents), pyramid.windows, own)
        found = coder.measured(canvas.copied_levels(), canvas.steps, network)
        best = min(best, found, key=lambda one: one.rank)
    return coder.encode(best)


_NOWHERE: Region = (slice(0, 0), slice(0, 0), slice(0, 0))
