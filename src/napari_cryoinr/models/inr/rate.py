"""The cost of latents in bits, in torch: the context model with slopes, for training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...coding.coarse_to_fine import PHASES
from ...coding.integer_network import FIRST_BITS, FRACTION, OTHER_BITS, IntegerNetwork
from ...support.array_types import Int32Array, Int64Array
from .context_model import FEATURE_SCALE, WIDTHS
from .context_sums import context_sums
from .contexts import FEATURES, MEAN_UNIT, OUTPUTS, fixed_features
from .tiles import Tile

HIDDEN = (16, 16)
_FLOOR = 2.0**-20  # chance of the least likely latent
CHANGE_BITS = 6  # of the fractions of changes
_FIRST_WIDTH = 14.0  # that an untrained network says
_PHASES = range(len(PHASES))


class ContextNetwork(nn.Module):
    """The network in floats; see `context_model`.

    Attributes
    ----------
    known : the parameters that it started with; none where changes cost nothing.
    """

    layers: Any
    known: list[Tensor]

    def __init__(self, hidden: Sequence[int] = HIDDEN) -> None:
        super().__init__()
        sizes = (len(FEATURES), *hidden, OUTPUTS)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        with torch.no_grad():
            last = self.layers[-1]
            last.weight *= 0.1
            last.bias.zero_()
            last.bias[0] = _FIRST_WIDTH
        self.known = [p.detach().clone() for p in self.parameters()]

    def forward(self, features: Tensor) -> Tensor:
        """Return the outputs (n, `OUTPUTS`) of features (n, `FEATURES`)."""
        values = features / FEATURE_SCALE
        parameters = self._rounded()
        for number, layer in enumerate(zip(parameters[::2], parameters[1::2], strict=True)):
            values = nn.functional.linear(torch.relu(values) if number else values, *layer)
        return values

    def _rounded(self) -> list[Tensor]:
        """Return the parameters as they are stored, with the slopes of those that are trained."""
        if not self.known:
            return list(self.parameters())
        unit = 2.0**CHANGE_BITS
        out = []
        for new, old in zip(self.parameters(), self.known, strict=True):
            stored = old + torch.round((new.detach() - old) * unit) / unit
            out.append(new + (stored - new.detach()))
        return out

    def integers(self) -> IntegerNetwork:
        """Round the network."""
        weights = [layer.weight.detach().cpu().double().numpy().T for layer in self.layers]
        biases = [layer.bias.detach().cpu().double().numpy() for layer in self.layers]
        weights[0] = weights[0] / FEATURE_SCALE
        return IntegerNetwork.from_float(weights, biases)

    def changes(self) -> list[Int64Array]:
        """Return how it differs from what it started with, in 2^-CHANGE_BITS: weights, biases."""
        unit = 2.0**CHANGE_BITS
        return [
            torch.round((new.detach() - old) * unit).cpu().long().numpy().T.ravel()
            for new, old in zip(self.parameters(), self.known, strict=True)
        ]

    def change_bits(self) -> Tensor:
        """Return about how many bits the changes take, with slopes."""
        total = self.layers[0].bias.new_zeros(())
        if not self.known:
            return total
        for new, old in zip(self.parameters(), self.known, strict=True):
            mean = (new - old).abs().mean()
            total = total + old.numel() * torch.log2(1 + math.e * 2.0**CHANGE_BITS * mean)
        return total

    def to(self, *given: Any, **named: Any) -> ContextNetwork:
        """Move it to a device."""
        moved: ContextNetwork = super().to(*given, **named)
        moved.known = [old.to(*given, **named) for old in moved.known]
        return moved

    @classmethod
    def from_integers(cls, network: IntegerNetwork) -> ContextNetwork:
        """Return a network in floats like one in integers."""
        out = cls([len(bias) for bias in network.biases[:-1]])
        for number, (layer, weights, bias) in enumerate(
            zip(out.layers, network.weights, network.biases, strict=True)
        ):
            bits = OTHER_BITS if number else FIRST_BITS
            scale = 1.0 if number else FEATURE_SCALE
            layer.weight.data = torch.from_numpy(weights.T * 2.0**-bits * scale).float()
            shift = bits + (FRACTION if number else 0)
            layer.bias.data = torch.from_numpy(bias * 2.0**-shift).float()
        out.known = [p.detach().clone() for p in out.parameters()]
        return out


def bits_of(outputs: Tensor, signed: Tensor, latents: Tensor) -> Tensor:
    """Return the code length of each latent.

    Parameters
    ----------
    outputs : of the network, shape (n, `OUTPUTS`).
    signed : means over neighbours, shape (`GATES`, n).
    latents : shape (n,).
    """
    width = torch.exp2(outputs[:, 0].clamp(0, WIDTHS - 1) / 4 - 4.5)
    mean = (outputs[:, 1:] * signed.T).sum(dim=1)
    away = (latents - mean).abs()
    far = torch.exp(-(away - 0.5).clamp_min(0) / width) * (-torch.expm1(-1 / width)) / 2
    near = away.clamp_max(0.5)
    close = 1 - (torch.exp(-(0.5 - near) / width) + torch.exp(-(0.5 + near) / width)) / 2
    chance = torch.where(away < 0.5, close, far)
    return -torch.log2(chance + _FLOOR)


class Rate:
    """The code length of the latents of a map.

    Parameters
    ----------
    tiles : their nodes.
    numbers : for each tile and level, which of all latents each node has, -1 for none.
    counts : latents of each level.
    degree : of the splines.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        numbers: Sequence[Sequence[Int32Array]],
        counts: Sequence[int],
        degree: int,
        device: str,
    ) -> None:
        self._counts = list(counts)
        self._parts = list(context_sums(tiles, numbers, sum(counts), device))
        levels, none = len(counts), np.zeros(len(counts), np.int64)
        # Of the phases; magnitudes come first, and change.
        self._alike = [
            torch.tensor(
                np.stack([fixed_features(phase, level, levels, none, degree) for phase in _PHASES]),
                dtype=torch.float32,
                device=device,
            )
            for level in range(levels)
        ]

    def contexts(
        self, latents: Tensor, sizes: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (numbers of latents, features, signed means), part by part.

        `sizes` : the magnitudes, where slopes are wanted for them alone.
        """
        magnitudes = self._magnitudes(latents)
        for part in self._parts:
            means, signed = part.means(latents.abs() if sizes is None else sizes, latents)
            fixed = self._alike[part.level]
            own = magnitudes[part.level : part.level + 2]
            fixed = fixed + nn.functional.pad(own, (0, fixed.shape[1] - len(own)))
            alike = fixed.repeat_interleave(part.in_phases, dim=0, output_size=len(part.owners))
            features = torch.cat([_logarithm(means).T, alike], dim=1)
            yield part.owners, features, signed

    def bits(
        self, latents: Tensor, network: ContextNetwork, sizes: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the code length, part by part."""
        for owners, features, signed in self.contexts(latents, sizes):
            yield bits_of(network(features), signed, latents[owners]).sum()

    def _magnitudes(self, latents: Tensor) -> Tensor:
        """Return `contexts.level_magnitudes`."""
        levels = latents.detach().split(self._counts)
        means = torch.stack([v.abs().sum() / max(len(v), 1) for v in levels])
        return (8 * (torch.log2(means + 2.0**-10) + 10)).round().clamp(0, 255)


def _logarithm(means: Tensor) -> Tensor:
    """Return `contexts.logarithm` with slopes, of means in latents."""
    numbers = MEAN_UNIT * means + 8
    power = torch.exp2(torch.floor(torch.log2(numbers.detach())))
    return 16 * (torch.log2(power) + numbers / power) - 16 - 48
