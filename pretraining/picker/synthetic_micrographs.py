"""Micrographs of particles that are known, with all that comes between them and a picker.

They are made as a picker sees them, see `napari_cryoinr.picking.preprocessing`: a box, somewhat
larger than the particle, has 32 pixels. Densities are summed along the beam, seen through the
contrast transfer function of the microscope (phase and amplitude contrast, defocus, spherical
aberration, an envelope), and counted by a detector with noise of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from particle_shapes import EXTENT, SIDE
from scipy import fft, ndimage

Image = NDArray[np.float64]

BOX = 32  # pixels
_WAVELENGTHS = (0.0251, 0.0197)  # Å at 200 and 300 kV
_ABERRATION = 2.7e7  # Å
_EMPTY = 0.12  # share of micrographs without particles


class Synthetic(NamedTuple):
    """A micrograph, and where its particles are."""

    image: Image  # shape (side, side)
    particles: Image  # centres, pixels, shape (n, 2), y then x
    unknown: Image  # centres of what may be a particle or not, the same


@dataclass(frozen=True)
class Scene:
    """What one micrograph is like."""

    size: float  # longest extent of a particle, pixels
    pixel: float  # Å
    noise: float  # standard deviation of a pixel, in root mean squares of a particle
    spacing: float  # least distance of particles, in sizes

    @classmethod
    def random(cls, rng: np.random.Generator, most_noise: float) -> Scene:
        """Return a scene with at most so much noise."""
        size = BOX * rng.uniform(0.42, 0.92)
        angstroms = np.exp(rng.uniform(np.log(80), np.log(400)))
        noise = np.exp(rng.uniform(np.log(0.3), np.log(most_noise)))
        return cls(size, angstroms / size, noise, rng.choice([0.6, 0.85, 1.0, 1.3]))


def synthetic(
    views: NDArray[np.float16],
    others: NDArray[np.float16],
    side: int,
    rng: np.random.Generator,
    most_noise: float,
) -> Synthetic:
    """Return a micrograph of one particle, whose projections are given, shape (n, SIDE, SIDE).

    `others` are projections of all particles: fragments and dirt come from them.
    """
    scene = Scene.random(rng, most_noise)
    margin = BOX
    whole = side + 2 * margin
    exit_wave = np.zeros((whole, whole))
    empty = rng.random() < _EMPTY
    area = (whole / scene.size) ** 2
    count = 0 if empty else int(area * 0.75 / max(scene.spacing, 0.8) ** 2 * rng.uniform(0.05, 1))
    centres = _apart(whole, count, scene.spacing * scene.size, rng)
    for centre in centres:
        strength = np.exp(rng.normal(0, 0.1))
        _add(exit_wave, views[rng.integers(len(views))], centre, scene.size / EXTENT, strength, rng)
    clumps = _clumps(exit_wave, views, scene, empty, rng)
    _fragments(exit_wave, others, scene, rng)
    thickness = _thickness(whole, rng)
    carbon, covered = _carbon(whole, scene, rng)
    exit_wave += _dirt(whole, scene, rng)
    # Ice scatters too; its noise goes through the microscope like the particles.
    grainy = rng.uniform(0, 0.6) * scene.noise
    exit_wave += (grainy + carbon) * rng.standard_normal(exit_wave.shape)
    seen = -_through_microscope(exit_wave, scene.pixel, rng)
    counted = scene.noise * np.sqrt(thickness) * _detector_noise(whole, rng)
    image = seen / thickness + counted
    gradient = _smooth(whole, BOX * rng.uniform(2, 10), rng)
    image += rng.normal(0, 1) * scene.noise * gradient - covered
    if rng.random() < 0.25:
        image = _with_holes(image, scene, rng)
    inner = image[margin:-margin, margin:-margin]
    places = np.minimum(centres.astype(int), whole - 1)
    hidden = carbon[places[:, 0], places[:, 1]] > 0
    # Particles on carbon are found by some, and avoided by others.
    unknown = np.concatenate([clumps, centres[hidden]])
    return Synthetic(
        inner, _inside(centres[~hidden] - margin, side), _inside(unknown - margin, side)
    )


def _inside(centres: Image, side: int) -> Image:
    return centres[((centres >= 0) & (centres <= side - 1)).all(1)]


def _apart(side: int, count: int, distance: float, rng: np.random.Generator) -> Image:
    """Return random places at least a distance apart, as many as were found; some are in groups."""
    grouped = rng.random() < 0.3
    hearts = rng.uniform(0, side, (4, 2))
    kept = np.empty((0, 2))
    for _ in range(6 * count):
        if len(kept) >= count:
            break
        place = rng.uniform(0, side, 2)
        if grouped and rng.random() < 0.7:
            place = hearts[rng.integers(4)] + rng.normal(0, 2.5 * distance, 2)
        if not len(kept) or np.hypot(*(kept - place).T).min() >= distance:
            kept = np.vstack([kept, place])
    return kept


def _add(
    image: Image,
    view: NDArray[np.float16],
    centre: Image,
    scale: float,
    strength: float,
    rng: np.random.Generator,
) -> None:
    """Add a projection, turned by a random angle and scaled, to an image."""
    angle = rng.uniform(0, 2 * np.pi)
    half = int(np.ceil(SIDE / 2 * scale))
    corner = np.round(centre).astype(int) - half
    first, end = np.maximum(corner, 0), np.minimum(corner + 2 * half, image.shape)
    if (end <= first).any():
        return
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = np.array([[cos, -sin], [sin, cos]])
    # The middle of a projection is between its pixels.
    offset = (SIDE - 1) / 2 + matrix @ (first - centre)
    shape = tuple(end - first)
    turned = ndimage.affine_transform(view.astype(float), matrix, offset, shape, order=1)
    image[first[0] : end[0], first[1] : end[1]] += strength * turned


def _clumps(
    image: Image, views: NDArray[np.float16], scene: Scene, empty: bool, rng: np.random.Generator
) -> Image:
    """Add aggregates of particles; return the centres of their particles."""
    found = []
    for _ in range(0 if empty else rng.poisson(0.5)):
        heart = rng.uniform(0, len(image), 2)
        for _ in range(rng.integers(4, 16)):
            centre = heart + rng.normal(0, 0.7 * scene.size, 2)
            _add(image, views[rng.integers(len(views))], centre, scene.size / EXTENT, 1.0, rng)
            found.append(centre)
    return np.array(found).reshape(-1, 2)


def _fragments(
    image: Image, others: NDArray[np.float16], scene: Scene, rng: np.random.Generator
) -> None:
    """Add what is much smaller or larger than the particle, which is no particle."""
    for _ in range(rng.poisson(rng.choice([0, 3, 15]))):
        view = others[rng.integers(len(others)), rng.integers(others.shape[1])]
        share = rng.uniform(0.2, 0.5) if rng.random() < 0.8 else rng.uniform(1.7, 3)
        scale = share * scene.size / EXTENT
        # Thinner ones absorb less.
        _add(image, view, rng.uniform(0, len(image), 2), scale, share * rng.uniform(0.5, 1), rng)


def _dirt(side: int, scene: Scene, rng: np.random.Generator) -> Image:
    """Return crystals of ice, gold and dirt: darker than particles, of any size."""
    out = np.zeros((side, side))
    y, x = np.ogrid[:side, :side]
    for _ in range(rng.poisson(rng.choice([0, 1, 4]))):
        radius = np.exp(rng.uniform(np.log(2), np.log(1.6 * BOX)))
        cy, cx = rng.uniform(0, side, 2)
        angle = np.arctan2(y - cy, x - cx)
        edge = radius * (
            1 + rng.uniform(0, 0.25) * np.cos(rng.integers(2, 7) * angle + rng.uniform(0, 6))
        )
        depth = np.clip((edge - np.hypot(y - cy, x - cx)) / rng.uniform(0.7, 4), 0, 1)
        strength = np.exp(rng.uniform(np.log(1.5), np.log(15))) * max(1.0, 0.7 * scene.noise)
        if rng.random() < 0.3:  # crystals have texture
            depth = depth * (1 + rng.uniform(0, 1) * rng.standard_normal((side, side)))
        out += strength * depth
    return out


def _carbon(side: int, scene: Scene, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return the graininess of a carbon film that covers a part of the image, and its darkness."""
    none = np.zeros((side, side))
    if rng.random() > 0.25:
        return none, none
    y, x = np.ogrid[:side, :side]
    centre, radius = rng.uniform(-0.5, 1.5, 2) * side, rng.uniform(1, 4) * side
    distance = np.hypot(y - centre[0], x - centre[1]) - radius
    if rng.random() < 0.5:
        distance = -distance
    distance = distance - np.quantile(distance, rng.uniform(0.1, 0.6))
    film = np.clip(-distance / rng.uniform(1, 6), 0, 1)
    return rng.uniform(0.3, 2) * scene.noise * film, rng.uniform(0, 6) * scene.noise * film


def _with_holes(image: Image, scene: Scene, rng: np.random.Generator) -> Image:
    """Return an image with round holes in it, dark or bright at their edges."""
    side = len(image)
    y, x = np.ogrid[:side, :side]
    for _ in range(rng.integers(1, 5)):
        radius = BOX * np.exp(rng.uniform(np.log(0.8), np.log(6)))
        cy, cx = rng.uniform(0, side, 2)
        distance = np.hypot(y - cy, x - cx) - radius
        inside = np.clip(-distance / 2 + 0.5, 0, 1)
        level = rng.normal(0, 6) * max(scene.noise, 0.5)
        rim = (
            rng.normal(0, 4)
            * max(scene.noise, 0.5)
            * np.exp(-np.square(distance / rng.uniform(1, 4)))
        )
        image = image * (1 - inside) + inside * (rng.uniform(0.1, 0.9) * image + level) + rim
    return image


def _thickness(side: int, rng: np.random.Generator) -> Image:
    """Return how much the ice weakens the contrast: 1 on average."""
    if rng.random() < 0.5:
        return np.ones((side, side))
    return np.exp(np.clip(rng.uniform(0.05, 0.35) * _smooth(side, 4 * BOX, rng), -0.8, 0.8))


def _smooth(side: int, sigma: float, rng: np.random.Generator) -> Image:
    """Return a random image without structure finer than sigma, of variance 1."""
    coarse = rng.standard_normal((6 + int(2 * side / sigma),) * 2)
    grid = np.linspace(1, len(coarse) - 2, side)
    made = ndimage.map_coordinates(coarse, np.meshgrid(grid, grid, indexing="ij"), order=3)
    return (made - made.mean()) / max(made.std(), 1e-9)


def _frequencies(side: int) -> Image:
    y, x = fft.fftfreq(side), fft.rfftfreq(side)
    return np.hypot(y[:, None], x[None])


def _through_microscope(wave: Image, pixel: float, rng: np.random.Generator) -> Image:
    """Return the contrast of an exit wave whose phases are given, particles positive."""
    frequency = _frequencies(len(wave)) / pixel
    length = _WAVELENGTHS[rng.integers(2)]
    defocus = np.exp(rng.uniform(np.log(5e3), np.log(4e4)))
    phase = (
        np.pi
        * length
        * np.square(frequency)
        * (defocus - 0.5 * _ABERRATION * np.square(length * frequency))
    )
    amplitude = rng.uniform(0.05, 0.15)
    plate = rng.uniform(0.3, 0.6) * np.pi if rng.random() < 0.12 else 0.0
    transfer = np.sin(phase + plate + np.arcsin(amplitude))
    if rng.random() < 0.1:  # many defoci at once, or corrected: no oscillations
        transfer = np.abs(transfer)
    decay = rng.uniform(50, 600)  # Å²
    transfer = transfer * np.exp(-0.25 * decay * np.square(frequency))
    if rng.random() < 0.3:  # slow frequencies are filtered out of many micrographs
        transfer = transfer * (
            1 - np.exp(-np.square(frequency * pixel * BOX * rng.uniform(0.5, 3)))
        )
    seen = fft.irfft2(fft.rfft2(wave) * transfer, wave.shape)
    # In units of what a particle keeps, so that the noise is what it was asked to be.
    shell = frequency * pixel * BOX
    band = (shell > 0.5) & (shell < 8)
    weight = 1 / np.square(np.maximum(shell[band], 1))
    kept = np.sqrt((np.square(transfer[band]) * weight).sum() / weight.sum())
    return seen / max(kept, 0.05)


def _detector_noise(side: int, rng: np.random.Generator) -> Image:
    """Return noise that falls slowly with the frequency, of variance 1."""
    frequency = _frequencies(side)
    fall = np.exp(-rng.uniform(0, 2.5) * frequency)
    rise = 1 + rng.uniform(0, 1.0) * np.exp(-frequency * BOX * rng.uniform(0.3, 1))
    made = fft.irfft2(fft.rfft2(rng.standard_normal((side, side))) * fall * rise, (side, side))
    return made / made.std()
