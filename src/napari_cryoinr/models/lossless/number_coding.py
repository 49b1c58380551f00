"""Numbers as symbols in contexts, given a prediction and the size of its error.

A voxel whose prediction is far from zero is coded as the difference of voxel codes, in units of a
power of two near the expected error; what is below the unit follows as raw bits. A float whose
prediction is near zero, as against that error, is coded by its sign, exponent and leading bits:
codes of floats are logarithmic, so that differences would say little there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...coding.tokens import ALPHABET, detokenise, fold, raw_bit_counts, tokenise, unfold
from ...maps import voxel_types
from ...maps.mrc_header import INTEGER_MODES, VOXEL_TYPES
from ...support.array_types import Float64Array, Int64Array
from .channel import Channel, Table

_UNIT = 2  # an error is about 2^_UNIT units
_LOWEST = -12  # errors below 2^_LOWEST codes share contexts
FAR_CONTEXTS = 2 * (_UNIT - _LOWEST + 2)
_NEAR = 4.0  # predictions below this many errors are near zero
_ABOVE = 20  # quarter octaves above the error that have symbols
_QUARTERS = 48
NEAR_CONTEXTS = 8
_BELOW = 3  # expected zeros below minus this share a context
_MOST_ZEROS = 23
_ZERO_CONTEXTS = _BELOW + _MOST_ZEROS + 1
_TINY = 1e-37
_HALF_OCTAVE = 0.7071067690849304


@dataclass(frozen=True)
class Format:
    """The voxel type of an MRC mode as the coder sees it."""

    mode: int

    @property
    def bits(self) -> int:
        return 8 * int(np.dtype(VOXEL_TYPES[self.mode]).itemsize)

    @property
    def integer(self) -> bool:
        return self.mode in INTEGER_MODES

    @property
    def mantissa(self) -> int:
        """Mantissa bits of a float."""
        return 23 if self.bits == 32 else 10

    @property
    def bias(self) -> int:
        return 127 if self.bits == 32 else 15

    def limits(self) -> tuple[int, int]:
        """Smallest and largest code of a finite voxel."""
        dtype = np.dtype(VOXEL_TYPES[self.mode])
        if self.integer:
            return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        top = int(voxel_types.to_codes(np.array([np.finfo(dtype).max], np.float32), self.mode)[0])
        return -1 - top, top

    def nearest(self, predicted: Float64Array) -> Int64Array:
        """Codes of predictions."""
        if self.integer:
            low, high = self.limits()
            return np.clip(np.rint(predicted), low, high).astype(np.int64)
        top = float(np.finfo(VOXEL_TYPES[self.mode]).max)
        # Denormals are left out: other libraries may make the processor treat them as zeros.
        usable = np.where(np.abs(predicted) < _TINY, 0.0, np.clip(predicted, -top, top))
        return voxel_types.to_codes(usable.astype(np.float32), self.mode)

    def magnitudes(self, codes: Int64Array) -> Int64Array:
        """The bits of a float without its sign; an integer as it is."""
        return codes if self.integer else np.where(codes < 0, -1 - codes, codes)

    def grain(self, codes: Int64Array) -> Int64Array:
        """Exponent of two of the distance between neighbouring voxel values."""
        if self.integer:
            return np.zeros(codes.shape, np.int64)
        exponents = np.maximum(self.magnitudes(codes) >> self.mantissa, 1)
        return exponents - self.bias - self.mantissa


class NumberCoder:
    """Codes of voxels, given predictions; keeps the probabilities."""

    def __init__(self, voxels: Format) -> None:
        self._voxels = voxels
        self._far = Table(FAR_CONTEXTS, ALPHABET)
        self._near = Table(NEAR_CONTEXTS, 2 * _QUARTERS + 1)
        self._zeros = Table(_ZERO_CONTEXTS, _MOST_ZEROS + 1)

    def code(
        self,
        channel: Channel,
        predicted: Float64Array,
        error: Float64Array,
        quanta: Float64Array | None,
        codes: Int64Array | None,
    ) -> Int64Array:
        """The codes of voxels of which `predicted` is expected up to about `error`; all flat.

        `quanta` is the exponent of two of which the voxels around are multiples, where the trailing
        zero bits are to be coded.
        """
        fraction, exponent = np.frexp(error)
        size = exponent.astype(np.int64) - 1  # the error is between 2^size and 2^(size + 1)
        half = (fraction >= _HALF_OCTAVE).astype(np.int64)
        near = np.abs(predicted) < _NEAR * error
        if self._voxels.integer:
            near[:] = False
        high = np.zeros(predicted.size, np.int64)
        counts = np.zeros(predicted.size, np.int64)
        for chosen, coder in ((near, self._code_near), (~near, self._code_far)):
            places = np.flatnonzero(chosen)
            if places.size:
                high[places], counts[places] = coder(
                    channel,
                    predicted[places],
                    error[places],
                    size[places],
                    half[places],
                    None if codes is None else codes[places],
                )
        low = None
        if codes is not None:
            low = self._voxels.magnitudes(codes) & ((np.int64(1) << counts) - 1)
        if quanta is None:
            low = channel.raw(counts, low)
        else:
            low = self._code_low(channel, high, counts, quanta, low)
        downwards = (high < 0) & (not self._voxels.integer)
        return np.where(downwards, high - low, high + low)

    def _code_low(
        self,
        channel: Channel,
        high: Int64Array,
        counts: Int64Array,
        quanta: Float64Array,
        low: Int64Array | None,
    ) -> Int64Array:
        """The lowest `counts` bits of the magnitudes: trailing zeros, then what is above."""
        voxels = self._voxels
        most = np.minimum(counts, _MOST_ZEROS)
        expected = np.clip(np.rint(quanta) - voxels.grain(high), -_BELOW, _MOST_ZEROS)
        contexts = expected.astype(np.int64) + _BELOW
        places = np.flatnonzero(counts)
        zeros = most.copy()
        if low is not None:
            zeros = np.minimum(trailing_zeros(low | (np.int64(1) << 40)), most)
        coded = None if low is None else zeros[places]
        zeros[places] = channel.symbols(self._zeros, contexts[places], coded)
        if (zeros > most).any():
            raise ValueError("a lossless stream has an impossible number")
        shift = np.minimum(zeros + (zeros < most), counts)
        above = channel.raw(counts - shift, None if low is None else low >> shift)
        return (above << shift) | np.where(zeros < most, np.int64(1) << zeros, 0)

    def _code_far(
        self,
        channel: Channel,
        predicted: Float64Array,
        error: Float64Array,
        size: Int64Array,
        half: Int64Array,
        codes: Int64Array | None,
    ) -> tuple[Int64Array, Int64Array]:
        """Codes nearest to zero of the units that hold the voxels, and the bits of a unit."""
        centre = self._voxels.nearest(predicted)
        size = size - self._voxels.grain(centre)
        unit = np.clip(size - _UNIT, 0, 32)
        contexts = 2 * (np.clip(size, _LOWEST, _UNIT) - _LOWEST) + half
        contexts += 2 * ((size >= _UNIT) & (np.abs(predicted) > 16 * error))
        if codes is None:
            tokens = channel.symbols(self._far, contexts, None)
            raw = channel.raw(raw_bit_counts(tokens), None)
            steps = unfold(detokenise(tokens, raw))
        else:
            steps = (codes >> unit) - (centre >> unit)
            tokens, counts, raw = tokenise(fold(steps))
            channel.symbols(self._far, contexts, tokens)
            channel.raw(counts, raw)
        place = (centre >> unit) + steps
        if place.size and np.abs(place).max() >= 1 << 33:
            raise ValueError("a lossless stream has an impossible number")
        start = place << unit
        if self._voxels.integer:
            return start, unit
        return np.where(place < 0, start + (np.int64(1) << unit) - 1, start), unit

    def _code_near(
        self,
        channel: Channel,
        predicted: Float64Array,
        error: Float64Array,
        size: Int64Array,
        half: Int64Array,
        codes: Int64Array | None,
    ) -> tuple[Int64Array, Int64Array]:
        voxels = self._voxels
        low = voxels.mantissa - 2  # bits below a quarter octave
        top = 4 * (size + voxels.bias) + _ABOVE + 3
        ratio = np.abs(predicted) / error
        contexts = 2 * ((ratio >= 0.5).astype(np.int64) + (ratio >= 1) + (ratio >= 2)) + half
        flip = (predicted < 0).astype(np.int64)
        escape = 2 * _QUARTERS
        lowest = np.int64(-1) << (voxels.bits - 1)
        if codes is None:
            tokens = channel.symbols(self._near, contexts, None)
            escaped = tokens == escape
            plain = channel.raw(np.where(escaped, voxels.bits, 0), None) + lowest
        else:
            quarter = top - (voxels.magnitudes(codes) >> low)
            escaped = (quarter < 0) | (quarter >= _QUARTERS)
            tokens = np.where(escaped, escape, 2 * quarter + ((codes < 0) ^ flip))
            channel.symbols(self._near, contexts, tokens)
            plain = codes
            channel.raw(np.where(escaped, voxels.bits, 0), codes - lowest)
        magnitude = (top - (tokens >> 1)) << low
        found = np.where((tokens & 1) ^ flip, -1 - magnitude, magnitude)
        if (magnitude[~escaped] < 0).any():
            raise ValueError("a lossless stream has an impossible number")
        return np.where(escaped, plain, found), np.where(escaped, 0, low)


def trailing_zeros(numbers: Int64Array) -> Int64Array:
    """How many zero bits positive integers below 2^53 end in."""
    return np.frexp((numbers & -numbers).astype(np.float64))[1].astype(np.int64) - 1
