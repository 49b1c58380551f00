"""The child process: do one task, and send progress and the result through the connection."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import warnings
from multiprocessing import connection as connections
from pathlib import Path
from typing import Any

from ..errors import CinrError, one_line
from ..progress import drain
from .parent_process import CALL_FILE, Outcome

_NICENESS = 5  # a third of the share of other processes that compete for the processor


def serve() -> None:
    """Do the task of `run_in_child`.

    The last two arguments of the command line are the handle of the connection and the folder of
    the task. The process ends at once if the parent does.
    """
    handle, folder = int(sys.argv[-2]), Path(sys.argv[-1])
    connection = getattr(connections, "PipeConnection", connections.Connection)(handle)
    enough = threading.Event()
    threading.Thread(target=_listen, args=[connection, enough], daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    warnings.simplefilter("ignore")  # the parent has shown them
    call = pickle.loads((folder / CALL_FILE).read_bytes())
    try:
        outcome = Outcome(drain(call(), connection.send, enough.is_set))
    except CinrError as error:
        outcome = Outcome(error=error)
    except (OSError, MemoryError) as error:
        outcome = Outcome(error=CinrError(one_line(error)))
    connection.send(outcome)


def _listen(connection: Any, enough: threading.Event) -> None:
    """Note when the parent asks to end training early, which is all that it sends.

    End with the parent.
    """
    try:
        while True:
            connection.recv()
            enough.set()
    except (EOFError, OSError):
        os._exit(1)


if __name__ == "__main__":
    serve()
