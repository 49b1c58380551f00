"""The network as it is trained, in torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .paper_settings import PaperSettings
from .positional_encoding import encode
from .shortcuts import fold, has_shortcut


class PaperNetwork(nn.Module):
    """Coordinates and a map's latent vector to a density.

    Each hidden layer is relu(W h + b), plus a shortcut from its input where the residual pattern
    has one (arXiv 2512.12975: residual connections; which layers they join is not said there).
    """

    def __init__(self, settings: PaperSettings, members: int) -> None:
        super().__init__()
        self.frequencies = settings.frequencies
        sizes = (settings.input_size, *settings.layer_widths, 1)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.latents = nn.Parameter(0.01 * torch.randn(members, settings.latent_size))
        self.shortcuts = [has_shortcut(settings.residual, index) for index in range(len(sizes) - 2)]
        self.projections = nn.ModuleDict()
        if settings.projection == "learned":
            for index, wanted in enumerate(self.shortcuts):
                if wanted and sizes[index] != sizes[index + 1]:
                    self.projections[str(index)] = nn.Linear(
                        sizes[index], sizes[index + 1], bias=False
                    )

    def forward(self, points: Tensor, member: Tensor) -> Tensor:
        """Densities (n,) at normalised points (n, 3), order (z, y, x), of member (n,)."""
        hidden = torch.cat(
            [encode(points, self.frequencies, torch.cat), self.latents[member]], dim=1
        )
        for index, wanted in enumerate(self.shortcuts):
            out = torch.relu(self.layers[index](hidden))
            if wanted:
                if str(index) in self.projections:
                    out = out + self.projections[str(index)](hidden)
                else:
                    out = out + fold(hidden, out.shape[1], lambda h, n: pad(h, (0, n)))
            hidden = out
        result: Tensor = self.layers[-1](hidden)
        return result[:, 0]

    def numbers(self) -> Iterator[Tensor]:
        """The shared parameters as the archive stores them: flat, weights as (in, out)."""
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            yield layer.weight.T.reshape(-1)
            yield layer.bias
            name = str(index)
            if name in self.projections:
                projection = self.projections[name]
                assert isinstance(projection, nn.Linear)
                yield projection.weight.T.reshape(-1)
