"""Crops of prepared micrographs that `modern` is trained on, and their augmentation.

Particles lie in the ice at any angle, and micrographs differ in dose: crops are rotated by any
angle, mirrored and slightly scaled, and half of them get noise, up to where particles are barely
visible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..support.array_types import Float32Array, Float64Array, Int64Array
from ..support.devices import import_torch
from .preprocessing import SIDE, Powers, Prepared, focused, graded

if TYPE_CHECKING:
    from torch import Tensor

STRIDE = 2  # pixels of the prepared image per score
CROP = 96  # pixels
UNKNOWN, REJECTED = -1.0, 2.0  # beside 0 to 1
_WIDTH = 0.1  # sigma of a target, in boxes: the precision of clicks and labels
_NEGLIGIBLE = 0.01
_REJECTED_WITHIN = 0.13  # boxes
_SCALE = 0.05  # standard deviation of the logarithm of the size
_GAIN = 0.1
_UNSURE = 0.07  # standard deviation of a grade
_NOISY = 0.5  # share of the crops with added noise
_HIDDEN = 0.1  # share of the crops of which a part shows nothing


@dataclass(frozen=True, eq=False)
class Field:
    """A prepared micrograph and its targets."""

    image: Float32Array  # shape (rows, columns)
    # Shape of the scores: from 1 at the centre of a particle to 0 far from all of them; UNKNOWN or
    # REJECTED.
    target: Float32Array
    particles: Float64Array  # centres, pixels of the image, shape (n, 2), y then x
    rejected: Float64Array  # the same
    powers: Powers

    @property
    def centres(self) -> Float64Array:
        """Centres of particles and rejected places."""
        return np.concatenate([self.particles, self.rejected])


class Batch(NamedTuple):
    """The input of one training step."""

    images: Tensor  # shape (n, CROP, CROP)
    targets: Tensor  # shape (n, CROP / STRIDE, CROP / STRIDE), as those of a field
    grades: Tensor  # `graded` of the images, shape (n,)
    owners: Int64Array  # which fields they come from, shape (n,)


def field_of(prepared: Prepared, particles: Float64Array, rejected: Float64Array) -> Field:
    """Make the field of a micrograph; places are pixels of it, shape (n, 2), x then y."""
    image = prepared.image
    missing = [max(0, CROP - n) for n in image.shape]
    padded = np.pad(image, [(0, n) for n in missing], mode="symmetric")
    known, bad = (points[:, ::-1] / prepared.step for points in (particles, rejected))
    shape = tuple(-(-n // STRIDE) for n in padded.shape)
    target = np.exp(-0.5 * np.square(_distance(shape, known) / (_WIDTH * SIDE)))
    target[target < _NEGLIGIBLE] = 0
    target[_distance(shape, bad) < _REJECTED_WITHIN * SIDE] = REJECTED
    rows, columns = (-(-n // STRIDE) for n in image.shape)
    target[rows:], target[:, columns:] = UNKNOWN, UNKNOWN
    if prepared.seen is not None:
        target[:rows, :columns][~prepared.seen[::STRIDE, ::STRIDE]] = UNKNOWN
    powers = focused(prepared, particles).powers
    return Field(padded, target.astype(np.float32), known, bad, powers)


def _distance(shape: tuple[int, ...], centres: Float64Array) -> Float64Array:
    """Return the distance of each score's place from the nearest centre, pixels of the image."""
    nearest = np.full(shape, np.inf)
    y, x = (STRIDE * np.arange(n, dtype=float) for n in shape)
    for row, column in centres:
        np.minimum(nearest, np.hypot(y[:, None] - row, x[None] - column), out=nearest)
    return nearest


def batch_of(fields: Sequence[Field], size: int, rng: np.random.Generator) -> Batch:
    """Cut and augment crops; every other one contains a known centre."""
    torch = import_torch()
    owners = np.concatenate([np.full(len(one.centres), n) for n, one in enumerate(fields)])
    centres = np.concatenate([one.centres for one in fields])
    images, targets, chosen_fields = [], [], []
    for number in range(size):
        if number % 2 == 0:
            chosen = rng.integers(len(centres))
            owner = int(owners[chosen])
            middle = centres[chosen] + rng.uniform(-0.4 * CROP, 0.4 * CROP, 2)
        else:
            owner = int(rng.integers(len(fields)))
            middle = rng.uniform(0, fields[owner].image.shape)
        one = fields[owner]
        y, x = (
            int(np.clip(m - CROP / 2, 0, n - CROP)) // STRIDE * STRIDE
            for m, n in zip(middle, one.image.shape, strict=True)
        )
        images.append(one.image[y : y + CROP, x : x + CROP])
        y, x, side = y // STRIDE, x // STRIDE, CROP // STRIDE
        targets.append(one.target[y : y + side, x : x + side])
        chosen_fields.append(owner)
    turned = _turned(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(targets)), rng)
    images_, grades = _noisy(turned[0], [fields[n].powers for n in chosen_fields], rng)
    _hide(images_, turned[1], rng)
    return Batch(images_, turned[1], grades, np.array(chosen_fields))


def _turned(images: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Rotate, scale and mirror; what comes from outside the crop is unknown."""
    torch, count = import_torch(), len(images)
    angle, size = rng.uniform(0, 2 * math.pi, count), np.exp(rng.normal(0, _SCALE, count))
    mirror = rng.choice([-1.0, 1.0], count)
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    zero = np.zeros(count)
    rows = [mirror * cos, -sin, zero, mirror * sin, cos, zero]
    matrix = torch.from_numpy(np.stack(rows, -1).reshape(count, 2, 3).astype(np.float32))
    # Where each pixel comes from, -1 to 1.
    pixels = torch.nn.functional.affine_grid(matrix, [count, 1, CROP, CROP], align_corners=False)
    images = _sampled(images, pixels, "bicubic", "reflection")
    # Scores lie at every STRIDE-th pixel, beginning with the first.
    scores = pixels[:, ::STRIDE, ::STRIDE] * (CROP / 2)
    index = (scores + (CROP - 1) / 2) / STRIDE
    grid = (index + 0.5) / (CROP // STRIDE) * 2 - 1
    nearest = _sampled(targets, grid, "nearest", "border")
    smooth = _sampled(targets.clamp(0, 1), grid, "bilinear", "border")
    targets = torch.where((nearest == UNKNOWN) | (nearest == REJECTED), nearest, smooth)
    targets[(scores.abs() > CROP / 2).any(-1)] = UNKNOWN
    return images, targets


def _sampled(values: Tensor, grid: Tensor, mode: str, outside: str) -> Tensor:
    """Sample values, shape (n, y, x), at the places of a grid, -1 to 1 from edge to edge."""
    sample = import_torch().nn.functional.grid_sample
    return sample(values[:, None], grid, mode, outside, align_corners=False)[:, 0]


def _hide(images: Tensor, targets: Tensor, rng: np.random.Generator) -> None:
    """Let some images show nothing beyond a row or a column, as at the edge of a dead area."""
    for image, target in zip(images, targets, strict=True):
        if rng.random() < _HIDDEN:
            start, end = (
                (0, rng.integers(1, CROP // 2))
                if rng.random() < 0.5
                else (rng.integers(CROP // 2, CROP), CROP)
            )
            if rng.random() < 0.5:
                image, target = image.T, target.T
            image[start:end] = 0
            target[-(-start // STRIDE) : -(-end // STRIDE)] = UNKNOWN


def _noisy(
    images: Tensor, powers: Sequence[Powers], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Add noise to half of the images; return them and the grades of their contrasts."""
    torch, levels, grades = import_torch(), [], []
    for one in powers:
        contrast = one.contrast
        if rng.random() < _NOISY:
            # Low contrasts are more frequent, because they take longest to learn.
            contrast *= (one.faintest / contrast) ** math.sqrt(rng.random())
        levels.append(one.noise_for(contrast))
        grades.append(graded(contrast) + rng.normal(0, _UNSURE))
    gain = np.exp(rng.normal(0, _GAIN, len(levels))) / np.sqrt(1 + np.square(levels))
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    factors = torch.tensor(np.array([gain, gain * levels]), dtype=torch.float32)
    own, added = factors[:, :, None, None]
    return own * images + added * noise, torch.tensor(grades, dtype=torch.float32)
