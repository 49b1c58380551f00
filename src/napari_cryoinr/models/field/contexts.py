"""What the context network sees of a latent: integers from latents that are coded before it.

Order of coding: shell by shell, and within a shell first the latents of the even blocks, then
those of the odd ones (the parity of the sum of the block's three indices, so that the six face
neighbours of an odd block are even). Each of these phases is one vectorised pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ...entropy.tokens import ALPHABET, detokenise
from .shells import Integers, Ints, shells_of

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
_SPARE = 60  # divisible by 1 to 6: means over the neighbours there are stay integers
_FACES = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))


def _token_logs() -> npt.NDArray[np.int16]:
    """About 16 log2(1 + n) of the smallest n of each token: linear between powers of two."""
    numbers = detokenise(np.arange(ALPHABET), np.zeros(ALPHABET, np.int64)) + 1
    top = np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1  # exact
    return (16 * top + ((numbers << 4) >> top) - 16).astype(np.int16)


_LOGS = _token_logs()


def band_magnitudes(latents: Integers, last_band: Ints, block: int) -> Ints:
    """4 log2 of the mean magnitude of the coded latents, by band; 0 stands for 2^-8 and less.

    Parameters
    ----------
    latents : shape (blocks, B^3).
    last_band : shape (blocks,).
    """
    band = shells_of(block).band
    coded = last_band[:, None] >= band
    sums = np.bincount(band, weights=np.where(coded, np.abs(latents), 0).sum(axis=0), minlength=16)
    counts = np.bincount(band, weights=coded.sum(axis=0), minlength=16)
    means = sums / np.maximum(counts, 1)
    return np.rint(4 * (np.log2(means + 2.0**-8) + 8)).astype(np.int64).clip(0, 255)


def last_bands(latents: Integers, block: int) -> Ints:
    """The last band with a latent other than zero, by block; 0 where there is none."""
    band = shells_of(block).band.astype(np.uint8)
    return ((latents != 0) * band).max(axis=1, initial=0).astype(np.int64)


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
        self, grid: tuple[int, int, int], block: int, last_band: Ints, magnitudes: Ints
    ) -> None:
        self._shells = shells_of(block)
        self._last_band = last_band
        self._magnitudes = magnitudes
        count = int(np.prod(grid))
        # One block and one latent more than there are: zero, where a neighbour is missing.
        self._logs = np.zeros((count + 1, self._shells.count + 1), np.int16)
        self._shell_means = np.zeros((count + 1, len(self._shells.sizes) + 2), np.int64)
        numbers = np.full([n + 2 for n in grid], count)
        inner = tuple(slice(1, -1) for _ in grid)
        numbers[inner] = np.arange(count).reshape(grid)
        self._neighbours = np.stack(
            [
                numbers[tuple(slice(1 + o, 1 + o + n) for o, n in zip(face, grid, strict=True))]
                for face in _FACES
            ],
            axis=-1,
        ).reshape(count, 6)
        there = (self._neighbours < count).sum(axis=1)
        self._share = _SPARE // np.maximum(there, 1)
        self._odd = (np.indices(grid).sum(axis=0) % 2).reshape(-1)
        bands = np.append(last_band, 0)[self._neighbours].sum(axis=1)
        self._band_around = bands * self._share

    def phases(self) -> Iterator[tuple[int, Ints, Ints]]:
        """(shell, blocks, latents) of the latents that are coded, phase by phase."""
        some = np.flatnonzero(self._last_band)
        coded = self._last_band[some, None] >= self._shells.band
        blocks, latents = np.nonzero(coded)
        blocks = some[blocks]
        phase = (2 * self._shells.shell[latents] + self._odd[blocks]).astype(np.uint8)
        order = np.argsort(phase, kind="stable")
        ends = np.cumsum(np.bincount(phase, minlength=2 * len(self._shells.sizes)))
        start = 0
        for number, end in enumerate(ends):
            if end > start:
                part = order[start:end]
                yield number // 2, blocks[part], latents[part]
            start = end

    def features(self, shell: int, blocks: Ints, latents: Ints) -> npt.NDArray[np.float64]:
        """Features of some latents of one phase, shape (latents, FEATURES): integers, exactly."""
        shells = self._shells
        width = shells.count + 1
        logs = self._logs.reshape(-1)
        first = (blocks * width)[:, None]
        direct = logs[first + shells.direct[latents]]
        around = self._neighbours[blocks]
        share = self._share[blocks]
        odd = self._odd[blocks]
        out = np.empty((len(blocks), len(FEATURES)))
        out[:, 0] = direct.sum(axis=1)
        out[:, 1] = direct.max(axis=1)
        out[:, 2] = logs[first + shells.double[latents]].sum(axis=1)
        out[:, 3] = logs[first + shells.diagonal[latents]].sum(axis=1)
        out[:, 4] = 0
        is_odd = np.flatnonzero(odd)
        if len(is_odd):
            same = logs[around[is_odd] * width + latents[is_odd, None]].sum(axis=1)
            out[is_odd, 4] = same * share[is_odd]
        out[:, 5] = self._shell_means[blocks, shell + 1]
        out[:, 6] = self._shell_means[blocks, shell]
        out[:, 7] = (self._shell_means[:, shell + 1][self._neighbours].sum(axis=1) * self._share)[
            blocks
        ]
        band = shells.band[latents]
        out[:, 8] = self._last_band[blocks] - band
        out[:, 9] = self._band_around[blocks] - _SPARE * band
        out[:, 10] = self._magnitudes[band]
        out[:, 11] = shells.radius[latents]
        out[:, 12] = shells.square[latents]
        out[:, 13] = odd
        out[:, 14] = shell
        out[:, 15] = shell == 0
        return out

    def add(self, shell: int, blocks: Ints, latents: Ints, tokens: Ints) -> None:
        """Note the tokens of the magnitudes of a phase as coded."""
        logs = _LOGS[tokens]
        self._logs[blocks, latents] = logs
        sums = np.bincount(blocks, weights=logs, minlength=len(self._shell_means))
        # Sums of both parities touch different blocks; the quotient is one of integers below 2^53.
        self._shell_means[:, shell + 2] += (4 * sums // self._shells.sizes[shell]).astype(np.int64)
