"""Editions of the pretrained parts that lack one of them.

A network that sees less is trained for that, from the same maps and as long as the whole one; what
is zeroed in a network that was trained with it would only show how much that relied on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import harness  # noqa: F401  (finds the scripts of `pretraining`)
import numpy as np
from editions import Transforms, use_edition, write_edition
from lapped_basis import LappedBasis
from make import Effort, Printer, make_edition
from network_training import train_bands, train_network
from sources import all_maps
from training_data import Samples, plan, samples_of, solve_task

from napari_cryoinr.models.field.context_network import ContextNetwork
from napari_cryoinr.models.field.lapped import STORED_BITS
from napari_cryoinr.models.field.pretrained import BLOCKS, SHAPES, pretrained

# Features of a latent that follow from others (`models.field.latent_contexts`): first those from
# their magnitudes, then those from how far blocks go in frequency.
MAGNITUDES = tuple(range(8))
EXTENTS = (8, 9)


class Editions:
    """The edition for a map, and those without a part of it; made where the cache has none.

    Parameters
    ----------
    whole : Path
        The edition with all parts.
    folder : Path
        The maps that it was made from.
    left_out : sequence of str
        Beginnings of the names of those that were left out.
    cache : Path
        The folder where editions without a part are kept.
    effort : Effort
    """

    def __init__(
        self, whole: Path, folder: Path, left_out: Sequence[str], cache: Path, effort: Effort
    ) -> None:
        self.whole = whole
        self._folder = folder
        self._left_out = left_out
        self._cache = cache
        self._effort = effort

    def cosines(self) -> Path:
        """The discrete cosine transform of each block, without overlap, in place of the bases.

        The network stays: learned anew in this basis, it gave 0.7 % fewer to 0.9 % more bytes for
        three cases of EMD-6824.
        """

        def make(out: Path) -> None:
            use_edition(self.whole)
            whole = pretrained()
            write_edition(out, whole.network, whole.counts, whole.bands.counts, cosine_transforms())

        return self._kept(self._of_these_maps("cosines"), make)

    def by_frequency(self) -> Path:
        """A network that sees the frequency of a latent and the map's magnitudes there."""
        return self._blind("by_frequency", (*MAGNITUDES, *EXTENTS))

    def by_extent(self) -> Path:
        """The same, but that also sees how far the block and its neighbours go in frequency."""
        return self._blind("by_extent", MAGNITUDES)

    def synthetic(self) -> Path:
        """Made from synthetic maps alone."""
        return self._kept(
            "synthetic",
            lambda out: make_edition(all_maps(None, []), out, self._effort, 0, Printer()),
        )

    def _blind(self, name: str, features: Sequence[int]) -> Path:
        return self._kept(self._of_these_maps(name), lambda out: self._learn(out, features))

    def _of_these_maps(self, name: str) -> str:
        return "_without_".join([name, *self._left_out])

    def _kept(self, name: str, make: Callable[[Path], None]) -> Path:
        path = self._cache / f"{name}.npz"
        if not path.exists():
            part = self._cache / f"{name}.part.npz"  # a broken run leaves no edition
            make(part)
            part.rename(path)
        return path

    def _learn(self, out: Path, blind: Sequence[int]) -> None:
        """Write an edition whose network cannot see some features."""
        columns = list(blind)
        samples = []
        for one in self._samples:
            features = one.features.copy()
            features[:, columns] = 0
            samples.append(replace(one, features=features))
        network, counts = train_network(samples, self._effort.steps)
        first = network.weights[0].copy()
        first[columns] = 0  # there was nothing to learn these from
        network = ContextNetwork((first, *network.weights[1:]), network.biases, network.tables)
        use_edition(self.whole)
        write_edition(out, network, counts, train_bands(samples), pretrained().transforms)

    @cached_property
    def _samples(self) -> list[Samples]:
        """Problems solved and rounded with the whole edition."""
        use_edition(self.whole)
        effort = self._effort
        tasks = plan(all_maps(self._folder, self._left_out), effort.problems, effort.bases)
        samples = []
        for task in tasks:
            for solved in solve_task(task, effort.iterations):
                one = samples_of(solved, effort.samples, by_price=True)
                samples += [] if one is None else [one]
        return samples


def cosine_transforms() -> Transforms:
    """The classical matrices within blocks, which are those of the DCT, and nothing across."""
    return {
        (block, shape): (
            LappedBasis(block).integers()[0],
            np.eye(block, dtype=np.int64) << STORED_BITS,
        )
        for block in BLOCKS
        for shape in SHAPES
    }
