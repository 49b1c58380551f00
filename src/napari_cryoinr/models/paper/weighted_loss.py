"""The weighted loss of the source."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mse(
    predicted: Tensor, density: Tensor, exponent: float, percentile: float, factor: float
) -> Tensor:
    """Mean squared error with emphasis on high densities and on large errors.

    The weight of a point is |density|^exponent, times `factor` if its error is at or above the
    given percentile of the batch's errors (arXiv 2512.12975: quadratic emphasis, weight 3 at the
    90th percentile). Densities are normalised; the weights of the densities are brought to mean 1,
    so that the loss is comparable between batches. Shapes (n,).
    """
    error = (predicted.float() - density).abs()
    weight = density.abs().pow(exponent)
    weight = weight / weight.mean().clamp_min(1e-12)
    if factor != 1:
        bound = torch.quantile(error.detach(), percentile / 100)
        weight = weight * torch.where(error.detach() >= bound, factor, 1.0)
    return (weight * error.square()).mean()
