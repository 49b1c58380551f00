"""Fitting and loading the model `paper`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import CinrError, GoalMissed
from ...progress import Clock, Progress, Steps
from ...support.array_types import BoolArray, Float64Array, Region
from ..base import FitRequest, Fitted, Model, Representation, Sibling, Streams, Target
from . import gzip_mask, stored_weights
from .integer_network import (
    IntegerNetwork,
    activation_exponents,
    numpy_arithmetic,
    torch_arithmetic,
)
from .paper_config import PaperConfig
from .paper_settings import PaperSettings
from .point_pairs import PairFile
from .positional_encoding import encode, normalised

if TYPE_CHECKING:
    from torch import Tensor

    from .paper_network import PaperNetwork

_CALIBRATION_POINTS = 4096
_VALIDATION_POINTS = 65536
_BATCH_NUMBERS = 1 << 20  # float64 activations of one layer at a time: 8 MiB
_PLANES_AT_A_TIME = 1 << 20  # voxels whose occupied ones are looked up in one go
_DEFLATED = 0.9  # share of the weights that is left when they are deflated
_VALIDATION_BATCH = 2  # without gradients twice as many points take the time of a step


class PaperModel(Model):
    """The model `paper`: one network for all maps, a latent vector for each."""

    settings_type = PaperSettings
    config_type = PaperConfig
    shared_streams = ("network",)
    member_streams = ("latent",)
    normalised = True
    median_background = False
    aims = ("max_error", "lossless")

    def stores_mask(self, request: FitRequest, threshold: float | None) -> bool:
        """As the source does: always, where there is a threshold."""
        return threshold is not None

    def encode_mask_steps(self, mask: BoolArray, clock: Clock) -> Steps[bytes]:
        """Return the mask compressed as the source does it: by gzip."""
        yield Progress("mask", 0, 1, clock.seconds)
        return gzip_mask.encode_mask(mask)

    def decode_mask(self, data: bytes, shape: tuple[int, int, int]) -> BoolArray:
        """Return the mask of a stream."""
        return gzip_mask.decode_mask(data, shape)

    def fixed_bytes(self, own: PaperSettings) -> int:
        """Bytes of the network, which do not depend on the map."""
        return stored_weights.network_bytes(own)

    def size_advice(self, own: PaperSettings, raw_bytes: int) -> str | None:
        """Before hours of training end in a file that is larger than the maps."""
        size = self.fixed_bytes(own)
        if size <= raw_bytes / 2:
            return None
        return (
            f"the network takes {size:,} bytes and the voxels {raw_bytes:,}: consider --width"
            " medium or small"
        )

    def load_bytes(self, config: PaperConfig) -> int:
        """Each weight as float64, as stored and as an integer."""
        return 32 * stored_weights.parameter_count(config.sizes, config.residual, config.projection)

    def fit_steps(
        self,
        targets: Sequence[Target],
        request: FitRequest,
        known_bytes: int,
        limit: int | None = None,
    ) -> Steps[Fitted]:
        """Train one network for all maps, a latent vector for each; its size is what it is."""
        clock = Clock()
        paper: PaperSettings = request.own
        size = self.fixed_bytes(paper)
        if limit is not None and _DEFLATED * size > limit:
            raise GoalMissed(
                f"the network takes {size:,} bytes where {limit:,} are left by the ratio asked for:"
                " choose a smaller --width"
            )
        size += known_bytes
        yield Progress("loading torch", 0, 1, clock.seconds, bytes_so_far=known_bytes)
        from ...support.devices import choose_device, import_torch

        torch = import_torch()
        from .paper_network import PaperNetwork
        from .training import FitOptions, fit_steps
        from .weighted_loss import weighted_mse

        steps = paper.steps(request.effort)
        device = choose_device(request.device)
        axes = [_axes(target.map.data.shape) for target in targets]
        with PairFile(paper.chunk_size, paper.validation_share, request.seed) as pairs:
            scaled = [(t.map, t.mask, t.density_scale) for t in targets]
            total = sum(target.occupied for target in targets)
            yield from pairs.write_steps(scaled, axes, total, clock)
            yield Progress("training", 0, steps, clock.seconds)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(request.seed)
                network = PaperNetwork(paper, len(targets)).to(device)

            def loss_of(points: Tensor) -> Tensor:
                predicted = network(points[:, :3], points[:, 4].long())
                return weighted_mse(
                    predicted,
                    points[:, 3],
                    paper.loss_exponent,
                    paper.loss_percentile,
                    paper.loss_factor,
                )

            def held_out() -> Iterator[Tensor]:
                if len(validation):
                    yield from validation.split(paper.batch_size * _VALIDATION_BATCH)

            yield Progress("training", 0, steps, clock.seconds)
            validation = torch.from_numpy(pairs.validation(_VALIDATION_POINTS)).to(device)
            yield from fit_steps(
                network,
                loss_of,
                _batches(pairs, paper.batch_size, device),
                held_out,
                FitOptions(
                    steps,
                    paper.learning_rate,
                    paper.learning_rate_end,
                    paper.patience,
                    paper.precision,
                    device,
                    paper.validation_share,
                    size,
                ),
                clock,
            )
            calibration = next(pairs.chunks())[:_CALIBRATION_POINTS]
        return (yield from _stored_steps(network, paper, calibration, clock))

    def load(
        self,
        config: PaperConfig,
        shared: Streams,
        member_config: None,
        own: Streams,
        shape: tuple[int, int, int],
        mode: int,
        device: str,
        sibling: Sibling,
    ) -> Representation:
        """The representation of one member; loads torch for a device other than the CPU."""
        numbers = stored_weights.unpack(
            shared["network"],
            config.weights,
            stored_weights.parameter_count(config.sizes, config.residual, config.projection),
        )
        if len(config.exponents) != len(config.sizes) - 1:
            raise ValueError("one exponent is needed for each layer")
        latent = stored_weights.unpack(own["latent"], config.weights, config.latent_size)
        layers = stored_weights.layers_of(numbers, config.sizes, config.residual, config.projection)
        # float64 is needed, which mps has not; the numbers are the same on every device.
        arithmetic = torch_arithmetic(device) if device == "cuda" else numpy_arithmetic()
        return _PaperRepresentation(config, layers, latent, shape, arithmetic)


class _PaperRepresentation:
    pointwise = True

    def __init__(
        self, config: PaperConfig, layers: Any, latent: Any, shape: Any, arithmetic: Any
    ) -> None:
        self._network = IntegerNetwork(layers, config.exponents, arithmetic)
        self._frequencies = config.frequencies
        self._latent = latent
        self._shape = shape
        self._widest = max(config.sizes)
        self.batch = max(256, min(_BATCH_NUMBERS // self._widest, 1 << 16))

    def region_steps(
        self, region: Region, wanted: BoolArray | None, clock: Clock
    ) -> Steps[Float64Array]:
        """See `napari_cryoinr.models.base.Representation`."""
        out = np.zeros([part.stop - part.start for part in region])
        mask = np.ones(out.shape, bool) if wanted is None else wanted
        total, done = int(np.count_nonzero(mask)), 0
        first = [part.start for part in region]
        for where in _occupied(mask, self.batch):
            positions = np.stack([w + f for w, f in zip(where, first, strict=True)], axis=1)
            out[where] = self.evaluate(positions.astype(np.float64))
            done += len(positions)
            yield Progress("decoding", done, total, clock.seconds)
        return out

    def working_bytes(self, region: Region) -> int:
        """Densities in float64, the mask, and the activations of a batch in a few copies."""
        return 9 * math.prod(s.stop - s.start for s in region) + 32 * self.batch * self._widest

    def coarse_steps(self, box: Region, level: int, clock: Clock) -> None:
        """A mean has no shorter way than all its voxels."""

    def evaluate(self, positions: Float64Array) -> Float64Array:
        """See `napari_cryoinr.models.base.Representation`."""
        points = normalised(positions, self._shape)
        return self._network(_inputs(points, self._frequencies, self._latent[None]))


def _occupied(mask: BoolArray, batch: int) -> Iterator[tuple[npt.NDArray[np.intp], ...]]:
    """Indices of the voxels where the mask holds, a batch at a time, in C order."""
    planes = max(1, _PLANES_AT_A_TIME // max(1, mask[0].size)) if mask.size else 1
    for start in range(0, mask.shape[0], planes):
        z, y, x = np.nonzero(mask[start : start + planes])
        for first in range(0, z.size, batch):
            part = slice(first, first + batch)
            yield z[part] + start, y[part], x[part]


def _inputs(points: Any, frequencies: int, latents: Any) -> Float64Array:
    """Encoded points beside their latent vectors, shape (n, input size)."""
    encoded = encode(points, frequencies, np.concatenate)
    latents = np.broadcast_to(latents, (len(points), latents.shape[1]))
    return np.concatenate([encoded, latents], axis=1)


def _axes(shape: tuple[int, ...]) -> list[Float64Array]:
    """Normalised coordinates along z, y and x."""
    longest = np.arange(max(shape), dtype=np.float64)
    grid = normalised(np.stack([longest] * 3, axis=1), shape)
    return [grid[:n, axis] for axis, n in enumerate(shape)]


def _batches(pairs: PairFile, size: int, device: str) -> Iterator[Tensor]:
    import torch

    for chunk in pairs.chunks():
        on_device = torch.from_numpy(chunk).to(device)
        whole = max(1, len(chunk) // size)  # a last batch of a few points would only add noise
        for index in range(whole):
            yield on_device[index * size : (index + 1) * size]


def _stored_steps(
    network: PaperNetwork, paper: PaperSettings, points: Any, clock: Clock
) -> Steps[Fitted]:
    """Streams of a trained network, and the exponents that fit the activations of some points."""
    yield Progress("storing weights", 0, 2, clock.seconds)
    flat = np.concatenate([part.detach().float().cpu().numpy() for part in network.numbers()])
    if not np.isfinite(flat).all():
        raise CinrError("training diverged: weights are not finite; choose a lower learning rate")
    shared = stored_weights.pack(flat, paper.weights)
    latents = network.latents.detach().float().cpu().numpy()
    own = [stored_weights.pack(latent, paper.weights) for latent in latents]
    yield Progress("storing weights", 1, 2, clock.seconds, bytes_so_far=len(shared))

    draft = PaperConfig(
        paper.frequencies,
        paper.latent_size,
        paper.layer_widths,
        paper.residual,
        paper.projection,
        paper.weights,
        (0,) * (len(paper.layer_widths) + 1),
    )
    stored = stored_weights.unpack(shared, paper.weights, flat.size)
    layers = stored_weights.layers_of(stored, draft.sizes, paper.residual, paper.projection)
    kept = np.stack([stored_weights.unpack(s, paper.weights, paper.latent_size) for s in own])
    inputs = _inputs(
        points[:, :3].astype(np.float64), paper.frequencies, kept[points[:, 4].astype(int)]
    )
    exponents = tuple(activation_exponents(layers, inputs))
    yield Progress("storing weights", 2, 2, clock.seconds, bytes_so_far=len(shared))
    config = PaperConfig(**{**draft.__dict__, "exponents": exponents})
    return Fitted(
        config, {"network": shared}, [{"latent": stream} for stream in own], [None] * len(own)
    )
