"""Other codecs on one map, tuned to the share of points within 20 % that the source reports."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ..bench.bench_rows import tune_steps
from ..bench.cases import REGIMES
from ..bench.cases import Case as BenchCase
from ..bench.error_measure import peer_input
from ..bench.image_peers import BZIP2, SLICED
from ..bench.peers import LOSSLESS, LOSSY, Peer, codecs
from ..errors import GoalMissed
from ..progress import Clock, Progress, Steps
from ..quality.map_pairs import RELATIVE_ERROR
from ..support.array_types import AnyArray
from .cases import Case
from .measured import Measured
from .tasks import SHARE

PEERS = {
    peer.name: peer
    for peer in (*(p for p in LOSSLESS if p.name in ("gzip", "zstd")), BZIP2, *SLICED, *LOSSY)
}
"""Codecs that lose nothing first, then those of pictures and volumes."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a codec came to, and the voxels that it gives back."""

    measured: Measured
    decoded: AnyArray


class ShareMeasure:
    """The share of the voxels above the contour that come back within 20 %; more is better."""

    def __init__(self, case: Case) -> None:
        self._inside = case.map.data > np.float32(case.threshold)
        self._values = case.map.data[self._inside].astype(np.float64)

    def of(self, decoded: AnyArray) -> float:
        """Measure decoded voxels of the shape of the original."""
        difference = np.abs(decoded[self._inside].astype(np.float64) - self._values)
        return float(np.mean(difference <= RELATIVE_ERROR * np.abs(self._values)))

    def meets(self, error: float, limit: float) -> bool:
        """Return whether a share is large enough."""
        return error >= limit


def available() -> list[str]:
    """Return the names of the codecs that the installed imagecodecs has."""
    library = codecs()
    there = (
        peer
        for peer in PEERS.values()
        if not peer.needs or getattr(getattr(library, peer.needs, None), "available", False)
    )
    return [peer.name for peer in there]


def peer_steps(name: str, case: Case) -> Steps[Found]:
    """Measure a codec on a map, as a generator of progress.

    Codecs that lose nothing are given the map as it is. The others are tuned, given the map as it
    is, with zeros at and below the contour, and with the contour there; the smallest counts.

    Raises
    ------
    GoalMissed
        If no setting that is tried reaches the share.
    """
    peer, clock = PEERS[name], Clock()
    if peer.lossless:
        yield Progress(name, 0, 1, clock.seconds)
        return _at(peer, case, np.ascontiguousarray(case.map.data), 0.0, "full")
    measure, bench_case = ShareMeasure(case), BenchCase("contour", case.threshold, None)
    found: list[tuple[int, float, str]] = []
    for given in REGIMES["contour"].inputs:
        voxels = peer_input(case.map, bench_case, given)
        title = f"{name} {given}"
        tuned = yield from tune_steps(peer, voxels, measure, SHARE, title, clock)
        if tuned is not None:
            found.append((*tuned, given))
    if not found:
        raise GoalMissed(f"{case.name}: {name} reaches {SHARE:.2%} within 20 % at no setting")
    _, knob, given = min(found)
    return _at(peer, case, peer_input(case.map, bench_case, given), knob, given)


def _at(peer: Peer, case: Case, voxels: AnyArray, knob: float, given: str) -> Found:
    start, worked = time.perf_counter(), time.process_time()
    data = peer.encode(voxels, knob)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    start = time.perf_counter()
    decoded = peer.decode(data, voxels.shape, voxels.dtype).reshape(voxels.shape)
    decode_seconds = time.perf_counter() - start
    tuned_to = None if peer.lossless else knob
    measured = Measured(
        len(data),
        case.map.raw_bytes,
        seconds,
        worked,
        decode_seconds,
        given=given,
        tuned_to=tuned_to,
    )
    return Found(measured, decoded)
