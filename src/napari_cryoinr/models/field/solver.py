"""Finding latents: a weighted least-squares fit whose unknowns are few, by iterated thresholds.

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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...support.devices import import_torch
from ...support.threads import ordered_map
from .blocks import Blocks, Window, rows_of, size_of
from .lapped import Basis, to_blocks, touching
from .latent_stream import blocks_of
from .problem import Problem, Region
from .transform import Transform

if TYPE_CHECKING:
    from torch import Tensor

_BEGINNING = 0.2  # latents above the first bound, by the voxels that count
_LEAST, _AGAIN = 24.0, 8.0  # the least first bound, and where latents are improved, in last ones
_MANTISSA = 19  # of the 23 bits that are cut off when magnitudes are counted: bins of 4 to 6 %
_FEW = 8  # iterations where every voxel counts
_FALLING = 0.7  # the share of the iterations in which the bound falls


@dataclass(frozen=True)
class Emphasis:
    """The weighted loss of the paper (arXiv 2512.12975), scaled so that no weight exceeds 1.

    Attributes
    ----------
    exponent : of the density in the weight of an error.
    percentile, factor : errors at or above this percentile count so much more.
    """

    exponent: float
    percentile: float
    factor: float


@dataclass
class _Wanted:
    """What is wanted of a slab of voxels: tensors of its shape.

    Attributes
    ----------
    values : of the voxels that count, and bounds from above of the others.
    counts : which voxels count; None where all do.
    weights : of the errors of those that count; None where they are 1.
    """

    values: Tensor
    counts: Tensor | None = None
    weights: Tensor | None = None


class Solver:
    """The least-squares problem of one map in one basis.

    Only the blocks that reach a voxel with a weight have latents; everything is cut to them.
    Voxels are computed slab by slab.

    Parameters
    ----------
    problem : what is wanted.
    emphasis : the loss; by default the plain squared error.
    """

    def __init__(
        self, problem: Problem, basis: Basis, device: str, emphasis: Emphasis | None = None
    ) -> None:
        self._torch = import_torch()
        self._problem = problem
        self._device = device
        self.block = block = basis.block
        shape = problem.shape
        self.blocks = blocks_of(shape, block)
        reached = [
            touching(block, count, part.start, part.stop)
            for count, part in zip(self.blocks, problem.box, strict=True)
        ]
        self.window: Window = (reached[0], reached[1], reached[2])
        self.grid = size_of(self.window)
        half = block // 2
        z, y, x = (
            slice(max(0, start * block - half), min(n, stop * block + half))
            for (start, stop), n in zip(self.window, shape, strict=True)
        )
        self._transform = Transform(basis, self.blocks, self.window, (z, y, x), device)
        self._given: list[Tensor] = []
        self._first: float | None = None
        self._emphasis = emphasis
        # Where there are few iterations, the map itself is looked at again in each of them.
        self._few = problem.counts is None and emphasis is None
        self._kept = [] if self._few else [self._slab(part) for part in self._transform.slabs]
        if emphasis is not None:
            self._weigh_by_density(emphasis.exponent)
        self.exact = self._few and all(
            n == count * block for n, count in zip(shape, self.blocks, strict=True)
        )

    def _slab(self, region: Region) -> _Wanted:
        """What the problem wants of a slab."""
        values, weights = self._problem.values(region), self._problem.weights(region)
        if weights is None:
            return _Wanted(self._on_device(values))
        counts = weights > 0
        np.copyto(values, self._problem.limits(region), where=~counts)
        wanted = _Wanted(self._on_device(values), self._on_device(counts))
        if weights.dtype != bool:
            wanted.weights = self._on_device(weights)
        return wanted

    def _on_device(self, array: npt.NDArray[Any]) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _weigh_by_density(self, exponent: float) -> None:
        torch = self._torch
        largest = float(np.finfo(np.float32).tiny)
        for slab in self._kept:
            slab_sizes = (slab.values + self._problem.base).abs_()
            if slab.counts is not None:
                slab_sizes = torch.where(slab.counts, slab_sizes, 0.0)
            largest = max(largest, float(slab_sizes.max()))
        for slab in self._kept:
            weights = ((slab.values + self._problem.base).abs_() / largest) ** exponent
            if slab.counts is not None:
                weights = torch.where(slab.counts, weights, 0.0)
            slab.weights = weights if slab.weights is None else weights * slab.weights

    def emphasise(self, latents: Tensor) -> None:
        """Give the largest errors that these latents leave their extra weight."""
        if self._emphasis is None or self._emphasis.factor == 1:
            return
        torch = self._torch
        counted = torch.cat(
            [self._error(latents, n)[self._weights(n) > 0] for n in range(len(self._kept))]
        )
        if counted.numel():
            rank = max(1, math.ceil(self._emphasis.percentile / 100 * counted.numel()))
            limit = torch.kthvalue(counted, rank).values
            for number, slab in enumerate(self._kept):
                large = self._error(latents, number) >= limit
                slab.weights = self._weights(number) * torch.where(
                    large, 1.0, 1 / self._emphasis.factor
                )
        self._first = None

    def _error(self, latents: Tensor, number: int) -> Tensor:
        voxels = self._transform.synthesise(number, [latents, *self._given])
        return voxels.sub_(self._kept[number].values).abs_()

    def _weights(self, number: int) -> Tensor:
        weights = self._kept[number].weights
        assert weights is not None
        return weights

    def begin_at(self, latents: Tensor) -> None:
        """From now on latents are what is added to these."""
        self._given = [latents]
        self._first = None

    def _first_bound(self) -> float:
        """Where the bound begins to fall: fewer latents are above it than there are voxels to fit.

        A bound that begins lower lets in what the errors of larger latents look like, and most of
        these never leave again; one that begins far higher wastes iterations.
        """
        if self._first is None:
            torch = self._torch
            counts = torch.zeros(1 << (32 - _MANTISSA), dtype=torch.int64, device=self._device)
            for _, gradient in self._gradients(self.zero()):
                # Floats without their sign are in the order of their bits.
                bins = gradient.abs_().view(torch.int32).reshape(-1) >> _MANTISSA
                counts += torch.bincount(bins, minlength=len(counts))
            above = counts.flip(0).cumsum(0).flip(0)
            chosen = int((above > _BEGINNING * self._problem.total).sum())
            edge = np.array([max(chosen, 1) << _MANTISSA], np.int32)
            self._first = float(edge.view(np.float32)[0])
        return self._first

    def zero(self) -> Tensor:
        """Latents that are all zero, as a volume."""
        return self._torch.zeros(self._transform.shape, device=self._device)

    def voxels(self, latents: Tensor) -> Iterator[tuple[Region, npt.NDArray[np.float32]]]:
        """(region of the map, voxels) of latents, slab by slab."""
        for number, region in enumerate(self._transform.slabs):
            yield region, self._transform.synthesise(number, [latents]).cpu().numpy()

    def _residual(self, latents: list[Tensor], number: int) -> Tensor:
        """The gradient of a slab: what is missing of its voxels."""
        torch = self._torch
        slab = self._slab(self._transform.slabs[number]) if self._few else self._kept[number]
        latents = latents + self._given
        if not latents:
            return slab.values
        voxels = self._transform.synthesise(number, latents)
        wrong = torch.sub(slab.values, voxels, out=voxels)
        if slab.counts is None:
            return wrong if slab.weights is None else wrong.mul_(slab.weights)
        excess = wrong.clamp_max(0)
        if slab.weights is not None:
            wrong *= slab.weights
        return torch.where(slab.counts, wrong, excess)

    def _gradients(self, latents: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
        """(planes of the volume of latents, gradient there), in ascending order.

        Latents may change as soon as their planes were yielded. None stands for zero.
        """
        known = [] if latents is None else [latents]
        carried = None
        planes = [*self._transform.planes, slice(self._transform.shape[0], 0)]

        def gradient_of(number: int) -> Tensor:
            return self._transform.analyse(number, self._residual(known, number))

        # A later slab needs none of the planes that were yielded before.
        found = ordered_map(gradient_of, len(planes) - 1)
        for (own, following), gradient in zip(itertools.pairwise(planes), found, strict=True):
            if carried is not None:
                gradient[: len(carried)] += carried
            done = following.start - own.start
            yield slice(own.start, following.start), gradient[:done]
            carried = gradient[done:]

    def moved(self, latents: Tensor) -> Tensor:
        """Latents after one step along the gradient; in place."""
        for planes, gradient in self._gradients(latents):
            latents[planes] += gradient
        return latents

    def solve(
        self, bound: float, iterations: int, latents: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the latents of every iteration, always in the same volume.

        Parameters
        ----------
        bound : latents below it are zero in the end.
        latents : where to begin, overwritten: those for nearly the same bound; zero by default.
        """
        torch = self._torch
        shrink = torch.nn.functional.hardshrink
        now = self.zero() if latents is None else latents
        if self.exact:
            for planes, gradient in self._gradients(None):
                now[planes] = shrink(gradient, bound)
            yield now
            return
        if self._few:  # only what lies beyond the volume is free
            iterations, first = min(iterations, _FEW), bound
        elif latents is None:
            first = max(self._first_bound(), _LEAST * bound)
        else:
            first = _AGAIN * bound
        ahead, pace = now.clone(), 1.0
        for number in range(iterations):
            falling = bound * (first / bound) ** max(0.0, 1 - number / (_FALLING * iterations))
            faster = (1 + math.sqrt(1 + 4 * pace * pace)) / 2
            for planes, gradient in self._gradients(ahead):
                new = shrink(gradient.add_(ahead[planes]), falling)
                torch.lerp(now[planes], new, 1 + (pace - 1) / faster, out=ahead[planes])
                now[planes] = new
            pace = faster
            yield now

    def to_blocks(self, latents: Tensor, least: float) -> Blocks:
        """Latents of the blocks that hold any above a magnitude."""
        volume = latents.cpu().numpy()
        rows = [volume[z : z + self.block] for z in range(0, len(volume), self.block)]
        count = self.block**3
        held = [np.abs(to_blocks(row, self.block)).max(axis=3).reshape(-1) > least for row in rows]
        numbers = np.flatnonzero(np.concatenate(held))
        out = np.empty((len(numbers), count), np.float32)
        filled = 0
        for row, chosen in zip(rows, held, strict=True):
            found = to_blocks(row, self.block).reshape(-1, count)[chosen]
            out[filled : filled + len(found)] = found
            filled += len(found)
        return Blocks(self.grid, numbers, out)

    def to_volume(self, blocks: Blocks, step: float) -> Tensor:
        """Blocks of integers in units of a step as a volume of latents."""
        gz, gy, gx = self.grid
        side = self.block
        out = np.zeros((gz, side, gy, side, gx, side), np.float32)
        z, y, x = blocks.places
        for part in rows_of(blocks.latents):
            latents = blocks.latents[part] * np.float32(step)
            out[z[part], :, y[part], :, x[part], :] = latents.reshape(-1, side, side, side)
        return self._on_device(out.reshape(self._transform.shape))
