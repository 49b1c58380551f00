"""Files that appear complete or not at all, and temporary folders; leftovers are cleared.

The names of temporary files and folders say which process made them. A process that was killed
leaves them behind; the next one that writes to the same place removes them if their process does
not exist any more.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

_PREFIX = "cryoinr-"  # of temporary names
_LONGEST_SUFFIX = 32  # bytes


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, which takes its place if the block succeeds.

    The file is synced before it is renamed, and removed if the block fails or is cancelled. The
    suffix of the target is kept, for libraries that look at it.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing to the file, which is replaced
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file name")
    _clear_leftovers(path.parent)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    # Not after the target's name, which may be as long as the system allows.
    temporary = path.parent / f".{_PREFIX}{_owner()}-{secrets.token_hex(4)}.part{suffix}"
    os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which takes its place if the block succeeds.

    What was there is removed after that, and stays as it was if the block fails or is cancelled.
    """
    path = Path(os.path.realpath(path))
    _clear_leftovers(path.parent)
    name = f".{_PREFIX}{_owner()}-{secrets.token_hex(4)}"
    temporary, old = path.parent / f"{name}.part", path.parent / f"{name}.old"
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file beside its target, and rename it."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def new_temporary_folder() -> Path:
    """Make a folder for temporary files of this process, which the caller removes."""
    parent = Path(tempfile.gettempdir())
    _clear_leftovers(parent)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{_owner()}-", dir=parent))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder for temporary files, removed with its content at the end of the block."""
    folder = new_temporary_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# ------------------------------------------------------------------ leftovers of killed processes


def _owner() -> str:
    """Return this process as a part of a name: machine and process id."""
    return f"{_machine()}-{os.getpid()}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a hash of where process ids have their meaning: the machine, or a container on it."""
    name = platform.node()
    with contextlib.suppress(OSError):
        name += os.readlink("/proc/self/ns/pid")
    return blake2b(name.encode(), digest_size=4).hexdigest()


@lru_cache(maxsize=256)
def _clear_leftovers(folder: Path) -> None:
    """Remove what dead processes left in a folder; once for each folder is enough."""
    with contextlib.suppress(OSError):
        for path in filter(_is_left_over, folder.iterdir()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_left_over(path: Path) -> bool:
    """Return whether the process that made a temporary file or folder is gone for certain."""
    owner = re.fullmatch(rf"\.?{_PREFIX}{_machine()}-(\d{{1,9}})-.*", path.name)
    if owner is None or os.name != "posix":  # elsewhere `os.kill` ends the process
        return False
    try:
        os.kill(int(owner[1]), 0)  # only asks whether it exists
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
