"""Pieces of prepared micrographs that `modern` is trained on, and how they are varied.

A particle lies in the ice at any angle, and micrographs differ in dose: pieces are turned by any
angle, mirrored, slightly enlarged, and half of them get noise of any strength on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..devices import import_torch
from .preparing import SIDE, Prepared

if TYPE_CHECKING:
    from torch import Tensor

STRIDE = 2  # pixels of the prepared image per score
CROP = 96  # pixels
PARTICLE, NONE, UNKNOWN, REJECTED = 1, 0, -1, 2
_NEAR, _FAR = 0.13, 0.35  # of a box: nearer is a particle's centre, farther is none
_SCALE = 0.05  # standard deviation of the logarithm of the size
_GAIN = 0.1
_NOISE = (0.3, 12.0)  # weakest and strongest, in noise levels
_NOISY = 0.5  # share of the pieces

Image = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Field:
    """A prepared micrograph and what its pixels are.

    Attributes
    ----------
    image : shape (rows, columns).
    target : shape of the scores: PARTICLE, NONE, UNKNOWN or REJECTED.
    centres : of particles and rejected ones, pixels of the image, shape (n, 2), y then x.
    """

    image: Image
    target: npt.NDArray[np.int8]
    centres: npt.NDArray[np.float64]


def field_of(
    prepared: Prepared, particles: npt.NDArray[np.float64], rejected: npt.NDArray[np.float64]
) -> Field:
    """What a network is told of a micrograph.

    Parameters
    ----------
    particles, rejected : pixels of the micrograph, shape (n, 2), x then y.
    """
    image = prepared.image
    missing = [max(0, CROP - n) for n in image.shape]
    image = np.pad(image, [(0, n) for n in missing], mode="symmetric")
    known, bad = (points[:, ::-1] / prepared.step for points in (particles, rejected))
    rows, columns = (-(-n // STRIDE) for n in image.shape)
    target = np.zeros((rows, columns), np.int8)
    target[_distance(target.shape, known) <= _FAR * SIDE] = UNKNOWN
    target[_distance(target.shape, bad) < _NEAR * SIDE] = REJECTED
    target[_distance(target.shape, known) < _NEAR * SIDE] = PARTICLE
    inside = [-(-(n - pad) // STRIDE) for n, pad in zip(image.shape, missing, strict=True)]
    target[inside[0] :], target[:, inside[1] :] = UNKNOWN, UNKNOWN
    return Field(image, target, np.concatenate([known, bad]))


def _distance(shape: tuple[int, ...], centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each score's place to the nearest centre, pixels of the image."""
    nearest = np.full(shape, np.inf)
    y, x = (STRIDE * np.arange(n, dtype=float) for n in shape)
    for row, column in centres:
        np.minimum(nearest, np.hypot(y[:, None] - row, x[None] - column), out=nearest)
    return nearest


def batch_of(fields: Sequence[Field], size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pieces, shape (size, CROP, CROP), and their targets, shape (size, CROP / 2, CROP / 2).

    Every other one has a known centre inside, the rest come from anywhere.
    """
    torch = import_torch()
    owners = np.concatenate([np.full(len(one.centres), n) for n, one in enumerate(fields)])
    centres = np.concatenate([one.centres for one in fields])
    images, targets = [], []
    for number in range(size):
        if number % 2 == 0:
            chosen = rng.integers(len(centres))
            one = fields[int(owners[chosen])]
            middle = centres[chosen] + rng.uniform(-0.4 * CROP, 0.4 * CROP, 2)
        else:
            one = fields[int(rng.integers(len(fields)))]
            middle = rng.uniform(0, one.image.shape)
        y, x = (
            int(np.clip(m - CROP / 2, 0, n - CROP)) // STRIDE * STRIDE
            for m, n in zip(middle, one.image.shape, strict=True)
        )
        images.append(one.image[y : y + CROP, x : x + CROP])
        y, x, side = y // STRIDE, x // STRIDE, CROP // STRIDE
        targets.append(one.target[y : y + side, x : x + side])
    turned = _turned(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(targets)), rng)
    return _noisy(turned[0], rng), turned[1]


def _turned(images: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """By any angle, mirrored or not; what comes in from outside is unknown."""
    torch = import_torch()
    functional = torch.nn.functional
    count = len(images)
    angle, size = rng.uniform(0, 2 * math.pi, count), np.exp(rng.normal(0, _SCALE, count))
    mirror = rng.choice([-1.0, 1.0], count)
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    matrix = np.stack([mirror * cos, -sin, 0 * cos, mirror * sin, cos, 0 * cos], -1)
    matrices = torch.from_numpy(matrix.reshape(count, 2, 3).astype(np.float32))
    grid = functional.affine_grid(matrices, [count, 1, CROP, CROP], align_corners=False)
    images = functional.grid_sample(
        images[:, None], grid, "bicubic", padding_mode="reflection", align_corners=False
    )[:, 0]
    side = CROP // STRIDE
    grid = functional.affine_grid(matrices, [count, 1, side, side], align_corners=False)
    targets = functional.grid_sample(
        targets[:, None].float(), grid, "nearest", padding_mode="border", align_corners=False
    )[:, 0].round()
    targets[(grid.abs() > 1).any(-1)] = UNKNOWN
    return images, targets.to(torch.int8)


def _noisy(images: Tensor, rng: np.random.Generator) -> Tensor:
    torch = import_torch()
    count = len(images)
    weak, strong = np.log(_NOISE)
    level = np.exp(rng.uniform(weak, strong, count)) * (rng.random(count) < _NOISY)
    gain = np.exp(rng.normal(0, _GAIN, count)) / np.sqrt(1 + level**2)
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    level, gain = (torch.from_numpy(a.astype(np.float32))[:, None, None] for a in (level, gain))
    return gain * (images + level * noise)
