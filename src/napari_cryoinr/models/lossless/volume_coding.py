"""Coding a volume voxel by voxel from coarse to fine, the same code for both directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...coding.adaptive_coding import Coder
from ...coding.coarse_to_fine import Part, Phase, phases
from ...coding.masks import code_mask_steps
from ...maps import voxel_types
from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray, Float32Array, Float64Array, Int64Array
from .number_coding import SMALLEST, NumberCoder, VoxelFormat, without_denormals
from .repeats import Repeats, source_steps

_LARGEST = 3e38  # an error is never expected to be larger
_AROUND = 26  # neighbours whose errors say how large the next one may be
_PLAIN = 8  # neighbours of a prediction without fitted weights
_SAMPLES = 8_000  # voxels that a prediction is fitted to, about
_EDGE = 2  # voxels of a phase near the faces, which are no part of the sample
_TYPICAL = 1.5  # mean over median error, between Gaussian and Laplacian
_RATIO_UNIT = 2.0**-16
_MOST = 144  # neighbours of a prediction
_VOXELS_PER_WEIGHT = 60
_RIDGE = 1e-14  # relative to the mean of the diagonal
_UNIT = 2.0**-24  # of weights
_HALF_RANGE = 1 << 31  # of weights, in units


class VolumeCoder:
    """A volume while it is coded: `values`, shape (z, y, x), is zero where it is not yet known."""

    def __init__(
        self, coder: Coder, shape: tuple[int, ...], mode: int, data: Float32Array | None
    ) -> None:
        """Prepare to code `data`, or to read it where it is None."""
        self.values = np.zeros(shape, np.float32)
        self._coder = coder
        self._mode = mode
        self._data = data
        self._number: BoolArray | None = None  # where no frequent value is; None for everywhere
        self._sources: Int64Array | None = None  # voxels that are repeated, -1 for none
        # By how much coded numbers were off their predictions, and off the numbers they repeat.
        self._errors = np.zeros(shape, np.float32)
        self._deviations = np.zeros(shape, np.float32)
        self._fresh, self._repeating = (NumberCoder(VoxelFormat(mode)) for _ in range(2))

    def code_steps(
        self, frequent: Sequence[int], repeats: Repeats, periodic: bool, clock: Clock
    ) -> Steps[None]:
        """Code all voxels; those of at most two `frequent` codes as masks.

        `periodic` says that the volume goes on at its opposite faces.
        """
        shape = self.values.shape
        VoxelFormat(self._mode).check(np.array(frequent, np.int64))
        if repeats != Repeats():
            self._sources = yield from source_steps(repeats, shape, clock)
        if len(frequent):
            yield from self._frequent_steps(frequent, clock)
        done = 0
        for phase in phases(shape, periodic):
            values = phase.padded(self.values)
            weights, ratio = self._predictor(phase, values)
            error = _LocalMean(phase, self._errors, self._number)
            deviation = None
            if self._sources is not None:
                deviation = _LocalMean(phase, self._deviations, self._sources >= 0)
            for rows in phase.chunks(shape):
                predicted = phase.weighted_sum(values, weights, rows)
                scale = np.clip(error.at(rows) * ratio, SMALLEST, _LARGEST)
                repeating = None if deviation is None else deviation.at(rows)
                self._code_chunk(phase, rows, predicted, scale, repeating)
                done += predicted.size
                yield Progress("lossless", done, self.values.size, clock.seconds)

    def _frequent_steps(self, frequent: Sequence[int], clock: Clock) -> Steps[None]:
        """Code which voxels have frequent values."""
        codes = None if self._data is None else voxel_types.to_codes(self._data, self._mode)
        any_of_them: BoolArray | None = None
        for value in frequent:
            mask = None
            if codes is not None:
                mask = np.isin(codes, frequent) if any_of_them is None else codes == value
            mask = yield from code_mask_steps(
                self._coder, self.values.shape, mask, clock, any_of_them, self._sources
            )
            self.values[mask] = voxel_types.from_codes(np.array(value), self._mode)
            if any_of_them is None:
                any_of_them = mask
        assert any_of_them is not None
        self._number = ~any_of_them
        if self._sources is not None:  # a number repeats no frequent value
            self._sources[any_of_them | any_of_them.reshape(-1)[self._sources]] = -1

    def _predictor(self, phase: Phase, padded: Float32Array) -> tuple[Float64Array, float]:
        """Code the weights of a phase's prediction, and the ratio of its errors to those around."""
        fitted = None if self._data is None else self._fit(phase, padded)
        size = None if fitted is None else np.array([fitted.size])
        count = int(self._coder.raw(np.full(1, 8), size)[0])
        if count == 0:
            return _distance_weights(phase.neighbours(_PLAIN)), 1.0
        if count > 1 + len(phase.neighbours(_MOST)):
            raise ValueError("a lossless stream has too many weights")
        numbers = self._coder.raw(np.full(count, 32), fitted)
        return _weights_of(numbers[1:]), float(numbers[0]) * _RATIO_UNIT

    def _fit(self, phase: Phase, padded: Float32Array) -> Int64Array:
        """Return the ratio and the weights as unsigned integers; none where they do not pay."""
        assert self._data is not None
        data = self._data[phase.region]
        wanted = np.zeros(data.shape, bool)
        edges = (_EDGE if n > 4 * _EDGE else 0 for n in data.shape)
        wanted[tuple(slice(e, n - e) for e, n in zip(edges, data.shape, strict=True))] = True
        if self._number is not None:
            wanted &= self._number[phase.region]
        chosen = np.flatnonzero(wanted)
        neighbours = phase.neighbours(min(_MOST, chosen.size // _VOXELS_PER_WEIGHT))
        if not neighbours:
            return np.zeros(0, np.int64)
        places = np.unravel_index(chosen[:: max(1, chosen.size // _SAMPLES)], data.shape)
        target = without_denormals(data[places]).astype(np.float64)
        features = np.array([phase.near(padded, d, places) for d in neighbours]).T
        scale = _LocalMean(phase, self._errors, self._number).at(places)
        weights = _fit_weights(features, target, scale)
        errors = np.abs(target - features @ _weights_of(weights))
        ratio = _TYPICAL * float(np.median(errors / scale)) / _RATIO_UNIT
        return np.array([int(np.clip(ratio, 1, 2**32 - 1)), *weights])

    def _code_chunk(
        self,
        phase: Phase,
        rows: slice,
        predicted: Float64Array,
        error: Float64Array,
        deviation: Float64Array | None,
    ) -> None:
        """Code some rows of a phase; the arrays are flat."""
        out, errors, deviations = (
            volume[phase.region][rows] for volume in (self.values, self._errors, self._deviations)
        )
        wanted = np.ones(out.shape, bool)
        if self._number is not None:
            wanted = self._number[phase.region][rows]
        sources = np.full(out.shape, -1)
        if self._sources is not None:
            sources = self._sources[phase.region][rows]
        truth = None
        if self._data is not None:
            truth = voxel_types.to_codes(self._data[phase.region][rows].ravel(), self._mode)
        # Voxels may repeat others of the same chunk, which come first.
        for numbers, chosen in (
            (self._fresh, np.flatnonzero(wanted & (sources < 0))),
            (self._repeating, np.flatnonzero(sources >= 0)),
        ):
            places = np.unravel_index(chosen, out.shape)
            expected, scale = predicted[chosen], error[chosen]
            repeated = None
            if deviation is not None and numbers is self._repeating:
                repeated = without_denormals(self.values.reshape(-1)[sources[places]])
                closer = deviation[chosen] < scale
                expected = np.where(closer, repeated, expected)
                scale = np.where(closer, deviation[chosen], scale)
            given = None if truth is None else truth[chosen]
            codes = numbers.code(self._coder, expected, scale, given)
            found = voxel_types.from_codes(codes, self._mode)
            out[places] = found
            errors[places] = _difference(found, predicted[chosen])
            if repeated is not None:
                deviations[places] = _difference(found, repeated)


class _LocalMean:
    """Means over the known voxels around those of a phase, where they count."""

    def __init__(self, phase: Phase, values: Float32Array, counted: BoolArray | None) -> None:
        self._phase = phase
        self._weights = _distance_weights(phase.neighbours(_AROUND))
        self._values = phase.padded(values)
        self._counted = None if counted is None else phase.padded(counted)

    def at(self, part: Part) -> Float64Array:
        """Return the means around the voxels of a part of the phase, flat, none of them zero."""
        total = self._phase.weighted_sum(self._values, self._weights, part)
        if self._counted is not None:
            share = self._phase.weighted_sum(self._counted, self._weights, part)
            total /= np.maximum(share, 2.0**-10)
        return np.maximum(total, SMALLEST)


def _difference(values: Float32Array, expected: Float64Array | Float32Array) -> Float32Array:
    """Return magnitudes of differences as float32 holds them, without denormals."""
    found = np.abs(without_denormals(values).astype(np.float64) - expected)
    return np.where(found < SMALLEST, 0, np.minimum(found, _LARGEST)).astype(np.float32)


def _fit_weights(features: Float64Array, target: Float64Array, scale: Float64Array) -> Int64Array:
    """Return the weights of least squares, as unsigned integers.

    `features`, shape (voxels, neighbours), are densities; `target` and `scale` density and expected
    error of each voxel. Weights do not depend on the number of threads: LAPACK's would.
    """
    rows = np.column_stack([features, target]) / np.maximum(scale, 1e-6 * scale.max())[:, None]
    rows /= np.abs(rows).max() or 1.0
    gram = np.einsum("ij,ik->jk", rows, rows, optimize=False)
    count = features.shape[1]
    gram[np.diag_indices(count)] += _RIDGE * np.trace(gram) / len(gram) + np.finfo(float).tiny
    for k in range(count):  # Gauss and Jordan
        pivot = gram[k] / gram[k, k]
        gram -= gram[:, k, None] * pivot
        gram[k] = pivot
    weights = np.rint(np.nan_to_num(gram[:count, -1]) / _UNIT) + _HALF_RANGE
    return np.clip(weights, 0, 2 * _HALF_RANGE - 1).astype(np.int64)


def _weights_of(integers: Int64Array) -> Float64Array:
    """Return the weights that `_fit_weights` gave as integers."""
    return (integers - _HALF_RANGE).astype(np.float64) * _UNIT


def _distance_weights(offsets: tuple[tuple[int, int, int], ...]) -> Float64Array:
    """Return weights of neighbours by distance, which sum up to 1."""
    squares = np.array([z * z + y * y + x * x for z, y, x in offsets], np.int64)
    weights = np.ldexp(1.0, -np.minimum(4, (squares - 1) // 2)).astype(np.float64)
    return weights / weights.sum()
