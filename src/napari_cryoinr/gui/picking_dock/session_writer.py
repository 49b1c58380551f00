"""Writing sessions in the background: at once, but never on the GUI thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...errors import CinrError, one_line
from ...picking.particles import Particles
from ...picking.session import Session
from ...picking.session.session_storage import snapshot, write_candidates, write_session

THREAD_NAME = "cryoinr-session-writer"

Write = Callable[[], None]


class SessionWriter:
    """A coalescing writer: of several pending writes of one file the latest wins.

    A write that fails, whatever the exception, is reported and stays pending: it is done again with
    the next change, and by `flush`. Not a Qt object: it outlives the widget.

    Parameters
    ----------
    report : called in the writing thread with one line for the user, at each failure and when a
        write succeeds again.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._condition = threading.Condition()  # guards all that follows
        self._pending: dict[Path, Write] = {}
        self._failed: dict[Path, Write] = {}
        self._problem: str | None = None
        self._writing = False

    @property
    def problem(self) -> str | None:
        """Why the last changes are not saved, in a line; None if they are or soon will be."""
        with self._condition:
            return self._problem

    def write(self, session: Session) -> None:
        """Write settings and marks of a session, unless it has no folder."""
        if session.folder is not None:
            self._submit(session.folder, partial(write_session, session.folder, snapshot(session)))

    def write_candidates(self, session: Session, name: str, candidates: Particles) -> None:
        """Write the candidates of one micrograph of a session, unless it has no folder."""
        folder = session.folder
        if folder is not None:
            self._submit(folder / name, partial(write_candidates, folder, name, candidates))

    def flush(self, seconds: float = 10.0) -> bool:
        """Do all pending writes, those that failed too, and wait; whether all is saved then."""
        with self._condition:
            self._start()
            self._condition.wait_for(lambda: not self._writing, seconds)
            return not self._writing and self._problem is None

    def discard(self, folder: Path) -> None:
        """Forget the writes into a folder: the session is kept elsewhere."""
        with self._condition:
            for writes in (self._pending, self._failed):
                for file in [file for file in writes if file.is_relative_to(folder)]:
                    del writes[file]
            if not self._failed:
                self._problem = None

    def _submit(self, file: Path, write: Write) -> None:
        with self._condition:
            self._pending[file] = write
            self._start()

    def _start(self) -> None:
        """Let a thread do what is pending; the condition is held."""
        self._pending = self._failed | self._pending
        self._failed = {}
        if self._pending and not self._writing:
            # Not a daemon: what was clicked is written even if the program ends now.
            threading.Thread(target=self._run, name=THREAD_NAME).start()
            self._writing = True

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._pending:
                    self._writing = False
                    self._condition.notify_all()
                    return
                file = next(iter(self._pending))
                write = self._pending.pop(file)
            try:
                write()
            except BaseException as error:  # noqa: BLE001 - the thread must go on, whatever it is
                self._on_failure(file, write, error)
            else:
                self._on_success()

    def _on_failure(self, file: Path, write: Write, error: BaseException) -> None:
        reason = one_line(error)
        if not isinstance(error, CinrError | OSError):
            reason = f"{type(error).__name__}: {reason}"
        line = (
            f"The session could not be saved: {reason}; the next change tries again, or choose"
            " another folder for it"
        )
        with self._condition:
            self._problem = line
            if file not in self._pending:
                self._failed[file] = write
        self._tell(line)

    def _on_success(self) -> None:
        with self._condition:
            recovered = bool(self._problem) and not self._failed and not self._pending
            if recovered:
                self._problem = None
        if recovered:
            self._tell("The session is saved again.")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(RuntimeError):  # Qt has deleted the widget that shows it
            self._report(line)
