"""Fitting and loading the model `paper`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CinrError, GoalMissed
from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray, Float32Array, Float64Array, Region
from ...support.devices import choose_device, import_torch
from ...support.regions import region_shape
from ..base import FitRequest, Fitted, Model, Representation, Stored, Target
from ..shown_planes import ShownPlanes
from . import stored_streams
from .auto_settings import chosen_steps
from .integer_network import IntegerNetwork, Layer, activation_exponents
from .latent_grid import latents_at
from .paper_settings import PaperConfig, PaperSettings
from .point_pairs import PairFile
from .positional_encoding import encode, normalised

if TYPE_CHECKING:
    from .training import PaperNetwork

_CALIBRATION_POINTS = 4096
_BATCH_NUMBERS = 1 << 20  # float64 activations of one layer at a time: 8 MiB
_DEFLATED = 0.9  # share of the weights that is left when they are deflated


class PaperModel(Model):
    """The model `paper`: one network for all maps, a latent vector for each."""

    settings_type = PaperSettings
    config_type = PaperConfig
    shared_streams = ("network",)
    member_streams = ("latent",)
    normalised = True
    median_background = False
    aims = ("max_error", "lossless")
    sized_before = True

    def stores_mask(self, request: FitRequest, threshold: float | None) -> bool:
        """Store it as the source does: always, where there is a threshold."""
        return threshold is not None

    def encode_mask_steps(self, mask: BoolArray, clock: Clock) -> Steps[bytes]:
        """Return the mask compressed as the source does it: by gzip."""
        yield Progress("mask", 0, 1, clock.seconds)
        return stored_streams.encode_mask(mask)

    def decode_mask(self, data: bytes, shape: tuple[int, int, int]) -> BoolArray:
        """Return the mask of a stream."""
        return stored_streams.decode_mask(data, shape)

    def size_steps(
        self, targets: Sequence[Target], request: FitRequest, clock: Clock
    ) -> Steps[int]:
        """Return the bytes of the network, which the training does not change."""
        own = yield from _completed_steps(targets, request, None, clock)
        latents = len(targets) * own.config().latents * np.dtype(own.weights).itemsize
        return round(_DEFLATED * (_network_bytes(own) + latents))

    def size_advice(self, own: PaperSettings, raw_bytes: int) -> str | None:
        """Warn before hours of training end in a file that is larger than the maps."""
        size = _network_bytes(own)
        if (own.auto and not own.sized) or size <= raw_bytes / 2:
            return None
        return (
            f"the network takes {size:,} bytes and the voxels {raw_bytes:,}: consider --width"
            " medium or small, or leave the widths to the map"
        )

    def load_bytes(self, config: PaperConfig) -> int:
        """Count each weight as float64, as stored and as an integer."""
        return 32 * config.parameters

    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Train one network for all maps, a latent vector for each; its size is what it is."""
        clock = Clock()
        paper = yield from _completed_steps(targets, request, limit, clock)
        size = _network_bytes(paper)
        if limit is not None and _DEFLATED * size > limit:
            remedy = "choose a smaller --width" if request.own.sized else "ask for a lower ratio"
            raise GoalMissed(
                f"the network takes {size:,} bytes where {limit:,} are left by the ratio asked for:"
                f" {remedy}"
            )
        yield Progress("loading torch", 0, 1, clock.seconds, bytes_so_far=known_bytes)
        torch = import_torch()
        from .decoded_plane import DecodedPlane
        from .training import PaperNetwork, train_steps

        steps, device = paper.steps(request.effort_on(None)), choose_device(request.device)
        pair_file = PairFile(paper.chunk_size, paper.validation_share, request.seed)
        with contextlib.closing(pair_file) as pairs:
            yield from pairs.write_steps(targets, clock)
            yield Progress("training", 0, steps, clock.seconds)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(request.seed)
                network = PaperNetwork(paper.config(), len(targets))
                if paper.initial == "he":
                    network.start_at(pairs.mean_density())
                network = network.to(device)
            plane = DecodedPlane(targets[0], 2 * paper.numbers().batch_size, device)
            planes = ShownPlanes(request.shows)

            def show(record: Progress) -> Progress:
                return planes.added(record, lambda: plane.of(network))

            yield from train_steps(
                network, pairs, paper, steps, device, known_bytes + size, clock, show
            )
            calibration = next(pairs.chunks())[:_CALIBRATION_POINTS]
        return (yield from stored_steps(network, paper, calibration, clock))

    def load(self, stored: Stored, device: str) -> Representation:
        """Return the representation of one member; loads torch for a device other than the CPU."""
        config: PaperConfig = stored.config
        if len(config.exponents) != len(config.layers):
            raise ValueError("one exponent is needed for each layer")
        numbers = stored_streams.unpack(stored.shared["network"], config.weights, config.parameters)
        latents = stored_streams.unpack(stored.own["latent"], config.weights, config.latents)
        layers = stored_streams.layers_of(numbers, config)
        # float64 is needed, which mps has not; the numbers are the same on every device.
        network = IntegerNetwork(layers, config.exponents, device if device == "cuda" else None)
        grid = latents.reshape(1, config.latent_grid**3, config.latent_size)
        return _PaperRepresentation(config, network, grid, stored.shape)


def _completed_steps(
    targets: Sequence[Target], request: FitRequest, limit: int | None, clock: Clock
) -> Steps[PaperSettings]:
    """Return the settings of a request, with what is open in them chosen from the maps."""
    own: PaperSettings = request.own
    if not own.auto:
        return own
    return (yield from chosen_steps(own, targets, request.effort_on(None), limit, clock))


def _network_bytes(own: PaperSettings) -> int:
    return own.config().parameters * np.dtype(own.weights).itemsize


class _PaperRepresentation(Representation):
    """See `Representation`: every voxel is evaluated alone."""

    pointwise = True

    def __init__(
        self,
        config: PaperConfig,
        network: IntegerNetwork,
        latents: Float64Array,
        shape: tuple[int, int, int],
    ) -> None:
        super().__init__(shape)
        self._network = network
        self._frequencies = config.frequencies
        self._latents = latents
        self._widest = max(config.sizes)
        self.batch = max(256, min(_BATCH_NUMBERS // self._widest, 1 << 16))

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float64Array]:
        """See `Representation.region_steps`."""
        out = np.zeros(region_shape(region))
        voxels = np.arange(out.size) if wanted is None else np.flatnonzero(wanted)
        first = [part.start for part in region]
        for start in range(0, len(voxels), self.batch):
            places = np.unravel_index(voxels[start : start + self.batch], out.shape)
            positions = np.stack(places, axis=1) + first
            out[places] = self.evaluate(positions.astype(np.float64))
            done = min(start + self.batch, len(voxels))
            yield Progress("decoding", done, len(voxels), clock.seconds)
        return out

    def working_bytes(self, region: Region) -> int:
        """Count densities in float64, numbers of voxels, and a few copies of the activations."""
        return 16 * math.prod(region_shape(region)) + 32 * self.batch * self._widest

    def evaluate(self, positions: Float64Array) -> Float64Array:
        """See `Representation.evaluate`; the network is evaluated at the positions themselves."""
        points = normalised(positions, self._shape)
        members = np.zeros(len(points), np.int64)
        latents = latents_at(self._latents, members, points, np)
        return self._network(network_inputs(points, self._frequencies, latents))


def network_inputs(points: Float64Array, frequencies: int, latents: Float64Array) -> Float64Array:
    """Return encoded points beside their latent vectors, shape (n, input size)."""
    encoded = encode(points, frequencies, np)
    latents = np.broadcast_to(latents, (len(points), latents.shape[1]))
    return np.concatenate([encoded, latents], axis=1)


def stored_steps(
    network: PaperNetwork, paper: PaperSettings, points: Float32Array, clock: Clock
) -> Steps[Fitted]:
    """Return the streams of a trained network.

    `points`, shape (n, 5) as in `PairFile`, show which exponents the activations need.
    """
    yield Progress("storing weights", 0, 1, clock.seconds)
    flat = np.concatenate([part.detach().float().cpu().numpy() for part in network.numbers()])
    if not np.isfinite(flat).all():
        raise CinrError("training diverged: weights are not finite; choose a lower learning rate")
    shared = stored_streams.pack(flat, paper.weights)
    latents = network.latents.detach().float().cpu().numpy()
    own = [stored_streams.pack(latent, paper.weights) for latent in latents]
    config = paper.config()
    stored = stored_streams.unpack(shared, paper.weights, flat.size)
    layers: list[Layer] = stored_streams.layers_of(stored, config)
    kept = np.stack([stored_streams.unpack(s, paper.weights, config.latents) for s in own])
    places, members = points[:, :3].astype(np.float64), points[:, 4].astype(np.int64)
    own_latents = latents_at(kept.reshape(latents.shape), members, places, np)
    inputs = network_inputs(places, config.frequencies, own_latents)
    exponents = tuple(activation_exponents(layers, inputs))
    yield Progress("storing weights", 1, 1, clock.seconds, bytes_so_far=len(shared))
    config, streams = replace(config, exponents=exponents), [{"latent": stream} for stream in own]
    return Fitted(config, {"network": shared}, streams, [None] * len(own))
