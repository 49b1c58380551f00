"""What the voxels that are coded already tell about those of a phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...support.array_types import BoolArray, Float32Array, Float64Array, Int64Array
from .lattice import Lattice, Offset, inverse_squares, known_offsets
from .number_coding import Format, trailing_zeros

Part = tuple[slice, slice, slice]

SMALLEST = 1e-37  # an error is never expected to be smaller
_LARGEST = 3e38
_PLAIN = 8  # neighbours of a prediction without weights
_AROUND = 26  # neighbours that make a context
_QUANTUM_SHIFT = 256.0  # makes exponents positive


@dataclass(frozen=True)
class Options:
    """What the encoder chose for a volume.

    Attributes
    ----------
    specials : codes of at most two values whose voxels are coded by their class.
    wraps : by axis (z, y, x), whether it goes on at its other end.
    trailing : whether the trailing zero bits of floats are coded.
    """

    specials: tuple[int, ...]
    wraps: tuple[bool, bool, bool]
    trailing: bool


@dataclass(frozen=True)
class Chunk:
    """Some rows of a phase: on its lattice, there and in the volume as slices."""

    phase: Offset
    rows: tuple[int, int]
    here: Part
    part: Part


class Surroundings:
    """The lattices of one spacing: densities, and how their coding went.

    All are float32. `values` holds densities; `numbers` is 1 where a number is coded, not a special
    value, and `errors` and `quanta` hold there the error of the prediction and the exponent of the
    largest power of two that divides the density; `signs` of densities, zeros too, are 1 or -1;
    `doubts` is 1 where a repeated special value was none; `copies` is 1 where a number was
    repeated, and `deviations` holds there by how much it differed.
    """

    def __init__(self, voxels: Format, options: Options, repeats: bool) -> None:
        self._voxels = voxels
        self._options = options
        self._specials = np.array(options.specials, np.int64)
        self.signed = sorted(options.specials) == [-1, 0] and not voxels.integer
        self._names = ["values", "errors", "numbers"]
        self._names += ["signs"] if self.signed else []
        self._names += ["quanta"] if options.trailing else []
        self._names += ["doubts", "copies", "deviations"] if repeats else []
        self._lattices: dict[str, Lattice] = {}

    def __getitem__(self, name: str) -> Lattice:
        return self._lattices[name]

    def refine(self, whole: tuple[int, ...], spacing: int) -> None:
        """Lattices for a new spacing in a volume of shape `whole`, with what the coarser hold."""
        shape = tuple(-(-n // spacing) for n in whole)
        wraps = tuple(
            wraps and n % (2 * spacing) == 0
            for wraps, n in zip(self._options.wraps, whole, strict=True)
        )
        for name in self._names:
            lattice = Lattice(shape, wraps)
            if name in self._lattices:
                lattice.inside[::2, ::2, ::2] = self._lattices[name].inside
                lattice.renew_margin()
            self._lattices[name] = lattice

    def renew_margins(self) -> None:
        """To be called when a phase is complete."""
        for lattice in self._lattices.values():
            lattice.renew_margin()

    def predicted(self, chunk: Chunk, name: str, weights: Float64Array) -> Float64Array:
        """Weighted sum over the nearest voxels, plain where there are no weights; flat."""
        if not weights.size:
            weights = inverse_squares(chunk.phase, _PLAIN)
            weights = weights / weights.sum()
        offsets = known_offsets(chunk.phase, weights.size)
        return self[name].weighted(chunk.phase, chunk.rows, offsets, weights)

    def mean(self, chunk: Chunk, name: str, counts: str | None = None) -> Float64Array:
        """Mean around each voxel, where `counts` is not zero (None: everywhere); flat."""
        near, weights = known_offsets(chunk.phase, _AROUND), inverse_squares(chunk.phase, _AROUND)
        total = self[name].weighted(chunk.phase, chunk.rows, near, weights)
        if counts is None:
            return total / weights.sum()
        return _ratio(total, self[counts].weighted(chunk.phase, chunk.rows, near, weights))

    def quanta(self, chunk: Chunk) -> Float64Array | None:
        """Mean exponent of the powers of two that divide the densities around; flat."""
        if not self._options.trailing:
            return None
        return self.mean(chunk, "quanta", "numbers") - _QUANTUM_SHIFT

    def sampled_errors(self, phase: Offset, places: Int64Array) -> Float64Array:
        """Mean error around some voxels (flat indices of a phase), for the encoder's fits."""
        near, weights = known_offsets(phase, _AROUND), inverse_squares(phase, _AROUND)
        total, count = (
            (self[name].gather(phase, places, near) * weights).sum(axis=1)
            for name in ("errors", "numbers")
        )
        return _ratio(total, count)

    def note(
        self, chunk: Chunk, codes: Int64Array, values: Float32Array, predicted: Float64Array
    ) -> None:
        """Enter coded voxels; `values` are without denormals; all flat."""
        number = ~np.isin(codes, self._specials)
        self._enter("values", chunk, values)
        self._enter("numbers", chunk, number)
        self._enter("errors", chunk, _errors(number, values, predicted))
        if self.signed:
            self._enter("signs", chunk, np.where(codes < 0, -1, 1))
        if self._options.trailing:
            whole = self._voxels.magnitudes(codes) | (np.int64(1) << self._voxels.mantissa)
            quanta = trailing_zeros(whole) + self._voxels.grain(codes) + _QUANTUM_SHIFT
            self._enter("quanta", chunk, np.where(number, quanta, 0))

    def note_repeats(
        self,
        chunk: Chunk,
        doubts: BoolArray,
        copies: BoolArray,
        values: Float32Array,
        copied: Float32Array,
    ) -> None:
        """Enter how repetitions went: special values that were none, numbers; all flat."""
        self._enter("doubts", chunk, doubts)
        self._enter("copies", chunk, copies)
        self._enter("deviations", chunk, _errors(copies, values, copied))

    def _enter(self, name: str, chunk: Chunk, values: npt.NDArray[np.generic]) -> None:
        view = self[name].inside[chunk.here]
        view[...] = values.reshape(view.shape)


def without_denormals(values: Float32Array) -> Float32Array:
    """Zeros for what is too small: other libraries may make the processor treat them as zeros."""
    return np.where(values.view(np.int32) & 0x7F800000, values, np.float32(0))


def _ratio(total: Float64Array, count: Float64Array) -> Float64Array:
    # Counts are at least 2^-4 where not zero, so that the bound only keeps zero from the division.
    return np.maximum(total / np.maximum(count, 2.0**-10), SMALLEST)


def _errors(
    wanted: BoolArray, values: Float32Array, expected: Float32Array | Float64Array
) -> Float64Array:
    """Differences as float32 holds them without denormals, zero where not wanted."""
    errors = np.abs(values.astype(np.float64) - expected)
    return np.where(wanted & (errors >= SMALLEST), np.minimum(errors, _LARGEST), 0)
