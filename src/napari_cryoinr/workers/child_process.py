"""What a process of its own says: progress in lines of JSON, then its result or an error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..errors import CinrError
from ..progress import Steps, drain

_REPORT_SECONDS = 0.05
_STEP_BACK = 5  # a third of the share of others, where they want all of the processor


def serve(work: Callable[[Any], Steps[Any]], *, background: bool = False) -> None:
    """Do the job that comes as a line of JSON on standard input.

    The process ends when standard input does: whoever gave the job is gone then.

    Parameters
    ----------
    work : makes the generator that does a job; its result is JSON data.
    background : leave the processor to others who want it.
    """
    warnings.simplefilter("ignore")  # the process that gave the job has shown them
    if background and hasattr(os, "nice"):
        os.nice(_STEP_BACK)
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    told = -1.0

    def report(record: Any) -> None:
        nonlocal told
        now = time.monotonic()
        # What a record tells of an outcome is shown as a curve: none of those is left out.
        if now - told >= _REPORT_SECONDS or record.loss is not None or record.bytes_so_far:
            told = now
            _say({"progress": asdict(record)})

    try:
        result = drain(work(job), report)
    except (CinrError, OSError, MemoryError) as error:
        _say({"error": str(error) or type(error).__name__, "kind": type(error).__name__})
    else:
        _say({"result": result})


def _leave_with_the_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock a thread must not hold at the end
        pass
    os._exit(1)


def _say(what: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(json.dumps(what).encode() + b"\n")
        sys.stdout.buffer.flush()
