"""The network as it is trained, in torch, and its training, which can be stopped at any step."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CinrError
from ...progress import Clock, Progress, Steps
from .integer_network import fold
from .latent_grid import latents_at
from .paper_settings import PaperConfig, PaperSettings
from .point_pairs import PairFile
from .positional_encoding import encode

_REPORT_SECONDS = 0.1
_VALIDATIONS = 50  # over the whole run
_VALIDATION_POINTS = 65536
_VALIDATION_BATCH = 2  # without gradients twice as many points take the time of a step
_PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


class PaperNetwork(nn.Module):
    """Coordinates and a map's latent vector to a density.

    Each hidden layer is relu(W h + b), plus a shortcut from its input where the residual pattern
    has one (arXiv 2512.12975: residual connections; which layers they join is not said there).
    """

    def __init__(self, config: PaperConfig, members: int) -> None:
        super().__init__()
        self._frequencies = config.frequencies
        self._shapes = config.layers
        self.layers = nn.ModuleList(nn.Linear(s.inputs, s.outputs) for s in self._shapes)
        grid = config.latent_grid
        self.latents = nn.Parameter(0.01 * torch.randn(members, grid**3, config.latent_size))
        self.projections = nn.ModuleList(
            nn.Linear(s.inputs, s.outputs, bias=False) if s.learned else nn.Identity()
            for s in self._shapes
        )

    def start_at(self, mean: float) -> None:
        """Make first weights that keep the scale of the activations, and an output that is `mean`.

        Those of PyTorch have a sixth of the variance: the output is nearly constant at first, and
        training spends its first thousand steps on the mean and the scale (He et al., "Delving deep
        into rectifiers", section 2.2).
        """
        *hidden, last = self.layers
        layer: Any
        for layer in hidden:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        final: Any = last
        nn.init.zeros_(final.weight)
        nn.init.constant_(final.bias, mean)

    def forward(self, points: Tensor, member: Tensor) -> Tensor:
        """Return densities (n,) at normalised points (n, 3), order (z, y, x), of member (n,)."""
        encoded = encode(points, self._frequencies, torch)
        hidden = torch.cat([encoded, latents_at(self.latents, member, points, torch)], dim=1)
        for index, shape in enumerate(self._shapes[:-1]):
            out = torch.relu(self.layers[index](hidden))
            if shape.learned:
                out = out + self.projections[index](hidden)
            elif shape.shortcut:
                out = out + fold(hidden, shape.outputs, torch)
            hidden = out
        result: Tensor = self.layers[-1](hidden)
        return result[:, 0]

    def numbers(self) -> Iterator[Tensor]:
        """Yield the shared parameters as the archive stores them: flat, weights as (in, out)."""
        layer: Any
        projection: Any
        for shape, layer, projection in zip(
            self._shapes, self.layers, self.projections, strict=True
        ):
            yield layer.weight.T.reshape(-1)
            yield layer.bias
            if shape.learned:
                yield projection.weight.T.reshape(-1)


def weighted_mse(
    predicted: Tensor, density: Tensor, exponent: float, percentile: float, factor: float
) -> Tensor:
    """Return the mean squared error with emphasis on high densities and on large errors.

    The weight of a point is |density|^exponent, times `factor` if its error is at or above the
    given percentile of the batch's errors (arXiv 2512.12975: quadratic emphasis, weight 3 at the
    90th percentile). Densities are normalised; the weights of the densities are brought to mean 1,
    so that the loss is comparable between batches. Shapes (n,).
    """
    error = (predicted.float() - density).abs()
    weight = density.abs().pow(exponent)
    weight = weight / weight.mean().clamp_min(1e-12)
    if factor != 1:
        bound = torch.quantile(error.detach(), percentile / 100)
        weight = weight * torch.where(error.detach() >= bound, factor, 1.0)
    return (weight * error.square()).mean()


def train_steps(
    network: PaperNetwork,
    pairs: PairFile,
    settings: PaperSettings,
    steps: int,
    device: str,
    known_bytes: int,
    clock: Clock,
    show: Callable[[Progress], Progress] = lambda record: record,
) -> Steps[float]:
    """Train a network with Adam, stop early, and leave the best weights in it.

    Where the caller has enough, as `Steps` says, the network is validated once more.

    What decides is the loss over all points that the archive has to restore: the mean training loss
    since the last validation and the held-out loss, each weighted by its share of the points. The
    held-out loss alone would discard a network that stores nine tenths of the map better. The
    result is the best loss over all points; a `CinrError` says that the loss was never a number.
    `show` adds a plane to a record where it is time for one.
    """
    loss, held_out_loss = math.nan, None
    numbers = settings.numbers()

    def record(step: int) -> Progress:
        known = None if math.isnan(loss) else loss
        share = step / steps
        return Progress(
            "training", step, steps, clock.seconds, known, held_out_loss, known_bytes, share
        )

    def loss_of(points: Tensor) -> Tensor:
        with torch.autocast(device, dtype=half) if half else contextlib.nullcontext():
            predicted = network(points[:, :3], points[:, 4].long())
            return weighted_mse(
                predicted,
                points[:, 3],
                numbers.loss_exponent,
                settings.loss_percentile,
                settings.loss_factor,
            )

    yield record(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=numbers.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, steps, numbers.learning_rate * settings.learning_rate_end
    )
    yield record(0)  # torch is slow to make its optimizer
    precision = settings.precision
    if precision == "auto":
        precision = "float16" if device == "cuda" else "float32"
    half = _PRECISIONS[precision]
    # Half-precision gradients underflow unless the loss is scaled up.
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda" and precision == "float16")
    held_out = torch.from_numpy(pairs.validation(_VALIDATION_POINTS)).to(device)
    held_out_batches = (
        held_out.split(numbers.batch_size * _VALIDATION_BATCH) if len(held_out) else ()
    )
    batches = _batches(pairs, numbers.batch_size, device)
    best, best_state, since_best = math.inf, None, 0
    recent: list[Tensor] = []
    every = max(1, steps // _VALIDATIONS)
    last_report = -math.inf
    enough = False
    for step in range(1, steps + 1):
        optimizer.zero_grad(set_to_none=True)
        value = loss_of(next(batches))
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        recent.append(value.detach())
        due = step % every == 0 or step == steps
        if due or time.monotonic() - last_report >= _REPORT_SECONDS:
            loss = float(recent[-1])
            enough = bool((yield show(record(step))))
            last_report = time.monotonic()
            due = due or enough
        if not due:
            continue
        watched = float(torch.stack(recent).mean())
        recent.clear()
        losses = []
        for batch in held_out_batches:
            with torch.no_grad():
                losses.append(float(loss_of(batch)))
            held_out_loss = sum(losses) / len(losses)
            yield record(step)
        if held_out_loss is not None:
            share = settings.validation_share
            watched = (1 - share) * watched + share * held_out_loss
        since_best += 1
        if watched < best:
            best, since_best = watched, 0
            best_state = copy.deepcopy(network.state_dict())
        if enough or since_best >= settings.patience:
            break
    if best_state is None:
        raise CinrError(
            f"training diverged: the loss is {loss:g} after {step} steps; choose a lower learning"
            f" rate than {numbers.learning_rate:g}"
        )
    network.load_state_dict(best_state)
    return best


def _batches(pairs: PairFile, size: int, device: str) -> Iterator[Tensor]:
    for chunk in pairs.chunks():
        on_device = torch.from_numpy(chunk).to(device)
        whole = max(1, len(chunk) // size)  # a last batch of a few points would only add noise
        for index in range(whole):
            yield on_device[index * size : (index + 1) * size]
