"""DeepEM's scores of all windows of a micrograph, equal to those of each window alone.

Every window is standardised before the first layer, so the network cannot simply be slid over the
micrograph. But the first convolution is linear: of a window of mean m and standard deviation s it
is (c - m w) / s, where c is the convolution of the micrograph and w the sum of the kernel. So c is
computed once for all windows, and the remaining layers for each of them. Rotating a window is
equivalent to rotating all kernels back: the four rotations are four groups of maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array, Float64Array
from ....support.devices import import_torch
from ....support.threads import ordered_map
from ..network_base import ScoreMap
from .deepem_layers import NAMES, POOLS, Layers
from .patches import FLAT

if TYPE_CHECKING:
    from torch import Tensor

_ROTATIONS = 4
_SHARE = 10  # of the box: approximate distance of windows
_CACHED = 1 << 21  # values of a batch of windows on a CPU, whose layers then stay in its cache
_ON_GPU = 1 << 26  # the same on other devices
_BAND = 1 << 25  # values of the first convolution that are kept at a time
_NEAREST = 1e-7  # least distance of a score from 0 and 1


class WindowGrid(NamedTuple):
    """The positions of the windows in a padded image, along y and along x."""

    stride: int  # pixels from one window to the next
    shape: tuple[int, int]  # of the windows
    first: tuple[int, int]  # pixels


def _grid(image: Float32Array, layers: Layers) -> WindowGrid:
    """Place windows about a tenth of the box apart, with equal margins at opposite edges.

    DeepEM's own step is 20 pixels, a fourteenth of KLH's box and an eighth of 19S's. This one is a
    multiple of the first pool's side. The centres lie in the micrograph.
    """
    stride = POOLS[0] * max(1, round(layers.side / _SHARE / POOLS[0]))
    spans = [divmod(size - 2 * layers.side - 1, stride) for size in image.shape]
    (rows, top), (columns, left) = spans
    first = ((top + layers.side + 1) // 2, (left + layers.side + 1) // 2)
    return WindowGrid(stride, (rows + 1, columns + 1), first)


def score_map_steps(
    image: Float32Array, layers: Layers, weights: Mapping[str, Tensor], clock: Clock
) -> Steps[ScoreMap]:
    """Score every window of an image from `padded`: the logit of the mean output of four rotations.

    The weights are on the device that computes.
    """
    torch = import_torch()
    grid, network = _grid(image, layers), _RotatedNetwork(weights)
    device = weights["c1.weight"].device
    on_cpu = device.type == "cpu"
    mean, deviation = _window_statistics(image, grid, layers.side)
    scale = 1 / np.maximum(deviation, FLAT)
    scales, shifts = torch.from_numpy(np.stack([scale, -mean * scale]).astype("f4")).to(device)
    rows, columns = grid.shape
    maps, size = len(network.sums), layers.sides[0][0]
    across = maps * ((columns - 1) * grid.stride + size)
    band = max(1, (_BAND // across - size) // grid.stride + 1)  # rows of windows
    batch = max(1, (_CACHED if on_cpu else _ON_GPU) // (maps * size**2))  # windows
    scores = torch.empty(rows, columns)
    for top in range(0, rows, band):
        here = range(top, min(top + band, rows))
        parts = [(row, slice(x, x + batch)) for row in here for x in range(0, columns, batch)]
        y = grid.first[0] + grid.stride * np.array([top, here[-1]])
        x = grid.first[1] + grid.stride * np.array([0, columns - 1])
        strip = image[y[0] : y[1] + layers.side, x[0] : x[1] + layers.side]
        convolved = network.first_convolution(torch.from_numpy(strip.copy()).to(device))
        windows = convolved.unfold(1, size, grid.stride).unfold(2, size, grid.stride)
        windows = windows.permute(1, 2, 0, 3, 4)
        work = partial(network.part_scores, windows, scales, shifts, top, parts)
        found = ordered_map(work, len(parts)) if on_cpu else map(work, range(len(parts)))
        for (row, part), values in zip(parts, found, strict=True):
            scores[row, part] = values
            done = row * columns + min(part.stop, columns)
            yield Progress("scoring", done, rows * columns, clock.seconds)
    start_y, start_x = (
        layers.binning * (first - (layers.side + 1) / 2) + (layers.binning - 1) / 2
        for first in grid.first
    )
    step = float(layers.binning * grid.stride)
    return ScoreMap(scores.logit(_NEAREST).numpy(), (start_y, start_x), (step, step))


class _RotatedNetwork:
    """The network with its kernels rotated by 0, 90, 180 and 270°, as four groups of maps."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._torch = import_torch()
        kernels = [weights[f"{name}.weight"] for name in NAMES]
        kernels[-1] = kernels[-1][None]
        self._kernels = [
            self._torch.cat([kernel.rot90(turn, (-2, -1)) for turn in range(_ROTATIONS)])
            for kernel in kernels
        ]
        self._biases = [weights[f"{name}.bias"].repeat(_ROTATIONS) for name in NAMES]
        self.sums = self._kernels[0].sum((1, 2, 3))

    def first_convolution(self, image: Tensor) -> Tensor:
        """Convolve a part of the micrograph, shape (rows, columns): shape (maps, y, x)."""
        torch = self._torch
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            return torch.nn.functional.conv2d(image[None, None], self._kernels[0])[0]

    def part_scores(
        self,
        windows: Tensor,
        scales: Tensor,
        shifts: Tensor,
        top: int,
        parts: list[tuple[int, slice]],
        number: int,
    ) -> Tensor:
        """Average the outputs for the rotations of some windows of a row, shape (windows,).

        `windows` is the first convolution, shape (rows, columns, maps, y, x), from row `top` on;
        the values of each window are multiplied by a scale, then a shift is added. `parts` has row
        and columns of the windows for each `number`.
        """
        torch, functional = self._torch, self._torch.nn.functional
        row, part = parts[number]
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            scale, shift = scales[row, part, None], shifts[row, part, None]
            offset = (shift * self.sums + self._biases[0])[..., None, None]
            maps = torch.addcmul(offset, windows[row - top, part], scale[..., None, None])
            maps = maps.sigmoid_()
            for pool, kernels, bias in zip(POOLS, self._kernels[1:], self._biases[1:], strict=True):
                maps = functional.avg_pool2d(maps, pool)
                # Grouped convolutions are three times faster in this format, on CPUs.
                maps = maps.contiguous(memory_format=torch.channels_last)
                maps = functional.conv2d(maps, kernels, bias, groups=_ROTATIONS).sigmoid_()
            return maps[:, :, 0, 0].mean(1).cpu()


def _window_statistics(
    image: Float32Array, grid: WindowGrid, side: int
) -> tuple[Float64Array, Float64Array]:
    """Return mean and standard deviation of every window, shape (rows, columns) each."""
    pairs = zip(grid.first, grid.shape, strict=True)
    at = np.ix_(*(first + side // 2 + grid.stride * np.arange(count) for first, count in pairs))
    values = image.astype(np.float64)
    mean, square = (ndimage.uniform_filter(power, side)[at] for power in (values, values**2))
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
