"""Micrographs of a map's particles, simulated at full resolution, with their centres.

Independent of what the pretrained weights were made with: projections of one map along random
directions, at places at least a diameter apart, through the contrast transfer function of one
microscope (300 kV, 1 to 2.5 µm, an envelope of 100 Å²), in white noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

import napari_cryoinr as cryoinr

WAVELENGTH, ABERRATION = 0.0197, 2.7e7  # Å
VIEWS = 60
ENVELOPE = 100.0  # Å²
DEFOCUS = (1.0e4, 2.5e4)  # Å
AMPLITUDE = 0.1  # of the contrast
INSIDE = 0.9  # share of the mass within half of the diameter


@dataclass(frozen=True)
class Set:
    """Micrographs of one particle."""

    name: str
    diameter: float  # Å
    examples: list[cryoinr.Example]


def simulated(
    density_map: cryoinr.DensityMap,
    contour: float,
    count: int,
    noise: float,
    seed: int = 0,
    side: int = 1024,
    particles: int = 60,
) -> Set:
    """Return micrographs of the density above a contour; `noise` in root mean squares of it."""
    rng = np.random.default_rng(seed)
    views, diameter = _views(density_map, contour, rng)
    pixel = density_map.voxel_size[2]
    examples = []
    for number in range(count):
        places = _places(side, particles, diameter / pixel, rng)
        image = np.zeros((side, side))
        for place in places:
            _add(image, views[rng.integers(len(views))], place, rng.uniform(0, 360))
        image = -_seen(image, pixel, rng.uniform(*DEFOCUS))
        strength = np.sqrt(np.square(image[np.abs(image) > 0.1 * np.abs(image).max()]).mean())
        image += noise * strength * rng.standard_normal(image.shape)
        micrograph = cryoinr.Micrograph(image, pixel, f"{density_map.name}-{number}")
        examples.append(cryoinr.Example(micrograph, cryoinr.Particles(places[:, ::-1])))
    return Set(density_map.name, diameter, examples)


def _views(
    density_map: cryoinr.DensityMap, contour: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Return projections, and the diameter of the density, Å."""
    data = np.where(density_map.data > contour, density_map.data, 0).astype(np.float64)
    side = 2 * ((max(data.shape) + 1) // 2)
    middle = np.array(ndimage.center_of_mass(data))
    places = np.argwhere(data > 0)
    distance = np.linalg.norm(places - middle, axis=1)
    order, mass = np.argsort(distance), data[data > 0]
    total = np.cumsum(mass[order])
    radius = distance[order[np.searchsorted(total, INSIDE * total[-1])]]
    found = []
    for turn in Rotation.random(VIEWS, rng=rng):
        matrix = turn.as_matrix()
        offset = middle - matrix @ np.full(3, (side - 1) / 2)
        found.append(ndimage.affine_transform(data, matrix, offset, (side,) * 3, order=1).sum(0))
    return np.array(found), 2 * radius * density_map.voxel_size[2]


def _places(side: int, count: int, apart: float, rng: np.random.Generator) -> NDArray[np.float64]:
    kept = np.empty((0, 2))
    for _ in range(200 * count):
        place = rng.uniform(apart, side - apart, 2)
        if len(kept) < count and (not len(kept) or np.hypot(*(kept - place).T).min() > 1.1 * apart):
            kept = np.vstack([kept, place])
    return kept


def _add(
    image: NDArray[np.float64], view: NDArray[np.float64], place: NDArray[np.float64], angle: float
) -> None:
    half = len(view) // 2
    corner = np.floor(place).astype(int) - half
    turned = ndimage.rotate(view, angle, reshape=False, order=1)
    # The middle of a view lies between its pixels.
    turned = ndimage.shift(turned, place - corner - half + 0.5, order=1)
    first, end = np.maximum(corner, 0), np.minimum(corner + len(view), image.shape)
    a, b = first - corner, end - corner
    image[first[0] : end[0], first[1] : end[1]] += turned[a[0] : b[0], a[1] : b[1]]


def _seen(image: NDArray[np.float64], pixel: float, defocus: float) -> NDArray[np.float64]:
    y, x = fft.fftfreq(image.shape[0], pixel), fft.rfftfreq(image.shape[1], pixel)
    square = y[:, None] ** 2 + x[None] ** 2
    phase = np.pi * WAVELENGTH * square * (defocus - 0.5 * ABERRATION * WAVELENGTH**2 * square)
    transfer = np.sin(phase + np.arcsin(AMPLITUDE)) * np.exp(-0.25 * ENVELOPE * square)
    return fft.irfft2(fft.rfft2(image) * transfer, image.shape)
