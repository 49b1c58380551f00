"""Writing sessions behind the user's back: at once, but never on the GUI thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...errors import CinrError
from ...picking.particles import Particles
from ...picking.session import Session
from ...picking.session.session_storage import snapshot, write_candidates, write_session

THREAD_NAME = "cryoinr-saver"


class Saver:
    """Writes what was wished last; a wish for the same file replaces one that waits.

    Parameters
    ----------
    failed : called in another thread with one line, if something cannot be written.
    """

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._wishes: dict[Path, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._writing = False

    def save(self, session: Session) -> None:
        """Write a session's table, unless it is one that is not kept."""
        if session.folder is not None:
            self._wish(session.folder, partial(write_session, session.folder, snapshot(session)))

    def save_candidates(self, session: Session, name: str, candidates: Particles) -> None:
        """Write what was found in a micrograph."""
        folder = session.folder
        if folder is not None:
            self._wish(folder / name, partial(write_candidates, folder, name, candidates))

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all is written; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._writing, seconds)

    def _wish(self, key: Path, write_it: Callable[[], None]) -> None:
        with self._changed:
            self._wishes[key] = write_it
            if self._writing:
                return
            self._writing = True
        # No daemon: what was clicked is written even if the program ends just now.
        threading.Thread(target=self._work, name=THREAD_NAME).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._wishes:
                    self._writing = False
                    self._changed.notify_all()
                    return
                key = next(iter(self._wishes))
                write_it = self._wishes.pop(key)
            try:
                write_it()
            except (CinrError, OSError) as error:
                line = " ".join(str(error).split())
                self._failed(f"The session cannot be saved: {line}; choose another folder for it")
