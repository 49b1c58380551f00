"""Densities of a map of the model `inr`: regions, means of coarser levels, any point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ...coding.integer_network import FRACTION, IntegerNetwork
from ...coding.varints import read_varint
from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray, Float32Array, Float64Array, Region
from ...support.regions import intersection, region_shape, relative_to
from ...symmetry.continuous import Symmetry
from ..base import Representation
from ..separable_sums import MATRIX_BITS
from .context_model import ContextModel
from .finest import Finest
from .inr_settings import InrConfig
from .latent_stream import Latents, WholeLatents
from .lattice import Lattice, lattices_of
from .level_sums import level_sums
from .parameters import changed, context_sizes, synthesis_network, synthesis_sizes, unpack_numbers
from .pretrained import pretrained
from .tiles import tile_count, tiles_of

_CHUNK = 96  # voxels along each axis that are transformed at a time
_CHUNK_BYTES = 40  # for each voxel of a chunk, latents included
_FOLDED_BYTES = 320  # for each of them where positions are folded, latents apart
_NODE_BYTES = 40  # for each node of all levels then
_LARGEST_FEATURE = 2.0**20  # no sum in the network reaches 2^53
_TILE_BYTES = 96  # for each node of a tile that is decoded


class InrRepresentation(Representation):
    """See `Representation`.

    Attributes
    ----------
    contexts : the context model of its latents.
    """

    def __init__(
        self,
        config: InrConfig,
        shape: tuple[int, int, int],
        latents: Latents | WholeLatents,
        contexts: ContextModel,
        network: IntegerNetwork | None,
        reference: InrRepresentation | None = None,
    ) -> None:
        super().__init__(shape)
        self._config, self._reference = config, reference
        self._symmetry = config.folding()
        if reference is not None and self._symmetry is not None:
            raise ValueError("a symmetric map with a reference")
        if reference is not None and len(config.gains) != len(reference._config.steps):
            raise ValueError("the gains are not those of the levels of the reference")
        self._lattices = lattices_of(shape, config.spacing, config.degree, len(config.steps))
        self._latents, self.contexts, self._network = latents, contexts, network

    @classmethod
    def from_stream(
        cls,
        config: InrConfig,
        data: bytes,
        shape: tuple[int, int, int],
        reference: InrRepresentation | None = None,
    ) -> InrRepresentation:
        """Return what a stream represents.

        Raises
        ------
        ValueError
            if the stream cannot be one of such a map.
        """
        lattices = lattices_of(shape, config.spacing, config.degree, len(config.steps))
        if tile_count(lattices, config.tile) > len(data):  # each has a byte at least
            raise ValueError("the stream of latents ends too early")
        model = pretrained(config.edition) if reference is None else reference.contexts
        network: IntegerNetwork | None = None
        if config.synthesis or config.contexts:
            length, read = read_varint(data[:9])
            packed, data = data[read : read + length], data[read + length :]
            own = synthesis_sizes(len(config.steps)) if config.synthesis else []
            changes = context_sizes(model) if config.contexts else []
            groups = unpack_numbers(packed, [*own, *changes], model.tables)
            if own:
                network = synthesis_network(groups[: len(own)], len(config.steps))
            if changes:
                model = changed(model, groups[len(own) :], config.contexts)
        latents = Latents(data, tiles_of(lattices, config.tile), model, config.degree)
        return cls(config, shape, latents, model, network, reference)

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float32Array]:
        """See `Representation.region_steps`."""
        return (yield from self._steps(region, 0, clock))

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> Steps[Float32Array] | None:
        """See `Representation.coarse_steps`; networks and symmetries know voxels, no means."""
        of_voxels = self._network is not None or self._symmetry is not None
        return None if of_voxels else self._steps(box, level, clock)

    def working_bytes(self, region: Region) -> int:
        """Count a chunk, and the nodes of a tile."""
        voxels = math.prod(min(n, _CHUNK) for n in region_shape(region))
        # All tiles but the last along an axis have as many nodes, but for the first one's margin.
        first = tiles_of(self._lattices, self._config.tile)[0].shapes
        nodes = sum(math.prod(n + 4 for n in shape) for shape in first)
        own = _CHUNK_BYTES * voxels + _TILE_BYTES * nodes
        if self._symmetry is not None:  # any region may ask for the latents of any other
            everywhere = sum(math.prod(lattice.counts) for lattice in self._lattices)
            return _FOLDED_BYTES * voxels + _TILE_BYTES * nodes + _NODE_BYTES * everywhere
        return own if self._reference is None else own + self._reference.working_bytes(region)

    def evaluate(self, positions: Float64Array) -> Float64Array:
        """Return the normalised densities at positions (n, 3), in voxels, order (z, y, x)."""
        if not len(positions):
            return np.empty(0)
        # Beyond the map its edge goes on.
        inside = np.clip(positions, 0, np.array(self._shape) - 1)
        if self._symmetry is not None:
            return self._folded(self._symmetry, inside)
        known = None if self._reference is None else self._reference._sums_at(inside)
        return self._densities(self._sums_at(inside), known)

    def level_sums(self, part: Region, side: int = 1) -> list[Float64Array]:
        """Return the sums of the levels in voxels, or in means over `side` of them per axis."""
        lattices, steps = self._lattices, self._config.steps
        return level_sums(lattices, steps, part, self._latents.read, side)

    def _steps(self, region: Region, level: int, clock: Clock) -> Steps[Float32Array]:
        """Decode voxels, or means over 2^level of them along each axis."""
        side = 2**level
        out = np.empty(region_shape(region), np.float32)
        starts = [range(s.start - s.start % _CHUNK, s.stop, _CHUNK) for s in region]
        corners = list(itertools.product(*starts))
        for number, corner in enumerate(corners):
            z, y, x = (slice(c, c + _CHUNK) for c in corner)
            part = intersection((z, y, x), region)
            out[relative_to(part, region)] = self._chunk(part, side)
            yield Progress("decoding", number + 1, len(corners), clock.seconds)
        return out

    def _chunk(self, part: Region, side: int) -> Float64Array:
        if self._symmetry is not None:
            places = np.indices(region_shape(part)).reshape(3, -1).T + [s.start for s in part]
            found = self._folded(self._symmetry, places.astype(np.float64))
            return found.reshape(region_shape(part))
        known = None if self._reference is None else self._reference.level_sums(part, side)
        return self._densities(self.level_sums(part, side), known)

    def _folded(self, symmetry: Symmetry, positions: Float64Array) -> Float64Array:
        """Return the densities at positions, (n, 3): those of where they are folded to."""
        folded = symmetry.fold(positions)
        out = np.full(len(folded), self._config.base)
        # Beyond the map there are no latents, wherever a file says that the centre is.
        inside = ((folded >= 0) & (folded <= np.array(self._shape) - 1)).all(axis=1)
        if inside.any():
            folded = folded[inside]
            spans = list(zip(folded.min(axis=0), folded.max(axis=0), strict=True))
            finest = Finest(self._lattices, self._config.steps, spans, self._latents.read)
            out[inside] += finest(folded)
        return out

    def _sums_at(self, inside: Float64Array) -> list[Float64Array]:
        """Return the sums of the levels at positions within the map."""
        spans = list(zip(inside.min(axis=0), inside.max(axis=0), strict=True))
        windows = [_window(lattice, spans) for lattice in self._lattices]
        levels = self._latents.read(windows)
        sums = []
        for lattice, latents, window, step in zip(
            self._lattices, levels, windows, self._config.steps, strict=True
        ):
            places = [lattice.values(column) for column in inside.T]
            total = np.zeros(len(inside))
            for corner in itertools.product(range(lattice.degree + 1), repeat=3):
                weight, index = np.ones(len(inside)), []
                for number, (first, values), part in zip(corner, places, window, strict=True):
                    weight *= values[:, number]
                    index.append(first + number - part.start)
                total += weight * latents[tuple(index)]
            sums.append(step * 2.0 ** (-3 * MATRIX_BITS) * total)
        return sums

    def _densities(
        self, sums: Sequence[Float64Array], known: Sequence[Float64Array] | None
    ) -> Float64Array:
        """Return densities from the sums of the levels, and those of the reference."""
        total = np.full(sums[0].shape, self._config.base)
        for own in sums:
            total += own
        for gain, other in zip(self._config.gains, known or (), strict=True):
            total += gain * other
        if self._network is not None:
            unit = self._config.synthesis
            scale = 2.0**FRACTION / unit
            features = np.stack([np.floor(own.ravel() * scale + 0.5) for own in sums], axis=1)
            np.clip(features, -_LARGEST_FEATURE, _LARGEST_FEATURE, out=features)
            correction = self._network.outputs(features)[:, 0] * (unit * 2.0**-FRACTION)
            total += correction.reshape(total.shape)
        return total


def _window(lattice: Lattice, spans: Sequence[tuple[float, float]]) -> Region:
    """Return the nodes that reach a box of positions."""
    z, y, x = (slice(*lattice.touching(start, stop)) for start, stop in spans)
    return z, y, x
