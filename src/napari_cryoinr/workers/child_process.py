"""The child's side: do one task, and send progress and the result through the connection."""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import CinrError
from ..progress import Progress, RateLimit, Steps, drain
from ..support.records import to_dict
from .parent_process import TASK_FILE
from .task_calls import call_from_json, result_to_json

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection

_NICENESS = 5  # a third of the share of other processes, where they want all of the processor

_connection: list[Connection] = []  # to the parent, once `serve` was called


def serve(tasks: Iterable[Callable[..., Steps[Any]]]) -> None:
    """Do the one of these tasks that the parent asks for.

    The last two arguments of the command line are the handle of the connection and the folder of
    the task. The process ends at once if the parent does: the connection is closed then.
    """
    handle, folder = int(sys.argv[-2]), Path(sys.argv[-1])
    if sys.platform != "win32":
        os.set_inheritable(handle, False)
    _connection.append(Connection(handle))
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    order = json.loads((folder / TASK_FILE).read_text())
    if order["background"] and hasattr(os, "nice"):
        os.nice(_NICENESS)
    warnings.simplefilter("ignore")  # the parent has shown what there is to warn of
    limit = RateLimit()

    def report(record: Progress) -> None:
        if limit.allows(record):
            _send(progress=asdict(record))

    try:
        call = call_from_json(order, {task.__name__: task for task in tasks})
        result = drain(call(), report)
    except (CinrError, OSError, MemoryError) as error:
        name = type(error).__name__
        _send(error=str(error) or name, **{"class": name})
    else:
        _send(result=result_to_json(call.func, result))


def emit(record: Any) -> None:
    """Send a record to the parent as an intermediate result of the task."""
    _send(item=to_dict(record))


def _send(**message: Any) -> None:
    _connection[0].send_bytes(json.dumps(message).encode())


def _exit_with_parent() -> None:
    try:
        _connection[0].recv_bytes()  # the parent sends nothing: this returns when it is gone
    except (EOFError, OSError):
        os._exit(1)
