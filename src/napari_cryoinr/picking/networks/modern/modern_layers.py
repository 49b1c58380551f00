"""The layers of the network `modern`. Importing this loads torch."""

from __future__ import annotations

from typing import cast

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn
from torch.nn import functional

from ...training_crops import STRIDE
from .filters import COUNT, RADIUS

_FIRST, _WIDE = 16, 32  # maps of the first layer, and of the others
_HOLES = (1, 2, 4, 8, 4)  # dilations of the layers after the second
# Pixels around its place that a score can depend on, a multiple of the stride.
REACH = STRIDE * (-(-RADIUS // STRIDE) + sum(_HOLES) + 1)


class _Layer(nn.Module):
    """Convolution, normalisation and ReLU; the contrast scales and shifts the maps.

    After Perez et al. 2018, "FiLM: visual reasoning with a general conditioning layer".
    """

    def __init__(self, maps: int, to: int, side: int, stride: int = 1, hole: int = 1) -> None:
        super().__init__()
        padding = hole * (side // 2)
        self.convolution = nn.Conv2d(maps, to, side, stride, padding, hole, bias=False)
        self.normalisation = nn.BatchNorm2d(to)
        self.modulation = nn.Linear(1, 2 * to)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, values: Tensor, grade: Tensor) -> Tensor:
        values = self.normalisation(self.convolution(values))
        scale, shift = self.modulation(grade)[:, :, None, None].chunk(2, 1)
        return (values * (1 + scale) + shift).relu()

    def scored(self, values: Tensor, grade: Tensor) -> Tensor:
        """Compute the same after the training for one grade, shape (1, 1): one convolution."""
        own = self.normalisation
        assert own.running_var is not None and own.running_mean is not None
        scale, shift = self.modulation(grade)[0].chunk(2)
        factor = own.weight * (own.running_var + own.eps).rsqrt()
        weight = self.convolution.weight * (factor * (1 + scale))[:, None, None, None]
        offset = (own.bias - own.running_mean * factor) * (1 + scale) + shift
        by = self.convolution
        made = functional.conv2d(values, weight, offset, by.stride, by.padding, by.dilation)
        return made.relu_()


class Layers(nn.Module):
    """Seven convolutions and the score; the third also gets the results of the filters."""

    filters: Tensor  # see `particle_filters`; not trained

    def __init__(self) -> None:
        super().__init__()
        self.fine = _Layer(1, _FIRST, 5)
        self.coarse = _Layer(_FIRST, _WIDE, 3, STRIDE)
        sizes = [_WIDE + COUNT] + [_WIDE] * (len(_HOLES) - 1)
        layers = [_Layer(n, _WIDE, 3, 1, hole) for n, hole in zip(sizes, _HOLES, strict=True)]
        self.wide = nn.ModuleList(layers)
        self.last = nn.Conv2d(_WIDE, 1, 1)
        self.register_buffer("filters", torch.zeros(COUNT, 2 * RADIUS + 1, 2 * RADIUS + 1))

    def forward(self, images: Tensor, grades: Tensor, filters: Tensor | None = None) -> Tensor:
        """Return logits, shape (n, rows / STRIDE, columns / STRIDE), rounded up.

        Images, shape (n, rows, columns), have more than RADIUS rows and columns; grades, shape
        (n,), are of their contrasts, see `graded`. `filters`, shape (n, COUNT, 2 RADIUS + 1, 2
        RADIUS + 1), are those of each image, where they differ.
        """
        values, grade = images[:, None], grades[:, None]
        likeness = self._likeness(values, self.filters[None] if filters is None else filters)
        values = self.coarse(self.fine(values, grade), grade)
        values = torch.cat([values, likeness], 1)
        for layer in self.wide:
            values = layer(values, grade)
        return cast(Tensor, self.last(values)[:, 0])

    def score(self, image: Tensor, grade: Tensor) -> Tensor:
        """Return the logits of one image, shape (rows, columns), after the training.

        The same as `forward`, up to rounding, in half of the time and memory.
        """
        values, grades = image[None, None], grade[None, None]
        likeness = self._likeness(values, self.filters[None])
        values = self.coarse.scored(self.fine.scored(_interleaved(values), grades), grades)
        values = _interleaved(torch.cat([values, likeness], 1))
        for layer in self.wide:
            values = cast(_Layer, layer).scored(values, grades)
        return cast(Tensor, self.last(values)[0, 0])

    @staticmethod
    def _likeness(values: Tensor, filters: Tensor) -> Tensor:
        return _correlated(functional.pad(values, [RADIUS] * 4, mode="reflect"), filters)


def _interleaved(values: Tensor) -> Tensor:
    """Let the maps of a pixel lie side by side: convolutions take half as long on CPUs."""
    return values.contiguous(memory_format=torch.channels_last)


def _correlated(images: Tensor, filters: Tensor) -> Tensor:
    """Return the correlation of images, shape (n, 1, rows, columns), with their filters.

    Filters have the shape (n or 1, COUNT, 2 RADIUS + 1, 2 RADIUS + 1), results (n, COUNT, ...), for
    every STRIDE-th place at which a filter lies inside its image.
    """
    sizes = [next_fast_len(n, real=True) for n in images.shape[-2:]]
    rows, columns = (n - 2 * RADIUS for n in images.shape[-2:])
    found = torch.fft.rfft2(images, sizes) * torch.fft.rfft2(filters, sizes).conj()
    return torch.fft.irfft2(found, sizes)[..., :rows:STRIDE, :columns:STRIDE]
