"""The cost of latents in bits, in torch: the context model with slopes, for training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...coding.coarse_to_fine import PHASES, Offset
from ...coding.integer_network import FIRST_BITS, FRACTION, OTHER_BITS, IntegerNetwork
from ...support.array_types import Float64Array, Int64Array
from .context_model import WIDTHS
from .contexts import CLASSES, FEATURES, MEAN_UNIT, OUTPUTS, SIGNED, fixed_features, known_offsets
from .parameters import UNIT_BITS
from .tiles import Tile

HIDDEN = (16, 16)
_SCALE = 64.0  # features are so large, about
_FLOOR = 2.0**-20  # chance of the least likely latent
_FIRST_WIDTH = 14.0  # that an untrained network says


class ContextNetwork(nn.Module):
    """The network in floats; see `context_model`."""

    layers: Any

    def __init__(self, hidden: Sequence[int] = HIDDEN) -> None:
        super().__init__()
        sizes = (len(FEATURES), *hidden, OUTPUTS)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        with torch.no_grad():
            last = self.layers[-1]
            last.weight *= 0.1
            last.bias.zero_()
            last.bias[0] = _FIRST_WIDTH

    def forward(self, features: Tensor) -> Tensor:
        """Return the outputs (n, `OUTPUTS`) of features (n, `FEATURES`)."""
        values = features / _SCALE
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        found: Tensor = self.layers[-1](values)
        return found

    def integers(self) -> IntegerNetwork:
        """Round the network."""
        weights = [layer.weight.detach().cpu().double().numpy().T for layer in self.layers]
        biases = [layer.bias.detach().cpu().double().numpy() for layer in self.layers]
        weights[0] = weights[0] / _SCALE
        return IntegerNetwork.from_float(weights, biases)

    def last_change(self, known: IntegerNetwork) -> list[Int64Array]:
        """Return how the last layer differs from a known one, in 2^-UNIT_BITS: weights, biases."""
        weights, bias = known.weights[-1], known.biases[-1]
        layer, unit = self.layers[-1], 2.0**UNIT_BITS
        new = layer.weight.detach().cpu().double().numpy().T.ravel()
        old = weights.ravel() * 2.0**-OTHER_BITS
        place = layer.bias.detach().cpu().double().numpy()
        before = bias * 2.0 ** -(OTHER_BITS + FRACTION)
        changes = (np.rint(unit * (new - old)), np.rint(unit * (place - before)))
        return [change.astype(np.int64) for change in changes]

    @classmethod
    def from_integers(cls, network: IntegerNetwork) -> ContextNetwork:
        """Return a network in floats like one in integers."""
        out = cls([len(bias) for bias in network.biases[:-1]])
        for number, (layer, weights, bias) in enumerate(
            zip(out.layers, network.weights, network.biases, strict=True)
        ):
            bits = OTHER_BITS if number else FIRST_BITS
            scale = 1.0 if number else _SCALE
            layer.weight.data = torch.from_numpy(weights.T * 2.0**-bits * scale).float()
            shift = bits + (FRACTION if number else 0)
            layer.bias.data = torch.from_numpy(bias * 2.0**-shift).float()
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


class TileRate:
    """The code length of one tile.

    Parameters
    ----------
    tile : its nodes.
    numbers : by level, which of the level's latents each node has, -1 for none; (z, y, x).

    Attributes
    ----------
    owners : the numbers of the nodes that have latents, by level, in the order of `features`.
    """

    def __init__(self, tile: Tile, numbers: Sequence[Int64Array], degree: int, device: str) -> None:
        self._tile, self._degree, self._device = tile, degree, device
        self._chosen: list[Tensor] = []
        self._phases: list[Tensor] = []
        self.owners: list[Tensor] = []
        for own in numbers:
            chosen = np.flatnonzero(own >= 0)
            places = np.unravel_index(chosen, own.shape)
            parity = np.array([PHASES.index((z, y, x)) for z, y, x in np.ndindex(2, 2, 2)])
            z, y, x = (place % 2 for place in places)
            phases = parity[4 * z + 2 * y + x]
            for out, found in (
                (self._chosen, chosen),
                (self._phases, phases),
                (self.owners, own.reshape(-1)[chosen]),
            ):
                out.append(torch.from_numpy(found.astype(np.int64)).to(device))
        self._shares = torch.from_numpy(_known_shares()).float().to(device)

    def features(
        self,
        levels: Sequence[Tensor],
        magnitudes: Int64Array,
        sizes: Sequence[Tensor] | None = None,
    ) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Yield (level, features, signed means, latents) of the nodes that have latents.

        `sizes` : the magnitudes, where slopes are wanted for them alone.
        """
        sizes = [latents.abs() for latents in levels] if sizes is None else sizes
        count = len(levels)
        for level, latents in enumerate(levels):
            chosen, phases = self._chosen[level], self._phases[level]
            if not len(chosen):
                continue
            shares = self._shares[phases].movedim(0, -1)
            near, far = _sums(sizes[level], chosen, True)
            means = [(shares[k] * near).sum(dim=0) for k in range(SIGNED)]
            means.append((shares[SIGNED] * far).sum(dim=0))
            near, _ = _sums(latents, chosen, False)
            signed = [(shares[k] * near).sum(dim=0) for k in range(SIGNED)]
            if level + 1 < count:
                above, shift = levels[level + 1], self._tile.shift(level)
                own = blurred = sizes[level + 1]
                for axis in range(3):
                    blurred = (_pair(blurred, axis, 1) + 2 * blurred) / 4
                three = [_interpolated(v, shift, latents.shape) for v in (own, blurred, above)]
                found = [v.flatten().index_select(0, chosen) for v in three]
                means += found[:2]
                signed.append(found[2])
            else:
                zero = torch.zeros_like(means[0])
                means += [zero, zero]
                signed.append(zero)
            fixed = np.stack(
                [fixed_features(p, level, count, magnitudes, self._degree) for p in range(8)]
            )
            table = torch.from_numpy(fixed).float().to(self._device)
            stacked = torch.cat([_logarithm(torch.stack(means, dim=1)), table[phases]], dim=1)
            own_values = latents.flatten().index_select(0, chosen)
            yield level, stacked, torch.stack(signed), own_values

    def bits(
        self,
        levels: Sequence[Tensor],
        network: ContextNetwork,
        magnitudes: Int64Array,
        sizes: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Return the code length of latents, shapes of the levels of the tile."""
        total = torch.zeros((), device=self._device)
        for _, features, signed, latents in self.features(levels, magnitudes, sizes):
            total = total + bits_of(network(features), signed, latents).sum()
        return total


_PATTERNS = ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
"""Axes along which a neighbour's parity differs."""


def _known_shares() -> Float64Array:
    """Return the weights of sums by pattern in means over known neighbours: (8, classes, 7)."""
    out = np.zeros((8, len(CLASSES), len(_PATTERNS)))
    for phase, parity in enumerate(PHASES):
        for number, offsets in enumerate(known_offsets(phase)):
            for pattern, axes in enumerate(_PATTERNS):
                other = [p ^ (axis in axes) for axis, p in enumerate(parity)]
                known = PHASES.index((other[0], other[1], other[2])) < phase
                fits = number == len(axes) - 1 or (number == SIGNED and len(axes) < 3)
                if known and fits:
                    out[phase, number, pattern] = 1 / len(offsets)
    return out


def _sums(values: Tensor, chosen: Tensor, further: bool) -> tuple[Tensor, Tensor]:
    """Return sums over neighbours by pattern, and those over the ones further away; (7, n)."""
    found: dict[tuple[int, ...], Tensor] = {(): values}
    near, far = [], []
    for axes in _PATTERNS:
        found[axes] = _pair(found[axes[:-1]], axes[-1], 1)
        near.append(found[axes].flatten().index_select(0, chosen))
        if further and len(axes) < 3:
            others = [_pair(found[axes], axis, 2) for axis in range(3) if axis not in axes]
            far.append(sum(others[1:], others[0]).flatten().index_select(0, chosen))
    if further:
        far.append(torch.zeros_like(far[0]))
    return torch.stack(near), torch.stack(far) if further else near[0]


def _pair(values: Tensor, axis: int, distance: int) -> Tensor:
    """Return the sum of the two values at a distance along an axis; 0 beyond the faces."""
    margins = [0] * 6
    margins[2 * (2 - axis)] = margins[2 * (2 - axis) + 1] = distance
    wide = functional.pad(values, margins)
    size = values.shape[axis]
    return wide.narrow(axis, 0, size) + wide.narrow(axis, 2 * distance, size)


def _interpolated(above: Tensor, shift: Offset, shape: Sequence[int]) -> Tensor:
    """Return a level at the nodes of the next finer one."""
    sizes = [(n + 1) // 2 + 1 for n in shape]
    part = above[tuple(slice(s, s + n) for s, n in zip(shift, sizes, strict=True))]
    margins: list[int] = []
    for have, want in zip(reversed(part.shape), reversed(sizes), strict=True):
        margins += [0, want - have]
    part = functional.pad(part, margins)
    for axis, size in enumerate(shape):
        cells = part.shape[axis] - 1
        even, following = part.narrow(axis, 0, cells), part.narrow(axis, 1, cells)
        both = torch.stack([even, (even + following) / 2], dim=axis + 1)
        part = both.flatten(axis, axis + 1).narrow(axis, 0, size)
    return part


def _logarithm(means: Tensor) -> Tensor:
    """Return `contexts.logarithm` with slopes, of means in latents."""
    numbers = MEAN_UNIT * means + 8
    power = torch.exp2(torch.floor(torch.log2(numbers.detach())))
    return 16 * (torch.log2(power) + numbers / power) - 16 - 48
