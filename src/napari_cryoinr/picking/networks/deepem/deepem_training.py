"""DeepEM: stochastic gradient descent on patches (Zhu, Ouyang and Mao 2017, "Training")."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....progress import Clock, Progress, Steps
from ....support.array_types import Float32Array, Int64Array
from ....support.devices import import_torch
from .deepem_layers import Layers
from .deepem_module import Weights, outputs
from .patches import MOST

RATE = 1.0
BATCH = 50
EPOCHS = 20
TURNS = 4
_AT_ONCE = 1 << 19  # pixels of patches whose gradient is computed at once


def steps_of_recipe() -> int:
    """20 epochs of 800 patches of particles and 800 of what is none, each at four rotations."""
    return EPOCHS * 2 * MOST * TURNS // BATCH


def descend(
    weights: Weights,
    layers: Layers,
    positives: Float32Array,
    negatives: Float32Array,
    *,
    steps: int,
    device: str,
    rng: np.random.Generator,
    clock: Clock,
) -> Steps[Weights]:
    """Train weights on standardised patches, shape (n, side, side) each.

    Where there are fewer than 800 patches of a kind, they come up more often, so that both kinds
    weigh the same, and the steps are as many.
    """
    torch = import_torch()
    trained = {
        name: torch.tensor(value, device=device, requires_grad=True)  # a copy
        for name, value in weights.items()
    }
    optimiser = torch.optim.SGD(trained.values(), RATE)
    kinds = [torch.from_numpy(kind) for kind in (positives, negatives)]
    at_once = max(1, min(BATCH, _AT_ONCE // layers.side**2))
    order = _order(len(positives), len(negatives), rng)
    loss = None
    for step in range(steps):
        optimiser.zero_grad()
        batch = next(order)
        error = 0.0
        for start in range(0, BATCH, at_once):
            yield Progress("training", step, steps, clock.seconds, loss=loss)
            part = batch[start : start + at_once]
            patches = torch.stack([kinds[kind][number].rot90(turn) for kind, number, turn in part])
            wanted = torch.tensor([1.0 - kind for kind, _, _ in part], device=device)
            share = (outputs(trained, patches.to(device)) - wanted).square().sum() / (2 * BATCH)
            share.backward()
            error += share.item()
        optimiser.step()
        loss = error
    return {name: value.detach().cpu().numpy() for name, value in trained.items()}


def _order(positives: int, negatives: int, rng: np.random.Generator) -> Iterator[Int64Array]:
    """Batches without end: which kind (1 is none), number and turn; shape (BATCH, 3)."""
    while True:
        epoch = np.concatenate(
            [
                np.stack([np.full(TURNS * MOST, kind), *_shown(count, rng)], 1)
                for kind, count in enumerate((positives, negatives))
            ]
        )
        yield from rng.permutation(epoch).reshape(-1, BATCH, 3)


def _shown(count: int, rng: np.random.Generator) -> Int64Array:
    """Numbers and turns of one epoch's patches of a kind, shape (2, TURNS * MOST)."""
    rounds = -(-MOST // count)
    pairs = [rng.permutation(TURNS * count) for _ in range(rounds)]
    return np.stack(np.divmod(np.concatenate(pairs)[: TURNS * MOST], TURNS))
