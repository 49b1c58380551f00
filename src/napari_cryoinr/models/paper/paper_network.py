"""The network as it is trained, in torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .integer_network import fold
from .paper_settings import PaperConfig
from .positional_encoding import encode


class PaperNetwork(nn.Module):
    """Coordinates and a map's latent vector to a density.

    Each hidden layer is relu(W h + b), plus a shortcut from its input where the residual pattern
    has one (arXiv 2512.12975: residual connections; which layers they join is not said there).
    """

    def __init__(self, config: PaperConfig, members: int) -> None:
        super().__init__()
        self._frequencies = config.frequencies
        self._shapes = config.layers
        self.layers = nn.ModuleList(nn.Linear(s.inputs, s.outputs) for s in self._shapes)
        self.latents = nn.Parameter(0.01 * torch.randn(members, config.latent_size))
        self.projections = nn.ModuleList(
            nn.Linear(s.inputs, s.outputs, bias=False) if s.learned else nn.Identity()
            for s in self._shapes
        )

    def forward(self, points: Tensor, member: Tensor) -> Tensor:
        """Return densities (n,) at normalised points (n, 3), order (z, y, x), of member (n,)."""
        hidden = torch.cat([encode(points, self._frequencies, torch), self.latents[member]], dim=1)
        for index, shape in enumerate(self._shapes[:-1]):
            out = torch.relu(self.layers[index](hidden))
            if shape.learned:
                out = out + self.projections[index](hidden)
            elif shape.shortcut:
                out = out + fold(hidden, shape.outputs, torch)
            hidden = out
        result: Tensor = self.layers[-1](hidden)
        return result[:, 0]

    def numbers(self) -> Iterator[Tensor]:
        """Yield the shared parameters as the archive stores them: flat, weights as (in, out)."""
        layer: Any
        projection: Any
        for shape, layer, projection in zip(
            self._shapes, self.layers, self.projections, strict=True
        ):
            yield layer.weight.T.reshape(-1)
            yield layer.bias
            if shape.learned:
                yield projection.weight.T.reshape(-1)
