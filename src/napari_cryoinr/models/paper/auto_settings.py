"""Settings of the model `paper` by the traits of the maps, with no user.

The source leaves open how frequencies, widths, learning rate, batch and steps follow from a file.
Each rule below has a reason and a constant; `cryoinr study --part traits` compares the rules with
fixed settings and with a search, and says which constants would have fitted better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from ...maps.envelope import soft_mask
from ...maps.resolution import resolution_steps
from ...progress import Clock, Steps
from ..base import Target
from .paper_settings import MAX_STEPS, SOURCE, PaperNumbers, PaperSettings
from .stored_streams import encode_mask


@dataclass(frozen=True)
class AutoRules:
    """Constants of the rules."""

    ratio: float = 4.24  # of the voxels' bytes to those of the archive, where none is asked for
    overhead: int = 700  # bytes of an archive and of each map that are not the model's
    deflated: float = 0.95  # share of the bytes of weights that is left when they are deflated
    # Octaves above the one that holds the finest wave of the map: more add inputs, and nothing that
    # the map has.
    octaves: int = 0
    # Learning rate of a network whose first layer is as wide as `rate_width`: with the root of the
    # width it falls, as a step changes a sum over that layer by as much.
    rate: float = 3e-3
    rate_width: float = 512.0
    # Strongest over weakest density for which `rate` is meant: the noise that the last steps leave
    # is a share of the strongest, and counts against the weakest.
    contrast: float = 5.0
    # In one pass over the points: more and smaller steps come further in as many passes, until
    # what a step costs beside its points decides.
    batches: float = 128.0
    passes: float = 250.0  # over the points, at `balanced` effort
    # Every layer is half as wide as the one before: a shortcut adds means of what it carries, which
    # trains several times slower than none.
    residual: str = "none"
    # Relative errors count, of weak densities as of strong ones: with the density squared as their
    # weight, the weak ones are left out.
    loss_exponent: float = 0.0


RULES = AutoRules()
_BATCHES = 64, 16384  # smallest and largest
_RATES = 2e-4, 1e-2  # lowest and highest
_FREQUENCIES = 2, 12  # fewest and most


@dataclass(frozen=True)
class Traits:
    """What the rules know of the maps that one network is trained on."""

    raw_bytes: int  # of all voxels
    mask_bytes: int  # of the occupancy of all maps
    points: int  # occupied voxels of all maps
    waves: float  # of the finest wave that a map holds, along the longest edge of its box
    contrast: float  # strongest density over the weakest that is kept
    maps: int = 1

    @classmethod
    def of_all(cls, several: Sequence[Traits]) -> Traits:
        """Return the traits of maps together: sums, the finest wave, the median of the contrast."""
        return cls(
            sum(one.raw_bytes for one in several),
            sum(one.mask_bytes for one in several),
            sum(one.points for one in several),
            max(one.waves for one in several),
            median(one.contrast for one in several),
            sum(one.maps for one in several),
        )


def traits_steps(target: Target, clock: Clock) -> Steps[Traits]:
    """Measure the traits of a map, as a generator of progress."""
    data, voxel_size = target.map.data, target.map.voxel_size
    weight = None if target.threshold is None else soft_mask(data, target.threshold)
    found = yield from resolution_steps(data, weight, voxel_size, target.background, clock)
    edge = max(n * size for n, size in zip(data.shape, voxel_size, strict=True))
    weakest = max(target.threshold or 0.0, 1e-3 * target.density_scale)
    mask_bytes = 0 if target.threshold is None else len(encode_mask(target.mask))
    return Traits(
        target.map.raw_bytes,
        mask_bytes,
        target.occupied,
        edge / found.angstrom,
        target.density_scale / weakest,
    )


def chosen(
    own: PaperSettings,
    traits: Traits,
    effort: str = "balanced",
    limit: int | None = None,
    rules: AutoRules = RULES,
) -> PaperSettings:
    """Return settings with what the rules choose for all that is not given, without `auto`.

    `limit` bytes are left for the streams, where the size is the goal.

    Examples
    --------
    >>> traits = Traits(raw_bytes=4_000_000, mask_bytes=9000, points=16000, waves=28, contrast=3.5)
    >>> found = chosen(PaperSettings(batch_size=512), traits)
    >>> found.frequencies, found.batch_size
    (6, 512)
    """
    numbers = own.numbers(
        PaperNumbers(
            frequencies=_frequencies(traits, rules),
            residual=rules.residual,
            loss_exponent=rules.loss_exponent,
            batch_size=_batch_size(traits, rules),
        )
    )
    if not own.sized:
        widths = sized_widths(own.completed(numbers), traits, limit, rules)
        numbers = replace(numbers, widths=widths)
    if own.learning_rate is None:
        rate = _learning_rate(max(numbers.widths), traits, rules)
        numbers = replace(numbers, learning_rate=rate)
    steps = own.max_steps or _steps(traits.points, numbers.batch_size, effort, rules)
    return replace(own.completed(numbers), max_steps=steps)


def chosen_steps(
    own: PaperSettings, targets: Sequence[Target], effort: str, limit: int | None, clock: Clock
) -> Steps[PaperSettings]:
    """Measure the maps, and return `chosen` settings, as a generator of progress."""
    several = []
    for target in targets:
        several.append((yield from traits_steps(target, clock)))
    return chosen(own, Traits.of_all(several), effort, limit)


def sized_widths(
    own: PaperSettings, traits: Traits, limit: int | None = None, rules: AutoRules = RULES
) -> tuple[int, ...]:
    """Return the source's widths, times the largest factor up to 1 that leaves the ratio.

    `limit` bytes are left for the streams, where the size is the goal.
    """
    if limit is None:
        headers = rules.overhead * traits.maps
        limit = int(traits.raw_bytes / rules.ratio) - traits.mask_bytes - headers
    most = limit / (np.dtype(own.weights).itemsize * rules.deflated)

    def scaled(factor: float) -> tuple[int, ...]:
        return tuple(max(4, int(factor * width)) for width in SOURCE.widths)

    def fits(widths: tuple[int, ...]) -> bool:
        config = replace(own, widths=widths, width=None).config()
        return config.parameters + traits.maps * config.latents <= most

    if fits(SOURCE.widths):
        return SOURCE.widths
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(scaled(middle)) else (low, middle)
    return scaled(low)


def _frequencies(traits: Traits, rules: AutoRules) -> int:
    """Octave k has 2^k waves along the box, the first being k = 0."""
    highest = math.ceil(math.log2(max(traits.waves, 1.0)) - 1e-6)
    low, high = _FREQUENCIES
    return min(max(highest + 1 + rules.octaves, low), high)


def _learning_rate(width: int, traits: Traits, rules: AutoRules) -> float:
    rate = rules.rate * math.sqrt(rules.rate_width / width)
    weakest = 1 / max(traits.contrast, 1.0)
    # Where densities hardly differ, as on an offset, a step must change the output by less than
    # they do, or most units are soon off for good.
    rate *= math.sqrt(rules.contrast * min(weakest, (1 - weakest) ** 2))
    return float(f"{min(max(rate, _RATES[0]), _RATES[1]):.2g}")


def _batch_size(traits: Traits, rules: AutoRules) -> int:
    """Return a power of two."""
    wanted = max(traits.points / rules.batches, 1.0)
    low, high = _BATCHES
    return int(min(max(2 ** round(math.log2(wanted)), low), high))


def _steps(points: int, batch: int, effort: str, rules: AutoRules) -> int:
    """Return the steps of so many passes, and no fewer than the effort alone has."""
    share = MAX_STEPS[effort] / MAX_STEPS["balanced"]
    return max(round(share * rules.passes * points / batch), MAX_STEPS[effort])
