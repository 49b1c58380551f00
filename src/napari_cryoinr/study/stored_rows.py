"""Rows on disk: one line of JSON each, written as soon as it is measured.

A study that is stopped at any moment, by whatever, leaves every row that was finished. A line that
was cut short is no row.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import CinrError, OutputError
from ..support import records
from .measured import Measured
from .tasks import Task

ROWS_NAME = "rows.jsonl"


class StoredRows:
    """The rows of a folder, by the keys of their tasks."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ROWS_NAME
        self._rows = dict(_read(self._path)) if self._path.exists() else {}

    def __contains__(self, task: Task) -> bool:
        return task.key in self._rows

    def get(self, task: Task) -> Measured | None:
        """Return what was measured; None where nothing was."""
        return self._rows.get(task.key)

    def add(self, task: Task, measured: Measured) -> None:
        """Store a row, for good when this returns."""
        row = {"key": task.key, "title": task.title, "measured": records.to_dict(measured)}
        line = json.dumps(row) + "\n"
        with self._path.open("ab") as file:
            if file.tell() and not _ends_a_line(self._path):
                file.write(b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._rows[task.key] = measured


def check_folder(folder: Path, names: list[str]) -> None:
    """Make the folder of a study, or refuse one in which another's files would be replaced.

    Raises
    ------
    OutputError
        If it is a file, or has a file of one of these names and no rows of a study.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder}: is a file; give a folder") from None
    if (folder / ROWS_NAME).exists():
        return
    for name in names:
        if (folder / name).exists():
            raise OutputError(
                f"{folder / name}: exists, and the folder holds no study; give another folder"
            )
    (folder / ROWS_NAME).touch()


def _read(path: Path) -> Iterator[tuple[str, Measured]]:
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, CinrError):
            row = json.loads(line)
            yield str(row["key"]), Measured.from_dict(row["measured"])


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
