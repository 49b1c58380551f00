"""Micrographs for tests: dark spots in white noise."""

from __future__ import annotations

import math

import numpy as np

import napari_cryoinr as cryoinr

BOX = 40


def spots(
    shape: tuple[int, int], seed: int, height: float = 3.0, count: int = 25, box: int = BOX
) -> cryoinr.Example:
    """Spots at least a box apart in noise of variance 1."""
    rng = np.random.default_rng(seed)
    places: list[np.ndarray] = []
    for place in rng.uniform(box / 2, np.array(shape) - box / 2, (2000, 2)):
        if len(places) < count and all(math.dist(place, other) > box for other in places):
            places.append(place)
    image = rng.standard_normal(shape)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for row, column in places:
        image -= height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (0.2 * box) ** 2)
    micrograph = cryoinr.Micrograph(image, 4.0, f"m{seed}")
    return cryoinr.Example(micrograph, cryoinr.Particles(np.array(places)[:, ::-1], box=box))
