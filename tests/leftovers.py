"""What a test must not leave behind."""

from __future__ import annotations

import contextlib
import threading

import psutil


def children() -> list[psutil.Process]:
    """Child processes of ours that still run."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one too
            if "napari_cryoinr.workers" in process.cmdline():
                found.append(process)
    return found


def working() -> list[threading.Thread]:
    """Threads of ours that still run."""
    from napari_cryoinr.gui.jobs import job
    from napari_cryoinr.gui.picking_dock import session_saver

    names = (job.THREAD_NAME, session_saver.THREAD_NAME)
    return [thread for thread in threading.enumerate() if thread.name in names]
