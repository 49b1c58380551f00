"""Our encoder beside the peers: one row for each error of each map."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import open_archive
from ..maps.density_map import DensityMap
from ..maps.mrc_header import VOXEL_TYPES
from ..progress import Clock, Progress, Steps
from ..settings import Settings
from ..support.array_types import AnyArray
from ..support.atomic_files import temporary_folder
from .cases import Case
from .peers import Peer
from .processes import Job, Outcome, encode_steps
from .tuning import Tuned, Tuner

OURS = "cinr"
_DECODES = 3  # the fastest counts


@dataclass(frozen=True)
class Encoding:
    """One codec at one setting."""

    codec: str  # its name, and for a lossy peer which map it was given: "sperr masked"
    # size of the file, or of what a peer gives back (which has no file and no MRC header)
    bytes: int
    error: float  # the error that was reached
    # seconds in a process of its own, without start-up, libraries and reading the map
    encode_s: float
    # seconds in this process, the fastest of several times; ours opens the file each time
    decode_s: float
    # bytes that encoding took beyond what that process held before; None: not known
    memory: int | None
    stages: dict[str, float]  # seconds of our encoder by phase


@dataclass(frozen=True)
class Row:
    """Our size and those of the peers at the error that we reached."""

    map: str  # name of the map
    case: Case
    raw_bytes: int  # bytes of the voxels as float32
    ours: Encoding  # its error is the one that the peers were tuned to
    # each peer with the smaller of its inputs; those that cannot reach the error are left out
    peers: tuple[Encoding, ...]
    sizes: dict[str, int]  # bytes of each peer and input

    @property
    def best(self) -> Encoding | None:
        """The smallest peer."""
        return min(self.peers, key=lambda peer: peer.bytes, default=None)

    @property
    def ratio(self) -> float:
        """Raw bytes over our bytes."""
        return self.raw_bytes / self.ours.bytes

    @property
    def against_best(self) -> float | None:
        """Our bytes over those of the smallest peer; below 1, ours is smaller."""
        return None if self.best is None else self.ours.bytes / self.best.bytes

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, with what follows from it; `from_dict` is the inverse."""
        return asdict(self) | {
            "ratio": self.ratio,
            "best_peer": None if self.best is None else self.best.codec,
            "against_best": self.against_best,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        """A row from its JSON data."""
        case, ours = Case(**data["case"]), Encoding(**data["ours"])
        peers = tuple(Encoding(**peer) for peer in data["peers"])
        return cls(data["map"], case, data["raw_bytes"], ours, peers, data["sizes"])


class MapBench:
    """One map, measured case by case.

    Parameters
    ----------
    path : Path
        The file that the map was read from; processes of their own read it again.
    density_map : DensityMap
    peers : sequence of Peer
        Lossy and lossless; those that a case calls for are used.
    base : Settings
        Effort, model and device of our encoder.
    """

    def __init__(
        self, path: Path, density_map: DensityMap, peers: Sequence[Peer], base: Settings
    ) -> None:
        self.path, self.map, self.peers, self.base = path, density_map, peers, base
        self._tuner: Tuner | None = None  # of the last regime and threshold

    def row_steps(self, case: Case) -> Steps[Row]:
        """Measure one case, as a generator of progress; its return value is the `Row`.

        Raises
        ------
        GoalMissed
            If our encoder cannot reach the error.
        """
        clock, tuner = Clock(), self._tuner_for(case)
        with temporary_folder() as folder:
            out = folder / "map.cinr"
            job = Job(str(self.path), str(out), case.settings(self.base))
            outcome = yield from encode_steps(job)
            yield Progress("decoding", 0, 1, clock.seconds)
            decoded, seconds = _fastest(lambda: open_archive(out)[0].read())
        ours = _encoding(OURS, outcome, tuner.measure.of(decoded), seconds)
        encodings: list[Encoding] = []
        sizes: dict[str, int] = {}
        for peer in self.peers:
            if peer.lossless != (case.regime == "lossless"):
                continue
            tuned = yield from _smallest_steps(peer, tuner, ours.error, sizes, clock)
            if tuned is not None:
                encodings.append((yield from self._peer_steps(case, tuner, tuned, clock)))
                sizes[encodings[-1].codec] = encodings[-1].bytes
        return Row(self.map.name, case, self.map.raw_bytes, ours, tuple(encodings), sizes)

    def _tuner_for(self, case: Case) -> Tuner:
        """What tunes the peers; cases that differ in the error only share what it has tried."""
        wanted = case.regime, case.threshold
        if self._tuner is None or (self._tuner.regime, self._tuner.threshold) != wanted:
            self._tuner = Tuner(self.map.data, *wanted)
        return self._tuner

    def _peer_steps(self, case: Case, tuner: Tuner, tuned: Tuned, clock: Clock) -> Steps[Encoding]:
        """Time and memory of a peer at its setting."""
        peer = tuned.peer
        dtype = np.dtype(VOXEL_TYPES[self.map.mode] if peer.lossless else np.float32)
        with temporary_folder() as folder:
            out = folder / "peer"
            job = Job(
                str(self.path),
                str(out),
                peer=peer.name,
                lossless=peer.lossless,
                knob=tuned.knob,
                threshold=case.threshold if tuned.source == "masked" else None,
            )
            outcome = yield from encode_steps(job)
            data = out.read_bytes()
        shape = self.map.data.shape
        decoded, seconds = _fastest(lambda: peer.decode(data, shape, dtype))
        name = peer.name if peer.lossless else f"{peer.name} {tuned.source}"
        return _encoding(name, outcome, tuner.measure.of(decoded.reshape(shape)), seconds)


def _smallest_steps(
    peer: Peer, tuner: Tuner, error: float, sizes: dict[str, int], clock: Clock
) -> Steps[Tuned | None]:
    """The peer's setting with the fewest bytes over its inputs; all sizes go into `sizes`."""
    if peer.lossless:
        return Tuned(peer, "full", 0.0, 0, 0.0)
    best = None
    for source in tuner.sources:
        tuned = yield from tuner.tune_steps(peer, source, error, clock)
        if tuned is not None:
            sizes[f"{peer.name} {source}"] = tuned.bytes
            best = tuned if best is None or tuned.bytes < best.bytes else best
    return best


def _fastest(decode: Callable[[], AnyArray]) -> tuple[AnyArray, float]:
    """What is decoded, and the seconds of the fastest of several times."""
    best = math.inf
    for _ in range(_DECODES):
        start = time.perf_counter()
        decoded = decode()
        best = min(best, time.perf_counter() - start)
    return decoded, best


def _encoding(codec: str, took: Outcome, error: float, decode_s: float) -> Encoding:
    return Encoding(codec, took.bytes, error, took.seconds, decode_s, took.extra_bytes, took.stages)
