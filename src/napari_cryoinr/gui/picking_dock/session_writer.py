"""Writing sessions in the background: at once, but never on the GUI thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ...errors import CinrError, one_line
from ...picking.particles import Particles
from ...picking.session import Session
from ...picking.session.session_storage import snapshot, write_candidates, write_session

# Python waits for it at its exit: what was marked is written even then.
_THREAD = ThreadPoolExecutor(1, "session-writer")


class SessionWriter:
    """Of several pending writes of one file the latest wins.

    A write that fails, whatever the exception, stays pending for the next change and for `flush`.
    `report` is called in the writing thread with a line for the user, at each failure and when all
    is saved again; `problem` is that line while the last changes are not saved.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.problem: str | None = None
        self._report = report
        self._lock = threading.Lock()  # guards what is pending
        self._pending: dict[Path, Callable[[], None]] = {}

    def write(self, session: Session) -> None:
        """Write settings and marks of a session, unless it has no folder."""
        if session.folder is not None:
            self._submit(session.folder, partial(write_session, session.folder, snapshot(session)))

    def write_candidates(self, session: Session, name: str, candidates: Particles) -> None:
        """Write the candidates of one micrograph of a session, unless it has no folder."""
        folder = session.folder
        if folder is not None:
            self._submit(folder / name, partial(write_candidates, folder, name, candidates))

    def discard(self, folder: Path) -> None:
        """Drop pending writes into a folder, because the session is now stored elsewhere."""
        with self._lock:
            self._pending = {f: w for f, w in self._pending.items() if not f.is_relative_to(folder)}
            if not self._pending:
                self.problem = None

    def flush(self) -> bool:
        """Do all pending writes and wait; return whether all is saved then."""
        try:
            _THREAD.submit(self._write_pending).result()
        except RuntimeError:  # at the exit of Python the thread has ended
            self._write_pending()
        return self.problem is None

    def _submit(self, file: Path, write: Callable[[], None]) -> None:
        with self._lock:
            self._pending[file] = write
        _THREAD.submit(self._write_pending)

    def _write_pending(self) -> None:
        with self._lock:
            writes, self._pending = self._pending, {}
        problem = None
        for file, write in writes.items():
            try:
                write()
            except BaseException as error:  # noqa: BLE001 - no exception may lose later changes
                known = isinstance(error, CinrError | OSError)
                reason = f"{'' if known else type(error).__name__ + ': '}{one_line(error)}"
                problem = (
                    f"The session could not be saved: {reason}; the next change tries again, or"
                    " choose another folder for it"
                )
                with self._lock:
                    self._pending.setdefault(file, write)
        if writes and (problem or self.problem):
            self.problem = problem
            with contextlib.suppress(RuntimeError):  # Qt has deleted the widget that shows it
                self._report(problem or "The session is saved again.")
