"""One child process for many tasks, so that its start counts once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ..progress import Steps
from ..support.atomic_files import new_temporary_folder
from .parent_process import Child

R = TypeVar("R")
_MOST_TASKS = 64
_MOST_BYTES = 2 << 30


class ReusedChild:
    """A child process for many tasks, one after the other.

    It begins with the first one. Before a task another process takes its place if it has died, was
    left in the middle of a task, has done many, or has needed much memory, some of which it would
    keep. At the end of the block it is killed.

    Parameters
    ----------
    threads : int, optional
        How many the child computes in; by default as many as there are processors.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._child: Child | None = None

    def __enter__(self) -> ReusedChild:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process, and remove its temporary files."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
            shutil.rmtree(child.folder, ignore_errors=True)

    def run_steps(
        self,
        call: partial[Generator[Any, Any, R]],
        title: str,
        *,
        out: str = "",
        made: Callable[[Path, R], object] | None = None,
    ) -> Steps[R]:
        """Do a task; the child is killed if the generator is closed.

        Parameters
        ----------
        call : functools.partial
            As for `run_in_child`; it gets the path `out` as its last argument, if there is one.
        title : str
            Begins the message if the child dies.
        out : str, optional
            Name of a temporary file that the task writes.
        made : callable, optional
            Called with the path of that file, and the result.
        """
        child = self._ready(title)
        place = child.folder / "out"
        place.mkdir()
        try:
            whole = partial(call, place / out) if out else call
            result = yield from child.run_steps(whole, title)
            if made is not None:
                made(place / out, result)
        finally:
            if not child.ready:
                self.close()
            shutil.rmtree(place, ignore_errors=True)
        return result

    def _ready(self, title: str) -> Child:
        child = self._child
        if child is not None and (
            not child.ready or child.tasks >= _MOST_TASKS or child.peak_bytes > _MOST_BYTES
        ):
            self.close()
        if self._child is None:
            folder = new_temporary_folder()
            try:
                self._child = Child(folder, title, threads=self._threads)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return self._child
