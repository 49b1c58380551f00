"""The child process: do tasks, and send progress and results through the connection."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import warnings
from multiprocessing import connection as connections
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..errors import CinrError, one_line
from ..progress import drain
from ..support.memory import peak_resident
from .parent_process import CALL_FILE, ENOUGH, Outcome

_NICENESS = 5  # a third of the share of other processes that compete for the processor


def serve() -> None:
    """Do the tasks of a `Child`, one after the other.

    The last two arguments of the command line are the handle of the connection and the folder of
    the child. The process ends at once if the parent does.
    """
    handle, folder = int(sys.argv[-2]), Path(sys.argv[-1])
    connection = getattr(connections, "PipeConnection", connections.Connection)(handle)
    enough = threading.Event()
    calls: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=[connection, calls, enough], daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    warnings.simplefilter("ignore")  # the parent has shown them
    while True:
        calls.get()
        connection.send(_outcome(folder / CALL_FILE, connection, enough))


def _outcome(call: Path, connection: Any, enough: threading.Event) -> Outcome:
    """Do one task."""
    try:
        task = pickle.loads(call.read_bytes())
        result, error = drain(task(), connection.send, enough.is_set), None
    except CinrError as raised:
        result, error = None, raised.with_traceback(None)
    except (OSError, MemoryError) as raised:
        result, error = None, CinrError(one_line(raised))
    return Outcome(result, error, peak_resident() or 0)


def _listen(connection: Any, calls: SimpleQueue[str], enough: threading.Event) -> None:
    """Take what the parent sends; end with the parent."""
    try:
        while True:
            message = connection.recv()
            if message == ENOUGH:
                enough.set()
            else:
                enough.clear()
                calls.put(message)
    except (EOFError, OSError):
        os._exit(1)


if __name__ == "__main__":
    serve()
