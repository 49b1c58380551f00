"""Files that appear complete or not at all, and temporary folders; leftovers are cleared.

The names of temporary files and folders say which process made them. A process that was killed
leaves them behind; the next one that writes to the same place removes them, if their process is
provably gone.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

_FILE, _FOLDER = ".cryoinr-", "cryoinr-"  # how temporary names begin
_LONGEST_SUFFIX = 32  # bytes


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`, which takes its place if the block succeeds.

    The file is synced before it is renamed, and removed if the block fails or is cancelled. The
    suffix of the target is kept, for libraries that look at it.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    path = Path(os.path.realpath(path))  # a link keeps pointing to the file, which is replaced
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file name")
    _clear_leftovers(path.parent, _FILE)
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    # Not after the target's name, which may be as long as the system allows.
    temporary = path.parent / f"{_FILE}{_owner()}-{secrets.token_hex(4)}.part{suffix}"
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


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file beside its target, and rename it."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def new_temporary_folder() -> Path:
    """A folder for temporary files of this process, which the caller removes."""
    parent = Path(tempfile.gettempdir())
    _clear_leftovers(parent, _FOLDER)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{_owner()}-", dir=parent))


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for temporary files, removed with all that is in it at the end of the block."""
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
    """This process as a part of a name: machine, process id, start of the process."""
    return f"{_machine()}-{os.getpid()}-{_start_of(os.getpid())}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """What tells the machines apart that share a folder, and containers on one machine."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/etc/machine-id").read_text())
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))  # process ids mean something in it only
    return _short_hash("\n".join(parts))


def _start_of(process: int) -> str:
    """When a process started, to tell it from a later one with the same id; "0" if not known."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return _short_hash(boot + status.rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return "0"


def _short_hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=4).hexdigest()


def _is_dead(name: str, prefix: str) -> bool:
    """Whether the process that made a temporary name is gone for certain."""
    parts = name.removeprefix(prefix).split("-")
    if os.name != "posix" or len(parts) != 4 or parts[0] != _machine() or not parts[1].isdigit():
        return False
    process, start = int(parts[1]), parts[2]
    try:
        os.kill(process, 0)  # only asks whether it exists
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return "0" not in (start, _start_of(process)) and start != _start_of(process)


@lru_cache(maxsize=256)
def _clear_leftovers(folder: Path, prefix: str) -> None:
    """Remove what dead processes left in a folder; once for each folder is enough."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        dead = [Path(e.path) for e in entries if e.name.startswith(prefix) and _is_ours(e, prefix)]
        for path in dead:
            if prefix == _FOLDER:
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_ours(entry: os.DirEntry[str], prefix: str) -> bool:
    """Whether a leftover is a file, or a folder, of this user that nobody needs any more."""
    right_kind = entry.is_dir if prefix == _FOLDER else entry.is_file
    return (
        right_kind(follow_symlinks=False)
        and entry.stat(follow_symlinks=False).st_uid == os.getuid()
        and _is_dead(entry.name, prefix)
    )
