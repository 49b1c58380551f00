"""Our encoder beside the peers: one row for each error of each map."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import models
from ..archive import open_archive
from ..errors import SettingsError
from ..maps.density_map import DensityMap
from ..maps.mrc_header import VOXEL_TYPES
from ..maps.statistics import statistics
from ..maps.threshold import resolve_threshold
from ..progress import Clock, Progress, Steps
from ..settings import Settings
from .error_measures import REGIMES
from .peers import Peer
from .processes import Job, Outcome, encode_steps
from .tuning import Tuned, Tuner

OURS = "cinr"
ERRORS = {"contour": (0.02, 0.04, 0.06, 0.1, 0.2), "whole": (30.0, 35.0, 40.0, 45.0, 50.0)}
DECODES = 3  # the fastest counts

Voxels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoding:
    """One codec at one setting.

    Attributes
    ----------
    codec : its name, and for a peer which map it was given: "sperr masked".
    bytes : of the file, or of what a peer gives back (which has no file and no MRC header).
    error : reached.
    encode_s : seconds in a process of its own, without start-up, libraries and reading the map.
    decode_s : seconds in this process, the fastest of several; ours opens the file each time.
    memory : bytes that encoding took beyond what that process held before; None: not told.
    stages : seconds of our encoder by phase.
    """

    codec: str
    bytes: int
    error: float
    encode_s: float
    decode_s: float
    memory: int | None
    stages: dict[str, float]


@dataclass(frozen=True)
class Case:
    """One error of one map.

    Attributes
    ----------
    regime : "contour", "whole" or "lossless", see `ErrorMeasure`.
    threshold : density, in the regime "contour".
    asked : NRMSE or PSNR in dB; None lets the model do what it can.
    """

    regime: str
    threshold: float | None
    asked: float | None

    def settings(self, base: Settings) -> Settings:
        """The settings of our encoder for this case."""
        threshold = "none" if self.threshold is None else self.threshold
        goal: dict[str, Any] = {}
        if self.regime == "lossless":
            goal["lossless"] = True
        elif self.asked is not None:
            goal["target_nrmse" if self.regime == "contour" else "target_psnr"] = self.asked
        return replace(base, threshold=threshold, **goal)


@dataclass(frozen=True)
class Row:
    """Our size and those of the peers at the error that we reached.

    Attributes
    ----------
    map, case : what was measured.
    raw_bytes : of the voxels as float32.
    ours : our encoding; its error is the one that the peers were tuned to.
    peers : each peer with the smaller of its inputs; those that cannot reach the error are left
        out.
    sizes : bytes of each peer and input.
    """

    map: str
    case: Case
    raw_bytes: int
    ours: Encoding
    peers: tuple[Encoding, ...]
    sizes: dict[str, int]

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
        """Plain JSON data."""
        best = self.best
        return asdict(self) | {
            "ratio": self.ratio,
            "best_peer": None if best is None else best.codec,
            "against_best": self.against_best,
        }


def cases_for(
    density_map: DensityMap,
    threshold: float | str | None = None,
    regime: str = "auto",
    errors: Sequence[float] | None = None,
    *,
    lossless: bool = False,
    model: str = models.AUTO,
) -> list[Case]:
    """The cases of one map.

    Parameters
    ----------
    threshold : as in `Settings`; by default automatic, and none in the regime "whole".
    regime : "contour", "whole", or "auto": contour where the threshold is a density.
    errors : NRMSE (contour) or PSNR in dB (whole); by default five of them. Models that aim at
        no error get one case without.
    lossless : one more case, in which every voxel comes back bit for bit.

    Raises
    ------
    SettingsError
        for settings that contradict each other, and thresholds above all densities.
    """
    if regime == "whole" and threshold not in (None, "none"):
        raise SettingsError(
            f"--threshold {threshold} with --regime whole: that regime counts all voxels; give one"
            " of the two"
        )
    level = None
    if regime != "whole":
        level = resolve_threshold(
            "auto" if threshold is None else threshold, statistics(density_map)
        )
    if regime == "contour" and level is None:
        raise SettingsError("--regime contour needs a threshold: a density, Nsigma or auto")
    chosen = "whole" if level is None else "contour"
    if "target_nrmse" not in models.aims(model):
        if errors is not None:
            raise SettingsError(f"--errors: the model {model} takes no error; leave them out")
        asked: Sequence[float | None] = (None,)
    else:
        asked = ERRORS[chosen] if errors is None else errors
    cases = [Case(chosen, level, error) for error in asked]
    for case in cases:
        case.settings(Settings())  # refuses errors out of range before anything is measured
    return cases + ([Case(REGIMES[2], None, 0.0)] if lossless else [])


def tuner_for(density_map: DensityMap, case: Case) -> Tuner:
    """What tunes peers to the errors of a map; cases that differ in the error only share it."""
    return Tuner(density_map.data, case.regime, case.threshold)


def row_steps(
    path: Path,
    density_map: DensityMap,
    case: Case,
    peers: Sequence[Peer],
    base: Settings,
    tuner: Tuner | None = None,
) -> Steps[Row]:
    """Measure one case, as a generator of progress.

    Parameters
    ----------
    path : the file that the map was read from; processes of their own read it again.
    peers : lossy and lossless; those that the regime calls for are used.
    base : effort, model and device of our encoder.
    tuner : from `tuner_for`.

    Raises
    ------
    GoalMissed
        if our encoder cannot reach the error.
    """
    clock = Clock()
    tuner = tuner or tuner_for(density_map, case)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "map.cinr"
        job = Job(str(path), str(out), case.settings(base))
        took = yield from encode_steps(job)
        yield Progress("decoding", 0, 1, clock.seconds)
        decoded, seconds = _fastest(lambda: open_archive(out)[0].read())
        ours = _encoding(OURS, took, tuner.measure.of(decoded), seconds)
        found: list[Encoding] = []
        sizes: dict[str, int] = {}
        for peer in peers:
            if peer.lossless != (case.regime == "lossless"):
                continue
            tuned = yield from _smallest_steps(peer, tuner, ours.error, sizes, clock)
            if tuned is not None:
                found.append((yield from _peer_steps(path, density_map, case, tuner, tuned, clock)))
                sizes[found[-1].codec] = found[-1].bytes
    return Row(density_map.name, case, density_map.raw_bytes, ours, tuple(found), sizes)


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


def _peer_steps(
    path: Path, density_map: DensityMap, case: Case, tuner: Tuner, tuned: Tuned, clock: Clock
) -> Steps[Encoding]:
    """Time and memory of a peer at its setting."""
    peer = tuned.peer
    dtype = np.dtype(VOXEL_TYPES[density_map.mode] if peer.lossless else np.float32)
    name = peer.name if peer.lossless else f"{peer.name} {tuned.source}"
    threshold = case.threshold if tuned.source == "masked" else None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "peer"
        job = Job(
            str(path),
            str(out),
            peer=peer.name,
            lossless=peer.lossless,
            knob=tuned.knob,
            threshold=threshold,
        )
        took = yield from encode_steps(job)
        data = out.read_bytes()
    shape = density_map.data.shape
    decoded, seconds = _fastest(lambda: peer.decode(data, shape, dtype))
    return _encoding(name, took, tuner.measure.of(decoded.reshape(shape)), seconds)


def _fastest(decode: Callable[[], npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], float]:
    """What is decoded, and the seconds of the fastest of several times."""
    best = math.inf
    for _ in range(DECODES):
        start = time.perf_counter()
        decoded = decode()
        best = min(best, time.perf_counter() - start)
    return decoded, best


def _encoding(codec: str, took: Outcome, error: float, decode_s: float) -> Encoding:
    return Encoding(codec, took.bytes, error, took.seconds, decode_s, took.extra_bytes, took.stages)
