"""Encoding in a child process, so that its memory and its time are its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..progress import Steps
from ..settings import Settings
from ..support.atomic_files import temporary_folder
from ..workers.parent_process import run_in_child

COMMAND = [sys.executable, "-P", "-m", f"{__package__}.worker"]
"""Runs the program that encodes; a script may replace it."""


@dataclass(frozen=True)
class Job:
    """What to encode."""

    # map, out: files: the map, and where the encoded bytes go
    map: str
    out: str
    settings: Settings | None = None  # those of our encoder; None for a peer
    # peer, lossless, knob: the peer and its setting
    peer: str = ""
    lossless: bool = False
    knob: float = 0.0
    # the peer gets the map with everything at or below it set to zero; None: as it is
    threshold: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What an encoding took."""

    bytes: int  # size of the output
    seconds: float  # time of the encoding alone; libraries and the map were loaded before
    # largest resident memory of the process; None where the system does not report it
    peak_bytes: int | None
    start_bytes: int | None  # the same before the encoding began: interpreter, libraries, the map
    stages: dict[str, float]  # seconds by phase of the progress records; empty for peers

    @property
    def extra_bytes(self) -> int | None:
        """Memory that the encoding needed beyond what was there before it."""
        if self.peak_bytes is None or self.start_bytes is None:
            return None
        return self.peak_bytes - self.start_bytes


def encode_steps(job: Job) -> Steps[Outcome]:
    """Do a job in a child process; closing the generator kills the child.

    Raises
    ------
    GoalMissed
        If our encoder cannot reach the error that the settings ask for.
    CinrError
        If the child fails in any other way.
    """
    from .worker import encode_task  # not above: the child runs that module as its main program

    call, title = partial(encode_task, job), Path(job.map).name
    with temporary_folder() as folder:
        return (yield from run_in_child(call, folder, title, command=COMMAND))


def peak_resident() -> int | None:
    """Bytes that were resident at most so far; None where the system does not report it.

    Linux: VmHWM of /proc/self/status. getrusage would not do there, since a process inherits the
    figure of the one that started it. macOS: ru_maxrss, in bytes.
    """
    if sys.platform.startswith("linux"):
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None
