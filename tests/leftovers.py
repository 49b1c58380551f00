"""What a test of a widget must not leave behind."""

from __future__ import annotations

import contextlib
import threading

import psutil


def children() -> list[psutil.Process]:
    """Our processes that still run."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one too
            if "napari_cryoinr.workers.child_process" in process.cmdline():
                found.append(process)
    return found


def working() -> list[threading.Thread]:
    """Our threads that still run."""
    return [one for one in threading.enumerate() if one.name.startswith("cryoinr-")]
