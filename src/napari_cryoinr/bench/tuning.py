"""The fewest bytes with which a peer keeps within an error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..progress import Clock, Progress, Steps
from ..support.array_types import Float32Array
from .error_measures import ErrorMeasure
from .peers import Peer

STEPS = 14  # bisections: 0.006 dB of SPERR's knob, 0.1 % of the tolerances of SZ3 and ZFP


@dataclass(frozen=True)
class Tuned:
    """A setting of a peer that keeps within the error, and its size."""

    peer: Peer
    source: str
    knob: float
    bytes: int
    error: float


class Tuner:
    """Tunes peers to one map; remembers what was tried for the other errors of the map.

    Peers may encode either of two maps in the regime "contour": the map as it is ("full"), and
    the map with everything at or below the threshold set to zero ("masked").

    Parameters
    ----------
    original : ndarray of float32, shape (z, y, x)
    regime, threshold : str, float or None
        As in `ErrorMeasure`.
    """

    def __init__(self, original: Float32Array, regime: str, threshold: float | None) -> None:
        self.measure = ErrorMeasure(original, regime, threshold)
        self._original = original
        self.regime, self.threshold = regime, threshold
        self.sources = ("full", "masked") if regime == "contour" else ("full",)
        self._tried: dict[tuple[str, str, float], tuple[int, float]] = {}

    def tune_steps(
        self, peer: Peer, source: str, limit: float, clock: Clock
    ) -> Steps[Tuned | None]:
        """Bisect a lossy peer's knob; None if no setting that was tried keeps within the limit.

        Parameters
        ----------
        peer : Peer
        source : str
            "full" or "masked".
        limit : float
            An error, as `ErrorMeasure` defines it.
        clock : Clock
        """
        assert peer.knobs is not None
        loose, tight = peer.knobs
        voxels = masked(self._original, self.threshold if source == "masked" else None)
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

    def _try(self, peer: Peer, source: str, voxels: Float32Array, knob: float) -> tuple[int, float]:
        key = (peer.name, source, knob)
        if key not in self._tried:
            try:
                data = peer.encode(voxels, knob)
                decoded = peer.decode(data, voxels.shape, voxels.dtype).reshape(voxels.shape)
                self._tried[key] = len(data), self.measure.of(decoded)
            except (RuntimeError, ValueError):  # a setting that the peer refuses meets no error
                self._tried[key] = 0, float("nan")
        return self._tried[key]


def masked(voxels: Float32Array, threshold: float | None) -> Float32Array:
    """The voxels with everything at or below the threshold set to zero; all where it is None."""
    if threshold is None:
        return np.ascontiguousarray(voxels)
    kept: Float32Array = np.where(voxels > np.float32(threshold), voxels, np.float32(0))
    return kept
