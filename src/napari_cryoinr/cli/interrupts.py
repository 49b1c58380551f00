"""What Ctrl-C does while something is trained."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Self

from ..progress import Progress
from .common_options import echo

_FINISHING = "finishing with what was reached; press Ctrl-C again to cancel"


class Interrupts:
    """The first Ctrl-C during a training says that there is enough; any other cancels.

    This holds while the object is entered, where Ctrl-C raises `KeyboardInterrupt` otherwise: in
    the main thread, and unless whoever started the program has it ignored.
    """

    def __init__(self) -> None:
        self._enough = self._training = self._handled = False

    def enough(self) -> bool:
        """Whether training is to end early."""
        return self._enough

    def watching(self, report: Callable[[Progress], None] | None) -> Callable[[Progress], None]:
        """Return what notes from each record whether something is trained, and passes it on."""

        def watch(record: Progress) -> None:
            self._training = record.is_training
            if report is not None:
                report(record)

        return watch

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        self._handled = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._handled:
            signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _on_interrupt(self, number: int, frame: Any) -> None:
        if self._enough or not self._training:
            signal.default_int_handler(number, frame)
        self._enough = True
        after = "\n" if sys.stderr.isatty() else ""  # the terminal has shown ^C
        with contextlib.suppress(RuntimeError):  # it came in the middle of another line
            echo(f"{after}{_FINISHING}", err=True)
