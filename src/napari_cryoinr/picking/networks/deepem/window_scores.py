"""DeepEM's score of every window of a micrograph, exactly as window by window.

Every window is standardised before the first layer, which a network that is slid over the
micrograph knows nothing of. But the first convolution is linear: of a window of mean m and standard
deviation s it is (c - m w) / s, where c is the convolution of the micrograph and w the sum of the
kernel. So c is computed once for all windows, and only what follows for each of them. Turning a
window equals turning all kernels back: the four rotations are four groups of maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array, Float64Array
from ....support.devices import import_torch
from ....support.threads import ordered_map
from ..network_base import ScoreMap
from .deepem_layers import POOLS, Layers
from .patches import FLAT, PaddedImage

if TYPE_CHECKING:
    from torch import Tensor

_ROTATIONS = 4
_SHARE = 10  # of the box: about the distance of windows
_CACHED = 1 << 21  # values of a batch of windows on a CPU: what follows is still in its cache
_ON_GPU = 1 << 26  # the same on other devices
_BAND = 1 << 25  # values of the first convolution that are kept at a time
_NEAREST = 1e-7  # how near a score comes to 0 and to 1


@dataclass(frozen=True)
class WindowGrid:
    """Where the windows of a micrograph lie, along y and along x.

    Attributes
    ----------
    stride : pixels from one window to the next.
    count : how many.
    first : first pixels of the first window in the padded image. The margins that the centres
        leave at opposite edges are the same, if they can be.
    """

    stride: int
    count: tuple[int, int]
    first: tuple[int, int]

    @classmethod
    def over(cls, image: PaddedImage, layers: Layers) -> WindowGrid:
        """The windows whose centres lie in the micrograph, about a tenth of the box apart.

        DeepEM's own step is 20 pixels, a fourteenth of KLH's box and an eighth of 19S's. This one
        is a multiple of the first pool's side.
        """
        stride = POOLS[0] * max(1, round(layers.side / _SHARE / POOLS[0]))
        (rows, top), (columns, left) = (
            divmod(size - 1, stride) for size in (image.rows, image.columns)
        )
        first = ((top + layers.side + 1) // 2, (left + layers.side + 1) // 2)
        return cls(stride, (rows + 1, columns + 1), first)


def score_map_steps(
    image: PaddedImage, layers: Layers, weights: Mapping[str, Tensor], clock: Clock
) -> Steps[ScoreMap]:
    """The score of every window: the logit of the mean output for its four rotations.

    Parameters
    ----------
    weights : by the names of `Layers.shapes`, on the device that computes.
    """
    torch = import_torch()
    grid, network = WindowGrid.over(image, layers), _RotatedNetwork(weights, layers)
    mean, deviation = _window_statistics(image.image, grid, layers.side)
    scale = 1 / np.maximum(deviation, FLAT)
    scales, shifts = (
        torch.from_numpy(values.astype(np.float32)).to(network.device)
        for values in (scale, -mean * scale)
    )
    rows, columns = grid.count
    scores = torch.empty(rows, columns)
    band, batch = network.rows_at_once(grid), network.windows_at_once()
    for top in range(0, rows, band):
        here = range(top, min(top + band, rows))
        parts = [(row, slice(x, x + batch)) for row in here for x in range(0, columns, batch)]
        y = grid.first[0] + grid.stride * np.array([top, here[-1]])
        x = grid.first[1] + grid.stride * np.array([0, columns - 1])
        strip = image.image[y[0] : y[1] + layers.side, x[0] : x[1] + layers.side]
        work = partial(
            network.part_scores, network.first_convolution(strip), grid, top, parts, scales, shifts
        )
        on_cpu = network.device.type == "cpu"
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
    """The network with its kernels turned by 0, 90, 180 and 270°, as groups of one."""

    def __init__(self, weights: Mapping[str, Tensor], layers: Layers) -> None:
        self._torch = import_torch()
        self.device = weights["c1.weight"].device
        self._side = layers.sides[0][0]  # of a window after the first convolution
        self._kernels = [_rotated(weights[f"{name}.weight"]) for name in ("c1", "c3", "c5")]
        self._kernels.append(_rotated(weights["output.weight"][None]))
        names = ("c1", "c3", "c5", "output")
        self._biases = [weights[f"{name}.bias"].repeat(_ROTATIONS) for name in names]
        self._sums = self._kernels[0].sum((1, 2, 3))

    def windows_at_once(self) -> int:
        """Windows of one row that are computed at once."""
        most = _CACHED if self.device.type == "cpu" else _ON_GPU
        return max(1, most // (len(self._sums) * self._side**2))

    def rows_at_once(self, grid: WindowGrid) -> int:
        """Rows of windows whose first convolutions are kept at the same time."""
        across = len(self._sums) * ((grid.count[1] - 1) * grid.stride + self._side)
        return max(1, (_BAND // across - self._side) // grid.stride + 1)

    def first_convolution(self, image: Float32Array) -> Tensor:
        """Of a part of the micrograph, shape (rows, columns): shape (maps, y, x)."""
        torch = self._torch
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            given = torch.from_numpy(image.copy()).to(self.device)[None, None]
            return torch.nn.functional.conv2d(given, self._kernels[0])[0]

    def part_scores(
        self,
        convolved: Tensor,
        grid: WindowGrid,
        top: int,
        parts: list[tuple[int, slice]],
        scales: Tensor,
        shifts: Tensor,
        number: int,
    ) -> Tensor:
        """Mean over the rotations of the output for some windows of a row, shape (windows,).

        Parameters
        ----------
        convolved : the first convolution of a band whose first row of windows is `top`.
        parts : a row of windows, and which of them, for each number.
        scales, shifts : what the values of each window are multiplied by, and what is added.
        """
        torch, functional = self._torch, self._torch.nn.functional
        row, part = parts[number]
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            y = (row - top) * grid.stride
            seen = convolved[:, y : y + self._side].unfold(2, self._side, grid.stride)
            seen = seen.permute(2, 0, 1, 3)[part]  # (windows, maps, y, x)
            scale, shift = scales[row, part, None], shifts[row, part, None]
            offset = shift * self._sums + self._biases[0]
            maps = torch.addcmul(offset[..., None, None], seen, scale[..., None, None]).sigmoid_()
            for pool, kernels, bias in zip(POOLS, self._kernels[1:], self._biases[1:], strict=True):
                maps = functional.avg_pool2d(maps, pool)
                # Grouped convolutions are three times faster so, on CPUs.
                maps = maps.contiguous(memory_format=torch.channels_last)
                maps = functional.conv2d(maps, kernels, bias, groups=_ROTATIONS).sigmoid_()
            return maps[:, :, 0, 0].mean(1).cpu()


def _rotated(kernels: Tensor) -> Tensor:
    """Kernels (maps, maps before, y, x) turned by 0, 90, 180 and 270°, one after the other."""
    return import_torch().cat([kernels.rot90(turn, (-2, -1)) for turn in range(_ROTATIONS)])


def _window_statistics(
    image: Float32Array, grid: WindowGrid, side: int
) -> tuple[Float64Array, Float64Array]:
    """Mean and standard deviation of every window, shape (rows, columns) of windows each."""
    rows, columns = (
        first + grid.stride * np.arange(count)
        for first, count in zip(grid.first, grid.count, strict=True)
    )
    found = []
    for power in (1, 2):
        sums = np.zeros([size + 1 for size in image.shape])
        np.cumsum(np.cumsum(image.astype(np.float64) ** power, 0), 1, out=sums[1:, 1:])
        strips = sums[rows + side] - sums[rows]
        found.append((strips[:, columns + side] - strips[:, columns]) / side**2)
    mean, square = found
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
