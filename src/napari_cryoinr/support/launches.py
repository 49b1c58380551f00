"""The same computation again and again on tensors that stay where they are."""

from __future__ import annotations

from collections.abc import Callable

import torch

_WARM = 3  # calls before the programs that are launched are recorded


class Repeated:
    """A computation without results, which reads and writes tensors in place.

    On CUDA the programs that it launches are recorded once and launched together from then on: it
    has thousands of small ones, and takes ten times as long where each is launched on its own.

    Parameters
    ----------
    work : reads nothing back from the device.
    dice : that it draws random numbers from.
    """

    def __init__(self, work: Callable[[], None], device: str, dice: torch.Generator) -> None:
        self._work, self._dice = work, dice
        self._recordable = device == "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Compute it once more."""
        if not self._recordable:
            self._work()
            return
        self._calls += 1
        if self._calls <= _WARM:  # beside the usual stream, as is asked for before recording
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                self._work()
            torch.cuda.current_stream().wait_stream(aside)
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            self._graph.register_generator_state(self._dice)
            with torch.cuda.graph(self._graph):
                self._work()
        self._graph.replay()
