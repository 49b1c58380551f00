"""The layers of the network `modern`. Importing this loads torch."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ...crops import STRIDE

_FIRST, _WIDE = 16, 32  # maps of the first layer, and of the others
_HOLES = (1, 2, 4, 4)  # dilations after the second layer


class _Layer(nn.Module):
    """Convolution, normalisation and ReLU; the contrast says how its maps are scaled and shifted.

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


class Layers(nn.Module):
    """Six convolutions and the score."""

    def __init__(self) -> None:
        super().__init__()
        layers = [_Layer(1, _FIRST, 5), _Layer(_FIRST, _WIDE, 3, STRIDE)]
        layers += [_Layer(_WIDE, _WIDE, 3, 1, hole) for hole in _HOLES]
        self.hidden = nn.ModuleList(layers)
        self.last = nn.Conv2d(_WIDE, 1, 1)

    def forward(self, images: Tensor, grades: Tensor) -> Tensor:
        """Scores of images.

        Parameters
        ----------
        images : shape (n, rows, columns).
        grades : of their contrasts, see `contrast.graded`, shape (n,).

        Returns
        -------
        Logits, shape (n, rows / STRIDE, columns / STRIDE), rounded up.
        """
        values = images[:, None]
        for layer in self.hidden:
            values = layer(values, grades[:, None])
        return cast(Tensor, self.last(values)[:, 0])
