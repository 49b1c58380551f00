"""Micrographs from a density map: for tests, benchmarks and trying things out.

Projections in random orientations lie side by side, seen through the contrast transfer function of
an electron microscope, in noise whose low frequencies are stronger, as that of ice is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from ..errors import SettingsError
from ..maps.density_map import DensityMap
from ..support.array_types import Float32Array, Float64Array
from .micrographs import Micrograph
from .particles import Particles

_VOLTAGE = 300e3  # V
_SPHERICAL_ABERRATION = 2.7e7  # Å
_AMPLITUDE_CONTRAST = 0.1
_ICE_SHARE = 0.3  # of the noise's variance, at low frequencies
_ICE_LENGTH = 3.0  # of a box: how far the thickness of ice stays the same
_TRIES = 60  # places tried for each particle


def synthetic_micrograph(
    density_map: DensityMap,
    *,
    shape: tuple[int, int] = (1024, 1024),
    count: int = 100,
    box: int | None = None,
    snr: float = 0.1,
    defocus: float = 15000.0,
    spacing: float = 0.8,
    seed: int = 0,
    name: str = "synthetic",
) -> tuple[Micrograph, Particles]:
    """A micrograph of a map's projections, and where they are; the same for the same arguments.

    Protein is dark, as in a micrograph that was not inverted.

    Parameters
    ----------
    density_map : its voxels must be cubes; the voxel size becomes the pixel size.
    shape : pixels, (y, x).
    count : particles at most; fewer where there is no room.
    box : side of the square that holds a particle, pixels; by default 1.3 times the map's side.
    snr : variance of a projection, over its box, by that of the noise.
    defocus : Å, underfocus positive.
    spacing : least distance of two centres, in boxes.

    Raises
    ------
    SettingsError
        if the box does not fit into the micrograph, or a number is not positive.
    """
    for what, value in (("count", count), ("snr", snr), ("spacing", spacing)):
        if value < 0 or (value == 0 and what != "count"):
            raise SettingsError(f"{what} = {value}: must be positive")
    voxel = density_map.voxel_size[0]
    rng = np.random.default_rng(seed)
    side = max(density_map.data.shape)
    box = box or round(1.3 * side)
    if box >= min(shape):
        raise SettingsError(
            f"box = {box}: must be smaller than the micrograph, {min(shape)} pixels"
        )
    places = _places(rng, shape, count, 0.5 * box, spacing * box)
    image = np.zeros(shape, np.float32)
    power = 0.0
    for y, x in places:
        projected = _projection(density_map, Rotation.random(rng=rng))
        power += float((projected**2).sum()) / box**2
        _add(image, projected, y, x)
    image = -_transferred(image, voxel, defocus)
    if len(places):
        image *= math.sqrt(snr / (power / len(places)))
    image += _noise(rng, shape, _ICE_LENGTH * box)
    return Micrograph(image, voxel, name), Particles(places[:, ::-1], box=box, pixel_size=voxel)


def _places(
    rng: np.random.Generator, shape: tuple[int, int], count: int, border: float, apart: float
) -> Float64Array:
    """Centres, shape (n, 2), y then x, no two of them nearer than `apart`."""
    found: list[Float64Array] = []
    low, high = np.full(2, border), np.array(shape) - 1 - border
    for _ in range(count * _TRIES):
        if len(found) == count:
            break
        place = rng.uniform(low, high)
        if all(math.dist(place, other) >= apart for other in found):
            found.append(place)
    return np.array(found).reshape(-1, 2)


def _projection(density_map: DensityMap, rotation: Any) -> Float32Array:
    """The sum along z of the turned map without its solvent's mean, shape (side, side)."""
    data = density_map.data
    side = max(data.shape)
    matrix = rotation.as_matrix()
    centre = (np.array(data.shape) - 1) / 2
    offset = centre - matrix @ np.full(3, (side - 1) / 2)
    turned = ndimage.affine_transform(
        data, matrix, offset, output_shape=(side,) * 3, order=1, cval=float(np.median(data))
    )
    projected = turned.sum(0, dtype=np.float64)
    edge = np.hypot(*(np.mgrid[:side, :side] - (side - 1) / 2)) > 0.49 * side
    projected -= projected[edge].mean()
    projected[edge] = 0
    return projected.astype(np.float32)


def _add(image: Float32Array, projected: Float32Array, y: float, x: float) -> None:
    """Add a projection around a centre, at the nearest pixels and shifted by what remains."""
    side = projected.shape[0]
    corner = np.array([y, x]) - (side - 1) / 2
    whole = np.round(corner).astype(int)
    shifted = ndimage.shift(projected, corner - whole, order=1)
    rows = slice(max(whole[0], 0), whole[0] + side)
    columns = slice(max(whole[1], 0), whole[1] + side)
    part = image[rows, columns]
    from_row, from_column = np.maximum(-whole, 0)
    part += shifted[from_row : from_row + part.shape[0], from_column : from_column + part.shape[1]]


def _transferred(image: Float32Array, pixel_size: float, defocus: float) -> Float32Array:
    """The image as the microscope transfers it (weak-phase approximation, a positive contrast)."""
    y = fft.fftfreq(image.shape[0], pixel_size)[:, None]
    x = fft.rfftfreq(image.shape[1], pixel_size)[None]
    squared = y**2 + x**2
    wavelength = 12.2643 / math.sqrt(_VOLTAGE + 0.97845e-6 * _VOLTAGE**2)  # Å
    phase = (
        math.pi
        * wavelength
        * squared
        * (defocus - 0.5 * wavelength**2 * squared * _SPHERICAL_ABERRATION)
    )
    transfer = np.sin(phase + math.asin(_AMPLITUDE_CONTRAST))
    spectrum = fft.rfft2(image) * transfer
    return np.asarray(fft.irfft2(spectrum, image.shape), np.float32)


def _noise(rng: np.random.Generator, shape: tuple[int, int], length: float) -> Float32Array:
    """Noise of variance 1: white, and slow changes as of the thickness of ice."""
    white = rng.standard_normal(shape)
    slow = ndimage.gaussian_filter(rng.standard_normal(shape), length, mode="wrap")
    slow *= math.sqrt(_ICE_SHARE) / slow.std()
    return (math.sqrt(1 - _ICE_SHARE) * white + slow).astype(np.float32)
