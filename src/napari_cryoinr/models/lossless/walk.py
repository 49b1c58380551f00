"""The walk over a volume from coarse to fine, the same for the encoder and the decoder.

Voxels at multiples of a power of two come first; then the spacing is halved until every voxel is
coded. Each halving is seven phases (parity of z, y, x), and the voxels of one phase are predicted
from those of all earlier ones, by weights that the encoder fits. Of a voxel is coded first whether
it has a special value, such as a zero outside a mask, and then its difference from the prediction,
or from the voxel that it repeats (orbits.py) where that has been closer around it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...coding.neighbour_contexts import PHASES
from ...maps import voxel_types
from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray, Float32Array, Float64Array, Int64Array
from .channel import Channel, Table
from .lattice import Offset
from .number_coding import Format, NumberCoder
from .orbits import Orbits, own_indices
from .prediction_weights import SAMPLES, fit_weights
from .surroundings import SMALLEST, Chunk, Options, Part, Surroundings, without_denormals

_CANDIDATES = 400_000  # voxels of a phase that may be in the sample of a fit
_CHUNK = 100_000  # voxels between two steps, about
_SHARES, _LEANINGS = 9, 16  # classes of the share of numbers, and of the sign, around a voxel
_DOUBTS = 7  # classes of how many repetitions around a voxel were none


class Walk:
    """One pass over a volume; `data` is None where it is decoded."""

    def __init__(
        self,
        channel: Channel,
        shape: tuple[int, ...],
        mode: int,
        options: Options,
        orbits: Orbits | None,
        data: Float32Array | None,
    ) -> None:
        self._channel = channel
        self._mode = mode
        self._voxels = Format(mode)
        self._specials = np.array(options.specials, np.int64)
        self._orbits = orbits
        self._data = data
        self._out = np.zeros(shape, np.float32)
        self._around = Surroundings(self._voxels, options, orbits is not None)
        self._classes = Table(_SHARES * _LEANINGS, 3)
        self._doubted = Table(2 * _DOUBTS, 3)
        self._fresh_numbers = NumberCoder(self._voxels)
        self._copied_numbers = NumberCoder(self._voxels)

    def steps(self, clock: Clock) -> Steps[Float32Array]:
        """Walk; returns the volume, shape (z, y, x), bit for bit the one that was coded."""
        spacing = 1
        while max(-(-n // spacing) for n in self._out.shape) > 2:
            spacing *= 2
        self._code_first(spacing)
        done = self._out[::spacing, ::spacing, ::spacing].size
        while spacing > 1:
            spacing //= 2
            self._around.refine(self._out.shape, spacing)
            for phase in PHASES[1:]:
                for count in self._code_phase(phase, spacing):
                    done += count
                    yield Progress("lossless", done, self._out.size, clock.seconds)
                self._around.renew_margins()
        return self._out

    def _code_first(self, spacing: int) -> None:
        """The first few voxels, as they are."""
        whole = slice(None, None, spacing)
        part = (whole, whole, whole)
        size = self._out[part].size
        low, _ = self._voxels.limits()
        codes = None
        if self._data is not None:
            codes = voxel_types.to_codes(self._data[part], self._mode).ravel() - low
        found = self._channel.raw(np.full(size, self._voxels.bits, np.int64), codes) + low
        self._check(found)
        if self._orbits is not None:
            self._orbits.sources(part, own_indices(part, self._out.shape).ravel())
        self._around.refine(self._out.shape, spacing)
        rows = self._out[part].shape[0]
        chunk = Chunk((0, 0, 0), (0, rows), (slice(None), slice(None), slice(None)), part)
        self._note(chunk, found, np.zeros(size))
        self._around.renew_margins()

    def _code_phase(self, phase: Offset, spacing: int) -> Iterator[int]:
        """Code one phase; yields how many voxels came since."""
        z, y, x = (slice(p * spacing, None, 2 * spacing) for p in phase)
        shape = self._out[z, y, x].shape
        if 0 in shape:
            return
        fits = self._fit(phase, (z, y, x))
        rows = max(1, _CHUNK // (shape[1] * shape[2]))
        for start in range(0, shape[0], rows):
            stop = min(start + rows, shape[0])
            first, last = 2 * start + phase[0], 2 * stop + phase[0]
            here = (slice(first, last - 1, 2), slice(phase[1], None, 2), slice(phase[2], None, 2))
            z = slice(first * spacing, (last - 2) * spacing + 1, 2 * spacing)
            self._code_chunk(Chunk(phase, (start, stop), here, (z, y, x)), *fits)
            yield (stop - start) * shape[1] * shape[2]

    def _fit(self, phase: Offset, part: Part) -> tuple[Float64Array, float, Float64Array]:
        """Weights of the prediction, scale of its error, weights of the signs of special values."""
        fitted: Float64Array | None = None
        factors: Float64Array | None = None
        sign_fit: Float64Array | None = None
        if self._data is not None:
            target = self._data[part]
            step = max(1, target.size // _CANDIDATES)
            places = np.arange(0, target.size, step)
            if self._orbits is not None:
                places = places[self._orbits.unseen(part, places)]
            values = without_denormals(target[np.unravel_index(places, target.shape)])
            codes = voxel_types.to_codes(target[np.unravel_index(places, target.shape)], self._mode)
            number = ~np.isin(codes, self._specials)
            chosen = _thinned(np.flatnonzero(number))
            fitted, factor = fit_weights(
                self._around["values"],
                phase,
                places[chosen],
                values[chosen].astype(np.float64),
                self._around.sampled_errors(phase, places[chosen]),
                step * int(number.sum()),
            )
            factors = np.array([factor])
            if self._around.signed:
                chosen = _thinned(np.flatnonzero(~number))
                sign_fit, _ = fit_weights(
                    self._around["signs"],
                    phase,
                    places[chosen],
                    np.where(codes[chosen] < 0, -1.0, 1.0),
                    np.ones(chosen.size),
                    step * int((~number).sum()),
                )
        weights = self._channel.floats(fitted)
        found = self._channel.floats(factors)
        if found.size != 1 or not found[0] > 0:
            raise ValueError("a lossless stream has no scale of its errors")
        sign_weights = self._channel.floats(sign_fit) if self._around.signed else np.zeros(0)
        return weights, float(found[0]), sign_weights

    def _code_chunk(
        self, chunk: Chunk, weights: Float64Array, factor: float, sign_weights: Float64Array
    ) -> None:
        truth = None
        if self._data is not None:
            truth = voxel_types.to_codes(self._data[chunk.part], self._mode).ravel()
        predicted = self._around.predicted(chunk, "values", weights)
        error = np.maximum(self._around.mean(chunk, "errors", "numbers") * factor, SMALLEST)
        quanta = self._around.quanta(chunk)
        codes = np.zeros(predicted.size, np.int64)
        fresh = np.ones(predicted.size, bool)
        sources = np.zeros(0, np.int64)
        if self._orbits is not None:
            indices = own_indices(chunk.part, self._out.shape).ravel()
            sources = self._orbits.sources(chunk.part, indices)
            fresh = sources == indices
        number = self._code_classes(chunk, sign_weights, fresh, truth, codes)
        self._code_numbers(self._fresh_numbers, number, predicted, error, quanta, truth, codes)
        if not fresh.all():
            view = self._out[chunk.part]
            view[...] = voxel_types.from_codes(codes, self._mode).reshape(view.shape)
            copied = voxel_types.to_codes(self._out.reshape(-1)[sources], self._mode)
            special = np.isin(copied, self._specials)
            number = self._code_doubted(chunk, ~fresh & special, copied, truth, codes)
            self._code_numbers(self._fresh_numbers, number, predicted, error, quanta, truth, codes)
            number = ~fresh & ~special
            deviation = self._around.mean(chunk, "deviations", "copies")
            closer = deviation < error
            values = without_denormals(voxel_types.from_codes(copied, self._mode))
            self._code_numbers(
                self._copied_numbers,
                number,
                np.where(closer, values, predicted),
                np.where(closer, deviation, error),
                quanta,
                truth,
                codes,
            )
            found = without_denormals(voxel_types.from_codes(codes, self._mode))
            doubts = ~fresh & special & (codes != copied)
            self._around.note_repeats(chunk, doubts, number, found, values)
        self._note(chunk, codes, predicted)

    def _code_numbers(
        self,
        coder: NumberCoder,
        wanted: BoolArray,
        predicted: Float64Array,
        error: Float64Array,
        quanta: Float64Array | None,
        truth: Int64Array | None,
        codes: Int64Array,
    ) -> None:
        """Code the voxels that are wanted and set their codes; all flat."""
        places = np.flatnonzero(wanted)
        if places.size:
            codes[places] = coder.code(
                self._channel,
                predicted[places],
                error[places],
                None if quanta is None else quanta[places],
                None if truth is None else truth[places],
            )
            self._check(codes)

    def _code_classes(
        self,
        chunk: Chunk,
        sign_weights: Float64Array,
        fresh: BoolArray,
        truth: Int64Array | None,
        codes: Int64Array,
    ) -> BoolArray:
        """Code which of the `fresh` voxels are special; returns which of them are not."""
        if not self._specials.size:
            return fresh
        share = self._around.mean(chunk, "numbers")[fresh]
        contexts = np.ceil(share * (_SHARES - 1)).astype(np.int64) * _LEANINGS
        if self._around.signed:
            sign = self._around.predicted(chunk, "signs", sign_weights)[fresh]
            lean = np.clip((sign + 1) * (_LEANINGS / 2), 0, _LEANINGS - 1)
            contexts += lean.astype(np.int64)
        return self._code_special(self._classes, contexts, fresh, truth, codes)

    def _code_doubted(
        self,
        chunk: Chunk,
        wanted: BoolArray,
        copied: Int64Array,
        truth: Int64Array | None,
        codes: Int64Array,
    ) -> BoolArray:
        """Code whether repetitions of special values are such; returns which are numbers."""
        if not wanted.any():
            return wanted
        doubt = self._around.mean(chunk, "doubts")[wanted]
        contexts = np.minimum(np.ceil(doubt * 16).astype(np.int64), _DOUBTS - 1)
        contexts += np.where(copied[wanted] == self._specials[0], 0, _DOUBTS)
        return self._code_special(self._doubted, contexts, wanted, truth, codes)

    def _code_special(
        self,
        table: Table,
        contexts: Int64Array,
        wanted: BoolArray,
        truth: Int64Array | None,
        codes: Int64Array,
    ) -> BoolArray:
        symbols: Int64Array | None = None
        if truth is not None:
            symbols = np.zeros(contexts.size, np.int64)
            for index, special in enumerate(self._specials):
                symbols[truth[wanted] == special] = index + 1
        symbols = self._channel.symbols(table, contexts, symbols)
        if symbols.size and symbols.max() > self._specials.size:
            raise ValueError("a lossless stream has an unknown special value")
        codes[wanted] = np.append(0, self._specials)[symbols]
        number = wanted.copy()
        number[wanted] = symbols == 0
        return number

    def _note(self, chunk: Chunk, codes: Int64Array, predicted: Float64Array) -> None:
        values = voxel_types.from_codes(codes, self._mode)
        view = self._out[chunk.part]
        view[...] = values.reshape(view.shape)
        self._around.note(chunk, codes, without_denormals(values), predicted)

    def _check(self, codes: Int64Array) -> None:
        low, high = self._voxels.limits()
        if codes.size and not (low <= codes.min() and codes.max() <= high):
            raise ValueError("a lossless stream has voxels that are no finite numbers")


def _thinned(places: Int64Array) -> Int64Array:
    return places[:: max(1, places.size // SAMPLES)]
