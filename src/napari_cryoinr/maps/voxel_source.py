"""Volumes that stay where they are: voxels are read when they are indexed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..support.array_types import Float32Array


class VoxelSource(ABC):
    """Voxels of a volume, shape (z, y, x), as float32; an index as numpy takes it reads them."""

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.size = int(np.prod(shape, dtype=object))

    @abstractmethod
    def __getitem__(self, index: Any) -> Float32Array:
        """Return the voxels of an index."""

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self[...], dtype)
