"""The middle plane of a map as a network that is being trained would decode it. Loads torch."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...progress import Plane
from ..base import Target
from .positional_encoding import normalised
from .training import PaperNetwork


class DecodedPlane:
    """The middle plane along z of a network's first map, in points of which there are few enough.

    `most` limits them: a plane takes no longer than a step of the training.
    """

    def __init__(self, target: Target, most: int, device: str) -> None:
        shape = target.map.data.shape
        self._z = shape[0] // 2
        every = max(1, math.ceil(math.sqrt(shape[1] * shape[2] / most)))
        mask = target.mask[self._z, ::every, ::every]
        y, x = np.nonzero(mask)
        places = np.column_stack([np.full_like(y, self._z), every * y, every * x])
        points = normalised(places, shape).astype(np.float32)
        self._points = torch.from_numpy(points).to(device)
        self._member = torch.zeros(len(points), dtype=torch.long, device=device)
        self._mask, self._scale = mask, target.density_scale
        self._empty = np.full(mask.shape, target.background, np.float32)

    def of(self, network: PaperNetwork) -> Plane:
        """Return the plane as the network has it now."""
        densities = self._empty.copy()
        with torch.no_grad():
            found = network(self._points, self._member).float().cpu().numpy()
        densities[self._mask] = found * self._scale
        return Plane(self._z, densities)
