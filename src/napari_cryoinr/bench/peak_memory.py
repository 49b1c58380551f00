"""The largest memory that this process ever had."""

from __future__ import annotations

import sys


def peak_resident() -> int | None:
    """Bytes that were resident at most so far; None where the system does not tell.

    Linux: VmHWM of /proc/self/status. getrusage would not do there, since a process inherits the
    figure of the one that started it. macOS: ru_maxrss, in bytes.
    """
    if sys.platform.startswith("linux"):
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None
