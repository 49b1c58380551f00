"""Progress records: how long work reports to its caller.

Every long function is a generator of `Progress` whose return value is its result. napari, the
command line and the tests run the same generators. Closing a generator cancels the work, and its
clean-up leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


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


Steps = Generator[Progress, bool | None, T]
"""Work in steps. Training ends early, with what it has, where `send(True)` takes `next`'s place."""


def drain(steps: Steps[T], report: Callable[[Progress], None] | None = None) -> T:
    """Run a generator of progress to its end and return its result; it is closed in any case.

    Parameters
    ----------
    steps : generator of Progress
        What a function whose name ends in ``_steps`` returns.
    report : callable, optional
        Is called with each record.

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
    """
    try:
        while True:
            record = next(steps)
            if report is not None:
                report(record)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


class Clock:
    """Seconds since its creation, for the records of one piece of work."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """The time since the creation."""
        return time.perf_counter() - self._start
