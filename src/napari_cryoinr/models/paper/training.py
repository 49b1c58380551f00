"""Training: a generator that yields progress, stops early and can be stopped at any step."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CinrError
from ...progress import Clock, Progress, Steps

_REPORT_SECONDS = 0.1
_VALIDATIONS = 50  # over the whole run
_PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class FitOptions:
    """What `fit_steps` needs to know, whatever the model."""

    steps: int
    learning_rate: float
    learning_rate_end: float
    patience: int
    precision: str
    device: str
    validation_share: float = 0.0
    known_bytes: int = 0


def fit_steps(
    module: nn.Module,
    loss_of: Callable[[Any], Tensor],
    batches: Iterator[Any],
    held_out: Callable[[], Iterator[Any]],
    options: FitOptions,
    clock: Clock,
) -> Steps[float]:
    """Train a module with Adam, stop early, and leave the best weights in it.

    What decides is the loss over all points that the archive has to give back: the mean training
    loss since the last validation and the held-out loss, each weighted by its share of the points.
    The held-out loss alone would throw away a network that stores nine tenths of the map better.

    Parameters
    ----------
    loss_of : the loss of one batch, a scalar.
    batches : training batches, for ever.
    held_out : gives the validation batches anew at each call; without any, the training loss alone
        decides.

    Returns
    -------
    The best loss over all points.

    Raises
    ------
    CinrError
        if the loss was never a number.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(options))
    yield _record(0, options, clock, math.nan, None)  # torch is slow to make its optimizer
    mixed = _mixed_precision(options)
    # Half-precision gradients underflow unless the loss is scaled up.
    scaler = torch.amp.GradScaler(
        options.device, enabled=options.device == "cuda" and _dtype(options) is torch.float16
    )
    best, best_state, since_best = math.inf, None, 0
    loss = math.nan
    validation: float | None = None
    recent: list[Tensor] = []
    every = max(1, options.steps // _VALIDATIONS)
    last_report = -math.inf
    for step in range(1, options.steps + 1):
        optimizer.zero_grad(set_to_none=True)
        with mixed():
            value = loss_of(next(batches))
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        recent.append(value.detach())
        due = step % every == 0 or step == options.steps
        if due or time.monotonic() - last_report >= _REPORT_SECONDS:
            loss = float(value.detach())
            yield _record(step, options, clock, loss, validation)
            last_report = time.monotonic()
        if due:
            validation = yield from _validate(loss_of, held_out, mixed, step, options, clock, loss)
            watched = float(torch.stack(recent).mean())
            recent.clear()
            if validation is not None:
                share = options.validation_share
                watched = (1 - share) * watched + share * validation
            since_best += 1
            if watched < best:
                best, since_best = watched, 0
                best_state = copy.deepcopy(module.state_dict())
            if since_best >= options.patience:
                break
    if best_state is None:
        raise CinrError(
            f"training diverged: the loss is {loss:g} after {step} steps; choose a lower learning"
            f" rate than {options.learning_rate:g}"
        )
    module.load_state_dict(best_state)
    return best


def _validate(
    loss_of: Callable[[Any], Tensor],
    held_out: Callable[[], Iterator[Any]],
    mixed: Callable[[], Any],
    step: int,
    options: FitOptions,
    clock: Clock,
    loss: float,
) -> Steps[float | None]:
    """Mean loss of the held-out batches; None where there are none."""
    total, count = 0.0, 0
    for batch in held_out():
        with torch.no_grad(), mixed():
            total += float(loss_of(batch))
        count += 1
        yield _record(step, options, clock, loss, total / count)
    return total / count if count else None


def _record(
    step: int, options: FitOptions, clock: Clock, loss: float, validation: float | None
) -> Progress:
    return Progress(
        "training",
        step,
        options.steps,
        clock.seconds,
        None if math.isnan(loss) else loss,
        validation,
        options.known_bytes,
        step / options.steps,
    )


def _cosine(options: FitOptions) -> Callable[[int], float]:
    end = options.learning_rate_end

    def factor(step: int) -> float:
        return end + (1 - end) * (1 + math.cos(math.pi * min(step / options.steps, 1))) / 2

    return factor


def _dtype(options: FitOptions) -> torch.dtype | None:
    if options.precision == "auto":
        return torch.float16 if options.device == "cuda" else None
    return _PRECISIONS[options.precision]


def _mixed_precision(options: FitOptions) -> Callable[[], Any]:
    dtype = _dtype(options)
    if dtype is None:
        return contextlib.nullcontext
    return lambda: torch.autocast(options.device, dtype=dtype)
