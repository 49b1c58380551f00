"""Encoding in a child process, so that its memory and its time are its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..progress import Steps
from ..settings import Settings
from ..support.atomic_files import temporary_folder
from ..workers.parent_process import python_command, run_in_child

COMMAND = python_command("bench.worker")
"""Runs the program that encodes; a script may put its own in place of it."""


@dataclass(frozen=True)
class Job:
    """What to encode.

    Attributes
    ----------
    map, out : files: the map, and where the encoded bytes go.
    settings : of this package; None for a peer.
    peer, lossless, knob : the peer and its setting.
    threshold : the peer gets the map with everything at or below it set to zero; None: as it is.
    """

    map: str
    out: str
    settings: Settings | None = None
    peer: str = ""
    lossless: bool = False
    knob: float = 0.0
    threshold: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What an encoding took.

    Attributes
    ----------
    bytes : size of the output.
    seconds : of the encoding alone; libraries and the map were loaded before.
    peak_bytes : resident memory of the process at most; None where the system does not tell.
    start_bytes : the same before the encoding began: interpreter, libraries, the map.
    stages : seconds by phase of the progress records; empty for peers.
    """

    bytes: int
    seconds: float
    peak_bytes: int | None
    start_bytes: int | None
    stages: dict[str, float]

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
        if our encoder cannot reach the error that the settings ask for.
    CinrError
        if the child fails in any other way.
    """
    from .worker import encode_task  # not above: the child runs that module as its main program

    call, title = partial(encode_task, job), Path(job.map).name
    with temporary_folder() as folder:
        return (yield from run_in_child(call, folder, title, command=COMMAND, background=False))
