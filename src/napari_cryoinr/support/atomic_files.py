"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`, which takes its place if the block succeeds.

    The file is synced before it is renamed, and removed if the block fails or is cancelled. The
    suffix of the target is kept, for libraries that look at it.

    Raises
    ------
    OSError
        if the folder cannot be written to.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing to the file, which is replaced
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file name")
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem}-", suffix=f".part{path.suffix}", dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        os.chmod(temporary, _usual_mode(path))
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _usual_mode(path: Path) -> int:
    """Permissions of the file that is replaced, or those of a new file: mkstemp gives 0600."""
    if path.exists():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, beside its target, and rename it."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
