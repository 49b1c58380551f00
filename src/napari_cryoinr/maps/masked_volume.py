"""A volume in a soft mask that is made when it is indexed: large maps are not copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..support.array_types import Float32Array


class MaskedVolume:
    """Densities less a level, in a unit, times a mask; shapes are (z, y, x).

    Parameters
    ----------
    mask : whatever a slice of planes gives weights of; None where all count.
    """

    def __init__(
        self, data: Float32Array, level: float, mask: Any = None, unit: float = 1.0
    ) -> None:
        self._data, self._mask = data, mask
        self._level, self._unit = np.float32(level / unit), np.float32(unit)
        self.shape, self.size = data.shape, data.size

    def __getitem__(self, planes: slice) -> Float32Array:
        out = self._data[planes] / self._unit  # first: no difference leaves float32
        out -= self._level
        if self._mask is not None:
            out *= self._mask[planes]
        return out

    def __len__(self) -> int:
        return self.shape[0]
