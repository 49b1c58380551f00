"""A program with tasks for the tests of child processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from napari_cryoinr.progress import Progress, Steps
from napari_cryoinr.workers.child_process import emit, serve
from napari_cryoinr.workers.stored_data import StoredMicrograph

COMMAND = (sys.executable, "-P", str(Path(__file__).resolve()))


def talk_task(text: str) -> Steps[str]:
    """Print to both streams, as libraries do, and on the level of the system too."""
    print(text)
    print(text, file=sys.stderr)
    os.write(1, text.encode())
    yield Progress("talking", 1, 2)
    return text


def emit_task(count: int) -> Steps[int]:
    """Send records on the way."""
    for number in range(count):
        emit(StoredMicrograph(str(number), "name", True, number / 3))
    yield Progress("sending", 1, 1)
    return count


def die_task(how: str) -> Steps[None]:
    """End without a result."""
    yield Progress("dying", 1, 2)
    print("some other output")
    if how == "signal":
        os.kill(os.getpid(), 9)
    if how == "exit":
        os._exit(3)
    raise ZeroDivisionError("no luck")


def wait_task() -> Steps[None]:
    """Never end."""
    while True:
        yield Progress(f"process {os.getpid()}", 1, 2)
        time.sleep(0.01)


TASKS = (talk_task, emit_task, die_task, wait_task)

if __name__ == "__main__":
    serve(TASKS)
