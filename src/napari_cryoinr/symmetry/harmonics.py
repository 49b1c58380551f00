"""Rotational harmonics of a density about an axis: which rotations leave it as it is, roughly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..support.array_types import Float64Array, FloatArray

ANGLES = 144  # about the axis: harmonics up to 72


@dataclass(frozen=True, eq=False)
class Harmonics:
    """Fourier coefficients of a density over the angle about an axis.

    Attributes
    ----------
    frame : rotation matrix; its columns are the axis and two directions at right angles to it.
    heights : along the axis, symmetric about the centre.
    waves : shape (heights, radii, harmonics).
    weights : of the radii.
    """

    frame: Float64Array
    heights: Float64Array
    waves: np.ndarray
    weights: Float64Array

    @classmethod
    def about(
        cls, volume: FloatArray, centre: Float64Array, axis: Float64Array, radius: float
    ) -> Harmonics:
        """Return those of a volume about an axis, within a radius of a centre, in voxels."""
        frame = frame_of(axis)
        count = max(4, int(np.ceil(radius)))
        heights = np.linspace(-radius, radius, count | 1)
        radii = np.asarray((np.arange(count) + 0.5) * (radius / count), np.float64)
        angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
        plane = np.stack([np.zeros(ANGLES), np.sin(angles), np.cos(angles)])
        rings = np.einsum("ij,ja->ia", frame, plane)
        places = (
            centre[:, None, None, None]
            + frame[:, 0][:, None, None, None] * heights[:, None, None]
            + rings[:, None, None, :] * radii[:, None]
        )
        found = ndimage.map_coordinates(volume, places, order=1, mode="constant")
        return cls(frame, heights, np.fft.rfft(found, axis=-1) / ANGLES, radii)

    @cached_property
    def power(self) -> Float64Array:
        """Return the power of each harmonic."""
        return np.einsum("hrm,r->m", np.abs(self.waves) ** 2, self.weights)

    def share(self, fold: int) -> float:
        """Return the share of the harmonics above 0 that a rotation of a fold leaves."""
        total = float(self.power[1:].sum())
        return float(self.power[fold::fold].sum()) / total if total > 0 else 0.0

    def half_turn(self) -> tuple[float, float]:
        """Return (correlation, angle) of the best half turn about an axis at right angles.

        The angle is that of the axis from the frame's third direction, towards its second one.
        """
        mirrored = self.waves[::-1]
        product = np.einsum("hrm,hrm,r->m", self.waves, mirrored, self.weights)
        # About an axis at angle p the half turn takes (h, angle a) to (-h, 2 p - a).
        spectrum = np.zeros(8 * ANGLES, complex)
        spectrum[: len(product)] = product
        spectrum[1 : len(product)] *= 2
        score = np.fft.fft(spectrum).real
        twice = int(score[: len(score)].argmax())
        total = float(self.power[0] + 2 * self.power[1:].sum())
        angle = -np.pi * twice / len(score)
        return float(score[twice]) / max(total, 1e-300), angle


def frame_of(axis: Float64Array) -> Float64Array:
    """Return a rotation matrix whose first column is an axis, (z, y, x)."""
    axis = axis / np.linalg.norm(axis)
    other = np.zeros(3)
    other[2 if abs(axis[2]) < 0.9 else 1] = 1
    third = other - axis * (other @ axis)
    third /= np.linalg.norm(third)
    # So that (axis, second, third) is right-handed in the order (z, y, x).
    second = np.cross(third, axis)
    return np.stack([axis, second, third], axis=1)
