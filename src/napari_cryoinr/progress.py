"""Progress records: how long work reports to its caller.

Every long function is a generator of `Progress` whose return value is its result. napari, the
command line and the tests run the same generators. Closing a generator cancels the work, and its
clean-up leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .support.array_types import Float32Array

T = TypeVar("T")

# Phases in the words of a user; those that are not here are in such words already.
_WORDS = {
    "asking": "listing devices",
    "calibrating": "calibrating the scores",
    "coding": "encoding",
    "fitting": "preparing the training",
    "folding": "reducing to the asymmetric unit",
    "handing over": "copying the map",
    "loading torch": "loading PyTorch",
    "lossless": "encoding every voxel",
    "mask": "encoding the mask",
    "measuring": "measuring the error",
    "pairs": "preparing the voxels",
    "preparing": "preparing the map",
    "refining": "correcting what is left",
    "residual": "correcting what is left",
    "resolution": "finding the resolution",
    "rounding": "reaching the goal",
    "selecting": "selecting voxels",
    "storing weights": "storing the network",
    "symmetry": "looking for symmetry",
    "unfolding": "applying the symmetry",
    "writing": "writing the file",
}


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of a map as it would be decoded now: its place along z, densities (y, x)."""

    z: int
    densities: Float32Array


@dataclass(frozen=True)
class Progress:
    """Where a long piece of work stands.

    Attributes
    ----------
    phase : str
        What is being done, in a word or two.
    step, steps : int
        How far this phase is.
    seconds : float
        Time since the work began.
    loss, validation_loss : float or None
        Of the training, where the phase is one; the mean squared error of what was encoded, where
        a search tries something.
    bytes_so_far : int
        Bytes of the archive that are already certain, or of what was tried.
    share : float or None
        How much of all the work is done, 0 to 1, where that is known.
    plane : Plane or None
        The middle plane of the map as a training would decode it now, about once a second, where
        that was asked for.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> cryoinr.Progress("fitting", 3, 40).step
    3
    """

    phase: str
    step: int
    steps: int
    seconds: float = 0.0
    loss: float | None = None
    validation_loss: float | None = None
    bytes_so_far: int = 0
    share: float | None = None
    plane: Plane | None = field(default=None, compare=False, repr=False)

    @property
    def words(self) -> str:
        """What is being done, in the words of a user."""
        return _WORDS.get(self.phase, self.phase)

    @property
    def is_news(self) -> bool:
        """Whether it is to be shown though others were shown just now: of a curve, or a plane."""
        return self.loss is not None or self.bytes_so_far > 0 or self.plane is not None

    @property
    def is_training(self) -> bool:
        """Whether this is a training, which may be asked to end early."""
        return self.phase == "training"


Steps = Generator[Progress, bool | None, T]
"""Work in steps. Training ends early, with what it has, where `send(True)` takes `next`'s place.

All other work ignores that, so a caller may send True from the moment that it has enough.
"""


def drain(
    steps: Steps[T],
    report: Callable[[Progress], None] | None = None,
    enough: Callable[[], bool] | None = None,
) -> T:
    """Run a generator of progress to its end and return its result; it is closed in any case.

    Parameters
    ----------
    steps : generator of Progress
        What a function whose name ends in ``_steps`` returns.
    report : callable, optional
        Is called with each record.
    enough : callable, optional
        Is called after each record. While it returns True, training ends early, with what it has;
        the goal holds all the same, or is missed as after a whole training. Other work goes on.

    Returns
    -------
    Any
        The return value of the generator.

    Examples
    --------
    >>> import napari_cryoinr as cryoinr
    >>> m = cryoinr.synthetic_map(16)
    >>> phases = []
    >>> steps = cryoinr.compress_steps(m, "a.cinr", cryoinr.Settings(lossless=True))
    >>> reports = cryoinr.drain(steps, lambda record: phases.append(record.phase))
    >>> phases[0], phases[-1]
    ('preparing', 'written')

    Training for a minute at most:

    >>> import time
    >>> end = time.monotonic() + 60
    >>> paper = cryoinr.PaperSettings(widths=(16, 8), frequencies=3, max_steps=20)
    >>> settings = cryoinr.Settings(model="paper", paper=paper, device="cpu")
    >>> steps = cryoinr.compress_steps(m, "b.cinr", settings)
    >>> reports = cryoinr.drain(steps, enough=lambda: time.monotonic() > end)
    """
    ask: bool | None = None  # nothing can be sent before the first record
    try:
        while True:
            record = steps.send(ask)
            if report is not None:
                report(record)
            ask = True if enough is not None and enough() else None
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


def part_of(steps: Steps[T], number: int, count: int) -> Steps[T]:
    """Return steps whose share is that of one of so many equal parts of the work, from part 0."""

    def change(record: Progress) -> Progress:
        share = None if record.share is None else (number + record.share) / count
        return replace(record, share=share)

    return changed_steps(steps, change)


def reported_steps(steps: Steps[T], record: Progress) -> Steps[T]:
    """Return steps that all report one record: of a part among many nobody asks more."""
    return changed_steps(steps, lambda _: record)


def changed_steps(steps: Steps[T], change: Callable[[Progress], Progress]) -> Steps[T]:
    """Return steps with other records."""
    ask: bool | None = None  # nothing can be sent before the first record
    try:
        while True:
            ask = yield change(steps.send(ask))
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


TaskRunner = Callable[[Sequence[partial[Steps[Any]]]], Steps[list[Any]]]
"""Does tasks that do not depend on each other, and returns their results in the same order.

Records have the share of all tasks, and the sum of their bytes.
"""


def in_turn_steps(tasks: Sequence[partial[Steps[T]]]) -> Steps[list[T]]:
    """Do tasks here, one after the other; a `TaskRunner`."""
    results: list[T] = []
    before = size = 0
    for number, task in enumerate(tasks):
        with contextlib.closing(task()) as steps:
            try:
                while True:
                    record = next(steps)
                    size = before + record.bytes_so_far
                    share = (number + (record.share or 0.0)) / len(tasks)
                    yield replace(record, bytes_so_far=size, share=share)
            except StopIteration as end:
                results.append(end.value)
        before = size
    return results


class Clock:
    """Seconds since its creation, for the records of one piece of work."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the creation."""
        return time.perf_counter() - self._start
