"""Residual connections of the model `paper`: which layers have one, and what happens to widths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def has_shortcut(pattern: str, hidden_layer: int) -> bool:
    """Whether this hidden layer has a shortcut: never, every second one, or always."""
    return pattern == "full" or (pattern == "alternate" and hidden_layer % 2 == 1)


def fold(values: Any, width: int, pad: Callable[[Any, int], Any]) -> Any:
    """Project (n, m) onto (n, width) without parameters, numpy arrays or torch tensors.

    A narrower target gets the mean of the m / width numbers that share a remainder, a wider one
    the numbers followed by zeros (the shortcut without parameters of He et al., "Deep residual
    learning", section 3.3, option A). `pad` appends columns of zeros.
    """
    rows, have = values.shape
    groups = -(-have // width)
    if groups * width > have:
        values = pad(values, groups * width - have)
    if groups == 1:
        return values
    return values.reshape(rows, groups, width).sum(1) * (1.0 / groups)
