"""The parent's side of a child process: start it, give it tasks, pass on their progress, end it.

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
# What the parent sends: there is a new call in the file; training is to end early.
RUN, ENOUGH = "run", "enough"
_OUTPUT_FILE = "output.txt"
NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_HEARTBEAT = 0.05  # seconds after which the last record is repeated, so that a caller can cancel


class ChildEnded(CinrError):
    """A child process ended without a result: it crashed, or was killed."""


@dataclass(frozen=True)
class Outcome:
    """The last message of a task: what it returned or raised."""

    result: Any = None
    error: CinrError | None = None
    peak_bytes: int = 0  # of memory, of all tasks of the child so far; 0 where that is not known


class Child:
    """A child process that does tasks one after the other.

    Parameters
    ----------
    folder : Path
        Holds the calls and the temporary files of the child; the caller removes it.
    title : str
        Begins the message if the child cannot be started.
    command : sequence of str
        Runs a program that calls `child_process.serve`.
    threads : int, optional
        How many the child computes in; by default as many as there are processors.

    Attributes
    ----------
    tasks : int
        How many were begun.
    peak_bytes : int
        The most memory that the child has needed so far; 0 where that is not known.

    Raises
    ------
    CinrError
        If there is no room in the folder, or the child cannot be started.
    """

    def __init__(
        self,
        folder: Path,
        title: str,
        *,
        command: Sequence[str] = CHILD_COMMAND,
        threads: int | None = None,
    ) -> None:
        self.folder, self.tasks, self.peak_bytes = folder, 0, 0
        self._working = False
        with contextlib.ExitStack() as stack:
            with reporting_no_room(folder):
                self._output = stack.enter_context((folder / _OUTPUT_FILE).open("w+b"))
            connection, child_connection = Pipe()
            self._connection = stack.enter_context(connection)
            with child_connection:
                handle = child_connection.fileno()
                self._process = _start(command, handle, folder, self._output, title, threads)
            self._open = stack.pop_all()

    @property
    def ready(self) -> bool:
        """Whether the child lives and has no task."""
        return not self._working and self._process.poll() is None

    def close(self) -> None:
        """Kill the child."""
        self._process.kill()
        self._process.wait()
        self._open.close()

    def run_steps(
        self,
        call: partial[Generator[Any, Any, R]],
        title: str,
        item: Callable[[Any], None] | None = None,
    ) -> Steps[R]:
        """Do a task; where the generator is closed, the child goes on with it until it is killed.

        See `run_in_child`.
        """
        self.tasks += 1
        self._working = True
        with reporting_no_room(self.folder):
            (self.folder / CALL_FILE).write_bytes(pickle.dumps(call))
        last, asked = Progress("starting", 0, 1), False
        self._send(RUN)
        while True:
            try:
                message = self._connection.recv() if self._connection.poll(_HEARTBEAT) else last
            except (EOFError, OSError):  # the child has ended, or is about to
                raise ChildEnded(
                    f"{title}: the child process ended early ({self._reason()})"
                ) from None
            if isinstance(message, Outcome):
                break
            if isinstance(message, Progress):
                last = message
            elif item is not None:
                item(message)
            if (yield last) and not asked:
                asked = True
                self._send(ENOUGH)
        self._working, self.peak_bytes = False, message.peak_bytes
        if message.error is not None:
            raise message.error
        result: R = message.result
        return result

    def _send(self, message: str) -> None:
        with contextlib.suppress(OSError):  # the child has ended, which is found on reading
            self._connection.send(message)

    def _reason(self) -> str:
        """Say how the child died, and the last line that it printed."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it is about to end
            self._process.wait(timeout=10)
        self._process.kill()
        code = self._process.wait()
        reason = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return f"{reason}: {lines[-1]}" if lines else reason


def run_in_child(
    call: partial[Generator[Any, Any, R]],
    folder: Path,
    title: str,
    *,
    item: Callable[[Any], None] | None = None,
    command: Sequence[str] = CHILD_COMMAND,
    threads: int | None = None,
) -> Steps[R]:
    """Run a task in a child process of its own; closing the generator kills the child.

    That the caller has enough, as `Steps` says, is handed on to the task.

    Parameters
    ----------
    call : functools.partial
        A function that returns a generator, and its arguments; all that is sent can be pickled.
    folder, command, threads
        As for `Child`.
    title : str
        Begins the message if the child dies.
    item : callable, optional
        Called with each item of the generator that is no `Progress`.

    Raises
    ------
    CinrError
        What the task raised; or if there is no room for the call, or the child cannot be started.
    ChildEnded
        If the child dies. Its last line of output says why.
    """
    child = Child(folder, title, command=command, threads=threads)
    try:
        return (yield from child.run_steps(call, title, item))
    finally:
        child.close()


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
