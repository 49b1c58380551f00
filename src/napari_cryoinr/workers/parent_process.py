"""The parent's side of a child process: start it with one task, pass on its progress, end it.

The child has its own memory, can be killed at any moment, and never holds the interpreter of the
parent: importing PyTorch alone stops every other thread of a process for a fifth of a second.

The call goes as JSON through a file in the folder of the task, arrays through files beside it.
Progress, intermediate results, the result and errors come back as JSON through a connection of its
own, so that whatever a library prints in the child does no harm; that ends up in a file, whose last
line says why if the child dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import IO, Any, TypeVar

from .. import errors
from ..errors import CinrError
from ..progress import Progress, Steps
from .task_calls import call_to_json, result_from_json

R = TypeVar("R")
TASK_FILE = "task.json"
_OUTPUT_FILE = "output.txt"
_HEARTBEAT = 0.05  # seconds after which the last record is repeated, so that a caller can cancel
_ERROR_CLASSES: dict[str, type[CinrError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CinrError)
}


def python_command(module: str) -> list[str]:
    """The command that runs a module of this package with the Python of this process.

    With `-P` the child imports nothing from the working directory.
    """
    return [sys.executable, "-P", "-m", f"{__name__.split('.')[0]}.{module}"]


def run_in_child(
    call: partial[Steps[R]],
    folder: Path,
    title: str,
    *,
    item: Callable[[Any], None] | None = None,
    command: Sequence[str] = tuple(python_command("workers")),
    background: bool = True,
) -> Steps[R]:
    """Run a task in a child process; closing the generator kills the child.

    Parameters
    ----------
    call : functools.partial
        A task that the child serves, with its arguments; see `task_calls`.
    folder : Path
        Holds the files of the task and the temporary files of the child; the caller removes it.
    title : str
        Begins the message if the child dies.
    item : callable, optional
        Gets each intermediate result as JSON data, in the thread that runs this generator.
    command : sequence of str
        Runs a program that calls `child_process.serve`.
    background : bool
        Run with a lower priority than other programs.

    Returns
    -------
    R
        What the task returned.

    Raises
    ------
    CinrError
        Of the class that the task raised; or if the child cannot be started, or dies.
    OSError
        If the arguments cannot be written.
    """
    order = call_to_json(call) | {"background": background}
    (folder / TASK_FILE).write_text(json.dumps(order))
    connection, end_of_child = Pipe()
    with connection, (folder / _OUTPUT_FILE).open("w+b") as output:
        with end_of_child:
            handle = end_of_child.fileno()
            options = _platform_options(handle, background)
            process = _start([*command, str(handle), str(folder)], folder, output, title, options)
        try:
            last = Progress("starting", 0, 1)
            while True:
                try:
                    message = _receive(connection)
                except (EOFError, OSError):
                    break  # the child has ended, or is about to
                if "result" in message:
                    return result_from_json(call.func, message["result"])
                if "error" in message:
                    raise _ERROR_CLASSES.get(message["class"], CinrError)(message["error"])
                if "item" in message and item is not None:
                    item(message["item"])
                if "progress" in message:
                    last = Progress(**message["progress"])
                yield last
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()
        raise CinrError(f"{title}: the child process ended early ({_reason(output, process)})")


def _receive(connection: Any) -> dict[str, Any]:
    """The next message; an empty one if none comes soon."""
    return json.loads(connection.recv_bytes()) if connection.poll(_HEARTBEAT) else {}


def _platform_options(handle: int, background: bool) -> dict[str, Any]:
    """Arguments of Popen that let the child have its end of the connection."""
    if sys.platform != "win32":
        return {"pass_fds": [handle]}  # the child lowers its priority itself
    os.set_handle_inheritable(handle, True)
    flags = subprocess.CREATE_NO_WINDOW
    if background:
        flags |= subprocess.BELOW_NORMAL_PRIORITY_CLASS
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
    return {"startupinfo": startup, "creationflags": flags}


def _start(
    command: list[str], folder: Path, output: IO[bytes], title: str, options: dict[str, Any]
) -> subprocess.Popen[bytes]:
    """Start the child; its temporary files go to the folder."""
    environment = os.environ | {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
    try:
        return subprocess.Popen(command, env=environment, **streams, **options)
    except OSError as error:
        raise CinrError(f"{title}: {command[0]} cannot be started ({error.strerror})") from error


def _reason(output: IO[bytes], process: subprocess.Popen[bytes]) -> str:
    """How a child died, and the last line that it printed."""
    code = process.returncode
    reason = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f"{reason}: {lines[-1]}" if lines else reason
