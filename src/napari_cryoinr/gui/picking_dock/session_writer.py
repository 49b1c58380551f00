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

Write = Callable[[], None]


class SessionWriter:
    """A coalescing writer: of several pending writes of one file the latest wins.

    A write that fails, whatever the exception, is reported and stays pending: it is tried again
    with the next change, and by `flush`. Not a Qt object: it outlives the widget.

    Parameters
    ----------
    report : called in the writing thread with a line for the user, at each failure and when all is
        saved again.

    Attributes
    ----------
    problem : why the last changes are not saved, in a line; None if they are or soon will be.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.problem: str | None = None
        self._report = report
        self._lock = threading.Lock()  # guards what is pending
        self._pending: dict[Path, Write] = {}
        self._thread: ThreadPoolExecutor | None = None

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
        """Forget pending writes into a folder, because the session is kept elsewhere."""
        with self._lock:
            for file in [file for file in self._pending if file.is_relative_to(folder)]:
                del self._pending[file]
            if not self._pending:
                self.problem = None

    def flush(self, seconds: float = 10.0) -> bool:
        """Do all pending writes and wait; whether all is saved then."""
        try:
            self._executor().submit(self._write_pending).result(seconds)
        except TimeoutError:
            return False
        return self.problem is None

    def close(self) -> None:
        """Do all pending writes, and end the thread."""
        if self._thread is not None:
            self.flush()
            self._thread.shutdown(wait=False)
            self._thread = None

    def _executor(self) -> ThreadPoolExecutor:
        """One thread. Python waits for it at its exit: what was marked is written even then."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "cryoinr-session-writer")
        return self._thread

    def _submit(self, file: Path, write: Write) -> None:
        with self._lock:
            self._pending[file] = write
        self._executor().submit(self._write_pending)

    def _write_pending(self) -> None:
        with self._lock:
            writes, self._pending = self._pending, {}
        problem = None
        for file, write in writes.items():
            try:
                write()
            except BaseException as error:  # noqa: BLE001 - no exception may lose later changes
                problem = _failure_line(error)
                with self._lock:
                    self._pending.setdefault(file, write)
        if writes and (problem or self.problem):
            self.problem = problem
            with contextlib.suppress(RuntimeError):  # Qt has deleted the widget that shows it
                self._report(problem or "The session is saved again.")


def _failure_line(error: BaseException) -> str:
    reason = one_line(error)
    if not isinstance(error, CinrError | OSError):
        reason = f"{type(error).__name__}: {reason}"
    return (
        f"The session could not be saved: {reason}; the next change tries again, or choose another"
        " folder for it"
    )
