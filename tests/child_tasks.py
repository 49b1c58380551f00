"""Tasks for the tests of child processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

from napari_cryoinr.progress import Progress, Steps

_PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})
from napari_cryoinr.workers.child_process import serve
serve()
"""
COMMAND = (sys.executable, "-P", "-c", _PROGRAM)


def talk_task(text: str) -> Steps[str]:
    """Print to both streams, as libraries do, and on the level of the system too."""
    print(text)
    print(text, file=sys.stderr)
    os.write(1, text.encode())
    yield Progress("talking", 1, 2)
    return text


def item_task(count: int) -> Generator[Progress | float, None, int]:
    """Yield items on the way."""
    for number in range(count):
        yield number / 3
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


def train_task() -> Steps[str]:
    """Train until that is enough for the caller; return what was done."""
    while True:
        if (yield Progress("training", 1, 2)):
            break
        time.sleep(0.01)
    asked = yield Progress("coding", 1, 2)
    return f"trained, and asked {asked}"


def wait_task() -> Steps[None]:
    """Never end."""
    while True:
        yield Progress(f"process {os.getpid()}", 1, 2)
        time.sleep(0.01)
