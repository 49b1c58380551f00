"""Our encoder beside the peers: one row for each error of each map."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..archive import open_archive
from ..maps.density_map import DensityMap
from ..progress import Clock, Progress, Steps
from ..settings import Settings
from ..support.array_types import AnyArray
from ..support.atomic_files import temporary_folder
from .cases import REGIMES, Case
from .encoding import Job, Outcome, encode_steps
from .error_measure import ErrorMeasure, Measure, peer_input, surface_overlap
from .peers import Peer

OURS = "cinr"
BISECTIONS = 14  # to 0.006 dB of SPERR's knob, 0.1 % of the tolerances of SZ3 and ZFP
_DECODES = 3  # the fastest counts


@dataclass(frozen=True)
class Encoding:
    """One codec at one setting."""

    codec: str  # its name, and for a lossy peer what it was given: "sperr masked"
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
    # each peer with the smallest of its inputs; those that cannot reach the error are left out
    peers: tuple[Encoding, ...]
    sizes: dict[str, int]  # bytes of each peer and input
    # intersection over union of what lies above the threshold, original and ours; None without one
    overlap: float | None = None

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
        """Return plain JSON data, with the properties; `from_dict` is the inverse."""
        best = None if self.best is None else self.best.codec
        derived = {"ratio": self.ratio, "best_peer": best, "against_best": self.against_best}
        return asdict(self) | derived

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        """Make a row of its JSON data."""
        case, ours = Case(**data["case"]), Encoding(**data["ours"])
        peers = tuple(Encoding(**peer) for peer in data["peers"])
        overlap = data.get("overlap")
        return cls(data["map"], case, data["raw_bytes"], ours, peers, data["sizes"], overlap)


@dataclass(frozen=True, eq=False)
class MapBench:
    """One map, measured case by case."""

    path: Path  # the file that the map was read from; processes of their own read it again
    map: DensityMap
    peers: Sequence[Peer]  # lossy and lossless; those that a case calls for are used
    base: Settings  # effort, model and device of our encoder

    def row_steps(self, case: Case) -> Steps[Row]:
        """Measure one case, as a generator of progress; its return value is the `Row`.

        Lossy peers are tuned to the error that we reached, for each input of the regime.

        Raises
        ------
        GoalMissed
            If our encoder cannot reach the error.
        """
        clock = Clock()
        measure = ErrorMeasure(self.map, case)
        with temporary_folder() as folder:
            out = folder / "map.cinr"
            job = Job(str(self.path), str(out), case.settings(self.base))
            outcome = yield from encode_steps(job)
            yield Progress("decoding", 0, 1, clock.seconds)
            decoded, seconds = _fastest(lambda: open_archive(out)[0].read())
        ours = _encoding(OURS, outcome, measure.of(decoded), seconds)
        overlap = surface_overlap(self.map.data, decoded, case.threshold)
        inputs = {n: peer_input(self.map, case, n) for n in REGIMES[case.regime].inputs}
        encodings: list[Encoding] = []
        sizes: dict[str, int] = {}
        for peer in self.peers:
            if peer.lossless != (case.regime == "lossless"):
                continue
            found: list[tuple[int, float, str]] = []
            for name, voxels in inputs.items():
                tuned: tuple[int, float] | None = 0, 0.0
                title = f"{peer.name} {name}".strip()
                if not peer.lossless:
                    tuned = yield from tune_steps(peer, voxels, measure, ours.error, title, clock)
                if tuned is not None:
                    sizes[title] = tuned[0]
                    found.append((*tuned, name))
            if found:
                _, knob, name = min(found)
                job = Job(str(self.path), "", None, peer.name, peer.lossless, knob, case, name)
                encoding = yield from self._peer_steps(peer, job, inputs[name], measure)
                encodings.append(encoding)
                sizes[encoding.codec] = encoding.bytes
        raw = self.map.raw_bytes
        return Row(self.map.name, case, raw, ours, tuple(encodings), sizes, overlap)

    def _peer_steps(
        self, peer: Peer, job: Job, voxels: AnyArray, measure: ErrorMeasure
    ) -> Steps[Encoding]:
        """Time and memory of a peer at a setting."""
        with temporary_folder() as folder:
            out = folder / "peer"
            outcome = yield from encode_steps(replace(job, out=str(out)))
            data = out.read_bytes()
        decoded, seconds = _fastest(lambda: peer.decode(data, voxels.shape, voxels.dtype))
        title = f"{peer.name} {job.given}".strip()
        return _encoding(title, outcome, measure.of(decoded.reshape(voxels.shape)), seconds)


def tune_steps(
    peer: Peer, voxels: AnyArray, measure: Measure, limit: float, title: str, clock: Clock
) -> Steps[tuple[int, float] | None]:
    """Bisect the knob of a lossy peer.

    Returns the fewest bytes that keep within the limit, an error as `measure` defines it, and the
    knob; None if no setting that was tried does.
    """
    assert peer.knobs is not None
    loose, tight = peer.knobs
    found: list[tuple[int, float]] = []
    for step in range(BISECTIONS):
        knob = (loose + tight) / 2
        try:
            data = peer.encode(voxels, knob)
            error = measure.of(peer.decode(data, voxels.shape, voxels.dtype).reshape(voxels.shape))
        except (RuntimeError, ValueError):  # a setting that the peer refuses meets no error
            error = math.nan
        if measure.meets(error, limit):
            tight = knob
            found.append((len(data), knob))
        else:
            loose = knob
        yield Progress(title, step + 1, BISECTIONS, clock.seconds)
    return min(found, default=None)


def _fastest(decode: Callable[[], AnyArray]) -> tuple[AnyArray, float]:
    """Decode several times; returns what is decoded and the seconds of the fastest."""
    best = math.inf
    for _ in range(_DECODES):
        start = time.perf_counter()
        decoded = decode()
        best = min(best, time.perf_counter() - start)
    return decoded, best


def _encoding(codec: str, took: Outcome, error: float, decode_s: float) -> Encoding:
    return Encoding(codec, took.bytes, error, took.seconds, decode_s, took.extra_bytes, took.stages)
