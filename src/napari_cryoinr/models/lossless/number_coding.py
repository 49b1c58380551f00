"""Voxels as symbols, given a prediction and the size of its error.

A voxel is divided by a unit, a power of two somewhat below the expected error, but not below the
distance of neighbouring voxel values. The difference to the quotient of the prediction is an
adaptive symbol, and the remainder follows as it is. Floats between zero and the first unit are
coded by their exponent, because half of all floats are that small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...coding.adaptive_coding import Coder, Table
from ...coding.tokens import ALPHABET, detokenise, fold, raw_bit_counts, tokenise, unfold
from ...maps import voxel_types
from ...maps.mrc_header import INTEGER_MODES, VOXEL_TYPES
from ...support.array_types import BoolArray, Float32Array, Float64Array, Int64Array

SMALLEST = 2.0**-116  # an error is never expected to be smaller: units are normal floats
_TINY = 2.0**-150
_FINE = 4  # an error is 2^_FINE to 2^(_FINE + 1) units
_LOWEST = -10  # errors below 2^_LOWEST times the distance of voxel values share contexts
_ESCAPE = ALPHABET  # the token of a voxel that follows as it is
_OCTAVES = 32  # below the first unit; the last one is that of voxels that follow as they are
_GRAINS, _COUNTS = 32, 8  # contexts of the zero bits that floats end in
_FURTHEST = float(1 << 32)  # units that tokens reach


@dataclass(frozen=True)
class VoxelFormat:
    """The voxel type of an MRC mode as the coder sees it."""

    mode: int

    @property
    def integer(self) -> bool:
        """Whether voxels are integers."""
        return self.mode in INTEGER_MODES

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest code of a finite voxel."""
        dtype = VOXEL_TYPES[self.mode]
        if self.integer:
            return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        top = int(voxel_types.to_codes(np.array([np.finfo(dtype).max], np.float32), self.mode)[0])
        return -1 - top, top

    @property
    def largest(self) -> float:
        """The largest finite density that the coder may meet."""
        return float(np.finfo(np.float32 if self.integer else VOXEL_TYPES[self.mode]).max)

    def grain(self, values: Float64Array) -> Int64Array:
        """Return the exponent of two of the distance between neighbouring voxel values."""
        if self.integer:
            return np.zeros(values.shape, np.int64)
        info = np.finfo(VOXEL_TYPES[self.mode])
        return np.maximum(_exponents(values) - 1, int(info.minexp)) - int(info.nmant)

    def check(self, codes: Int64Array) -> None:
        """Raise ValueError unless all codes are those of finite voxels."""
        low, high = self.limits
        if codes.size and not (low <= codes.min() and codes.max() <= high):
            raise ValueError("a lossless stream has voxels that are no finite numbers")


class NumberCoder:
    """Codes voxels of one format, given predictions; keeps the probabilities."""

    def __init__(self, voxels: VoxelFormat) -> None:
        self._voxels = voxels
        self._steps = Table(2 * (_FINE - _LOWEST + 1), ALPHABET + 1)
        self._octaves = Table(1, _OCTAVES)
        self._zeros = Table(_GRAINS * _COUNTS, 33)

    def code(
        self, coder: Coder, predicted: Float64Array, error: Float64Array, codes: Int64Array | None
    ) -> Int64Array:
        """Code voxels, of which `predicted` is expected up to about `error`; return their codes."""
        voxels = self._voxels
        grain = voxels.grain(predicted)
        fraction, exponent = np.frexp(error)
        size = exponent - 1 - grain  # of the error, in octaves above the distance of voxel values
        unit = grain + np.maximum(size - _FINE, 0)
        contexts = 2 * (np.clip(size, _LOWEST, _FINE) - _LOWEST) + (fraction >= 0.75)
        centre = self._quotients(predicted, predicted < 0, unit)
        values = remainder = plain = None
        if codes is not None:
            values = without_denormals(voxel_types.from_codes(codes, voxels.mode)).astype(float)
        quotients, escaped = self._code_quotients(coder, contexts, centre, unit, values, codes)
        sign = np.ones(centre.size)
        if not voxels.integer:
            sign[quotients < 0] = -1
            quotients = np.where(quotients < 0, -1 - quotients, quotients)
        found = np.ldexp(quotients, unit)
        if not voxels.integer:
            small = np.flatnonzero((quotients == 0) & ~escaped)
            given = None if values is None else values[small]
            octaves = self._code_octaves(coder, unit[small], given)
            escaped[small[octaves == _OCTAVES - 1]] = True
            unit[small] -= octaves + 1
            found[small] = np.ldexp(1.0, unit[small])
        escaped |= np.abs(found) > voxels.largest
        grain = voxels.grain(found)
        if values is not None:
            remainder = np.ldexp(np.where(escaped, 0, sign * values - found), -grain)
            remainder = remainder.astype(np.int64)
        counts = np.where(escaped, 0, np.clip(unit - grain, 0, 32))
        found += np.ldexp(self._code_bits(coder, counts, grain, remainder).astype(float), grain)
        found = np.where(escaped, 0, sign * found).astype(np.float32)
        lowest = np.int64(-1) << 31
        if codes is not None:
            plain = codes - lowest
        plain = coder.raw(np.where(escaped, 32, 0), plain) + lowest
        out = np.where(escaped, plain, voxel_types.to_codes(found, voxels.mode))
        voxels.check(out)
        return out

    def _code_quotients(
        self,
        coder: Coder,
        contexts: Int64Array,
        centre: Float64Array,
        unit: Int64Array,
        values: Float64Array | None,
        codes: Int64Array | None,
    ) -> tuple[Float64Array, BoolArray]:
        """Code voxels in units; return the quotients, and which voxels are too far away for it."""
        tokens = raw = None
        if values is not None and codes is not None:
            steps = self._quotients(values, codes < 0, unit) - centre
            far = np.abs(steps) >= _FURTHEST
            tokens, _, raw = tokenise(fold(np.where(far, 0, steps).astype(np.int64)))
            tokens[far] = _ESCAPE
        tokens = coder.symbols(self._steps, contexts, tokens)
        far = tokens == _ESCAPE
        tokens = np.where(far, 0, tokens)
        return centre + unfold(detokenise(tokens, coder.raw(raw_bit_counts(tokens), raw))), far

    def _code_octaves(
        self, coder: Coder, unit: Int64Array, values: Float64Array | None
    ) -> Int64Array:
        """Code how many octaves voxels lie below the unit, rounded down."""
        octaves = None
        if values is not None:
            octaves = np.minimum(unit - _exponents(values), _OCTAVES - 1)
            octaves[values == 0] = _OCTAVES - 1
        return coder.symbols(self._octaves, np.zeros(unit.size, np.int64), octaves)

    def _code_bits(
        self, coder: Coder, counts: Int64Array, grain: Int64Array, bits: Int64Array | None
    ) -> Int64Array:
        """Code the lowest `counts` bits of voxels in units of 2^`grain`.

        Floats that come from coarser numbers end in zeros, whose number goes with the exponent.
        """
        if self._voxels.integer:
            return coder.raw(counts, bits)
        out = np.zeros(counts.size, np.int64)
        places = np.flatnonzero(counts)
        counts = counts[places]
        zeros = None
        if bits is not None:
            bits = bits[places]
            lowest = bits | np.int64(1) << counts
            zeros = _exponents((lowest & -lowest).astype(float)) - 1
        contexts = _COUNTS * (grain[places] % _GRAINS) + np.minimum(counts, _COUNTS) - 1
        zeros = coder.symbols(self._zeros, contexts, zeros)
        if (zeros > counts).any():
            raise ValueError("a lossless stream has an impossible number")
        shift = np.minimum(zeros + 1, counts)
        above = coder.raw(counts - shift, None if bits is None else bits >> shift)
        out[places] = (above << shift) | np.where(zeros < counts, np.int64(1) << zeros, 0)
        return out

    def _quotients(
        self, values: Float64Array, negative: BoolArray, unit: Int64Array
    ) -> Float64Array:
        """Return values in units, rounded down; of negative floats -1 less that of the opposite."""
        if self._voxels.integer:
            return np.floor(np.ldexp(values, -unit))
        whole = np.floor(np.ldexp(np.abs(values), -unit))
        return np.where(negative, -1 - whole, whole)


def without_denormals(values: Float32Array) -> Float32Array:
    """Return zeros for denormals: other libraries may make the processor treat them as zeros."""
    return np.where(values.view(np.int32) & 0x7F800000, values, np.float32(0))


def _exponents(values: Float64Array) -> Int64Array:
    """Return e of magnitudes in 2^(e - 1) to 2^e; of zeros that of the smallest ones."""
    return np.frexp(np.maximum(np.abs(values), _TINY))[1].astype(np.int64)
