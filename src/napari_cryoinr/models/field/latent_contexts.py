"""What the context network sees of a latent: integers from latents that are coded before it.

They are found phase by phase, in the order of coding (`coding_order`), each in a few vectorised
passes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...coding.tokens import ALPHABET, detokenise
from ...support.array_types import AnyArray, Float64Array, Int64Array, IntArray
from ...support.regions import pieces
from .blocks import rows_of
from .coding_order import Phase, columns_of
from .context_network import ContextNetwork
from .frequency_shells import BANDS, shells_of

FEATURES = (
    "sum of the direct neighbours",
    "largest direct neighbour",
    "sum of the double neighbours",
    "sum of the diagonal neighbours",
    "mean of the same latent in the neighbouring blocks (odd blocks)",
    "mean of the shell before",
    "mean of the shell before that",
    "mean of the shell before in the neighbouring blocks",
    "bands to the last one of the block",
    "bands to the last one of the neighbouring blocks",
    "mean magnitude in the band, over the map",
    "radius",
    "square of the radius",
    "parity of the block",
    "shell",
    "whether it is the block's mean",
)
_FIRST_FIXED = 10
PART = 1 << 14  # latents of a phase at a time: costs take far more memory than latents
_AT_A_TIME = 1 << 12  # of which there are features: they stay in the cache
# Bands whose blocks are nearly as many as those of the first are one rectangle, and so are few
# latents: that costs less than another pass.
_FILLED, _FEW = 0.75, 1 << 9
_SPARE = 60  # divisible by 1 to 6: means over the neighbours there are stay integers
_FACES = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))


def _token_logs() -> AnyArray:
    """Return about 16 log2(1 + n) of the smallest n of each token; linear between powers of two."""
    numbers = detokenise(np.arange(ALPHABET), np.zeros(ALPHABET, np.int64)) + 1
    top = np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1  # exact
    return (16 * top + ((numbers << 4) >> top) - 16).astype(np.int16)


_LOGS = _token_logs()


def band_magnitudes(latents: IntArray, last_band: Int64Array, block: int) -> Int64Array:
    """Return 4 log2 of the mean magnitude of coded latents, by band; 0 stands for 2^-8 and less.

    Parameters
    ----------
    latents : shape (blocks, B^3).
    last_band : shape (blocks,).
    """
    band = shells_of(block).band
    sizes, coded = np.zeros((2, block**3))
    for rows in rows_of(latents):
        there = last_band[rows, None] >= band
        sizes += np.where(there, np.abs(latents[rows]), 0).sum(axis=0)
        coded += there.sum(axis=0)
    sums = np.bincount(band, weights=sizes, minlength=16)
    counts = np.bincount(band, weights=coded, minlength=16)
    means = sums / np.maximum(counts, 1)
    return np.rint(4 * (np.log2(means + 2.0**-8) + 8)).astype(np.int64).clip(0, 255)


def last_bands(latents: IntArray, block: int) -> Int64Array:
    """Return the last band with a latent other than zero, by block; 0 where there is none."""
    band = shells_of(block).band.astype(np.uint8)
    out = np.empty(len(latents), np.int64)
    for rows in rows_of(latents):
        out[rows] = ((latents[rows] != 0) * band).max(axis=1, initial=0)
    return out


class Contexts:
    """The latents of one tile as far as they are known, and the features that follow from them.

    Parameters
    ----------
    grid : blocks along z, y, x.
    block : side of a block.
    last_band : by block, in C order.
    magnitudes : by band, over the whole map; see `band_magnitudes`.
    """

    def __init__(
        self, grid: tuple[int, int, int], block: int, last_band: Int64Array, magnitudes: Int64Array
    ) -> None:
        shells = self._shells = shells_of(block)
        self._columns = columns_of(block)
        # Only blocks with latents have a place; one place and one latent more than there are stay
        # zero, for neighbours that are missing.
        some = np.flatnonzero(last_band)
        odd = np.array(np.unravel_index(some, grid)).sum(axis=0) % 2
        order = np.argsort((odd * BANDS + BANDS - last_band[some]).astype(np.uint8), kind="stable")
        self._some = some = some[order]
        self._evens, count = int(np.count_nonzero(odd == 0)), len(some)
        self._bands = last_band[some]
        halves = self._bands[: self._evens], self._bands[self._evens :]
        # How many blocks of either parity go up to each band; they are the first ones.
        self._reaching = [
            np.searchsorted(-bands, -np.arange(BANDS), side="right").tolist() for bands in halves
        ]
        self._logs = np.zeros((shells.count + 1, count + 1), np.int16)
        self._shell_means = np.zeros((len(shells.sizes) + 2, count + 1), np.int64)
        row = np.full(int(np.prod(grid)), count, np.int64)
        row[some] = np.arange(count)
        places = np.array(np.unravel_index(some, grid))
        around = np.pad(row.reshape(grid), 1, constant_values=count)
        beside = places[:, None] + 1 + np.array(_FACES).T[..., None]
        self._neighbours = around[tuple(beside)]
        there = (places > 0).sum(axis=0) + (np.array(grid) - 1 > places.T).sum(axis=1)
        self._share = _SPARE // np.maximum(there, 1)
        bands = np.append(self._bands, 0)[self._neighbours].sum(axis=0)
        self._band_around = bands * self._share
        # What depends on the number of the latent alone, the last six features.
        band = shells.band[self._columns.numbers]
        self._band = band.astype(np.float64)
        self._fixed = np.zeros((len(FEATURES) - _FIRST_FIXED, shells.count))
        self._fixed[0] = magnitudes[band]
        self._fixed[1] = shells.radius[self._columns.numbers]
        self._fixed[2] = shells.square[self._columns.numbers]
        self._fixed[4] = shells.shell[self._columns.numbers]
        self._fixed[5] = self._fixed[4] == 0

    def phases(self) -> Iterator[Phase]:
        """Yield the phases in which the latents are coded."""
        orders: dict[tuple[bool, int], Int64Array] = {}
        for shell, bands in enumerate(self._columns.bands):
            start, stop = self._columns.starts[shell : shell + 2]
            members = np.sort(self._columns.numbers[start:stop])
            band = self._shells.band[members]
            for odd in (False, True):
                first, count = odd * self._evens, self._reaching[odd][bands[0][0]]
                if count:
                    if (odd, count) not in orders:
                        orders[odd, count] = np.argsort(self._some[first : first + count])
                    places = first + orders[odd, count]
                    coded = self._bands[places, None] >= band
                    order = orders[odd, count]
                    yield Phase(shell, odd, first, order, self._some[places], members, coded)

    def tables(self, network: ContextNetwork, phase: Phase) -> Int64Array:
        """Return the numbers of the probability tables of the latents of a phase."""
        out = np.zeros(phase.coded.shape[::-1], np.uint8)
        for columns, rows, features in self._features(phase):
            chosen = network.choose(features.reshape(len(FEATURES), -1).T)
            out[columns, rows] = chosen.reshape(features.shape[1:])
        return self._in_order(phase, out).astype(np.int64)

    def features(self, phase: Phase) -> Float64Array:
        """Return the features of the latents of a phase, shape (latents, FEATURES): integers."""
        out = np.zeros((len(FEATURES), *phase.coded.shape[::-1]))
        for columns, rows, features in self._features(phase):
            out[:, columns, rows] = features
        return np.stack([self._in_order(phase, one) for one in out], axis=1)

    def add(self, phase: Phase, tokens: Int64Array) -> None:
        """Note the tokens of the magnitudes of a whole phase as coded."""
        start, stop = self._columns.starts[phase.shell : phase.shell + 2]
        logs = phase.spread(_LOGS[tokens])
        own = np.empty(logs.shape[::-1], np.int16)
        own[np.ix_(self._columns.by_number[phase.shell], phase.order)] = logs.T
        self._logs[start:stop, phase.first : phase.first + len(phase.order)] = own
        sums = logs.sum(axis=1, dtype=np.int64)
        means = 4 * sums // self._shells.sizes[phase.shell]
        self._shell_means[phase.shell + 2, phase.first + phase.order] = means

    def _in_order(self, phase: Phase, values: AnyArray) -> AnyArray:
        """Return values of the rectangle (latents, blocks) in the order of coding."""
        columns = self._columns.by_number[phase.shell]
        return values[columns, phase.order[:, None]][phase.coded]

    def _features(self, phase: Phase) -> Iterator[tuple[slice, slice, Float64Array]]:
        """Yield (latents, blocks, features) of parts of the rectangle of a phase.

        Together they hold all latents that are coded, and some others. Features have the shape
        (FEATURES, latents, blocks).
        """
        start, first, count = self._columns.starts[phase.shell], phase.first, len(phase.order)
        here = slice(first, first + count)
        around, share = self._neighbours[:, here], self._share[here]
        means = self._shell_means[phase.shell : phase.shell + 2]
        of_blocks = np.empty((5, count))
        of_blocks[0], of_blocks[1] = means[1, here], means[0, here]
        of_blocks[2] = means[1][around].sum(axis=0) * share
        of_blocks[3], of_blocks[4] = self._bands[here], self._band_around[here]
        for columns, reaching in self._rectangles(phase):
            size = columns.stop - columns.start
            lower_of = self._columns.lower[:, columns].ravel()
            band = self._band[columns, None]
            for part in pieces(reaching, max(1, _AT_A_TIME // size)):
                rows = slice(first + part.start, first + part.stop)
                lower = self._logs[lower_of, rows].reshape(9, size, -1)
                out = np.empty((len(FEATURES), *lower.shape[1:]))
                np.maximum(np.maximum(lower[0], lower[1]), lower[2], out=out[1])
                for number, others in ((0, lower[:3]), (2, lower[3:6]), (3, lower[6:])):
                    np.add(others[0] + others[1], others[2], out=out[number])
                out[4] = 0
                if phase.odd:
                    beside = self._logs[columns].take(around[:, part].ravel(), axis=1)
                    beside = beside.reshape(size, len(_FACES), -1)
                    sums = np.add.reduce(beside, axis=1, dtype=np.int16)  # of six logarithms
                    np.multiply(sums, share[part], out=out[4])
                out[5:8] = of_blocks[:3, None, part]
                np.subtract(of_blocks[3, part], band, out=out[8])
                np.subtract(of_blocks[4, part], _SPARE * band, out=out[9])
                out[_FIRST_FIXED:] = self._fixed[:, columns, None]
                out[13] = phase.odd
                yield slice(columns.start - start, columns.stop - start), part, out

    def _rectangles(self, phase: Phase) -> Iterator[tuple[slice, int]]:
        """Yield latents of the shell of a phase, and how many of its blocks have any of them."""
        first, *others = self._columns.bands[phase.shell]
        reaching = self._reaching[phase.odd]
        start, stop, count = first[1], first[2], reaching[first[0]]
        for band, own, end in others:
            here = reaching[band]
            if not here:
                break
            if here < _FILLED * count and (end - start) * count > _FEW:
                yield slice(start, stop), count
                start, count = own, here
            stop = end
        yield slice(start, stop), count
