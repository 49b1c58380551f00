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

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...devices import import_torch
from .blocks import Window
from .lapped import MATRIX_BITS, Basis, axis_matrix, to_blocks, to_volume, touching
from .problem import Problem
from .stream import blocks_of

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK = 64  # voxels of an axis at a time: the matrix is a band
START = 32.0  # the first bound, in units of the last
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


class Solver:
    """The least-squares problem of one map in one basis.

    Only the blocks that reach a voxel with a weight have latents; everything is cut to them.

    Parameters
    ----------
    problem : what is wanted.
    emphasis : the loss; by default the plain squared error.
    """

    def __init__(
        self, problem: Problem, basis: Basis, device: str, emphasis: Emphasis | None = None
    ) -> None:
        torch = import_torch()
        self._torch = torch
        self.block = block = basis.block
        shape = problem.shape
        self.blocks = blocks_of(shape, block)
        reached = [
            touching(block, count, part.start, part.stop)
            for count, part in zip(self.blocks, problem.box, strict=True)
        ]
        self.window: Window = (reached[0], reached[1], reached[2])
        z_blocks, y_blocks, x_blocks = (stop - start for start, stop in self.window)
        self.grid = (z_blocks, y_blocks, x_blocks)
        half = block // 2
        z, y, x = (
            slice(max(0, start * block - half), min(n, stop * block + half))
            for (start, stop), n in zip(self.window, shape, strict=True)
        )
        self.region = (z, y, x)

        def on_device(array: npt.NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(problem.cut(array, self.region))).to(
                device
            )

        self._wanted = on_device(problem.values)
        self._values = self._wanted
        self._given: Tensor | None = None
        self._weights = None if problem.weights is None else on_device(problem.weights)
        self._capped = None if problem.capped is None else on_device(problem.capped)
        self._ceiling = problem.ceiling
        self._emphasis = emphasis
        if emphasis is not None:
            self._weights = self._by_density(emphasis.exponent, problem.base)
        self._axes = [
            _Axis(basis, count, reach, part, device)
            for count, reach, part in zip(self.blocks, self.window, self.region, strict=True)
        ]
        self.exact = self._weights is None and all(
            n == count * block for n, count in zip(shape, self.blocks, strict=True)
        )

    def _by_density(self, exponent: float, base: float) -> Tensor:
        weights = (self._values + base).abs()
        if self._weights is not None:
            weights *= self._weights > 0
        weights = (weights / weights.max().clamp_min(1e-30)) ** exponent
        return weights if self._weights is None else weights * self._weights

    def emphasise(self, latents: Tensor) -> None:
        """Give the largest errors that these latents leave their extra weight."""
        if self._emphasis is None or self._emphasis.factor == 1 or self._weights is None:
            return
        torch = self._torch
        error = (self._values - self.synthesise(latents)).abs_()
        counted = error[self._weights > 0]
        if counted.numel():
            rank = max(1, math.ceil(self._emphasis.percentile / 100 * counted.numel()))
            limit = torch.kthvalue(counted, rank).values
            share = torch.where(error >= limit, 1.0, 1 / self._emphasis.factor)
            self._weights = self._weights * share  # those of the problem stay as they are

    def begin_at(self, latents: Tensor) -> None:
        """From now on latents are what is added to these."""
        self._given = self.synthesise(latents)
        self._values = self._wanted - self._given

    def zero(self) -> Tensor:
        """Latents that are all zero, as a volume."""
        shape = [count * self.block for count in self.grid]
        return self._torch.zeros(shape, device=self._values.device)

    def synthesise(self, latents: Tensor) -> Tensor:
        """Voxels of latents."""
        for number in (2, 1, 0):
            latents = self._axes[number].apply(latents, number)
        return latents

    def _analyse(self, voxels: Tensor) -> Tensor:
        for number in (0, 1, 2):
            voxels = self._axes[number].apply(voxels, number, transposed=True)
        return voxels

    def _residual(self, latents: Tensor) -> Tensor:
        voxels = self.synthesise(latents)
        above = None
        if self._capped is not None:
            above = voxels - self._ceiling
            if self._given is not None:
                above += self._given
            above.clamp_min_(0).mul_(self._capped)
        wrong = voxels.neg_().add_(self._values)  # in place: volumes are large
        if self._weights is not None:
            wrong *= self._weights
        return wrong if above is None else wrong.sub_(above)

    def moved(self, latents: Tensor) -> Tensor:
        """Latents after one step along the gradient."""
        return self._analyse(self._residual(latents)).add_(latents)

    def solve(
        self, bound: float, iterations: int, start: float = START, latents: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the latents of every iteration; the last ones are the outcome.

        Parameters
        ----------
        bound : latents below it are zero in the end.
        start : the first bound, in units of the last.
        latents : where to begin; zero by default.
        """
        torch = self._torch
        if self.exact:
            yield _cut(self._analyse(self._values), bound)
            return
        if self._weights is None:  # only what lies beyond the volume is free
            iterations, start = min(iterations, _FEW), 1.0
        now = self.zero() if latents is None else latents
        ahead, pace = now, 1.0
        for number in range(iterations):
            share = max(0.0, 1 - number / (_FALLING * iterations))
            new = _cut(self.moved(ahead), bound * start**share)
            faster = (1 + math.sqrt(1 + 4 * pace * pace)) / 2
            ahead = torch.lerp(now, new, 1 + (pace - 1) / faster)
            now, pace = new, faster
            yield now

    def to_array(self, latents: Tensor) -> npt.NDArray[np.float32]:
        """Latents by block, shape (blocks, B^3)."""
        blocks = to_blocks(latents.cpu().numpy(), self.block)
        return blocks.reshape(-1, self.block**3)

    def to_tensor(self, latents: npt.NDArray[np.float32]) -> Tensor:
        """The inverse of `to_array`."""
        volume = to_volume(latents.reshape(*self.grid, -1), self.block)
        return self._torch.from_numpy(np.ascontiguousarray(volume)).to(self._values.device)


def _cut(latents: Tensor, bound: float) -> Tensor:
    return latents.masked_fill_(latents.abs() <= bound, 0)


class _Axis:
    """The matrix of one axis, in bands."""

    def __init__(
        self, basis: Basis, count: int, reach: tuple[int, int], part: slice, device: str
    ) -> None:
        torch = import_torch()
        block = basis.block
        self._torch = torch
        self._size = (reach[1] - reach[0]) * block
        self._voxels = part.stop - part.start
        self._bands = []
        for start in range(part.start, part.stop, _CHUNK):
            stop = min(start + _CHUNK, part.stop)
            first, last, matrix = axis_matrix(basis, count, start, stop)
            kept = slice(max(first, reach[0]), min(last, reach[1]))
            matrix = matrix[:, (kept.start - first) * block : (kept.stop - first) * block]
            scaled = torch.from_numpy((matrix * 2.0**-MATRIX_BITS).astype(np.float32)).to(device)
            latents = slice((kept.start - reach[0]) * block, (kept.stop - reach[0]) * block)
            self._bands.append((slice(start - part.start, stop - part.start), latents, scaled))

    def apply(self, values: Tensor, axis: int, transposed: bool = False) -> Tensor:
        """Multiply along an axis: latents to voxels, or back."""
        shape = list(values.shape)
        shape[axis] = self._size if transposed else self._voxels
        if len(self._bands) == 1:
            return _multiply(self._bands[0][2], values, axis, transposed)
        make = self._torch.zeros if transposed else self._torch.empty
        out = make(shape, device=values.device)
        for voxels, latents, matrix in self._bands:
            source, target = (voxels, latents) if transposed else (latents, voxels)
            part = _multiply(matrix, values[_along(axis, source)], axis, transposed)
            if transposed:
                out[_along(axis, target)] += part
            else:
                out[_along(axis, target)] = part
        return out


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if number == axis else slice(None) for number in range(3))


def _multiply(matrix: Tensor, values: Tensor, axis: int, transposed: bool) -> Tensor:
    if transposed:
        matrix = matrix.T
    if axis == 2:
        return values @ matrix.T
    if axis == 1:
        return matrix @ values
    z, y, x = values.shape
    return (matrix @ values.reshape(z, y * x)).reshape(-1, y, x)
