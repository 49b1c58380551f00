"""The parent's side of a child process: start it with one task, pass on its progress, end it.

The child has its own memory, can be killed at any moment, and never holds the interpreter of the
parent: importing PyTorch alone stops every other thread of a process for a fifth of a second.
`multiprocessing` would run the main program of the parent again in the child, so only its
connection is used. Progress and the result come back through that, and not through the standard
output, to which libraries may print.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import IO, Any, TypeVar

from ..errors import CinrError
from ..progress import Progress, Steps

R = TypeVar("R")
# With -P the child imports nothing from the working directory.
CHILD_COMMAND = (sys.executable, "-P", "-m", f"{__package__}.child_process")
CALL_FILE = "call.pickle"
_OUTPUT_FILE = "output.txt"
NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_HEARTBEAT = 0.05  # seconds after which the last record is repeated, so that a caller can cancel


class ChildEnded(CinrError):
    """A child process ended without a result: it crashed, or was killed."""


@dataclass(frozen=True)
class Outcome:
    """The last message of a child: what the task returned or raised."""

    result: Any = None
    error: CinrError | None = None


def run_in_child(
    call: partial[Generator[Any, Any, R]],
    folder: Path,
    title: str,
    *,
    item: Callable[[Any], None] | None = None,
    command: Sequence[str] = CHILD_COMMAND,
    threads: int | None = None,
) -> Steps[R]:
    """Run a task in a child process; closing the generator kills the child.

    That the caller has enough, as `Steps` says, is handed on to the task.

    Parameters
    ----------
    call : functools.partial
        A function that returns a generator, and its arguments; all that is sent can be pickled.
    folder : Path
        Holds the call and the temporary files of the child; the caller removes it.
    title : str
        Begins the message if the child dies.
    item : callable, optional
        Called with each item of the generator that is no `Progress`.
    command : sequence of str
        Runs a program that calls `child_process.serve`.
    threads : int, optional
        How many the child computes in; by default as many as there are processors.

    Raises
    ------
    CinrError
        What the task raised; or if there is no room for the call, or the child cannot be started.
    ChildEnded
        If the child dies. Its last line of output says why.
    """
    with reporting_no_room(folder):
        (folder / CALL_FILE).write_bytes(pickle.dumps(call))
    connection, child_connection = Pipe()
    with connection, (folder / _OUTPUT_FILE).open("w+b") as output:
        with child_connection:
            process = _start(command, child_connection.fileno(), folder, output, title, threads)
        try:
            last, asked = Progress("starting", 0, 1), False
            while True:
                try:
                    message = connection.recv() if connection.poll(_HEARTBEAT) else last
                except (EOFError, OSError):
                    break  # the child has ended, or is about to
                if isinstance(message, Outcome):
                    if message.error is not None:
                        raise message.error
                    return message.result
                if isinstance(message, Progress):
                    last = message
                elif item is not None:
                    item(message)
                if (yield last) and not asked:
                    asked = True
                    with contextlib.suppress(OSError):  # the child has ended: see above
                        connection.send(True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()
        raise ChildEnded(f"{title}: the child process ended early ({_reason(output, process)})")


@contextlib.contextmanager
def reporting_no_room(folder: Path) -> Iterator[None]:
    """Raise a `CinrError` if there is no room for temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise CinrError(
            f"{folder.parent}: no room for temporary files; free some, or set TMPDIR to a folder"
            " on another disk"
        ) from error


def _start(
    command: Sequence[str],
    handle: int,
    folder: Path,
    output: IO[bytes],
    title: str,
    threads: int | None,
) -> subprocess.Popen[bytes]:
    """Start the child with its end of the connection; its temporary files go to the folder."""
    options: dict[str, Any] = {"pass_fds": [handle]}
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        options = {"startupinfo": startup, "creationflags": flags}
    options |= {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    if threads is not None:
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
    try:
        return subprocess.Popen([*command, str(handle), str(folder)], env=environment, **options)
    except OSError as error:
        raise CinrError(f"{title}: {command[0]} cannot be started ({error.strerror})") from error


def _reason(output: IO[bytes], process: subprocess.Popen[bytes]) -> str:
    """Say how a child died, and the last line that it printed."""
    code = process.returncode
    reason = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f"{reason}: {lines[-1]}" if lines else reason
