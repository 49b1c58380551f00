"""What the context network sees of a latent: integers from latents that are coded before it.

Order of coding: shell by shell, and within a shell first the latents of the even blocks, then
those of the odd ones (the parity of the sum of the block's three indices, so that the six face
neighbours of an odd block are even). Each of these phases is one vectorised pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...coding.tokens import ALPHABET, detokenise
from ...support.array_types import AnyArray, Float64Array, Int64Array, IntArray
from ...support.regions import pieces
from .blocks import rows_of
from .context_network import ContextNetwork
from .frequency_shells import shells_of

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
PART = 1 << 14  # latents of a phase at a time: features take far more memory than latents
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
        self._shells = shells = shells_of(block)
        # Only blocks with latents have a row; one row and one latent more than there are stay
        # zero, for neighbours that are missing.
        self._some = some = np.flatnonzero(last_band)
        count = len(some)
        self._bands = last_band[some]
        self._logs = np.zeros((count + 1, shells.count + 1), np.int16)
        self._shell_means = np.zeros((len(shells.sizes) + 2, count + 1), np.int64)
        self._row = np.full(int(np.prod(grid)), count, np.int32)
        self._row[some] = np.arange(count)
        places = np.array(np.unravel_index(some, grid))
        self._odd = places.sum(axis=0) % 2
        around = np.pad(self._row.reshape(grid).astype(np.int64), 1, constant_values=count)
        beside = places[:, None] + 1 + np.array(_FACES).T[..., None]
        self._neighbours = around[tuple(beside)]
        there = (places > 0).sum(axis=0) + (np.array(grid) - 1 > places.T).sum(axis=1)
        self._share = _SPARE // np.maximum(there, 1)
        bands = np.append(self._bands, 0)[self._neighbours].sum(axis=0)
        self._band_around = bands * self._share
        # What depends on the number of the latent alone, the last six features.
        self._fixed = np.zeros((len(FEATURES) - _FIRST_FIXED, shells.count))
        self._fixed[0] = magnitudes[shells.band]
        self._fixed[1] = shells.radius
        self._fixed[2] = shells.square
        self._fixed[4] = shells.shell
        self._fixed[5] = shells.shell == 0

    def phases(self) -> Iterator[tuple[int, Int64Array, Int64Array]]:
        """Yield (shell, blocks, latents) of the latents that are coded, phase by phase.

        Blocks ascend within a phase.
        """
        rows = [np.flatnonzero(self._odd == odd) for odd in (0, 1)]
        for shell in range(len(self._shells.sizes)):
            members = np.flatnonzero(self._shells.shell == shell)
            band = self._shells.band[members]
            for half in rows:
                blocks, latents = np.nonzero(self._bands[half, None] >= band)
                if len(blocks):
                    yield shell, self._some[half[blocks]], members[latents]

    def tables(
        self, network: ContextNetwork, shell: int, blocks: Int64Array, latents: Int64Array
    ) -> Int64Array:
        """Return the numbers of the probability tables of the latents of one phase."""
        out = np.empty(len(blocks), np.int64)
        for part in pieces(len(blocks), PART):
            out[part] = network.choose(self.features(shell, blocks[part], latents[part]))
        return out

    def features(self, shell: int, blocks: Int64Array, latents: Int64Array) -> Float64Array:
        """Return features of some latents of one phase, shape (latents, FEATURES): integers.

        Blocks ascend, as in `phases`.
        """
        shells = self._shells
        rows = self._row[blocks]
        starts = _run_starts(rows)
        which = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
        logs = self._logs.reshape(-1)
        first = rows * np.int64(shells.count + 1)
        lower = logs[first + shells.lower[:, latents]]
        out = np.empty((len(FEATURES), len(blocks)))  # a row each: sums along rows are fast
        out[0] = lower[0] + lower[1] + lower[2]
        out[1] = np.maximum(np.maximum(lower[0], lower[1]), lower[2])
        out[2] = lower[3] + lower[4] + lower[5]
        out[3] = lower[6] + lower[7] + lower[8]
        some = rows[starts]
        around, share = self._neighbours[:, some], self._share[some]
        odd = bool(self._odd[some[0]])
        if odd:
            beside = (around * (shells.count + 1))[:, which] + latents
            out[4] = logs[beside].sum(axis=0, dtype=np.int64) * share[which]
        else:
            out[4] = 0
        out[5] = self._shell_means[shell + 1, some][which]
        out[6] = self._shell_means[shell, some][which]
        out[7] = (self._shell_means[shell + 1][around].sum(axis=0) * share)[which]
        band = shells.band[latents]
        out[8] = self._bands[some][which] - band
        out[9] = self._band_around[some][which] - _SPARE * band
        out[_FIRST_FIXED:] = self._fixed[:, latents]
        out[13] = odd
        return out.T

    def add(self, shell: int, blocks: Int64Array, latents: Int64Array, tokens: Int64Array) -> None:
        """Note the tokens of the magnitudes of a whole phase as coded."""
        logs = _LOGS[tokens]
        rows = self._row[blocks]
        self._logs[rows, latents] = logs
        starts = _run_starts(rows)
        sums = np.add.reduceat(logs, starts, dtype=np.int64)
        self._shell_means[shell + 2, rows[starts]] = 4 * sums // self._shells.sizes[shell]


def _run_starts(numbers: IntArray) -> Int64Array:
    """Return where runs of equal numbers begin."""
    changes = np.empty(len(numbers), bool)
    changes[0] = True
    np.not_equal(numbers[1:], numbers[:-1], out=changes[1:])
    return np.flatnonzero(changes)
