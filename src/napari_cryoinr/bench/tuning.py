"""The fewest bytes with which a peer keeps within an error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..progress import Clock, Progress, Steps
from .error_measures import ErrorMeasure
from .peers import Peer

STEPS = 14  # bisections: 0.006 dB of SPERR's knob, 0.1 % of the tolerances of SZ3 and ZFP

Voxels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tuned:
    """A setting of a peer that keeps within the error, and its size."""

    peer: Peer
    source: str
    knob: float
    bytes: int
    error: float


class Tuner:
    """Tunes peers to one map; remembers what was tried, which the errors of a map share.

    Peers may encode either of two maps in the regime "contour": the map as it is ("full"), and
    the map with everything at or below the threshold set to zero ("masked").

    Parameters
    ----------
    original : shape (z, y, x), float32.
    threshold : as in `ErrorMeasure`.
    """

    def __init__(self, original: Voxels, regime: str, threshold: float | None) -> None:
        self.measure = ErrorMeasure(original, regime, threshold)
        self._original = original
        self._threshold = threshold
        self.sources = ("full", "masked") if regime == "contour" else ("full",)
        self._tried: dict[tuple[str, str, float], tuple[int, float]] = {}

    def tune_steps(
        self, peer: Peer, source: str, limit: float, clock: Clock
    ) -> Steps[Tuned | None]:
        """Bisect a lossy peer's knob; None if no setting that was tried keeps within the limit.

        Parameters
        ----------
        source : "full" or "masked".
        limit : an error, as `ErrorMeasure` has it.
        """
        assert peer.knobs is not None
        loose, tight = peer.knobs
        voxels = masked(self._original, self._threshold if source == "masked" else None)
        best: Tuned | None = None
        for step in range(STEPS):
            knob = (loose + tight) / 2
            size, error = self._try(peer, source, voxels, knob)
            if self.measure.meets(error, limit):
                tight = knob
                if best is None or size < best.bytes:
                    best = Tuned(peer, source, knob, size, error)
            else:
                loose = knob
            yield Progress(f"{peer.name} {source}", step + 1, STEPS, clock.seconds)
        return best

    def _try(self, peer: Peer, source: str, voxels: Voxels, knob: float) -> tuple[int, float]:
        key = (peer.name, source, knob)
        if key not in self._tried:
            try:
                data = peer.encode(voxels, knob)
                decoded = peer.decode(data, voxels.shape, voxels.dtype).reshape(voxels.shape)
                self._tried[key] = len(data), self.measure.of(decoded)
            except (RuntimeError, ValueError):  # a setting that the peer refuses meets no error
                self._tried[key] = 0, float("nan")
        return self._tried[key]


def masked(voxels: Voxels, threshold: float | None) -> Voxels:
    """The voxels with everything at or below the threshold set to zero; all where it is None."""
    if threshold is None:
        return np.ascontiguousarray(voxels)
    kept: Voxels = np.where(voxels > np.float32(threshold), voxels, np.float32(0))
    return kept
