"""Finding latents: a weighted least-squares fit with few unknowns, by iterated thresholds.

Only voxels with a weight have to be right, and there are far fewer of them than latents, so that
many sets of latents fit; the one that is sought is sparse. Each iteration moves the latents along
the gradient of the squared error and sets those below a bound to zero; the bound falls
geometrically until it is that of the quantiser (iterative hard thresholding with continuation:
Blumensath and Davies, J. Fourier Anal. Appl. 14, 2008; with the momentum of Beck and Teboulle,
SIAM J. Imaging Sci. 2, 2009). The basis is orthonormal and weights are at most 1, so the step of
the gradient is 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...support.array_types import AnyArray, BoolArray, Float32Array, Region
from ...support.devices import import_torch
from ...support.regions import intersection, region_shape, relative_to, whole_region
from ...support.threads import ordered_map
from ..problem import Problem
from .blocks import Blocks
from .field_settings import FieldSettings
from .lapped import Basis, touching
from .latent_stream import blocks_of
from .transform import Transform

if TYPE_CHECKING:
    from torch import Tensor

_BEGINNING = 0.2  # latents above the first bound, by the voxels that count
_LEAST, _AGAIN = 24.0, 8.0  # the least first bound, and where latents are improved, in last ones
_SAMPLE = 1 << 22  # latents whose magnitudes are compared, about
_FEW = 8  # iterations where every voxel counts and there are many
_LARGE = 1 << 22  # voxels; what blocks that reach beyond the map could save is little then
_PLAIN = FieldSettings()
_FREE = 1e-30  # weight of voxels that may be anything, where a limit would have a span below it
_FALLING = 0.7  # the share of the iterations in which the bound falls


class Solver:
    """The least-squares problem of one map in one basis.

    Only the blocks that reach a voxel with a weight have latents; everything is cut to them.
    Voxels are computed slab by slab.

    Parameters
    ----------
    problem : what is to be fitted.
    own : says how errors are weighted.

    Attributes
    ----------
    window : blocks of the map that have latents.
    grid : how many these are along z, y and x.
    kept : how many of the lowest frequencies along each axis have latents.
    exact : whether one iteration finds the latents of all voxels.
    """

    def __init__(
        self, problem: Problem, basis: Basis, device: str, own: FieldSettings = _PLAIN
    ) -> None:
        self._torch = import_torch()
        self._problem = problem
        self._device = device
        self.block = block = basis.block
        self.blocks = blocks_of(problem.shape, block)
        z, y, x = (
            slice(*touching(block, count, part.start, part.stop))
            for count, part in zip(self.blocks, problem.box, strict=True)
        )
        self.window: Region = (z, y, x)
        self.grid = region_shape(self.window)
        half = block // 2
        z, y, x = (
            slice(max(0, part.start * block - half), min(n, part.stop * block + half))
            for part, n in zip(self.window, problem.shape, strict=True)
        )
        self._basis, self._region = basis, (z, y, x)
        self.keep(block)
        # All voxels of whole blocks are right after one step of an orthonormal basis.
        everywhere = problem.counts is None and not own.weighted
        self.exact = everywhere and all(n % block == 0 for n in problem.shape)
        # Where there are few iterations, the map itself is looked at again in each of them.
        self._few = self.exact or (everywhere and math.prod(problem.shape) > _LARGE)
        slabs = [] if self._few else self._transform.slabs
        self._kept = [self._slab(part) for part in slabs]
        self._factors: Tensor | None = None
        if own.weighted:
            self._weigh_by_density(own.weight_exponent)
        if math.isfinite(problem.span):
            for values, weights in self._kept:
                free = values.isinf()
                values[free], weights[free] = 0.0, _FREE

    def keep(self, lowest: int) -> None:
        """Leave out all but some of the lowest frequencies; latents so far are no longer of use."""
        self.kept = lowest
        self._transform = Transform(
            self._basis, self.blocks, self.window, self._region, self._device, lowest
        )

    def narrow(self, bound: float) -> None:
        """Leave out the frequencies of which the map itself has no latent above a bound."""
        torch = self._torch
        largest = torch.zeros(self.kept, device=self._device)
        for _, gradient in self._gradients(None):
            sizes = gradient.abs_()
            for axis in range(3) if len(sizes) else ():
                others = [other for other in range(3) if other != axis]
                by_block = sizes.amax(others).view(-1, self.kept)
                largest = torch.maximum(largest, by_block.amax(0))
        above = (largest > bound).nonzero()
        self.keep(1 + int(above.max()) if len(above) else 1)

    def _slab(self, region: Region) -> tuple[Tensor, Any]:
        """Return (values, weights); values of voxels without weight are bounds from above."""
        values, weights = self._problem.values(region), self._problem.weights(region)
        if weights is None:
            if self._few:
                return self._on_device(values), None
            weights = np.ones(values.shape, bool)
        np.copyto(values, self._problem.limits(region), where=weights == 0)
        return self._on_device(values), self._on_device(weights)

    def _on_device(self, array: AnyArray) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _weigh_by_density(self, exponent: float) -> None:
        """Multiply weights by a power of the density, scaled so that none exceeds 1."""
        tiny = float(np.finfo(np.float32).tiny)
        sizes = [
            (values + self._problem.base).abs_().masked_fill_(weights == 0, 0.0)
            for values, weights in self._kept
        ]
        largest = max(tiny, *(float(size.max()) for size in sizes))
        self._kept = [
            (values, (size / largest).pow_(exponent).clamp_min_(tiny) * weights)
            for (values, weights), size in zip(self._kept, sizes, strict=True)
        ]

    def emphasise(self, latents: Tensor, percentile: float, factor: float) -> None:
        """Divide the weights of all errors but the largest that these latents leave."""
        torch = self._torch
        errors = [
            self._transform.synthesise(number, latents).sub_(values).abs_()
            for number, (values, _) in enumerate(self._kept)
        ]
        weights = [weight for _, weight in self._kept]
        counted = torch.cat([error[w > _FREE] for error, w in zip(errors, weights, strict=True)])
        rank = max(1, math.ceil(percentile / 100 * counted.numel()))
        limit = torch.kthvalue(counted, rank).values
        for error, weight in zip(errors, weights, strict=True):
            weight[error < limit] /= factor

    def set_factors(self, factors: Float32Array | None) -> None:
        """Set the quantisation step of each latent of a block as a multiple of the step, (B^3,)."""
        self._factors = None if factors is None else self._on_device(factors)

    def _in_steps(self, latents: Tensor, power: int = 1) -> Tensor:
        """Divide latents by their factors, or with power -1 multiply them; in place."""
        if self._factors is None:
            return latents
        side = self.kept
        by_block = latents.unflatten(2, (-1, side)).unflatten(1, (-1, side))
        by_block = by_block.unflatten(0, (-1, side))
        factors = self._factors.view(self.block, self.block, self.block)[:side, :side, :side]
        factors = factors[None, :, None, :, None, :]
        (by_block.div_ if power > 0 else by_block.mul_)(factors)
        return latents

    def only(self, latents: Tensor, chosen: BoolArray) -> Tensor:
        """Return a copy of latents in which all but some of each block are zero."""
        side, block = self.kept, self.block
        pattern = chosen.reshape(block, block, block)[:side, :side, :side]
        pattern = np.tile(pattern, (1, *self.grid[1:]))
        kept = self._on_device(pattern)
        by_block = latents.unflatten(0, (-1, side))
        return (by_block * kept).flatten(0, 1)

    def zero(self) -> Tensor:
        """Return latents that are all zero, as a volume."""
        return self._torch.zeros(self._transform.shape, device=self._device)

    def voxels(self, latents: Tensor) -> Iterator[tuple[Region, Float32Array]]:
        """Yield (region of the map, voxels) of latents, slab by slab."""
        for number, region in enumerate(self._transform.slabs):
            yield region, self._transform.synthesise(number, latents).cpu().numpy()

    def voxels_in(self, latents: Tensor, region: Region) -> Float32Array:
        """Return the voxels of latents in a region of the map; 0 where no latent reaches."""
        out = np.zeros(region_shape(region), np.float32)
        for number, slab in enumerate(self._transform.slabs):
            common = intersection(slab, region)
            if math.prod(region_shape(common)):
                voxels = self._transform.synthesise(number, latents).cpu().numpy()
                out[relative_to(common, region)] = voxels[relative_to(common, slab)]
        return out

    def _residual(self, latents: Tensor | None, number: int) -> Tensor:
        """Return the gradient of a slab, what its voxels lack; without latents they are 0."""
        torch = self._torch
        slab = self._slab(self._transform.slabs[number]) if self._few else self._kept[number]
        values, weights = slab
        if latents is None:
            wrong = values.clone()
        else:
            wrong = self._transform.synthesise(number, latents)
            torch.sub(values, wrong, out=wrong)
        if weights is None:
            return wrong
        # Where there is no weight, what exceeds the limit or lies further below it than the span.
        span = self._problem.span
        excess = wrong.clamp_max(0) if span == math.inf else wrong - wrong.clamp(0, span)
        if weights.dtype == torch.bool:
            return torch.where(weights, wrong, excess)
        return torch.where(weights > 0, wrong.mul_(weights), excess)

    def _gradients(self, latents: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
        """Yield (planes of the volume of latents, gradient there), in ascending order.

        None stands for latents that are all zero. Latents may change as soon as their planes were
        yielded.
        """
        carried = None
        planes = [*self._transform.planes, slice(self._transform.shape[0], 0)]

        def gradient_of(number: int) -> Tensor:
            return self._transform.analyse(number, self._residual(latents, number))

        # A later slab needs none of the planes that were yielded before.
        found = ordered_map(gradient_of, len(planes) - 1)
        for (own, following), gradient in zip(itertools.pairwise(planes), found, strict=True):
            if carried is not None:
                gradient[: len(carried)] += carried
            done = following.start - own.start
            yield slice(own.start, following.start), gradient[:done]
            carried = gradient[done:]

    def moved(self, latents: Tensor) -> Tensor:
        """Return latents after one step along the gradient; in place."""
        if self.exact:
            return latents
        for planes, gradient in self._gradients(latents):
            latents[planes] += gradient
        return latents

    def solve(
        self,
        bound: float,
        iterations: int,
        latents: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yield the latents of every iteration, always in the same volume.

        Parameters
        ----------
        bound : latents below it are zero in the end.
        latents : where to begin, overwritten: those for nearly the same bound.
        known : what latents differ little from, in place of zero.
        """
        torch = self._torch
        shrink = torch.nn.functional.hardshrink
        now, start = latents, latents if known is None else known
        if now is None:
            now = self.zero() if known is None else known.clone()
        if self.exact:
            for planes, gradient in self._gradients(None):
                now[planes] = gradient
            yield now
            return
        if self._few:
            iterations, first = min(iterations, _FEW), bound
        elif latents is None and self._factors is None:
            first = max(self._first_bound(start), _LEAST * bound)
        elif latents is None:
            first = _LEAST * bound
        else:
            first = _AGAIN * bound
        ahead, pace = now.clone(), 1.0
        for number in range(iterations):
            falling = bound * (first / bound) ** max(0.0, 1 - number / (_FALLING * iterations))
            faster = (1 + math.sqrt(1 + 4 * pace * pace)) / 2
            for planes, gradient in self._gradients(ahead if number or start is not None else None):
                new = gradient.add_(ahead[planes])
                if known is None:
                    new = self._in_steps(shrink(self._in_steps(new), falling), -1)
                else:
                    new = shrink(new.sub_(known[planes]), falling).add_(known[planes])
                torch.lerp(now[planes], new, 1 + (pace - 1) / faster, out=ahead[planes])
                now[planes] = new
            pace = faster
            yield now

    def _first_bound(self, start: Tensor | None) -> float:
        """Return where the bound begins to fall: fewer latents are above it than voxels count.

        A bound that begins lower lets in what the errors of larger latents look like, and most of
        these never leave again; one that begins far higher wastes iterations.
        """
        torch = self._torch
        # Odd, so that every frequency of a block is seen.
        step = math.prod(self._transform.shape) // _SAMPLE | 1
        sizes = torch.cat([part.flatten()[::step].abs() for _, part in self._gradients(start)])
        rank = min(int(_BEGINNING * self._problem.total / step), len(sizes) - 1)
        # Clearly above the latents of this rank: symmetric maps have several, all alike.
        return 1.01 * float(sizes.kthvalue(len(sizes) - rank).values)

    def to_blocks(self, latents: Tensor, step: float, least: float) -> Blocks:
        """Return latents in units of their steps, of the blocks that hold any above a magnitude."""
        scaled = self._in_steps(latents / step)
        found = Blocks.above(scaled.cpu().numpy(), self.kept, least)
        return found.with_frequencies(self.block)

    def to_volume(self, blocks: Blocks, step: float) -> Tensor:
        """Return blocks of integers in units of a step as a volume of latents."""
        volume: Any = blocks.volume(whole_region(self.grid), self.kept, np.float32)
        return self._in_steps(self._on_device(volume).mul_(step), -1)
