"""How much memory a read may take and a process took, and freed memory for the system."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path

_UNKNOWN_MACHINE = 16 << 30  # bytes assumed where the system does not say
# What a container or a batch system allows this process, in cgroup versions 2 and 1.
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@lru_cache(maxsize=1)
def default_memory_limit() -> int:
    """Bytes that one file may make this process allocate: half of the machine's memory."""
    sizes = [_machine_memory()]
    for path in _CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            sizes.append(int(Path(path).read_text()))
    return min(sizes) // 2


def _machine_memory() -> int:
    if sys.platform == "win32":
        status = (ctypes.c_ulonglong * 8)(64)  # MEMORYSTATUSEX; the first field is its own length
        found = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status[1]) if found else _UNKNOWN_MACHINE
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return _UNKNOWN_MACHINE


def peak_resident() -> int | None:
    """Return the most bytes that were resident so far; None where the system does not report it."""
    # On Linux getrusage would not do: a process inherits the figure of the one that started it.
    if sys.platform.startswith("linux"):
        for line in Path("/proc/self/status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "darwin":  # in bytes
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def trim_heap() -> None:
    """Return freed memory to the system, where the C library can be asked to.

    glibc cuts arrays of up to 32 MiB from one heap and keeps the holes that they leave, into which
    what comes next does not fit: without this a process holds far more than it uses.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
