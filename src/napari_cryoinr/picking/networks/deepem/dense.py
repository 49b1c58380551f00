"""DeepEM at every place of a micrograph, exactly as window by window.

Every window is standardised before the first layer, which a network that is slid over the
micrograph knows nothing of. But the first convolution is linear: of a window of mean m and standard
deviation s it is (c - m w) / s, where c is the convolution of the micrograph and w the sum of the
kernel. So c is computed once for all windows, and only what follows for each of them. Turning a
window is turning all kernels back: the four rotations are four networks.

Windows are a multiple of the first pool's side apart. So the values of c that are averaged together
are the same for all windows, and lie in planes of their own, one for each place in a pool: pooling
adds planes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ....progress import Clock, Progress, Steps
from ....support.devices import import_torch
from ....support.threads import each
from .deepem_layers import POOLS, Layers
from .patches import FLAT, Padded
from .rows import Rows
from .windows import Windows, statistics

if TYPE_CHECKING:
    from torch import Tensor

_TURNS = 4
_CACHED = 1 << 21  # values of one batch of windows: what is computed next is still in the cache
_ELSEWHERE = 1 << 26  # the same on other devices than the CPU
_BAND = 1 << 25  # values of the first convolution that are kept at a time
_NEAREST = 1e-7  # to 0 and to 1 that a score comes


def score_steps(
    image: Padded, weights: Mapping[str, Tensor], layers: Layers, clock: Clock
) -> Steps[npt.NDArray[np.float32]]:
    """The logit of every window, shape (rows, columns) of windows.

    The score is the mean of what the network says of a window's four rotations.

    Parameters
    ----------
    weights : by the names of `Layers.shapes`, on the device that computes.
    """
    torch = import_torch()
    windows = Windows.over(image, layers)
    mean, deviation = statistics(image.image, windows)
    scale = 1 / np.maximum(deviation, FLAT)
    device = weights["c1.weight"].device
    scales, shifts = (
        torch.from_numpy(values.astype(np.float32)).to(device) for values in (scale, -mean * scale)
    )
    network = _Turned(weights, layers)
    rows, columns = windows.count
    scores = torch.empty(rows, columns, device=device)
    for band in _bands(windows, layers):
        planes = network.planes(image.image, windows, band)
        parts = [(row, batch) for row in band for batch in network.batches(columns)]
        work = partial(network.scores, planes, windows, band.start, parts, scales, shifts)
        for (row, batch), values in zip(parts, each(work, len(parts)), strict=True):
            scores[row, batch] = values
            yield Progress("scoring", row * columns + batch.stop, rows * columns, clock.seconds)
    return scores.logit(_NEAREST).cpu().numpy()


def _bands(windows: Windows, layers: Layers) -> Iterator[range]:
    """Rows of windows whose first convolutions are kept at the same time."""
    rows, columns = windows.count
    side = layers.sides[0][0]
    across = _TURNS * layers.shapes["c1.bias"][0] * ((columns - 1) * windows.stride + side)
    size = max(1, (_BAND // across - side) // windows.stride + 1)
    for start in range(0, rows, size):
        yield range(start, min(start + size, rows))


class _Turned:
    """The network with its kernels turned by 0, 90, 180 and 270°, as one."""

    def __init__(self, weights: Mapping[str, Tensor], layers: Layers) -> None:
        self._torch = import_torch()
        self._first = _turned(weights["c1.weight"]).flatten(0, 1)
        self._maps = weights["c1.weight"].shape[0]
        self._results, self._side = layers.sides[0]
        self._sums = weights["c1.weight"].sum((1, 2, 3)).repeat(self._side)
        self._bias = weights["c1.bias"].repeat(self._side)
        self._pooled = []
        for name, (results, _), pool in zip(("c3", "c5"), layers.sides[1:], POOLS, strict=False):
            kernels = _turned(weights[f"{name}.weight"]) / pool**2
            self._pooled.append(Rows(kernels, weights[f"{name}.bias"], results))
        last = _turned(weights["output.weight"][None]) / POOLS[-1] ** 2
        self._last = last[:, 0].permute(0, 2, 3, 1).reshape(_TURNS, -1, 1)
        self._last_bias = weights["output.bias"]

    def planes(self, image: npt.NDArray[np.float32], windows: Windows, band: range) -> Tensor:
        """The first convolution of a band: (place in the pool, turn, y, x * maps)."""
        torch = self._torch
        y = windows.first[0] + band.start * windows.stride
        x = windows.first[1]
        height, width = (
            (count - 1) * windows.stride + windows.side for count in (len(band), windows.count[1])
        )
        part = torch.from_numpy(image[y : y + height, x : x + width].copy())
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            given = part.to(self._first.device)[None, None]
            found = torch.nn.functional.conv2d(given, self._first)[0]
            pool = POOLS[0]
            planes = found.unflatten(2, (-1, pool)).unflatten(1, (-1, pool))
            planes = planes.unflatten(0, (_TURNS, self._maps)).permute(3, 5, 0, 2, 4, 1)
            return planes.flatten(4).flatten(0, 1).contiguous()

    def batches(self, columns: int) -> Iterator[slice]:
        """Windows of one row that are computed at once."""
        most = _CACHED if self._first.device.type == "cpu" else _ELSEWHERE
        size = max(1, most // (self._first.shape[0] * self._results**2))
        for start in range(0, columns, size):
            yield slice(start, min(start + size, columns))

    def scores(
        self,
        planes: Tensor,
        windows: Windows,
        first: int,
        parts: Sequence[tuple[int, slice]],
        scales: Tensor,
        shifts: Tensor,
        number: int,
    ) -> Tensor:
        """Mean over the turns of the output of one part, shape (windows,).

        Parameters
        ----------
        planes : of the band whose first row of windows is `first`.
        parts : a row of windows, and which of them, for each number.
        scales, shifts : of all windows: what their values are multiplied by, and what is added.
        """
        torch = self._torch
        row, batch = parts[number]
        with torch.inference_mode():
            y = (row - first) * windows.stride // POOLS[0]
            across = self._maps * windows.stride // POOLS[0]
            strip = planes[:, :, y : y + self._side]
            seen = strip.unfold(3, self._side * self._maps, across).transpose(2, 3)[:, :, batch]
            scale, shift = scales[row, batch], shifts[row, batch]
            offset = shift[:, None] * self._sums + self._bias
            values = torch.addcmul(offset[:, None], seen, scale[:, None, None]).sigmoid_()
            maps = values.sum(0)
            for convolution in self._pooled:
                maps = convolution(maps)
            output = torch.baddbmm(self._last_bias, maps.flatten(2), self._last)
            return output.sigmoid().mean((0, 2))


def _turned(kernels: Tensor) -> Tensor:
    """Kernels (..., y, x) turned by 0, 90, 180 and 270°, stacked along a new first axis."""
    torch = import_torch()
    return torch.stack([kernels.rot90(turn, (-2, -1)) for turn in range(_TURNS)])
