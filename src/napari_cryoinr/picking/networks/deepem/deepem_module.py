"""DeepEM's layers in torch, as they are trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ....support.array_types import Float32Array
from ....support.devices import import_torch
from .deepem_layers import NAMES, POOLS, Layers

if TYPE_CHECKING:
    from torch import Tensor

Weights = dict[str, Float32Array]


def glorot_weights(layers: Layers, rng: np.random.Generator) -> Weights:
    """Random weights to start from (Glorot and Bengio 2010, equation 16); biases are 0."""
    found: Weights = {}
    for name, shape in layers.shapes.items():
        if name.endswith("bias"):
            found[name] = np.zeros(shape, np.float32)
            continue
        into, out = (
            (shape[1], shape[0]) if len(shape) == 4 else (shape[0], 1 / math.prod(shape[1:]))
        )
        limit = math.sqrt(6 / ((into + out) * math.prod(shape[-2:])))
        found[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
    return found


def outputs(weights: Mapping[str, Tensor], patches: Tensor) -> Tensor:
    """What the network says of standardised patches (n, y, x): shape (n,), 0 to 1."""
    functional = import_torch().nn.functional
    maps = patches[:, None]
    for name, pool in zip(NAMES, POOLS, strict=False):
        maps = functional.conv2d(maps, weights[f"{name}.weight"], weights[f"{name}.bias"])
        maps = functional.avg_pool2d(maps.sigmoid(), pool)
    maps = functional.conv2d(maps, weights["output.weight"][None], weights["output.bias"])
    return maps[:, 0, 0, 0].sigmoid()
