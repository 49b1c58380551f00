"""Training the context network, its probability tables, and those of the last bands.

The network's output is the number of a table; tables are ordered from latents that are nearly all
zero to large ones. In the training the number is real, and probabilities are interpolated between
the two nearest tables, so that everything has a gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from training_data import Samples

from napari_cryoinr.coding import gather_counts
from napari_cryoinr.coding.bricks import CONTEXTS
from napari_cryoinr.coding.integer_network import IntegerNetwork
from napari_cryoinr.coding.tokens import ALPHABET, detokenise, raw_bit_counts, unfold
from napari_cryoinr.models.field.context_network import ContextNetwork
from napari_cryoinr.models.field.frequency_shells import BANDS
from napari_cryoinr.models.field.latent_contexts import FEATURES
from napari_cryoinr.support.array_types import Float64Array, Int64Array

TABLES = 64
HIDDEN = 16
_SCALES = (-4.0, 14.0)  # log2 of the mean magnitudes that the tables start from
_FIRST_TABLE = 20.0
_STRETCH = 10.0  # of the last layer: tables are far apart, weights are not
_RATE, _TABLE_RATE = 1.6e-2, 2e-2
_SETS, _ROWS = 24, 512  # of a step: encodings, and latents of each
_OUTSIDE = 1e-3  # bits for each table beyond the first or last one
_FLOOR = 1e-9
_UNIT = 1 << 20  # of the counts that are stored
_BAND_UNIT = 4095
_BAND_FLOOR = 200  # a band that was never seen in a context gets one in so many
_PRIOR = 64.0  # latents that the trained table counts for, beside those seen


class _Network(torch.nn.Module):
    """The network and its tables, as real numbers."""

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        sizes = (len(mean), HIDDEN, HIDDEN, 1)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(before, behind) for before, behind in itertools.pairwise(sizes)
        )
        self.mean, self.spread = mean, spread
        self.logits = torch.nn.Parameter(torch.from_numpy(_laplace()).to(torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        """Return the number of the table, not rounded."""
        values = (features - self.mean) / self.spread
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        return _STRETCH * self.layers[-1](values)[:, 0] + _FIRST_TABLE

    def bits(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code length of each token, and how far its table is out of range."""
        number = self(features)
        inside = number.clamp(0, TABLES - 1.001)
        lower = inside.detach().floor()
        share = inside - lower
        chances = torch.softmax(self.logits, 1)
        below = lower.long()
        chance = (1 - share) * chances[below, tokens] + share * chances[below + 1, tokens]
        return -torch.log2(chance + _FLOOR), (number - inside).abs()

    def integers(self) -> ContextNetwork:
        """Round the network; its first layer contains the scaling of the features."""
        weights = [layer.weight.detach().double().numpy().T for layer in self.layers]
        biases = [layer.bias.detach().double().numpy() for layer in self.layers]
        spread, mean = self.spread.double().numpy(), self.mean.double().numpy()
        biases[0] = biases[0] - (mean / spread) @ weights[0]
        weights[0] = weights[0] / spread[:, None]
        weights[-1] = weights[-1] * _STRETCH
        biases[-1] = biases[-1] * _STRETCH + _FIRST_TABLE
        return ContextNetwork(IntegerNetwork.from_float(weights, biases), TABLES)


def _laplace() -> Float64Array:
    """Return log probabilities of tokens of Laplace distributions, shape (TABLES, tokens)."""
    tokens = np.arange(ALPHABET)
    first = detokenise(tokens, np.zeros(ALPHABET, np.int64)).astype(np.float64)
    width = 2.0 ** raw_bit_counts(tokens)
    scale = 2.0 ** np.linspace(*_SCALES, TABLES)[:, None]
    nonzero = np.exp((0.5 - first) / scale) - np.exp((0.5 - first - width) / scale)
    chances = np.where(first == 0, 1 - np.exp(-0.5 / scale), nonzero)
    return np.log(chances + 1e-7)


def train_network(
    data: Sequence[Samples], steps: int, seed: int = 0
) -> tuple[ContextNetwork, Int64Array]:
    """Train a network; returns it with the counts of its tables.

    Every encoding counts alike: its size is minimised relative to what it is at that step.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    sets = [(torch.from_numpy(s.features), torch.from_numpy(s.tokens), s.raw) for s in data]
    mean = torch.stack([features.mean(0) for features, _, _ in sets]).mean(0)
    square = torch.stack([((features - mean) ** 2).mean(0) for features, _, _ in sets]).mean(0)
    network = _Network(mean, square.sqrt() + 1e-3)
    optimiser = torch.optim.Adam(
        [
            {"params": network.layers.parameters(), "lr": _RATE},
            {"params": [network.logits], "lr": _TABLE_RATE},
        ]
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [_RATE, _TABLE_RATE], steps + 1)
    for _ in track(range(steps), "training", console=Console(stderr=True)):
        chosen = random.choice(len(sets), min(_SETS, len(sets)), replace=False)
        rows, symbols, raw = [], [], []
        for features, tokens, raw_bits in (sets[number] for number in chosen):
            places = torch.randint(len(tokens), (_ROWS,), generator=generator)
            rows.append(features[places])
            symbols.append(tokens[places])
            raw.append(raw_bits)
        bits, outside = network.bits(torch.cat(rows), torch.cat(symbols))
        sizes = bits.reshape(len(chosen), _ROWS).mean(1)
        loss = (sizes / (sizes.detach() + torch.tensor(raw))).mean() + _OUTSIDE * outside.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    whole = network.integers()
    return whole, _counts(network, whole, data)


def mean_size(network: ContextNetwork, counts: Int64Array, data: Sequence[Samples]) -> float:
    """Return the mean logarithm of the bits for each latent, over encodings."""
    bits = -np.log2(counts / counts.sum(axis=1, keepdims=True))
    sizes = [
        bits[network.choose(samples.features.astype(np.float64)), samples.tokens].mean()
        + samples.raw
        for samples in data
    ]
    return float(np.log(sizes).mean())


def _counts(network: _Network, whole: ContextNetwork, data: Sequence[Samples]) -> Int64Array:
    """Count the tokens by table: as trained, corrected by what the rounded network chooses."""
    chances = torch.softmax(network.logits, 1).detach().double().numpy()
    seen = np.zeros_like(chances)
    for samples in data:
        chosen = whole.choose(samples.features.astype(np.float64))
        pairs = np.bincount(chosen * ALPHABET + samples.tokens, minlength=seen.size)
        seen += pairs.reshape(seen.shape)
    chances = (seen + _PRIOR * chances) / (seen.sum(1, keepdims=True) + _PRIOR)
    return np.maximum(np.rint(chances * _UNIT), 1).astype(np.int64)


def train_bands(data: Sequence[Samples]) -> Int64Array:
    """Count the last bands by context, shape (contexts, BANDS); every encoding counts alike."""
    shares = sum(
        gather_counts(unfold(samples.bands), np.ones(samples.bands.shape, bool))
        / samples.bands.size
        for samples in data
    )
    shares = np.asarray(shares)[:, :BANDS]
    total = np.maximum(shares.sum(1, keepdims=True), 1e-6)
    shares = np.maximum(shares, total / _BAND_FLOOR)
    largest = shares.max(axis=1, keepdims=True)
    return np.maximum(shares * _BAND_UNIT // largest, 1).astype(np.int64)


def untrained() -> tuple[ContextNetwork, Int64Array, Int64Array]:
    """Make a network that always chooses the same table, its tables, and those of the bands."""
    features = len(FEATURES)
    constant = IntegerNetwork.from_float([np.zeros((features, 1))], [np.full(1, _FIRST_TABLE)])
    network = ContextNetwork(constant, TABLES)
    counts = np.maximum(np.rint(np.exp(_laplace()) * _UNIT), 1).astype(np.int64)
    return network, counts, np.ones((CONTEXTS, BANDS), np.int64)
