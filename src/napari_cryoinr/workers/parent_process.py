"""Starting a process, giving it a job, and hearing of its progress in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .. import errors
from ..errors import CinrError
from ..progress import Clock, Progress, Steps

_HEARTBEAT = 0.05  # seconds after which the last record comes again, so that whoever waits can act
_KINDS: dict[str, type[CinrError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CinrError)
}


def told_steps(
    program: Sequence[str],
    job: dict[str, Any],
    what: str,
    clock: Clock,
    *,
    temporary: Path | None = None,
    background: bool = False,
) -> Steps[Any]:
    """Run a program that serves (`child.serve`) with a job; closing the generator ends it.

    Parameters
    ----------
    program : the command and its arguments.
    job : JSON data.
    what : begins the message if the process ends without a word.
    temporary : folder for its temporary files.
    background : leave the processor to others who want it.

    Returns
    -------
    What it told as its result, JSON data.

    Raises
    ------
    CinrError
        of the class that was raised there, or if the process cannot be started or fails.
    """
    environment = dict(os.environ)
    if temporary is not None:
        environment |= {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                **_in_background(background),
            )
        except OSError as error:
            raise CinrError(f"{what}: {program[0]} cannot be started ({error.strerror})") from error
        lines: queue.Queue[bytes | None] = queue.Queue()
        assert process.stdin is not None and process.stdout is not None
        listener = threading.Thread(
            target=_listen, args=(process.stdout, lines), name="cryoinr-listener"
        )
        listener.start()
        try:
            _tell(process.stdin, job)
            last = Progress("starting", 0, 1, clock.seconds)
            while True:
                try:
                    line = lines.get(timeout=_HEARTBEAT)
                except queue.Empty:
                    yield last
                    continue
                if line is None:
                    break
                said = json.loads(line)
                if "result" in said:
                    return said["result"]
                if "error" in said:
                    raise _KINDS.get(said["kind"], CinrError)(said["error"])
                last = Progress(**said["progress"])
                yield last
        finally:
            process.kill()
            process.wait()
            listener.join()
            process.stdout.close()
            _close(process.stdin)
        complaints.seek(0)
        words = complaints.read().decode(errors="replace").strip().splitlines()[-1:]
        raise CinrError(
            f"{what}: the process that does it ended early"
            f" ({words[0] if words else f'exit code {process.returncode}'})"
        )


def _in_background(background: bool) -> dict[str, Any]:
    """Arguments that keep the process from what would disturb the user."""
    if os.name != "nt":
        return {}  # there the process itself steps back, see `child.serve`
    flags: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    if background:
        flags |= getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
    return {"creationflags": flags}


def _listen(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _tell(stream: IO[bytes], job: dict[str, Any]) -> None:
    """The job; the stream stays open, its end tells the process that nobody waits any more."""
    with contextlib.suppress(OSError):  # where it has ended already, its last words say why
        stream.write(json.dumps(job).encode() + b"\n")
        stream.flush()


def _close(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        stream.close()


def python(module: str) -> list[str]:
    """The command that runs a module of this package with the Python of this process."""
    return [sys.executable, "-m", f"{__name__.split('.')[0]}.{module}"]
